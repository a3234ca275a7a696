/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_SOURCE_H
#define IMAGE_SOURCE_H

#include "image/import.h"
#include "image/layer.h"
#include "image/store.h"
#include "image/work.h"

/*
 * An import on its way. The functions of source_*.c bring what one kind of source has into the work
 * folder as checked blobs, and say which images and layers they make up; image/import.c does the
 * rest.
 */
struct source {
	const char *root;
	const struct import_options *options;
	const char
		*name; /* of the source, for messages and as the image's name if it brings none */
	const char *pick; /* NULL, or the one image of the source that is wanted */
	struct work work;

	struct layer *layers; /* no two with the same blob */
	size_t n_layers;
	struct store_image *images;
	size_t n_images;
	struct json *config; /* of a bare root file system, which has one image with one layer */
	int is_bootstrap;
};

#define SOURCE_LAYERS_MAX 4096 /* different ones in all images of a source */

void source_release(struct source *source);
#define _cleanup_source_ _cleanup_(source_release)

/* An OCI layout. is_ours: dir is in the work folder. */
int source_read_oci(struct source *source, int dir, int is_ours, struct err *err);
/* An archive made by `docker save` or `podman save`, unpacked in the work folder. */
int source_read_docker(struct source *source, int dir, struct err *err);
/* A tar of a root file system in fd, a file at its begin. is_ours: it is in the work folder. */
int source_read_root(struct source *source, int fd, int is_ours, struct err *err);
/* The same of one that a tool of ours wrote to a nameless file: it is stored compressed. */
int source_read_made(struct source *source, int fd, const char *created_by, struct err *err);
/* Whether the file is a disk image, and the root file system of one (raw or qcow2). */
int source_is_disk(int fd);
int source_read_disk(struct source *source, int fd, struct err *err);
/* A folder with a root file system. */
int source_read_folder(struct source *source, const char *path, struct err *err);
/* mmdebstrap's; options as for import_bootstrap(). */
int source_read_bootstrap(struct source *source, const char *suite, char *const *include,
			  struct err *err);

/* Once its layer is made: names the bare root file system. */
int source_finish_root(struct source *source, struct err *err);

/* What registry.c has brought to the folder of that name in the work folder: an OCI layout with one image. Ends the
 * import: the image is stored. */
int import_fetched(struct source *source, const char *folder, struct err *err);

/* The end of an import whose images, layers and blobs are all in the source: it is stored. */
int import_complete(struct source *source, struct err *err);

/* --- for the above --- */

/* Adds a layer whose blob is in the work folder, if it is not known yet. */
int source_add_layer(struct source *source, const struct blob *blob, const char *diff_id,
		     struct err *err);
/*
 * Adds an image whose manifest is in the work folder. reference and tag are what the source calls
 * it; with neither it gets the source's own name.
 */
int source_add_image(struct source *source, const struct blob *manifest, const char *media_type,
		     const char *reference, const char *tag, struct err *err);
/* Is this the image that is wanted, or are all? */
int source_wants(const struct source *source, const char *reference, const char *tag);

/* Tells the user what of the source could not be carried, or is otherwise than it was there. */
void source_note(const struct source *source, const char *fmt, ...) _printf_(2, 3);

/* Opens a regular file below dir, following no link that leads out of it. */
int source_open(int dir, const char *path, struct err *err);

/* How a layer's blob is compressed, by its first bytes. */
enum source_compression { SOURCE_PLAIN, SOURCE_GZIP, SOURCE_ZSTD, SOURCE_OTHER };
enum source_compression source_compression(int fd);
/* The media type of a layer that is compressed so; NULL for SOURCE_OTHER, which OCI does not know.
 */
const char *source_layer_type(enum source_compression compression);

#endif
