// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/yaml_walk.h"
#include "base/mem.h"

#include <ctype.h>
#include <string.h>
#include <yaml.h>

/*
 * libyaml's events, with a stack of the open collections. Aliases, which make a short text a long walk, are refused, and
 * so is whatever settings have no use for.
 */

struct yaml_walk_level {
	size_t path_len; /* of what is above */
	int is_list;
	int has_key; /* path ends with a key, whose value comes next */
};

struct yaml_walk {
	yaml_parser_t parser;
	unsigned int line;
	int documents;
	struct yaml_walk_level levels[YAML_DEPTH_MAX];
	size_t depth;
	char path[YAML_PATH_MAX];
	size_t path_len;
	yaml_fn fn;
	void *ctx;
	struct err *err;
};

static int yaml_walk_fail(const struct yaml_walk *walk, const char *what)
{
	return err_set(walk->err, -EBADMSG, "line %u of its settings: %s", walk->line, what);
}

static int yaml_walk_enter_key(struct yaml_walk *walk, const char *key)
{
	size_t len = strlen(key);

	for (const char *p = key; *p; p++) {
		if (iscntrl((unsigned char)*p))
			return yaml_walk_fail(walk, "a key with a control character");
	}
	if (walk->path_len + len + 2 > sizeof(walk->path))
		return yaml_walk_fail(walk, "the keys are too long");
	if (walk->path_len)
		walk->path[walk->path_len++] = '\t';
	memcpy(walk->path + walk->path_len, key, len + 1);
	walk->path_len += len;
	return 0;
}

static struct yaml_walk_level *yaml_walk_top(struct yaml_walk *walk)
{
	return walk->depth ? &walk->levels[walk->depth - 1] : NULL;
}

/* Before a value: where it is. */
static int yaml_walk_begin_value(struct yaml_walk *walk)
{
	struct yaml_walk_level *top = yaml_walk_top(walk);

	if (top && top->is_list)
		return yaml_walk_enter_key(walk, "-");
	return top && !top->has_key ? yaml_walk_fail(walk, "a key that is no word") : 0;
}

static void yaml_walk_end_value(struct yaml_walk *walk)
{
	struct yaml_walk_level *top = yaml_walk_top(walk);

	if (!top)
		return;
	top->has_key = 0;
	walk->path_len = top->path_len;
	walk->path[walk->path_len] = '\0';
}

static int yaml_walk_open(struct yaml_walk *walk, int is_list)
{
	int r = yaml_walk_begin_value(walk);

	if (r < 0)
		return r;
	if (walk->depth == YAML_DEPTH_MAX)
		return yaml_walk_fail(walk, "it is nested too deeply");
	walk->levels[walk->depth++] =
		(struct yaml_walk_level){ .path_len = walk->path_len, .is_list = is_list };
	return 0;
}

static int yaml_walk_close(struct yaml_walk *walk)
{
	walk->depth--;
	yaml_walk_end_value(walk);
	return 0;
}

static int yaml_walk_scalar(struct yaml_walk *walk, const char *value, size_t len)
{
	struct yaml_walk_level *top = yaml_walk_top(walk);
	int r;

	if (strlen(value) != len)
		return yaml_walk_fail(walk, "a word with a NUL in it");
	if (top && !top->is_list && !top->has_key) {
		top->has_key = 1;
		return yaml_walk_enter_key(walk, value);
	}
	r = yaml_walk_begin_value(walk);
	if (r == 0)
		r = walk->fn(walk->ctx, walk->path, value, walk->err);
	yaml_walk_end_value(walk);
	return r;
}

static int yaml_walk_event(struct yaml_walk *walk, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return walk->documents++ ? yaml_walk_fail(walk, "a second document") : 0;
	case YAML_ALIAS_EVENT:
		return yaml_walk_fail(walk, "an alias");
	case YAML_SCALAR_EVENT:
		if (event->data.scalar.anchor || event->data.scalar.tag)
			return yaml_walk_fail(walk, "an anchor or a tag");
		return yaml_walk_scalar(walk, (const char *)event->data.scalar.value,
					event->data.scalar.length);
	case YAML_MAPPING_START_EVENT:
		if (event->data.mapping_start.anchor || event->data.mapping_start.tag)
			return yaml_walk_fail(walk, "an anchor or a tag");
		return yaml_walk_open(walk, 0);
	case YAML_SEQUENCE_START_EVENT:
		if (event->data.sequence_start.anchor || event->data.sequence_start.tag)
			return yaml_walk_fail(walk, "an anchor or a tag");
		return yaml_walk_open(walk, 1);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		return yaml_walk_close(walk);
	default:
		return 0;
	}
}

static int yaml_walk_run(struct yaml_walk *walk)
{
	int r = 0, ended = 0;

	while (r == 0 && !ended) {
		yaml_event_t event;

		if (!yaml_parser_parse(&walk->parser, &event)) {
			walk->line = (unsigned int)walk->parser.problem_mark.line + 1;
			return yaml_walk_fail(walk, walk->parser.problem ? walk->parser.problem
									 : "it cannot be read");
		}
		walk->line = (unsigned int)event.start_mark.line + 1;
		ended = event.type == YAML_STREAM_END_EVENT;
		r = yaml_walk_event(walk, &event);
		yaml_event_delete(&event);
	}
	return r;
}

int yaml_walk(const char *text, size_t len, yaml_fn fn, void *ctx, struct err *err)
{
	struct yaml_walk *walk;
	int r;

	if (len > YAML_TEXT_MAX)
		return err_set(err, -EFBIG, "its settings are larger than %zu KiB",
			       YAML_TEXT_MAX >> 10);
	walk = mem_zalloc(sizeof(*walk));
	walk->fn = fn;
	walk->ctx = ctx;
	walk->err = err;
	if (!yaml_parser_initialize(&walk->parser)) {
		free(walk);
		return err_set(err, -ENOMEM, "there is no memory to read its settings");
	}
	yaml_parser_set_input_string(&walk->parser, (const unsigned char *)text, len);
	r = yaml_walk_run(walk);
	yaml_parser_delete(&walk->parser);
	free(walk);
	return r;
}
