// SPDX-License-Identifier: GPL-2.0-or-later
/* -v, --mount and --disk: users' words for what proto/share.h, tmpfs[] and proto/drive.h say. */
#include "base/mem.h"
#include "cli/recipe-internal.h"
#include "proto/drive.h"
#include "proto/share.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* "./web:/srv" means the folder that we are in; any other text comes back as it is. Caller frees. */
static int recipe_make_whole(const char *text, char **ret, struct err *err)
{
	size_t len = strcspn(text, ":");
	_cleanup_free_ char *source = mem_strndup(text, len);
	char path[PATH_MAX];

	if (strncmp(source, "./", 2) != 0 && strncmp(source, "../", 3) != 0) {
		*ret = mem_strdup(text);
		return 0;
	}
	if (!realpath(source, path))
		return err_errno(err, -errno, "%.200s on the host", source);
	if (strchr(path, ':'))
		return err_set(err, -EINVAL, "%.200s: a path with a colon cannot be shared", path);
	*ret = mem_printf("%s%s", path, text + len);
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

static int recipe_check_twice(const struct share *share, char *const *others, struct err *err)
{
	strv_for_each(text, others) {
		_cleanup_share_ struct share other = { 0 };

		if (share_parse(*text, &other, err) < 0)
			return err->code;
		if (!strcmp(other.target, share->target))
			return err_set(err, -EINVAL, "there are two for %.200s", share->target);
	}
	return 0;
}

int recipe_make_share(const char *text, char **ret, struct err *err)
{
	_cleanup_share_ struct share share = { 0 };
	_cleanup_free_ char *whole = NULL;
	int r = recipe_make_whole(text, &whole, err);

	if (r == 0)
		r = share_parse(whole, &share, err);
	if (r == 0 && !share.is_volume)
		r = recipe_check_source(share.source, err);
	if (r == 0)
		*ret = take_ptr(whole);
	return r;
}

/* Takes SOURCE:PATH[:OPTIONS] into the record, whatever way it was said. */
static int recipe_add_share(const char *text, struct instance *ret, struct err *err)
{
	_cleanup_share_ struct share share = { 0 };
	_cleanup_free_ char *whole = NULL;
	int r = recipe_make_share(text, &whole, err);

	if (r == 0)
		r = share_parse(whole, &share, err);
	if (r == 0 && ret->kind == INSTANCE_VM)
		r = share_check_vm(&share, err);
	if (r == 0)
		r = recipe_check_twice(&share, ret->volumes, err);
	if (r == 0)
		strv_add(&ret->volumes, whole);
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

/* One of docker's keys. A value goes to a member, or behind a prefix to the options; a flag is an option by itself. */
static const struct recipe_mount_key {
	const char *key;
	size_t member; /* of struct recipe_mount, where there is no other */
	const char *prefix;
	const char *flag, *not_flag; /* NULL: it cannot be false */
} recipe_mount_keys[] = {
	{ "type", offsetof(struct recipe_mount, type), NULL, NULL, NULL },
	{ "source", offsetof(struct recipe_mount, source), NULL, NULL, NULL },
	{ "src", offsetof(struct recipe_mount, source), NULL, NULL, NULL },
	{ "target", offsetof(struct recipe_mount, target), NULL, NULL, NULL },
	{ "dst", offsetof(struct recipe_mount, target), NULL, NULL, NULL },
	{ "destination", offsetof(struct recipe_mount, target), NULL, NULL, NULL },
	{ "bind-propagation", 0, "", NULL, NULL },
	{ "tmpfs-size", 0, "size=", NULL, NULL },
	{ "tmpfs-mode", 0, "mode=", NULL, NULL },
	{ "readonly", 0, NULL, "ro", "rw" },
	{ "ro", 0, NULL, "ro", "rw" },
	{ "volume-nocopy", 0, NULL, "nocopy", NULL },
	{ "nocopy", 0, NULL, "nocopy", NULL },
	{ "noidmap", 0, NULL, "noidmap", NULL },
};

/* NULL: the key is no flag, or cannot be that. */
static const char *recipe_mount_flag(const struct recipe_mount_key *key, const char *value)
{
	if (!value || !strcmp(value, "true") || !strcmp(value, "1"))
		return key->flag;
	return !strcmp(value, "false") || !strcmp(value, "0") ? key->not_flag : NULL;
}

/* 0: the key cannot have this value; NULL is none. */
static int recipe_mount_set(struct recipe_mount *mount, const struct recipe_mount_key *key,
			    const char *value)
{
	const char *flag = recipe_mount_flag(key, value);

	if (flag)
		strv_add(&mount->options, flag);
	else if (value && key->prefix)
		strv_add_printf(&mount->options, "%s%s", key->prefix, value);
	else if (value && !key->flag)
		mem_replace((char **)(void *)((char *)mount + key->member), value);
	else
		return 0;
	return 1;
}

static int recipe_mount_word(struct recipe_mount *mount, const char *word, struct err *err)
{
	size_t len = strcspn(word, "=");
	const char *value = word[len] ? word + len + 1 : NULL;

	for (size_t i = 0; i < ARRAY_SIZE(recipe_mount_keys); i++) {
		const struct recipe_mount_key *key = &recipe_mount_keys[i];

		if (strlen(key->key) == len && !strncmp(key->key, word, len) &&
		    recipe_mount_set(mount, key, value))
			return 0;
	}
	return err_set(err, -EINVAL,
		       "'%.64s' is none of type=, source=, target=, readonly, noidmap, "
		       "bind-propagation=, volume-nocopy, tmpfs-size=, tmpfs-mode=",
		       word);
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

int recipe_make_drive(const char *text, size_t place, char **ret, struct err *err)
{
	_cleanup_free_ char *whole = NULL;
	_cleanup_drive_ struct drive drive = { 0 };
	int r = recipe_make_whole(text, &whole, err);

	if (r == 0)
		r = drive_parse(whole, place, &drive, err);
	if (r == 0 && !drive.is_volume)
		r = recipe_check_source(drive.source, err);
	if (r == 0)
		*ret = take_ptr(whole);
	return r;
}

/* It is opened by each start, but who mistypes it should hear of it now. */
static int recipe_add_drive(const char *text, struct instance *ret, struct err *err)
{
	char *whole = NULL;
	int r = recipe_make_drive(text, strv_len(ret->drives), &whole, err);

	if (r == 0)
		strv_add_take(&ret->drives, whole);
	return r;
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
	strv_for_each(text, recipe->drives) {
		if (recipe_add_drive(*text, ret, err) < 0)
			return err_wrap(err, "option --disk");
	}
	return drive_check_all(ret->drives, err) < 0 ? err_wrap(err, "option --disk") : 0;
}
