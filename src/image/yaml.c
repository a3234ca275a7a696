// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/yaml.h"
#include "base/buf.h"
#include "base/mem.h"

#include <string.h>

/*
 * Line by line. A stack has the open collections with their indentation: a line that is further left closes some. "- "
 * opens a list and moves what is behind it to a place further right.
 */

struct yaml_level {
	size_t indent;
	size_t path_len; /* of what is above */
	int is_list;
};

struct yaml {
	const char *at, *end;
	unsigned int line;
	struct yaml_level levels[YAML_DEPTH_MAX];
	size_t depth;
	char path[YAML_PATH_MAX];
	size_t path_len;
	yaml_fn fn;
	void *ctx;
	struct err *err;
};

static int yaml_fail(const struct yaml *yaml, const char *what)
{
	return err_set(yaml->err, -EBADMSG, "line %u of its settings: %s", yaml->line, what);
}

/* The next line without its end; 0 if there is none. */
static int yaml_next(struct yaml *yaml, const char **ret, size_t *ret_len)
{
	const char *end;

	if (yaml->at == yaml->end)
		return 0;
	end = memchr(yaml->at, '\n', (size_t)(yaml->end - yaml->at));
	*ret = yaml->at;
	*ret_len = (size_t)((end ? end : yaml->end) - yaml->at);
	yaml->at = end ? end + 1 : yaml->end;
	yaml->line++;
	while (*ret_len && ((*ret)[*ret_len - 1] == '\r' || (*ret)[*ret_len - 1] == ' '))
		--*ret_len;
	return 1;
}

static size_t yaml_indent(const char *line, size_t len)
{
	size_t n = 0;

	while (n < len && line[n] == ' ')
		n++;
	return n;
}

static void yaml_set_path(struct yaml *yaml, size_t len)
{
	yaml->path_len = len;
	yaml->path[len] = '\0';
}

static int yaml_push_key(struct yaml *yaml, const char *key, size_t len)
{
	size_t sep = yaml->path_len > 0;

	if (memchr(key, '\t', len) || yaml->path_len + sep + len >= sizeof(yaml->path))
		return yaml_fail(yaml, "a key that is too long");
	if (sep)
		yaml->path[yaml->path_len] = '\t';
	memcpy(yaml->path + yaml->path_len + sep, key, len);
	yaml_set_path(yaml, yaml->path_len + sep + len);
	return 0;
}

/* The collection of this indentation, opened if need be; what is further right is closed. */
static int yaml_enter(struct yaml *yaml, size_t indent, int is_list)
{
	struct yaml_level *top;

	while (yaml->depth) {
		top = &yaml->levels[yaml->depth - 1];
		/* a list may stand as far left as the key that it belongs to */
		if (top->indent < indent || (top->indent == indent && top->is_list <= is_list))
			break;
		yaml_set_path(yaml, top->path_len);
		yaml->depth--;
	}
	top = yaml->depth ? &yaml->levels[yaml->depth - 1] : NULL;
	if (top && top->indent == indent && top->is_list == is_list)
		return 0;
	if (yaml->depth == YAML_DEPTH_MAX)
		return yaml_fail(yaml, "nested too deep");
	yaml->levels[yaml->depth++] = (struct yaml_level){ .indent = indent,
							   .path_len = yaml->path_len,
							   .is_list = is_list };
	return 0;
}

static int yaml_hex(const char *p, size_t n, unsigned int *ret)
{
	*ret = 0;
	for (size_t i = 0; i < n; i++) {
		const char *digits = "0123456789abcdef";
		const char *found = p[i] ? strchr(digits, p[i] | 0x20) : NULL;

		if (!found)
			return -EINVAL;
		*ret = *ret * 16 + (unsigned int)(found - digits);
	}
	return 0;
}

static void yaml_add_utf8(struct buf *out, unsigned int c)
{
	char bytes[3];

	if (c < 0x80) {
		bytes[0] = (char)(c ? c : '?');
		buf_add(out, bytes, 1);
	} else if (c < 0x800) {
		bytes[0] = (char)(0xc0 | c >> 6);
		bytes[1] = (char)(0x80 | (c & 0x3f));
		buf_add(out, bytes, 2);
	} else {
		bytes[0] = (char)(0xe0 | c >> 12);
		bytes[1] = (char)(0x80 | (c >> 6 & 0x3f));
		bytes[2] = (char)(0x80 | (c & 0x3f));
		buf_add(out, bytes, 3);
	}
}

/* Behind a backslash; returns how many bytes it took, or 0. */
static size_t yaml_escape(struct buf *out, const char *p, size_t left)
{
	static const char from[] = "nrtabefv0\"\\/ ", to[] = "\n\r\t\a\b\033\f\v?\"\\/ ";
	const char *found = left && *p ? strchr(from, *p) : NULL;
	size_t digits = left && *p == 'x' ? 2 : left && *p == 'u' ? 4 : 0;
	unsigned int c;

	if (found) {
		buf_add(out, &to[found - from], 1);
		return 1;
	}
	if (!digits || left < 1 + digits || yaml_hex(p + 1, digits, &c) < 0)
		return 0;
	yaml_add_utf8(out, c);
	return 1 + digits;
}

/* What is in quotes, which may go on in further lines. p: behind the first quote. *ret_rest: behind the last one. */
static int yaml_quoted(struct yaml *yaml, char quote, const char *p, const char *end,
		       struct buf *out, const char **ret_rest)
{
	for (;;) {
		if (p == end) {
			const char *line = NULL;
			size_t len = 0, skip;

			if (!yaml_next(yaml, &line, &len))
				return yaml_fail(yaml, "a quote that does not end");
			skip = yaml_indent(line, len);
			buf_add_str(out, len ? " " : "\n");
			p = line + skip;
			end = line + len;
			continue;
		}
		if (*p == quote && quote == '\'' && p + 1 < end && p[1] == quote) {
			buf_add(out, p, 1);
			p += 2;
		} else if (*p == quote) {
			*ret_rest = p + 1;
			return 0;
		} else if (*p == '\\' && quote == '"' && p + 1 < end) {
			size_t n = yaml_escape(out, p + 1, (size_t)(end - p - 1));

			if (!n)
				return yaml_fail(yaml, "an escape that is not known");
			p += 1 + n;
		} else if (*p == '\\' && quote == '"') {
			p++;
		} else {
			buf_add(out, p++, 1);
		}
	}
}

/* The lines that are further right than the key. */
static int yaml_block(struct yaml *yaml, size_t indent, struct buf *out)
{
	size_t first = 0;

	while (yaml->at != yaml->end) {
		const char *before = yaml->at, *line = NULL;
		size_t len = 0, n;

		if (!yaml_next(yaml, &line, &len))
			break;
		n = yaml_indent(line, len);
		if (n < len && n <= indent) {
			yaml->at = before;
			yaml->line--;
			break;
		}
		if (n < len && !first)
			first = n;
		if (n < len)
			buf_add(out, line + (n < first ? n : first), len - (n < first ? n : first));
		buf_add_str(out, "\n");
	}
	return 0;
}

static int yaml_emit(struct yaml *yaml, const struct buf *value)
{
	if (value->len != strlen(value->data ? value->data : ""))
		return yaml_fail(yaml, "a zero byte");
	return yaml->fn(yaml->ctx, yaml->path, value->data ? value->data : "", yaml->err);
}

static int yaml_is_refused(const char *p, size_t len)
{
	return *p == '&' || *p == '*' || *p == '!' || *p == '%' || *p == '@' || *p == '`' ||
	       ((*p == '{' || *p == '[') && len != 2);
}

static int yaml_scalar(struct yaml *yaml, size_t indent, const char *p, size_t len)
{
	_cleanup_buf_ struct buf value = BUF_INIT;
	const char *rest = NULL, *comment;
	int r = 0;

	if (yaml_is_refused(p, len))
		return yaml_fail(yaml, "a form of YAML that is not known here");
	/* an empty collection has nothing in it */
	if (*p == '{' || *p == '[')
		return p[1] == *p + 2 ? 0 : yaml_fail(yaml, "a bracket that stays open");
	if (*p == '"' || *p == '\'') {
		r = yaml_quoted(yaml, *p, p + 1, p + len, &value, &rest);
	} else if (*p == '|' || *p == '>') {
		r = yaml_block(yaml, indent, &value);
	} else {
		comment = memmem(p, len, " #", 2);
		buf_add(&value, p, comment ? (size_t)(comment - p) : len);
	}
	return r < 0 ? r : yaml_emit(yaml, &value);
}

/* The end of the key that the text begins with; NULL: it is no mapping. */
static const char *yaml_key_end(const char *p, size_t len)
{
	char quote = *p == '"' || *p == '\'' ? *p : 0;

	for (size_t i = quote ? 1 : 0; i < len; i++) {
		if (quote) {
			if (p[i] == quote)
				quote = 0;
		} else if (p[i] == ':' && (i + 1 == len || p[i + 1] == ' ')) {
			return p + i;
		}
	}
	return NULL;
}

static int yaml_text(struct yaml *yaml, size_t indent, const char *p, size_t len);

static int yaml_item(struct yaml *yaml, size_t indent, const char *p, size_t len)
{
	size_t skip = 1;
	int r = yaml_enter(yaml, indent, 1);

	if (r < 0)
		return r;
	yaml_set_path(yaml, yaml->levels[yaml->depth - 1].path_len);
	r = yaml_push_key(yaml, "-", 1);
	while (skip < len && p[skip] == ' ')
		skip++;
	if (r < 0 || skip == len)
		return r;
	return yaml_text(yaml, indent + skip, p + skip, len - skip);
}

static int yaml_pair(struct yaml *yaml, size_t indent, const char *p, size_t len, const char *colon)
{
	size_t skip = (size_t)(colon - p) + 1, key_len = (size_t)(colon - p);
	int quoted = (*p == '"' || *p == '\'') && key_len > 1, r = yaml_enter(yaml, indent, 0);

	if (r < 0)
		return r;
	yaml_set_path(yaml, yaml->levels[yaml->depth - 1].path_len);
	r = yaml_push_key(yaml, p + quoted, key_len - 2 * (size_t)quoted);
	while (skip < len && p[skip] == ' ')
		skip++;
	if (r < 0 || skip == len)
		return r;
	return yaml_scalar(yaml, indent, p + skip, len - skip);
}

static int yaml_text(struct yaml *yaml, size_t indent, const char *p, size_t len)
{
	const char *colon;

	if (*p == '-' && (len == 1 || p[1] == ' '))
		return yaml_item(yaml, indent, p, len);
	colon = yaml_key_end(p, len);
	if (colon)
		return yaml_pair(yaml, indent, p, len, colon);
	return yaml_scalar(yaml, indent, p, len);
}

int yaml_walk(const char *text, size_t len, yaml_fn fn, void *ctx, struct err *err)
{
	struct yaml yaml = { .at = text, .end = text + len, .fn = fn, .ctx = ctx, .err = err };
	const char *line = NULL;
	size_t n = 0;

	if (len > YAML_TEXT_MAX)
		return err_set(err, -EFBIG, "its settings are longer than %zu bytes",
			       YAML_TEXT_MAX);
	while (yaml_next(&yaml, &line, &n)) {
		size_t indent = yaml_indent(line, n);
		int r;

		if (indent == n || line[indent] == '#' ||
		    (n == 3 && yaml.line == 1 && !memcmp(line, "---", 3)))
			continue;
		if (line[indent] == '\t')
			return yaml_fail(&yaml, "a tab");
		if (indent == 0 && n >= 3 && (!memcmp(line, "---", 3) || !memcmp(line, "...", 3)))
			return yaml_fail(&yaml, "a further document");
		r = yaml_text(&yaml, indent, line + indent, n - indent);
		if (r)
			return r;
	}
	return 0;
}
