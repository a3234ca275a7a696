// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/short_name.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "image/reference.h"

#include <fcntl.h>
#include <string.h>

/*
 * Of TOML just what these files are made of: tables, keys, strings, and arrays over several lines. A reader of all of
 * TOML would be one more library for two keys.
 */

#define SHORT_NAME_FILE	   "registries.conf"
#define SHORT_NAME_SYSTEM  "/etc/containers"
#define SHORT_NAME_SEARCH  "unqualified-search-registries"
#define SHORT_NAME_ALIASES "[aliases]"
#define SHORT_NAME_MAX	   ((size_t)1 << 20) /* bytes of a file */

void short_name_release(struct short_names *names)
{
	strv_free(names->registries);
	strv_free(names->aliases);
}

/* --- TOML --- */

/* Adds the string that begins with the quote at p; returns what comes after it. */
static const char *short_name_string(const char *p, char ***strings)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	char quote = *p++;

	for (; *p && *p != quote && *p != '\n'; p++) {
		if (quote == '"' && *p == '\\' && p[1] && p[1] != '\n')
			p++;
		buf_add(&out, p, 1);
	}
	strv_add(strings, out.len ? out.data : "");
	return *p == quote ? p + 1 : p;
}

static const char *short_name_key(const char *p, char ***key)
{
	size_t len = strcspn(p, " \t=\r\n");
	_cleanup_free_ char *bare = mem_strndup(p, len);

	if (*p == '"' || *p == '\'')
		p = short_name_string(p, key);
	else {
		strv_add(key, bare);
		p += len;
	}
	return p + strspn(p, " \t");
}

/* Adds every string of a value, which ends with its line, or with the line of its last bracket. */
static const char *short_name_value(const char *p, char ***strings)
{
	int depth = 0;

	while (*p && (*p != '\n' || depth > 0)) {
		if (*p == '"' || *p == '\'') {
			p = short_name_string(p, strings);
		} else if (*p == '#') {
			p += strcspn(p, "\n");
		} else {
			depth += *p == '[';
			depth -= *p == ']';
			p++;
		}
	}
	return p;
}

void short_name_parse(struct short_names *names, const char *text)
{
	int in_aliases = 0, at_top = 1;

	for (const char *p = text + strspn(text, " \t\r\n"); *p; p += strspn(p, " \t\r\n")) {
		_cleanup_strv_ char **key = NULL, **value = NULL;

		if (*p == '#' || *p == '[') {
			if (*p == '[') {
				at_top = 0;
				in_aliases =
					!strncmp(p, SHORT_NAME_ALIASES, strlen(SHORT_NAME_ALIASES));
			}
			p += strcspn(p, "\n");
			continue;
		}
		p = short_name_key(p, &key);
		p = *p == '=' ? short_name_value(p + 1, &value) : p + strcspn(p, "\n");
		if (at_top && !strcmp(key[0], SHORT_NAME_SEARCH)) {
			strv_free(names->registries);
			names->registries = take_ptr(value);
			names->names_registries = 1;
		} else if (in_aliases && value) {
			strv_add_printf(&names->aliases, "%s=%s", key[0], value[0]);
		}
	}
}

/* --- names --- */

static const char *short_name_alias(const struct short_names *names, const char *text, size_t len)
{
	const char *found = NULL;

	strv_for_each(alias, names->aliases) {
		if (!strncmp(*alias, text, len) && (*alias)[len] == '=')
			found = *alias + len + 1;
	}
	return found && *found ? found : NULL;
}

int short_name_expand(const struct short_names *names, const char *text, char ***ret,
		      struct err *err)
{
	size_t len = strcspn(text, ":@");
	const char *alias;

	if (reference_has_host(text)) {
		strv_add(ret, text);
		return 0;
	}
	alias = short_name_alias(names, text, len);
	if (alias) {
		strv_add_printf(ret, "%s%s", alias, text + len);
		return 0;
	}
	if (!names->names_registries)
		strv_add(ret, text);
	strv_for_each(registry, names->registries)
		strv_add_printf(ret, "%s/%s", *registry, text);
	if (!*ret)
		return err_set(err, -ENOENT,
			       "'%.120s' names no registry, and " SHORT_NAME_FILE
			       " has none to search",
			       text);
	return 0;
}

/* --- files --- */

static int short_name_read(struct short_names *names, const char *folder, const char *name)
{
	_cleanup_free_ char *path = mem_printf("%s/%s", folder, name), *text = NULL;

	if (file_read(AT_FDCWD, path, SHORT_NAME_MAX, &text, NULL) < 0)
		return 0;
	short_name_parse(names, text);
	return 1;
}

static void short_name_read_drop_ins(struct short_names *names, const char *folder)
{
	_cleanup_free_ char *path = mem_printf("%s/" SHORT_NAME_FILE ".d", folder);
	_cleanup_closedir_ DIR *dir = opendir(path);
	_cleanup_strv_ char **files = NULL;
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		const char *dot = strrchr(entry->d_name, '.');

		if (dot && !strcmp(dot, ".conf"))
			strv_add(&files, entry->d_name);
	}
	strv_sort(files);
	strv_for_each(file, files)
		(void)short_name_read(names, path, *file);
}

static char *short_name_user_folder(void)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (config && *config)
		return mem_printf("%s/containers", config);
	return home && *home ? mem_printf("%s/.config/containers", home) : NULL;
}

static void short_name_load(struct short_names *names)
{
	const char *only = getenv("CONTAINERS_REGISTRIES_CONF");
	_cleanup_free_ char *user = short_name_user_folder(), *text = NULL;

	if (only && *only) {
		if (file_read(AT_FDCWD, only, SHORT_NAME_MAX, &text, NULL) == 0)
			short_name_parse(names, text);
		return;
	}
	if (!user || !short_name_read(names, user, SHORT_NAME_FILE))
		(void)short_name_read(names, SHORT_NAME_SYSTEM, SHORT_NAME_FILE);
	short_name_read_drop_ins(names, SHORT_NAME_SYSTEM);
	if (user)
		short_name_read_drop_ins(names, user);
}

int short_name_resolve(const char *text, char ***ret, struct err *err)
{
	_cleanup_short_names_ struct short_names names = { 0 };

	if (!reference_has_host(text))
		short_name_load(&names);
	return short_name_expand(&names, text, ret, err);
}
