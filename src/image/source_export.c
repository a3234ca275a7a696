// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "image/manifest.h"
#include "image/reroot.h"
#include "image/source.h"
#include "image/yaml_walk.h"

#include <string.h>

/*
 * What LXC and Incus (or LXD) export: a root file system and settings beside it. What has a word in an image's
 * configuration becomes that, as changes of a Dockerfile, before the user's own; of the rest the user is told.
 */

#define SOURCE_EXPORT_TOLD_MAX 64 /* settings that are named */
#define SOURCE_EXPORT_ENV      "environment."

struct source_export {
	struct source *source;
	char **changes;
	char *architecture, *init, *uid, *gid, *type;
	size_t n_told;
};

static void source_export_release(struct source_export *export)
{
	strv_free(export->changes);
	free(export->architecture);
	free(export->init);
	free(export->uid);
	free(export->gid);
	free(export->type);
}

static void source_export_lost(struct source_export *export, const char *what, const char *key)
{
	if (export->n_told++ < SOURCE_EXPORT_TOLD_MAX)
		source_note(export->source, "not carried: %s%.200s", what, key);
	else if (export->n_told == SOURCE_EXPORT_TOLD_MAX + 2)
		source_note(export->source, "not carried: more settings");
}

static void source_export_keep(char **field, const char *value)
{
	free(*field);
	*field = mem_strdup(value);
}

/* --- what both have --- */

static void source_export_env(struct source_export *export, const char *key, const char *value)
{
	if (*key && !strpbrk(key, "= "))
		strv_add_printf(&export->changes, "ENV %s=%s", key, value);
}

static void source_export_label(struct source_export *export, const char *key, const char *value)
{
	if (*key && !strchr(key, '='))
		strv_add_printf(&export->changes, "LABEL %s=%s", key, value);
}

/* The architecture as images have it. */
static const char *source_export_architecture(const char *name)
{
	static const char *const names[][2] = {
		{ "x86_64", "amd64" },	  { "amd64", "amd64" },	    { "i686", "386" },
		{ "i386", "386" },	  { "aarch64", "arm64" },   { "arm64", "arm64" },
		{ "armv7l", "arm" },	  { "armhf", "arm" },	    { "ppc64le", "ppc64le" },
		{ "ppc64el", "ppc64le" }, { "riscv64", "riscv64" }, { "s390x", "s390x" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(names[i][0], name))
			return names[i][1];
	}
	return NULL;
}

/* --- LXC: lines of KEY = VALUE, see lxc.container.conf(5) --- */

static void source_export_lxc_line(struct source_export *export, const char *key, const char *value)
{
	if (!strcmp(key, "lxc.arch"))
		source_export_keep(&export->architecture, value);
	else if (!strcmp(key, "lxc.environment") && strchr(value, '='))
		strv_add_printf(&export->changes, "ENV %s", value);
	else if (!strcmp(key, "lxc.init.cmd"))
		source_export_keep(&export->init, value);
	else if (!strcmp(key, "lxc.init.cwd"))
		strv_add_printf(&export->changes, "WORKDIR %s", value);
	else if (!strcmp(key, "lxc.init.uid"))
		source_export_keep(&export->uid, value);
	else if (!strcmp(key, "lxc.init.gid"))
		source_export_keep(&export->gid, value);
	/* where the root is, and its owners: what has become of it is known */
	else if (strcmp(key, "lxc.rootfs.path") && strcmp(key, "lxc.idmap"))
		source_export_lost(export, "", key);
}

static void source_export_lxc(struct source_export *export, char *text)
{
	for (char *line; (line = strsep(&text, "\n"));) {
		char *equals = strchr(line, '='), *key = line + strspn(line, " \t"), *value, *end;

		if (!equals || *key == '#')
			continue;
		*equals = '\0';
		key[strcspn(key, " \t")] = '\0';
		value = equals + 1 + strspn(equals + 1, " \t\"");
		end = value + strlen(value);
		while (end > value && strchr(" \t\r\"", end[-1]))
			*--end = '\0';
		source_export_lxc_line(export, key, value);
	}
}

/* --- Incus --- */

/* A setting of an instance's own. */
static void source_export_setting(struct source_export *export, const char *key, const char *value)
{
	if (!strncmp(key, SOURCE_EXPORT_ENV, strlen(SOURCE_EXPORT_ENV)))
		source_export_env(export, key + strlen(SOURCE_EXPORT_ENV), value);
	else if (!strncmp(key, "image.", strlen("image.")) ||
		 !strncmp(key, "user.", strlen("user.")))
		source_export_label(export, key, value);
	/* what Incus notes for itself */
	else if (strncmp(key, "volatile.", strlen("volatile.")) != 0)
		source_export_lost(export, "", key);
}

/* "image.KEY" is what Incus calls an image's property in an instance. */
static int source_export_metadata(void *ctx, const char *path, const char *value,
				  struct err *err _unused_)
{
	static const char properties[] = "properties\t";
	struct source_export *export = ctx;

	if (!strcmp(path, "architecture")) {
		source_export_keep(&export->architecture, value);
	} else if (!strncmp(path, properties, strlen(properties))) {
		_cleanup_free_ char *key = mem_printf("image.%s", path + strlen(properties));

		source_export_label(export, key, value);
	}
	return 0;
}

/* A device is told at its type, which each has. */
static void source_export_device(struct source_export *export, const char *path)
{
	const char *tab = strchr(path, '\t');
	_cleanup_free_ char *name = tab ? mem_strndup(path, (size_t)(tab - path)) : NULL;

	if (name && !strcmp(tab, "\ttype"))
		source_export_lost(export, "the device ", name);
}

/* What stands below config: the container, or (later) instance; profiles and pool are the host's. */
static int source_export_index(void *ctx, const char *path, const char *value,
			       struct err *err _unused_)
{
	static const char *const parents[] = { "config\tcontainer\t", "config\tinstance\t" };
	struct source_export *export = ctx;

	if (!strcmp(path, "type"))
		source_export_keep(&export->type, value);
	else if (!strcmp(path, "snapshots\t-"))
		source_export_lost(export, "the snapshot ", value);
	for (size_t i = 0; i < ARRAY_SIZE(parents); i++) {
		const char *key = path + strlen(parents[i]);

		if (strncmp(path, parents[i], strlen(parents[i])) != 0)
			continue;
		if (!strcmp(key, "architecture"))
			source_export_keep(&export->architecture, value);
		else if (!strcmp(key, "description") && *value)
			source_export_label(export, "description", value);
		else if (!strncmp(key, "config\t", strlen("config\t")))
			source_export_setting(export, key + strlen("config\t"), value);
		else if (!strncmp(key, "devices\t", strlen("devices\t")))
			source_export_device(export, key + strlen("devices\t"));
		else if (!strcmp(key, "profiles\t-"))
			source_export_lost(export, "the profile ", value);
	}
	return 0;
}

/* --- the whole --- */

static int source_export_text(int folder, const char *name, char **ret, size_t *ret_len,
			      struct err *err)
{
	int r = file_read(folder, name, (size_t)REROOT_SETTINGS_MAX, ret, ret_len);

	if (r == -ENOENT)
		return 0;
	return r < 0 ? err_errno(err, r, "cannot read its %s", name) : 1;
}

static int source_export_read(struct source_export *export, int folder, struct err *err)
{
	static const struct {
		const char *name;
		yaml_fn fn;
	} files[] = { { REROOT_METADATA, source_export_metadata },
		      { REROOT_INDEX, source_export_index },
		      { REROOT_CONFIG, NULL } };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *text = NULL;
		size_t len = 0;
		int r = source_export_text(folder, files[i].name, &text, &len, err);

		if (r > 0 && files[i].fn)
			r = yaml_walk(text, len, files[i].fn, export, err);
		else if (r > 0)
			source_export_lxc(export, text);
		if (r < 0)
			return err_wrap(err, "its %s", files[i].name);
	}
	return 0;
}

/* /sbin/init is what a whole system has anyway. */
static void source_export_add_run(struct source_export *export)
{
	if (export->init && strcmp(export->init, "/sbin/init") != 0) {
		_cleanup_strv_ char **words = strv_split(export->init, " \t");
		_cleanup_json_ struct json *list = json_new_strv(words);
		_cleanup_free_ char *text = json_text(list, 0);

		strv_add_printf(&export->changes, "CMD %s", text);
	}
	if (export->uid)
		strv_add_printf(&export->changes, "USER %s%s%s", export->uid,
				export->gid ? ":" : "", export->gid ? export->gid : "");
}

static int source_export_configure(struct source_export *export, struct err *err)
{
	struct source *source = export->source;
	const char *architecture =
		export->architecture ? source_export_architecture(export->architecture) : NULL;

	source_export_add_run(export);
	if (source_begin(source, "brig image import", err) < 0 ||
	    manifest_change_config(source->config, export->changes, err) < 0 ||
	    manifest_change_config(source->config, source->options->changes, err) < 0)
		return err->code;
	if (architecture) {
		(void)json_object_remove(source->config, "architecture");
		json_object_add(source->config, "architecture", json_new_string(architecture));
	} else if (export->architecture) {
		source_export_lost(export, "its architecture, ", export->architecture);
	}
	return 0;
}

static void source_export_tell(struct source_export *export, const struct reroot_found *found)
{
	if (found->has_snapshots)
		source_note(export->source, "not carried: what snapshots have");
	if (found->has_templates)
		source_note(export->source, "not carried: templates of files");
	if (found->uid_base || found->gid_base)
		source_note(export->source, "shifted back: owners, by %lld:%lld",
			    (long long)found->uid_base, (long long)found->gid_base);
	if (found->foreign)
		source_note(export->source,
			    "not carried: %lld owners who were none of its own; it is root now",
			    (long long)found->foreign);
}

static int source_export_refuse(const struct reroot_found *found, struct err *err)
{
	if (found->is_optimized)
		return err_set(err, -EOPNOTSUPP,
			       "it is a backup in the storage's own form: export it again without "
			       "--optimized-storage");
	if (found->is_vm)
		return err_set(err, -EOPNOTSUPP,
			       "it is an export of a VM: unpack it, and import the disk image that "
			       "is in it");
	return err_set(err, -EOPNOTSUPP,
		       "it has settings and no root file system, which is in a file of its own, as "
		       "rootfs.squashfs: import a tar of that");
}

int source_read_export(struct source *source, int fd, int64_t size, struct err *err)
{
	_cleanup_(source_export_release) struct source_export export = { .source = source };
	_cleanup_close_ int tar = -EBADF, settings = -EBADF;
	struct reroot_found found;

	if (layer_reroot(&source->work, fd, size, source->options->progress,
			 source->options->progress_ctx, &tar, &settings, &found, err) < 0)
		return err->code;
	if (!found.has_settings || (!found.has_root && !found.has_metadata))
		return 0;
	if (!found.has_root)
		return source_export_refuse(&found, err);
	if (source_export_read(&export, settings, err) < 0 ||
	    source_export_configure(&export, err) < 0)
		return err->code;
	source_export_tell(&export, &found);
	return source_read_made(source, tar, "brig image import", err) < 0 ? err->code : 1;
}
