// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/option.h"
#include "base/mem.h"
#include "base/signum.h"
#include "base/units.h"
#include "base/word.h"

#include <limits.h>
#include <string.h>

/* options of a table that are looked at for one near to an unknown word */
#define OPTION_NEAR_MAX 128

static void *option_at(void *values, const struct option *option)
{
	return (char *)values + option->offset;
}

static int option_choice(const struct option *option, const char *value, int *ret, struct err *err)
{
	_cleanup_free_ char *list = NULL;
	_cleanup_strv_ char **names = NULL;

	for (int i = 0; option->choices[i]; i++) {
		if (!strcmp(option->choices[i], value)) {
			*ret = i;
			return 0;
		}
		strv_add(&names, option->choices[i]);
	}
	list = strv_join(names, ", ");
	return err_set(err, -EINVAL, "'%.64s' is none of %s", value, list);
}

static int option_flag(const char *value, int *ret, struct err *err)
{
	if (!value || !strcmp(value, "true"))
		*ret = 1;
	else if (!strcmp(value, "false"))
		*ret = 0;
	else
		return err_set(err, -EINVAL, "a flag takes =true or =false");
	return 0;
}

static int option_store(const struct option *option, const char *value, void *at, struct err *err)
{
	switch (option->type) {
	case OPTION_FLAG:
		return option_flag(value, at, err);
	case OPTION_STRING:
		mem_replace(at, value);
		return 0;
	case OPTION_STRV:
		strv_add(at, value);
		return 0;
	case OPTION_SIZE:
		return units_parse_size(value, at, err);
	case OPTION_RATE:
		return units_parse_rate(value, at, err);
	case OPTION_MILLI:
		return units_parse_milli(value, at, err);
	case OPTION_DURATION:
		return units_parse_duration(value, at, err);
	case OPTION_INT:
		return units_parse_int(value, option->min,
				       option->max || option->min ? option->max : INT64_MAX, at,
				       err);
	case OPTION_SIGNAL:
		return signum_parse(value, at, err);
	case OPTION_CHOICE:
		return option_choice(option, value, at, err);
	case OPTION_PAIR:
		strv_add_printf(at, "%s=%s", option->name, value);
		return 0;
	}
	return -EINVAL;
}

static int option_set(const struct option *option, const char *value, void *values, struct err *err)
{
	int r = option_store(option, value, option_at(values, option), err);

	return r < 0 ? err_wrap(err, "option --%s", option->name) : 0;
}

static const struct option *option_by_name(const struct option *table, const char *name, size_t len)
{
	for (; table->name; table++) {
		if (strlen(table->name) == len && !memcmp(table->name, name, len))
			return table;
	}
	return NULL;
}

static const struct option *option_by_letter(const struct option *table, char letter)
{
	for (; table->name; table++) {
		if (table->letter == letter)
			return table;
	}
	return NULL;
}

static int option_unknown(const struct option *table, const char *word, struct err *err)
{
	const char *names[OPTION_NEAR_MAX + 1];
	size_t n = 0;
	const char *near;

	for (; table->name && n < OPTION_NEAR_MAX; table++)
		names[n++] = table->name;
	names[n] = NULL;
	near = word_nearest(word, names);
	return err_set(err, -EINVAL, "unknown option --%.64s%s%s%s", word,
		       near ? "; did you mean --" : "", near ? near : "", near ? "?" : "");
}

struct option_cursor {
	const struct option *table;
	int argc;
	char **argv;
	int at;
	void *values;
};

static int option_parse_long(struct option_cursor *c, size_t dashes, struct err *err)
{
	const char *word = c->argv[c->at++] + dashes;
	size_t len = strcspn(word, "=");
	const struct option *option = option_by_name(c->table, word, len);
	const char *value = word[len] ? word + len + 1 : NULL;

	if (!option) {
		_cleanup_free_ char *name = mem_strndup(word, len);

		return option_unknown(c->table, name, err);
	}
	if (!value && option->type != OPTION_FLAG) {
		if (c->at >= c->argc)
			return err_set(err, -EINVAL, "option --%s needs a value: %s", option->name,
				       option->metavar);
		value = c->argv[c->at++];
	}
	return option_set(option, value, c->values, err);
}

static int option_parse_letters(struct option_cursor *c, struct err *err)
{
	const char *p = c->argv[c->at++] + 1;
	int r;

	for (; *p; p++) {
		const struct option *option = option_by_letter(c->table, *p);
		const char *value = NULL;

		if (!option)
			return err_set(err, -EINVAL, "unknown option -%c", *p);
		if (option->type != OPTION_FLAG) {
			value = p[1] == '='	  ? p + 2
				: p[1]		  ? p + 1
				: c->at < c->argc ? c->argv[c->at++]
						  : NULL;
			if (!value)
				return err_set(err, -EINVAL, "option -%c needs a value: %s", *p,
					       option->metavar);
			return option_set(option, value, c->values, err);
		}
		r = option_set(option, NULL, c->values, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int option_parse_word(struct option_cursor *c, enum option_mode mode, struct err *err)
{
	const char *word = c->argv[c->at];

	if (word[1] == '-')
		return option_parse_long(c, 2, err);
	if (mode & OPTION_ONE_DASH && option_by_name(c->table, word + 1, strcspn(word + 1, "=")))
		return option_parse_long(c, 1, err);
	return option_parse_letters(c, err);
}

int option_parse(const struct option *table, enum option_mode mode, int argc, char **argv,
		 void *values, char ***ret_args, struct err *err)
{
	_cleanup_free_ char **args = mem_zalloc(((size_t)argc + 1) * sizeof(char *));
	struct option_cursor c = { .table = table, .argc = argc, .argv = argv, .values = values };
	int n = 0, r;

	while (c.at < argc) {
		const char *word = argv[c.at];

		if (!strcmp(word, "--")) {
			c.at++;
			break;
		}
		if (word[0] != '-' || !word[1]) {
			if (mode & OPTION_LEAD)
				break;
			args[n++] = argv[c.at++];
			continue;
		}
		r = option_parse_word(&c, mode, err);
		if (r < 0)
			return r;
	}
	while (c.at < argc)
		args[n++] = argv[c.at++];
	*ret_args = take_ptr(args);
	return 0;
}

void option_release(const struct option *table, void *values)
{
	for (; table->name; table++) {
		void *at = option_at(values, table);

		if (table->type == OPTION_STRING)
			free(take_ptr(*(char **)at));
		else if (table->type == OPTION_STRV || table->type == OPTION_PAIR)
			*(char ***)at = strv_free(*(char ***)at);
	}
}

const char *option_usage(const struct option *option, char *text, size_t size)
{
	char letter[8] = "    ";

	if (option->letter)
		snprintf(letter, sizeof(letter), "-%c, ", option->letter);
	snprintf(text, size, "%s--%s%s%s", letter, option->name, option->metavar ? " " : "",
		 option->metavar ? option->metavar : "");
	return text;
}
