/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_EXPORT_H
#define IMAGE_EXPORT_H

#include "image/store.h"
#include "image/work.h"

/*
 * The way out of the store: images as an OCI layout in the folder EXPORT_FOLDER of a work folder, whose blobs are
 * linked, so that the store may change meanwhile.
 */
#define EXPORT_FOLDER "export"

struct export
{
	struct work work;
	struct store_documents *images;
	size_t n_images;
};

#define EXPORT_INIT ((struct export){ .work = WORK_INIT })

int export_open(const char *root, char *const *references, struct export *ret, struct err *err);
void export_release(struct export *export);
#define _cleanup_export_ _cleanup_(export_release)

/* How save_images() writes. */
enum export_format { EXPORT_DOCKER, EXPORT_OCI };
extern const char *const export_formats[]; /* "docker-archive", "oci-archive" */

/*
 * Writes images as one tar to path, which is replaced as a whole if it is a file, or to fd if path is NULL. With
 * EXPORT_DOCKER it is both kinds of archive in one, the blobs there once: `docker load`, `podman load` and `brig
 * load` read it, and skopeo by either name.
 */
int export_save(const char *root, char *const *references, enum export_format format,
		const char *path, int fd, struct err *err);

#endif
