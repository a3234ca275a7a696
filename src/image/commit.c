// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/commit.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/units.h"
#include "image/disk_layer.h"
#include "image/manifest.h"
#include "image/reference.h"
#include "image/source.h"
#include "image/upper.h"
#include "proto/instance.h"
#include "sys/idmap.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/*
 * The layers of the base are linked into the work folder, so that nobody takes them away meanwhile, the new one is
 * written as a tar and compressed, and configuration and manifest are the base's with one layer more. From there it
 * is an import like any other.
 */

#define COMMIT_DOCKER_LAYER "application/vnd.docker.image.rootfs.diff.tar"

/* --- the layer --- */

struct commit_reading {
	int folder, out;
};

static int64_t commit_read(void *ctx, struct err *err)
{
	const struct commit_reading *reading = ctx;

	return upper_write(reading->folder, NULL, reading->out, err);
}

/* A user's containers have files of his subordinate ids: they are read as root of his user namespace. */
static int commit_read_as_user(int folder, int out, struct err *err)
{
	struct commit_reading reading = { folder, out };

	return (int)userns_run(commit_read, &reading, err);
}

/* Where no idmapped mount is to be had, the layer's ids on disk are those of the host. */
static int commit_is_shifted(int folder, const struct idmap *map)
{
	struct stat st;

	return map->n_uids && fstat(folder, &st) == 0 && st.st_uid >= map->uids[0].outside &&
	       st.st_uid - map->uids[0].outside < map->uids[0].count && map->uids[0].outside;
}

static int commit_read_as_root(const struct commit *commit, int folder, int out, struct err *err)
{
	struct idmap map;
	int r;

	idmap_of_caller(&map, commit->more_ids);
	r = upper_write(folder, commit_is_shifted(folder, &map) ? &map : NULL, out, err);
	idmap_release(&map);
	return r;
}

static int commit_never_ran(struct err *err)
{
	return err_set(err, -ENOENT,
		       "it has never run, so there is nothing that its image has not");
}

static int commit_read_disk(const struct commit *commit, const struct work *work, struct err *err)
{
	_cleanup_close_ int disk = open(commit->disk, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct ext4_layer_found found = { 0 };
	int out = -EBADF, r;

	if (disk < 0 && errno == ENOENT)
		return commit_never_ran(err);
	if (disk < 0)
		return err_errno(err, -errno, "cannot open %s", commit->disk);
	r = disk_layer_read(work, disk, 0, 0, INSTANCE_UPPER, commit->progress,
			    commit->progress_ctx, &out, &found, err);
	if (r == 0 && found.absent) {
		fd_close(out);
		return commit_never_ran(err);
	}
	return r < 0 ? r : out;
}

static int commit_read_folder(const struct commit *commit, const struct work *work, struct err *err)
{
	_cleanup_close_ int folder =
		open(commit->upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_close_ int out =
		openat(work->fd, "upper.tar", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r;

	if (folder < 0 && errno == ENOENT)
		return commit_never_ran(err);
	if (folder < 0 || out < 0)
		return err_errno(err, -errno, "cannot open %s",
				 folder < 0 ? commit->upper : work->path);
	r = idmap_is_host_root() ? commit_read_as_root(commit, folder, out, err)
				 : commit_read_as_user(folder, out, err);
	if (r < 0)
		return r;
	if (lseek(out, 0, SEEK_SET) < 0)
		return err_errno(err, -errno, "cannot read the layer");
	return take_fd(&out);
}

static int commit_make_layer(const struct commit *commit, const struct work *work,
			     struct layer *ret, struct err *err)
{
	_cleanup_close_ int tar = commit->disk ? commit_read_disk(commit, work, err)
					       : commit_read_folder(commit, work, err);
	struct stat st;

	if (tar < 0)
		return tar;
	if (commit->done_reading && commit->done_reading(commit->done_ctx, err) < 0)
		return err->code;
	if (fstat(tar, &st) < 0)
		return err_errno(err, -errno, "cannot read the layer");
	return layer_compress(work, tar, st.st_size, commit->progress, commit->progress_ctx, ret,
			      err);
}

/* --- the configuration --- */

static int commit_equals(char *const *a, char *const *b)
{
	size_t n = strv_len(a);

	for (size_t i = 0; i < n; i++) {
		if (i >= strv_len(b) || strcmp(a[i], b[i]))
			return 0;
	}
	return n == strv_len(b);
}

static void commit_set_words(struct json *run, const char *key, char *const *words)
{
	(void)json_object_remove(run, key);
	if (words && *words)
		json_object_add(run, key, json_new_strv(words));
}

/* What runs: the image's entry point stays one if it is what the command begins with. */
static void commit_set_command(struct json *run, char *const *argv)
{
	_cleanup_strv_ char **entrypoint = json_get_strv(run, "Entrypoint");
	_cleanup_strv_ char **cmd = json_get_strv(run, "Cmd"), **whole = NULL;
	size_t n = strv_len(entrypoint);

	whole = strv_dup(entrypoint);
	strv_for_each(word, cmd)
		strv_add(&whole, *word);
	if (commit_equals(whole, argv))
		return;
	for (size_t i = 0; i < n; i++) {
		if (!argv[i] || strcmp(argv[i], entrypoint[i])) {
			commit_set_words(run, "Entrypoint", NULL);
			commit_set_words(run, "Cmd", argv);
			return;
		}
	}
	commit_set_words(run, "Cmd", argv + n);
}

static void commit_set_string(struct json *object, const char *key, const char *value)
{
	if (!value)
		return;
	(void)json_object_remove(object, key);
	json_object_add(object, key, json_new_string(value));
}

static void commit_set_labels(struct json *run, char *const *labels)
{
	struct json *object = json_new_object();

	strv_for_each(label, labels) {
		size_t len = strcspn(*label, "=");
		_cleanup_free_ char *key = mem_strndup(*label, len);

		json_object_add(object, key, json_new_string(*label + len + ((*label)[len] != 0)));
	}
	(void)json_object_remove(run, "Labels");
	json_object_add(run, "Labels", object);
}

static struct json *commit_member(struct json *config, const char *key, enum json_kind kind)
{
	if (json_kind(json_get(config, key)) != kind) {
		(void)json_object_remove(config, key);
		json_object_add(config, key,
				kind == JSON_ARRAY ? json_new_array() : json_new_object());
	}
	return json_get(config, key);
}

static void commit_add_history(const struct commit *commit, struct json *config)
{
	struct json *step = json_new_object();
	char created[UNITS_TEXT_MAX];

	units_format_time(units_now(), created);
	commit_set_string(config, "created", created);
	commit_set_string(config, "author", commit->author);
	json_object_add(step, "created", json_new_string(created));
	json_object_add(step, "created_by", json_new_string(commit->created_by));
	commit_set_string(step, "author", commit->author);
	commit_set_string(step, "comment", commit->message);
	json_array_add(commit_member(config, "history", JSON_ARRAY), step);
}

static int commit_configure(const struct commit *commit, struct json *config, struct err *err)
{
	struct json *run = commit_member(config, "config", JSON_OBJECT);

	if (commit->argv)
		commit_set_command(run, commit->argv);
	if (commit->env)
		commit_set_words(run, "Env", commit->env);
	if (commit->labels)
		commit_set_labels(run, commit->labels);
	commit_set_string(run, "WorkingDir", commit->cwd);
	commit_set_string(run, "User", commit->user);
	commit_add_history(commit, config);
	return manifest_change_config(config, commit->changes, err);
}

/* --- the image --- */

/* Takes a blob of the store into the work folder. */
static int commit_link(const char *root, const struct work *work, const char *hex, struct err *err)
{
	_cleanup_free_ char *from = mem_printf("%s/images/blobs/sha256/%s", root, hex);
	_cleanup_free_ char *to = mem_printf("blobs/%s", hex);

	if (linkat(AT_FDCWD, from, work->fd, to, 0) == 0 || errno == EEXIST)
		return 0;
	return err_errno(err, -errno, "cannot take the blob %s of the image", hex);
}

static int commit_take_base(const struct commit *commit, struct source *source,
			    struct store_documents *base, char ***ret_diff_ids, struct err *err)
{
	_cleanup_close_ int lock = store_lock(source->root, 0, err);
	int r = lock < 0 ? lock : store_get_documents(source->root, commit->base, base, err);

	if (r == -ENOENT)
		return err_set(
			err, r,
			"the image that it was made of is here no more (%.80s); pull or import "
			"that again",
			commit->base);
	if (r == 0)
		r = manifest_check_config(base->config, ret_diff_ids, err);
	if (r == 0 && strv_len(*ret_diff_ids) != base->manifest->n_layers)
		r = err_set(err, -EBADMSG, "the image that it was made of is damaged");
	for (size_t i = 0; r == 0 && i < base->manifest->n_layers; i++) {
		struct blob blob = { .size = base->manifest->layers[i].size };

		memcpy(blob.hex, base->manifest->layers[i].hex, sizeof(blob.hex));
		r = commit_link(source->root, &source->work, blob.hex, err);
		if (r == 0)
			r = source_add_layer(source, &blob, (*ret_diff_ids)[i], err);
	}
	return r;
}

/* OCI's name for docker's kinds of layers, which are the same. */
static char *commit_layer_type(const char *type)
{
	if (!strcmp(type, COMMIT_DOCKER_LAYER ".gzip"))
		return mem_strdup(MANIFEST_TYPE_LAYER "+gzip");
	if (!strcmp(type, COMMIT_DOCKER_LAYER))
		return mem_strdup(MANIFEST_TYPE_LAYER);
	return mem_strdup(type);
}

static void commit_describe(struct descriptor *descriptor, const char *hex, int64_t size,
			    const char *type)
{
	memcpy(descriptor->hex, hex, sizeof(descriptor->hex));
	descriptor->size = size;
	descriptor->media_type = commit_layer_type(type);
}

static int commit_write_documents(struct source *source, const struct store_documents *base,
				  const struct layer *layer, struct err *err)
{
	_cleanup_manifest_ struct manifest manifest = { .n_layers = 0 };
	_cleanup_free_ char *text = json_text(base->config, 0), *manifest_json = NULL;
	const struct manifest *old = base->manifest;
	struct blob config, blob;

	if (old->n_layers >= MANIFEST_LAYERS_MAX)
		return err_set(err, -EFBIG, "its image has %zu layers, and there can be no more",
			       old->n_layers);
	if (work_add_text(&source->work, text, &config, err) < 0)
		return err->code;
	commit_describe(&manifest.config, config.hex, config.size, MANIFEST_TYPE_CONFIG);
	manifest.layers = mem_zalloc((old->n_layers + 1) * sizeof(*manifest.layers));
	for (; manifest.n_layers < old->n_layers; manifest.n_layers++) {
		const struct descriptor *from = &old->layers[manifest.n_layers];

		commit_describe(&manifest.layers[manifest.n_layers], from->hex, from->size,
				from->media_type);
	}
	commit_describe(&manifest.layers[manifest.n_layers++], layer->blob, layer->blob_size,
			MANIFEST_TYPE_LAYER "+zstd");
	manifest_json = manifest_text(&manifest);
	if (work_add_text(&source->work, manifest_json, &blob, err) < 0)
		return err->code;
	return source_add_image(source, &blob, MANIFEST_TYPE_MANIFEST, NULL, NULL, err);
}

static int commit_make(const struct commit *commit, struct source *source, struct err *err)
{
	_cleanup_store_documents_ struct store_documents base = { 0 };
	_cleanup_strv_ char **diff_ids = NULL;
	struct layer layer = { .blob_size = 0 };
	struct blob blob;

	if (commit_take_base(commit, source, &base, &diff_ids, err) < 0 ||
	    commit_configure(commit, base.config, err) < 0 ||
	    commit_make_layer(commit, &source->work, &layer, err) < 0)
		return err->code;
	manifest_config_add_layer(base.config, layer.diff_id);
	blob.size = layer.blob_size;
	memcpy(blob.hex, layer.blob, sizeof(blob.hex));
	if (source_add_layer(source, &blob, layer.diff_id, err) < 0 ||
	    commit_write_documents(source, &base, &layer, err) < 0)
		return err->code;
	return import_complete(source, err);
}

int commit_image(const char *root, const struct commit *commit, char **ret_reference,
		 char **ret_digest, struct err *err)
{
	_cleanup_free_ char *full = NULL;
	struct import_options options = { .progress = commit->progress,
					  .progress_ctx = commit->progress_ctx };
	_cleanup_source_ struct source source = {
		.root = root, .name = commit->reference, .options = &options, .work = WORK_INIT
	};
	int r = reference_normalize(commit->reference, &full, err);

	if (r < 0)
		return r;
	options.reference = full;
	r = work_open(root, &source.work, err);
	if (r == 0)
		r = commit_make(commit, &source, err);
	if (r < 0)
		return r;
	*ret_digest = mem_printf("sha256:%s", source.images[0].hex);
	*ret_reference = take_ptr(full);
	return 0;
}
