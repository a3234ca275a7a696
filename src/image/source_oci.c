// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/source.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "image/manifest.h"

#include <fcntl.h>
#include <string.h>

/*
 * An OCI layout (github.com/opencontainers/image-spec): index.json names manifests, or lists of
 * manifests of one image for several platforms; a manifest names a configuration and layers; all
 * but index.json are files blobs/sha256/HEX. Everything is copied as it is, so that an image keeps
 * its digest.
 */

struct source_oci {
	struct source *source;
	int dir, is_ours;
};

static int source_oci_add_blob(const struct source_oci *oci, const struct descriptor *descriptor,
			       const char *what, struct blob *ret, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("blobs/sha256/%s", descriptor->hex);
	_cleanup_close_ int fd = source_open(oci->dir, path, err);
	const struct work_input input = {
		.fd = fd,
		.is_ours = oci->is_ours,
		.expected = descriptor->hex,
		.expected_size = descriptor->size,
		.what = what,
		.progress = oci->source->options->progress,
		.progress_ctx = oci->source->options->progress_ctx,
	};

	return fd < 0 ? fd : work_add_blob(&oci->source->work, &input, ret, err);
}

/* Brings a document and reads it. */
static int source_oci_read(const struct source_oci *oci, const struct descriptor *descriptor,
			   const char *what, struct blob *blob, char **ret, size_t *ret_len,
			   struct err *err)
{
	if (descriptor->size > (int64_t)MANIFEST_TEXT_MAX)
		return err_set(err, -EFBIG, "%s is too large", what);
	if (source_oci_add_blob(oci, descriptor, what, blob, err) < 0)
		return err->code;
	return work_read_blob(&oci->source->work, blob->hex, MANIFEST_TEXT_MAX, ret, ret_len, err);
}

static int source_oci_add_layers(const struct source_oci *oci, const struct manifest *manifest,
				 char *const *diff_ids, struct err *err)
{
	if (strv_len(diff_ids) != manifest->n_layers)
		return err_set(err, -EBADMSG,
			       "it is damaged: the configuration has %zu layers, the manifest %zu",
			       strv_len(diff_ids), manifest->n_layers);
	for (size_t i = 0; i < manifest->n_layers; i++) {
		const struct descriptor *layer = &manifest->layers[i];
		struct blob blob = { .size = layer->size };

		memcpy(blob.hex, layer->hex, sizeof(blob.hex));
		if (source_oci_add_blob(oci, layer, "a layer", &blob, err) < 0 ||
		    source_add_layer(oci->source, &blob, diff_ids[i], err) < 0)
			return err->code;
	}
	return 0;
}

static int source_oci_add_image(const struct source_oci *oci, const struct descriptor *descriptor,
				const struct descriptor *naming, struct err *err)
{
	_cleanup_manifest_ struct manifest manifest = { .n_layers = 0 };
	_cleanup_free_ char *text = NULL, *config_text = NULL;
	_cleanup_json_ struct json *config = NULL;
	_cleanup_strv_ char **diff_ids = NULL;
	struct blob blob, config_blob;
	size_t len = 0;

	if (source_oci_read(oci, descriptor, "the manifest", &blob, &text, &len, err) < 0 ||
	    manifest_parse(text, len, &manifest, err) < 0 ||
	    source_oci_read(oci, &manifest.config, "the configuration", &config_blob, &config_text,
			    &len, err) < 0 ||
	    json_parse(config_text, len, "the configuration", &config, err) < 0 ||
	    manifest_check_config(config, &diff_ids, err) < 0 ||
	    source_oci_add_layers(oci, &manifest, diff_ids, err) < 0)
		return err->code;
	return source_add_image(oci->source, &blob, descriptor->media_type, naming->reference,
				naming->tag, err);
}

/* An entry without a platform fits. */
static int source_oci_fits(const struct descriptor *descriptor)
{
	return !descriptor->architecture ||
	       (!strcmp(descriptor->architecture, manifest_architecture()) && descriptor->os &&
		!strcmp(descriptor->os, "linux"));
}

/* A list of manifests for several platforms: ours is taken. */
static int source_oci_add_list(const struct source_oci *oci, const struct descriptor *list,
			       struct err *err)
{
	_cleanup_manifest_index_ struct manifest_index index = { .n_images = 0 };
	_cleanup_free_ char *text = NULL;
	struct blob blob;
	size_t len = 0;

	if (source_oci_read(oci, list, "the list of platforms", &blob, &text, &len, err) < 0 ||
	    manifest_parse_index(text, len, &index, err) < 0)
		return err->code;
	for (size_t i = 0; i < index.n_images; i++) {
		if (source_oci_fits(&index.images[i]) &&
		    !manifest_type_is_index(index.images[i].media_type))
			return source_oci_add_image(oci, &index.images[i], list, err);
	}
	return err_set(err, -ENOENT, "it has no image for linux on %s", manifest_architecture());
}

int source_read_oci(struct source *source, int dir, int is_ours, struct err *err)
{
	const struct source_oci oci = { .source = source, .dir = dir, .is_ours = is_ours };
	_cleanup_manifest_index_ struct manifest_index index = { .n_images = 0 };
	_cleanup_close_ int fd = source_open(dir, "index.json", err);
	_cleanup_free_ char *path = NULL, *text = NULL;
	size_t len = 0;
	int r;

	if (fd < 0)
		return fd;
	path = mem_printf("/proc/self/fd/%d", fd);
	r = file_read(AT_FDCWD, path, MANIFEST_TEXT_MAX, &text, &len);
	if (r < 0)
		return err_errno(err, r, "cannot read its index.json");
	if (manifest_parse_index(text, len, &index, err) < 0)
		return err->code;
	for (size_t i = 0; i < index.n_images; i++) {
		const struct descriptor *image = &index.images[i];

		if (!source_wants(source, image->reference, image->tag) || !source_oci_fits(image))
			continue;
		r = manifest_type_is_index(image->media_type)
			    ? source_oci_add_list(&oci, image, err)
			    : source_oci_add_image(&oci, image, image, err);
		if (r < 0)
			return r;
	}
	return 0;
}
