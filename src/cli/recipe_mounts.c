// SPDX-License-Identifier: GPL-2.0-or-later
/* -v and --mount: docker's words for what proto/share.h and tmpfs[] of a record say. */
#include "base/mem.h"
#include "cli/recipe-internal.h"
#include "proto/share.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* "./web:/srv" means the folder that we are in. */
static int recipe_make_whole(struct share *share, struct err *err)
{
	char path[PATH_MAX];

	if (!realpath(share->source, path))
		return err_errno(err, -errno, "%.200s on the host", share->source);
	if (strchr(path, ':'))
		return err_set(err, -EINVAL, "%.200s: a path with a colon cannot be shared", path);
	mem_replace(&share->source, path);
	return 0;
}

static int recipe_check_source(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT
			       ? err_set(err, -ENOENT,
					 "there is no %.200s on the host; make it first", path)
			       : err_errno(err, -errno, "%.200s on the host", path);
	return 0;
}

/* Takes SOURCE:PATH[:OPTIONS] into the record, whatever way it was said. */
static int recipe_add_share(const char *text, struct instance *ret, struct err *err)
{
	int is_relative = text[0] == '.' && strcspn(text, "/") <= 2 && strchr(text, '/');
	_cleanup_share_ struct share share = { 0 };
	_cleanup_free_ char *whole = NULL;
	int r;

	if (is_relative) {
		size_t len = strcspn(text, ":");
		struct share folder = { .source = mem_strndup(text, len) };

		r = recipe_make_whole(&folder, err);
		whole = mem_printf("%s%s", folder.source, text + len);
		share_release(&folder);
		if (r < 0)
			return r;
		text = whole;
	}
	r = share_parse(text, &share, err);
	if (r == 0 && !share.is_volume)
		r = recipe_check_source(share.source, err);
	strv_for_each(other, ret->volumes) {
		_cleanup_share_ struct share before = { 0 };

		if (r == 0 && share_parse(*other, &before, err) == 0 &&
		    !strcmp(before.target, share.target))
			r = err_set(err, -EINVAL, "there are two for %.200s", share.target);
	}
	if (r == 0)
		strv_add(&ret->volumes, text);
	return r;
}

/* What one --mount has said so far. */
struct recipe_mount {
	char *type, *source, *target;
	char **options;
};

static void recipe_mount_release(struct recipe_mount *mount)
{
	free(mount->type);
	free(mount->source);
	free(mount->target);
	strv_free(mount->options);
}

static int recipe_is_one_of(const char *key, const char *a, const char *b, const char *c)
{
	return !strcmp(key, a) || !strcmp(key, b) || !strcmp(key, c);
}

static int recipe_is_true(const char *value)
{
	return !value || !strcmp(value, "true") || !strcmp(value, "1");
}

static int recipe_mount_word(struct recipe_mount *mount, const char *word, struct err *err)
{
	_cleanup_free_ char *key = mem_strdup(word);
	char *value = strchr(key, '=');

	if (value)
		*value++ = '\0';
	if (value && !strcmp(key, "type"))
		mem_replace(&mount->type, value);
	else if (value && recipe_is_one_of(key, "source", "src", "src"))
		mem_replace(&mount->source, value);
	else if (value && recipe_is_one_of(key, "target", "dst", "destination"))
		mem_replace(&mount->target, value);
	else if (value && !strcmp(key, "bind-propagation"))
		strv_add(&mount->options, value);
	else if (value && !strcmp(key, "tmpfs-size"))
		strv_add_printf(&mount->options, "size=%s", value);
	else if (value && !strcmp(key, "tmpfs-mode"))
		strv_add_printf(&mount->options, "mode=%s", value);
	else if (recipe_is_one_of(key, "readonly", "ro", "ro"))
		strv_add(&mount->options, recipe_is_true(value) ? "ro" : "rw");
	else if (recipe_is_one_of(key, "volume-nocopy", "nocopy", "nocopy") &&
		 recipe_is_true(value))
		strv_add(&mount->options, "nocopy");
	else if (!strcmp(key, "noidmap") && recipe_is_true(value))
		strv_add(&mount->options, "noidmap");
	else
		return err_set(err, -EINVAL,
			       "'%.64s' is none of type=, source=, target=, readonly, noidmap, "
			       "bind-propagation=, volume-nocopy, tmpfs-size=, tmpfs-mode=",
			       word);
	return 0;
}

static int recipe_mount_end(const struct recipe_mount *mount, struct instance *ret, struct err *err)
{
	const char *type = mount->type ? mount->type : "volume";
	_cleanup_free_ char *options = strv_join(mount->options, ",");
	_cleanup_free_ char *text = NULL;
	int is_tmpfs = !strcmp(type, "tmpfs"), is_path;

	if (!is_tmpfs && strcmp(type, "bind") != 0 && strcmp(type, "volume") != 0)
		return err_set(err, -EINVAL, "type=%.32s is none of bind, volume, tmpfs", type);
	if (!mount->target || is_tmpfs == (mount->source != NULL))
		return err_set(err, -EINVAL, "a mount of type %s wants %s", type,
			       is_tmpfs ? "target=PATH and no source" : "source= and target=PATH");
	text = mem_printf("%s%s%s%s%s", is_tmpfs ? "" : mount->source, is_tmpfs ? "" : ":",
			  mount->target, options ? ":" : "", options ? options : "");
	if (is_tmpfs) {
		strv_add(&ret->tmpfs, text);
		return recipe_check_tmpfs("mount", ret->tmpfs, err);
	}
	is_path = strchr("/.", mount->source[0]) != NULL;
	if (is_path != !strcmp(type, "bind"))
		return err_set(err, -EINVAL, "source=%.200s is %s: say type=%s", mount->source,
			       is_path ? "a path" : "the name of a volume",
			       is_path ? "bind" : "volume");
	return recipe_add_share(text, ret, err);
}

static int recipe_add_mount(const char *text, struct instance *ret, struct err *err)
{
	_cleanup_strv_ char **words = strv_split(text, ",");
	_cleanup_(recipe_mount_release) struct recipe_mount mount = { 0 };

	strv_for_each(word, words) {
		if (recipe_mount_word(&mount, *word, err) < 0)
			return err->code;
	}
	return recipe_mount_end(&mount, ret, err);
}

int recipe_fill_mounts(const struct recipe *recipe, struct instance *ret, struct err *err)
{
	strv_for_each(text, recipe->volumes) {
		if (recipe_add_share(*text, ret, err) < 0)
			return err_wrap(err, "option --volume");
	}
	strv_for_each(text, recipe->mounts) {
		if (recipe_add_mount(*text, ret, err) < 0)
			return err_wrap(err, "option --mount");
	}
	return 0;
}
