/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_IMPORT_H
#define IMAGE_IMPORT_H

#include "base/err.h"
#include "base/progress.h"
#include "base/strv.h"

/*
 * Brings an image into the store from a directory with a root file system, a tar of one (plain,
 * gzip, xz, zstd, bzip2; "-" is stdin), a disk image with one, an OCI layout folder, an oci-archive or docker-archive
 * tar; which one it is follows from what is in it. On any failure, or when killed, the store is as
 * before.
 */
struct import_options {
	const char *reference; /* NULL: from the source's own annotation or file name */
	char *const *changes;  /* "CMD=[...]", "ENV K=V": see manifest_new_config(); or NULL */
	progress_fn progress;  /* may be NULL */
	void *progress_ctx;
	/* Each thing that could not be carried, a line without its end; may be NULL. */
	void (*note)(void *ctx, const char *text);
	void *note_ctx;
};

/*
 * from may have the name of one of its images after a colon (FILE:NAME[:TAG], FILE:TAG); without
 * it all of them are imported. *ret_references: NAME:TAG of each as stored; caller frees.
 */
int import_source(const char *root, const char *from, const struct import_options *options,
		  char ***ret_references, struct err *err);

/* Builds a root file system with mmdebstrap from the machine's own apt sources and imports it.
 * what: "debian:SUITE"; include: extra packages. */
int import_bootstrap(const char *root, const char *what, char *const *include,
		     const struct import_options *options, char ***ret_references, struct err *err);

#endif
