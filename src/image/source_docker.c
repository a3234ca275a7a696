// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/source.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "image/manifest.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/*
 * What `docker save` writes: manifest.json, a list with for each image
 *   Config    path of its configuration, which is also OCI's
 *   RepoTags  its names, or null
 *   Layers    paths of its layers' tars, lowest first, mostly not compressed; links are used for
 * layers that the archive has already The images get manifests of ours.
 */

struct source_docker {
	struct source *source;
	int dir;
	size_t n;
	char **paths;		   /* of the layers that were brought already... */
	struct descriptor *layers; /* ...and what they are */
};

static void source_docker_release(struct source_docker *docker)
{
	for (size_t i = 0; i < docker->n; i++)
		free(docker->layers[i].media_type);
	free(docker->layers);
	strv_free(docker->paths);
}

static int source_docker_text(int dir, const char *path, char **ret, size_t *ret_len,
			      struct err *err)
{
	_cleanup_close_ int fd = source_open(dir, path, err);
	_cleanup_free_ char *proc = mem_printf("/proc/self/fd/%d", fd);
	int r;

	if (fd < 0)
		return fd;
	r = file_read(AT_FDCWD, proc, MANIFEST_TEXT_MAX, ret, ret_len);
	return r < 0 ? err_errno(err, r, "cannot read its %.120s", path) : 0;
}

static int source_docker_bring(struct source_docker *docker, const char *path, const char *diff_id,
			       struct descriptor *ret, struct err *err)
{
	_cleanup_close_ int fd = source_open(docker->dir, path, err);
	struct work_input input = {
		.fd = fd,
		.is_ours = 1,
		.expected_size = -1,
		.what = "a layer",
		.progress = docker->source->options->progress,
		.progress_ctx = docker->source->options->progress_ctx,
	};
	enum source_compression compression;
	struct blob blob;

	if (fd < 0)
		return fd;
	compression = source_compression(fd);
	if (!source_layer_type(compression))
		return err_set(err, -EINVAL,
			       "its layer %.120s is compressed in a way that images do not have",
			       path);
	if (compression == SOURCE_PLAIN)
		input.expected = diff_id;
	if (work_add_blob(&docker->source->work, &input, &blob, err) < 0 ||
	    source_add_layer(docker->source, &blob, diff_id, err) < 0)
		return err->code;
	memcpy(ret->hex, blob.hex, sizeof(ret->hex));
	ret->size = blob.size;
	ret->media_type = mem_strdup(source_layer_type(compression));
	return 0;
}

/* The layer at path; brought if it is not there yet. Its media type stays ours. */
static int source_docker_layer(struct source_docker *docker, const char *path, const char *diff_id,
			       struct descriptor *ret, struct err *err)
{
	struct descriptor layer = { .size = 0 };

	for (size_t i = 0; i < docker->n; i++) {
		if (!strcmp(docker->paths[i], path)) {
			*ret = docker->layers[i];
			return 0;
		}
	}
	if (source_docker_bring(docker, path, diff_id, &layer, err) < 0)
		return err->code;
	strv_add(&docker->paths, path);
	docker->layers = mem_realloc(docker->layers, docker->n + 1, sizeof(*docker->layers));
	docker->layers[docker->n++] = layer;
	*ret = layer;
	return 0;
}

/* Brings the configuration and the layers, and writes a manifest that names them. */
static int source_docker_manifest(struct source_docker *docker, const struct json *image,
				  struct blob *ret, struct err *err)
{
	_cleanup_strv_ char **paths = json_get_strv(image, "Layers"), **diff_ids = NULL;
	_cleanup_free_ struct descriptor *layers = NULL;
	_cleanup_free_ char *text = NULL, *manifest = NULL;
	_cleanup_json_ struct json *config = NULL;
	struct manifest described = { .n_layers = 0 };
	char type[] = MANIFEST_TYPE_CONFIG;
	struct blob blob;
	size_t len = 0;

	if (source_docker_text(docker->dir, json_get_string(image, "Config", ""), &text, &len,
			       err) < 0 ||
	    json_parse(text, len, "the configuration", &config, err) < 0 ||
	    manifest_check_config(config, &diff_ids, err) < 0)
		return err->code;
	if (strv_len(paths) != strv_len(diff_ids))
		return err_set(err, -EBADMSG,
			       "it is damaged: the configuration has %zu layers, the manifest %zu",
			       strv_len(diff_ids), strv_len(paths));
	layers = mem_zalloc((strv_len(paths) + 1) * sizeof(*layers));
	for (size_t i = 0; i < strv_len(paths); i++) {
		if (source_docker_layer(docker, paths[i], diff_ids[i], &layers[i], err) < 0)
			return err->code;
	}
	if (work_add_text(&docker->source->work, text, &blob, err) < 0)
		return err->code;
	described.config.size = blob.size;
	described.config.media_type = type;
	memcpy(described.config.hex, blob.hex, sizeof(blob.hex));
	described.layers = layers;
	described.n_layers = strv_len(paths);
	manifest = manifest_text(&described);
	return work_add_text(&docker->source->work, manifest, ret, err);
}

static int source_docker_image(struct source_docker *docker, const struct json *image,
			       struct err *err)
{
	_cleanup_strv_ char **tags = json_get_strv(image, "RepoTags"), **wanted = NULL;
	struct blob manifest;

	strv_for_each(tag, tags) {
		if (source_wants(docker->source, *tag, NULL))
			strv_add(&wanted, *tag);
	}
	if (tags && !wanted)
		return 0;
	if (source_docker_manifest(docker, image, &manifest, err) < 0)
		return err->code;
	if (!tags || docker->source->options->reference)
		return source_add_image(docker->source, &manifest, MANIFEST_TYPE_MANIFEST, NULL,
					NULL, err);
	strv_for_each(tag, wanted) {
		if (source_add_image(docker->source, &manifest, MANIFEST_TYPE_MANIFEST, *tag, NULL,
				     err) < 0)
			return err->code;
	}
	return 0;
}

int source_read_docker(struct source *source, int dir, struct err *err)
{
	_cleanup_(source_docker_release) struct source_docker docker = { .source = source,
									 .dir = dir };
	_cleanup_json_ struct json *list = NULL;
	_cleanup_free_ char *text = NULL;
	size_t len = 0;

	if (source_docker_text(dir, "manifest.json", &text, &len, err) < 0 ||
	    json_parse(text, len, "its manifest.json", &list, err) < 0)
		return err->code;
	if (json_array_len(list) > MANIFEST_IMAGES_MAX)
		return err_set(err, -EFBIG, "it has more than %d images", MANIFEST_IMAGES_MAX);
	for (size_t i = 0; i < json_array_len(list); i++) {
		if (source_docker_image(&docker, json_array_at(list, i), err) < 0)
			return err->code;
	}
	return 0;
}
