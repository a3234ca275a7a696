/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_BUILD_H
#define IMAGE_BUILD_H

#include "base/err.h"
#include "base/progress.h"
#include "base/strv.h"

/*
 * Runs a Containerfile with buildah, whose images and cache are podman's, and brings what comes of it into the
 * store. What buildah says goes to our stderr.
 */
struct build {
	const char *context; /* a folder, or what else buildah takes */
	const char *file;    /* NULL: Containerfile or Dockerfile in the context */
	const char *target, *network, *platform; /* NULL: not given */
	char *const *tags; /* names of the image; NULL: that of the context's folder */
	char *const *args; /* KEY=VALUE */
	char *const *labels;
	int no_cache, pull, quiet;
	progress_fn progress; /* of the import; may be NULL */
	void *progress_ctx;
};

/* *ret_references: the names as stored; caller frees. On any failure the store is as before. */
int build_image(const char *root, const struct build *build, char ***ret_references,
		struct err *err);

#endif
