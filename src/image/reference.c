// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/reference.h"
#include "base/buf.h"
#include "base/mem.h"
#include "image/digest.h"

#include <string.h>

#define LOWER	"abcdefghijklmnopqrstuvwxyz"
#define UPPER	"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS	"0123456789"
#define ALNUM	LOWER UPPER DIGITS
#define TAG_SET ALNUM "_.-"

#define REFERENCE_DOCKER "docker.io"

static int reference_in(const char *set, char c)
{
	return c && strchr(set, c) != NULL;
}

/* The length of the separator at s: '.', '_', '__' or any number of '-'; 0: none. */
static size_t reference_separator(const char *s)
{
	if (*s == '.')
		return 1;
	if (*s == '_')
		return s[1] == '_' ? 2 : 1;
	return strspn(s, "-");
}

static int reference_component_ok(const char *s, size_t len)
{
	const char *end = s + len;

	for (;;) {
		size_t word = strspn(s, LOWER DIGITS), separator;

		if (!word || s + word > end)
			return 0;
		s += word;
		if (s == end)
			return 1;
		separator = reference_separator(s);
		if (!separator)
			return 0;
		s += separator;
	}
}

/* The first component is a registry's host if it could be none of a path. */
static int reference_is_host(const char *s, size_t len)
{
	return memchr(s, '.', len) || memchr(s, ':', len) ||
	       (len == strlen("localhost") && !memcmp(s, "localhost", len));
}

static int reference_host_ok(const char *s, size_t len)
{
	size_t host = strspn(s, ALNUM ".-"), port;

	if (!host || host > len || !reference_in(ALNUM, s[0]) || !reference_in(ALNUM, s[host - 1]))
		return 0;
	if (host == len)
		return 1;
	port = strspn(s + host + 1, DIGITS);
	return s[host] == ':' && port >= 1 && port <= 5 && host + 1 + port == len;
}

static int reference_name_ok(const char *name, size_t len)
{
	const char *slash = memchr(name, '/', len);
	size_t first = slash ? (size_t)(slash - name) : len;

	if (!len || len > REFERENCE_NAME_MAX)
		return 0;
	if (slash && reference_is_host(name, first)) {
		if (!reference_host_ok(name, first))
			return 0;
		name += first + 1;
		len -= first + 1;
	}
	for (;;) {
		slash = memchr(name, '/', len);
		first = slash ? (size_t)(slash - name) : len;
		if (!reference_component_ok(name, first))
			return 0;
		if (!slash)
			return 1;
		name += first + 1;
		len -= first + 1;
	}
}

static int reference_tag_ok(const char *tag)
{
	size_t len = strlen(tag);

	return len >= 1 && len <= REFERENCE_TAG_MAX && reference_in(ALNUM "_", tag[0]) &&
	       strspn(tag, TAG_SET) == len;
}

const char *reference_tag(const char *reference)
{
	const char *slash = strrchr(reference, '/');

	return strchr(slash ? slash : reference, ':');
}

/* Would what is left of a name be read as one with a host? */
int reference_has_host(const char *text)
{
	const char *slash = strchr(text, '/');

	return slash && reference_is_host(text, (size_t)(slash - text));
}

/* Leaves out what docker leaves out of the names of its own registry. */
static const char *reference_familiar(const char *name)
{
	static const char *const hosts[] = { "docker.io/", "index.docker.io/" };
	static const char library[] = "library/";

	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		const char *rest = name + strlen(hosts[i]);

		if (strncmp(name, hosts[i], strlen(hosts[i])))
			continue;
		if (!strncmp(rest, library, strlen(library)))
			rest += strlen(library);
		return reference_has_host(rest) ? name : rest;
	}
	return name;
}

int reference_normalize(const char *text, char **ret, struct err *err)
{
	const char *name = reference_familiar(text);
	const char *colon = reference_tag(name);
	size_t len = colon ? (size_t)(colon - name) : strlen(name);

	if (strchr(text, '@'))
		return err_set(
			err, -EINVAL,
			"'%.120s' has a digest; give NAME[:TAG], or digits of the digest alone",
			text);
	if (!reference_name_ok(name, len))
		return err_set(err, -EINVAL,
			       "'%.120s' is not a valid image name: lower-case letters and digits, "
			       "'.', '_', '-' inside, parts separated by '/', then perhaps :TAG",
			       text);
	if (colon && !reference_tag_ok(colon + 1))
		return err_set(err, -EINVAL,
			       "'%.120s' has no valid tag: 1 to %d letters, digits, '_', '.', '-', "
			       "not starting with '.' or '-'",
			       text, REFERENCE_TAG_MAX);
	*ret = mem_printf("%s%s", name, colon ? "" : ":latest");
	return 0;
}

char *reference_host(const char *reference)
{
	const char *slash = strchr(reference, '/');

	if (slash && reference_is_host(reference, (size_t)(slash - reference)))
		return mem_strndup(reference, (size_t)(slash - reference));
	return mem_strdup(REFERENCE_DOCKER);
}

/* A normalized reference with what normalizing leaves out. */
static char *reference_in_full(const char *reference)
{
	if (reference_has_host(reference))
		return mem_strdup(reference);
	return mem_printf(REFERENCE_DOCKER "/%s%s", strchr(reference, '/') ? "" : "library/",
			  reference);
}

int reference_resolve(const char *text, char **ret, char **ret_remote, struct err *err)
{
	const char *at = strchr(text, '@');
	_cleanup_free_ char *name = mem_strndup(text, at ? (size_t)(at - text) : strlen(text));
	_cleanup_free_ char *full = NULL, *whole = NULL;
	char hex[DIGEST_HEX_SIZE];

	if (at && digest_parse(at + 1, hex, err) < 0)
		return err_wrap(err, "'%.120s'", text);
	if (reference_normalize(name, &full, err) < 0)
		return err->code;
	whole = reference_in_full(full);
	if (at) {
		full[reference_tag(full) - full] = '\0';
		whole[reference_tag(whole) - whole] = '\0';
	}
	*ret = at ? mem_printf("%s:sha256-%s", full, hex) : take_ptr(full);
	if (ret_remote)
		*ret_remote = at ? mem_printf("%s@sha256:%s", whole, hex) : take_ptr(whole);
	return 0;
}

static const char *const reference_suffixes[] = { ".gz",  ".xz",    ".zst",  ".bz2",	  ".tar",
						  ".tgz", ".txz",   ".tzst", ".oci",	  ".raw",
						  ".img", ".qcow2", ".ext4", ".squashfs", NULL };

static void reference_cut_suffixes(char *name)
{
	for (const char *const *s = reference_suffixes; *s; s++) {
		size_t len = strlen(name), n = strlen(*s);

		if (len > n && !strcmp(name + len - n, *s))
			name[len - n] = '\0';
	}
}

char *reference_from_path(const char *path)
{
	_cleanup_free_ char *copy = mem_strdup(path);
	_cleanup_buf_ struct buf name = BUF_INIT;
	char *base;

	while (strlen(copy) > 1 && copy[strlen(copy) - 1] == '/')
		copy[strlen(copy) - 1] = '\0';
	base = strrchr(copy, '/') ? strrchr(copy, '/') + 1 : copy;
	reference_cut_suffixes(base);
	for (char *p = base; *p && name.len < REFERENCE_NAME_MAX; p++) {
		const char *upper = strchr(UPPER, *p);
		const char c = (char)(upper ? LOWER[upper - UPPER] : *p);

		if (reference_in(LOWER DIGITS, c))
			buf_add(&name, &c, 1);
		else if (name.len && name.data[name.len - 1] != '-')
			buf_add_str(&name, "-");
	}
	if (name.len && name.data[name.len - 1] == '-')
		name.data[--name.len] = '\0';
	return name.len ? buf_take(&name) : NULL;
}
