/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_STORE_CHECK_H
#define IMAGE_STORE_CHECK_H

#include "base/err.h"
#include "base/progress.h"

/* What is not as it should be. */
struct store_problem {
	const char *kind; /* "blob", "layer", "image", "instance", "leftover"... */
	const char *name;
	const char *what; /* one line */
	int mended;
};

struct store_check {
	int repair;
	void (*found)(void *ctx, const struct store_problem *problem);
	void *ctx;
	progress_fn progress; /* may be NULL */
	void *progress_ctx;
	size_t *n_unsealed; /* layers of which only the head could be compared; may be NULL */
};

/*
 * Looks through the images: that every document can be read, every blob is there and has its digest, every layer that an
 * image or instance needs is there and is that layer's, with the size and checksum that its head says and the bytes that
 * were sealed (image/layer_seal.h), and that there is nothing else. Holds the store's lock meanwhile. Of what is wrong, a repair makes
 * layers anew of their blobs, and removes what nothing leads to; if a document or a record cannot be read, which would
 * say so, nothing is removed. An error means that it could not be looked through.
 */
int store_check(const char *root, const struct store_check *check, struct err *err);

#endif
