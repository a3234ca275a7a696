/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_FETCH_H
#define IMAGE_FETCH_H

#include "image/registry-internal.h"

/*
 * Makes the folder FETCH_FOLDER in the work folder: an OCI layout with the one image, whose blobs are not
 * checked yet.
 */
#define FETCH_FOLDER "fetch"
int fetch_image(const struct registry_call *call, const struct registry_image *image,
		const struct work *work, struct err *err);

/* Forgets blobs that were kept of the image: they are in the store, or bad. */
void fetch_forget(const char *root, const struct registry_image *image);

#endif
