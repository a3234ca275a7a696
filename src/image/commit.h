/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_COMMIT_H
#define IMAGE_COMMIT_H

#include <stdint.h>

#include "base/err.h"
#include "base/progress.h"
#include "base/strv.h"

/* One more image, of another one and the writable layer of an instance that was made of it. */
struct commit {
	const char *upper;     /* the folder of a container's writable layer, see image/upper.h */
	const char *disk;      /* of a VM instead: its disk, which nobody writes to meanwhile */
	int more_ids;	       /* see idmap_of_caller(); for a folder whose ids are shifted */
	const char *base;      /* "sha256:HEX", the image that the container was made of */
	const char *reference; /* what to call the new one */
	const char *created_by, *message, *author; /* for its history; the latter two may be NULL */
	/* How the container runs; NULL: as the image says. */
	char *const *argv, *const *env, *const *labels;
	const char *cwd, *user;
	char *const *changes; /* as in a Dockerfile, see manifest_change_config() */
	progress_fn progress; /* may be NULL */
	void *progress_ctx;
	/* Called once the files need not stand still any more; what it returns, below 0, is that they did not. May be NULL. */
	int (*done_reading)(void *ctx, struct err *err);
	void *done_ctx;
};

/* *ret_reference, *ret_digest ("sha256:HEX"): of the image; caller frees. On any failure the store is as before. */
int commit_image(const char *root, const struct commit *commit, char **ret_reference,
		 char **ret_digest, struct err *err);

#endif
