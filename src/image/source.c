// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/source.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "image/manifest.h"
#include "image/reference.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

void source_release(struct source *source)
{
	for (size_t i = 0; i < source->n_images; i++) {
		free(source->images[i].reference);
		free(source->images[i].media_type);
	}
	free(source->images);
	free(source->layers);
	json_free(source->config);
	work_close(&source->work);
}

int source_add_layer(struct source *source, const struct blob *blob, const char *diff_id,
		     struct err *err)
{
	struct layer *layer;

	for (size_t i = 0; i < source->n_layers; i++) {
		if (strcmp(source->layers[i].blob, blob->hex))
			continue;
		if (strcmp(source->layers[i].diff_id, diff_id))
			return err_set(err, -EBADMSG,
				       "it is damaged: one layer, sha256:%s, has two diff ids",
				       blob->hex);
		return 0;
	}
	if (source->n_layers == SOURCE_LAYERS_MAX)
		return err_set(err, -EFBIG, "it has more than %d layers", SOURCE_LAYERS_MAX);
	source->layers = mem_realloc(source->layers, source->n_layers + 1, sizeof(*source->layers));
	layer = &source->layers[source->n_layers++];
	*layer = (struct layer){ .blob_size = blob->size };
	memcpy(layer->blob, blob->hex, sizeof(layer->blob));
	snprintf(layer->diff_id, sizeof(layer->diff_id), "%s", diff_id);
	return 0;
}

/* What the source calls an image, in full; NULL if it gives it no valid name. */
static char *source_full_name(const struct source *source, const char *reference, const char *tag)
{
	_cleanup_free_ char *base = reference ? NULL : reference_from_path(source->name);
	_cleanup_free_ char *text = NULL;
	struct err invalid = ERR_INIT;
	char *full = NULL;

	if (reference)
		text = mem_strdup(reference);
	else if (base)
		text = mem_printf("%s:%s", base, tag ? tag : "latest");
	return text && reference_normalize(text, &full, &invalid) == 0 ? full : NULL;
}

int source_wants(const struct source *source, const char *reference, const char *tag)
{
	_cleanup_free_ char *full = source_full_name(source, reference, tag), *pick = NULL;
	struct err invalid = ERR_INIT;

	if (!source->pick)
		return 1;
	if (tag && !strcmp(tag, source->pick))
		return 1;
	if (full && !strcmp(reference_tag(full) + 1, source->pick))
		return 1;
	return full && reference_normalize(source->pick, &pick, &invalid) == 0 &&
	       !strcmp(full, pick);
}

int source_add_image(struct source *source, const struct blob *manifest, const char *media_type,
		     const char *reference, const char *tag, struct err *err)
{
	_cleanup_free_ char *full = NULL;
	struct store_image *image;

	if (source->options->reference) {
		if (source->n_images && !strcmp(source->images[0].hex, manifest->hex))
			return 0;
		if (source->n_images)
			return err_set(err, -EINVAL,
				       "it holds several images, which cannot all be named %.120s: "
				       "add the name of one to the source, as in FILE:NAME:TAG",
				       source->options->reference);
		if (reference_normalize(source->options->reference, &full, err) < 0)
			return err->code;
	} else {
		full = source_full_name(source, reference, tag);
	}
	if (!full)
		return err_set(err, -EINVAL,
			       "it gives the image no valid name ('%.80s'): name it with --name",
			       reference ? reference
			       : tag	 ? tag
					 : "");
	for (size_t i = 0; i < source->n_images; i++) {
		if (!strcmp(source->images[i].reference, full) &&
		    strcmp(source->images[i].hex, manifest->hex))
			return err_set(err, -EINVAL, "it holds two images named %.120s", full);
	}
	source->images = mem_realloc(source->images, source->n_images + 1, sizeof(*source->images));
	image = &source->images[source->n_images++];
	*image = (struct store_image){ .size = manifest->size };
	image->reference = take_ptr(full);
	image->media_type = mem_strdup(media_type);
	memcpy(image->hex, manifest->hex, sizeof(image->hex));
	return 0;
}

void source_note(const struct source *source, const char *fmt, ...)
{
	char text[512];
	va_list args;

	if (!source->options->note)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	/* names in it are the source's */
	for (char *p = text; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == '\x7f')
			*p = '?';
	}
	source->options->note(source->options->note_ctx, text);
}

int source_open(int dir, const char *path, struct err *err)
{
	_cleanup_close_ int fd = file_open_scoped(dir, path, O_RDONLY | O_NONBLOCK | O_NOCTTY,
						  RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, fd < 0 ? fd : -errno, "cannot open its %.120s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "its %.120s is no file", path);
	return take_fd(&fd);
}

enum source_compression source_compression(int fd)
{
	static const struct {
		const char *magic;
		size_t len;
		enum source_compression compression;
	} table[] = {
		{ "\x1f\x8b", 2, SOURCE_GZIP },
		{ "\x28\xb5\x2f\xfd", 4, SOURCE_ZSTD },
		{ "\xfd"
		  "7zXZ",
		  5, SOURCE_OTHER },
		{ "BZh", 3, SOURCE_OTHER },
	};
	char bytes[8] = "";

	if (pread(fd, bytes, sizeof(bytes), 0) < 0)
		return SOURCE_PLAIN;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (!memcmp(bytes, table[i].magic, table[i].len))
			return table[i].compression;
	}
	return SOURCE_PLAIN;
}

const char *source_layer_type(enum source_compression compression)
{
	switch (compression) {
	case SOURCE_PLAIN:
		return MANIFEST_TYPE_LAYER;
	case SOURCE_GZIP:
		return MANIFEST_TYPE_LAYER "+gzip";
	case SOURCE_ZSTD:
		return MANIFEST_TYPE_LAYER "+zstd";
	case SOURCE_OTHER:
		break;
	}
	return NULL;
}
