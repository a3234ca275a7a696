/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_CHECKPOINT_INTERNAL_H
#define CONTAINER_CHECKPOINT_INTERNAL_H

#include "container/checkpoint.h"
#include "container/criu.h"

/* A call of CRIU that is put together. */
struct checkpoint {
	const struct spec *spec;
	const struct checkpoint_options *options;
	int images, work; /* folders */
	struct buf request;
	struct criu_call call;
};

/* What other runtimes call a namespace that is joined, in images. */
struct checkpoint_external {
	uint64_t type; /* CLONE_NEW* */
	const char *name, *key;
};
#define CHECKPOINT_EXTERNALS 2
extern const struct checkpoint_external checkpoint_externals[CHECKPOINT_EXTERNALS];

/* Opens the folders (making them, if asked to) and writes the options that dump and restore share. */
int checkpoint_begin(struct checkpoint *checkpoint, const struct spec *spec,
		     const struct checkpoint_options *options, int make, struct err *err);
void checkpoint_release(struct checkpoint *checkpoint);
#define _cleanup_checkpoint_ _cleanup_(checkpoint_release)

void checkpoint_put_flag(struct checkpoint *checkpoint, enum criu_option option, int value);

#endif
