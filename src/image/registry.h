/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_REGISTRY_H
#define IMAGE_REGISTRY_H

#include "base/progress.h"
#include "base/strv.h"
#include "image/skopeo.h"

/*
 * Images from registries, and to them. skopeo carries; what it brings goes the way of every import
 * (image/import.h): checked by digest, then moved into the store as a whole. On any failure, or when killed, the
 * store is as before. Blobs that were fetched whole are kept in ROOT/tmp/fetched for the next try.
 */
struct registry_options {
	struct registry_access access;
	const char *creds;    /* USER:PASSWORD in place of an auth file; NULL: none */
	const char *platform; /* OS/ARCH; NULL: this machine's */
	int64_t stall_ms;     /* without headway, it is given up; 0: never */
	progress_fn progress; /* may be NULL */
	void *progress_ctx;
	void (*say)(const char *text); /* one line for each thing done; may be NULL */
};

/*
 * Brings an image: [HOST/]NAME[:TAG] or [HOST/]NAME@sha256:HEX, without a host from the first place of those in
 * image/short_name.h that has it. Nothing is fetched that the store has. *ret: its name as stored; caller frees.
 */
int registry_pull(const char *root, const char *reference, const struct registry_options *options,
		  char **ret, struct err *err);

#endif
