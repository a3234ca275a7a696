/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_CHECKPOINT_BINDS_H
#define CONTAINER_CHECKPOINT_BINDS_H

#include "container/mountinfo.h"
#include "container/spec.h"

/*
 * The mounts of a container that show what is not its own: what a checkpoint must not save, and what a restore has
 * to be given again. Each has a name, by which the images speak of it; as other runtimes have it, the place that
 * the configuration says, and /dev/null for all masked files.
 *
 * For a restore they are mounted below one folder, as they are for a container's start, with their ids shifted and
 * their options: mounts[I] at FOLDER/I, the root at FOLDER/root.
 */
#define CHECKPOINT_ROOT "root"
#define CHECKPOINT_NULL "/dev/null"

struct checkpoint_binds {
	struct checkpoint_bind {
		char *place;  /* in the container, links in it not followed */
		char *name;   /* in the images */
		char *source; /* below the folder, or on the host if it begins with "/" */
	} * list;
	size_t n;
};

/* host: the mounts of ours, for what lies below a source. Release it. */
void checkpoint_binds_of(const struct spec *spec, const struct mountinfo *host,
			 struct checkpoint_binds *ret);
/* Whether mounts[i] has nodes that a user namespace could not make again, and so is made anew as a whole. */
int checkpoint_binds_is_nodes(const struct spec *spec, size_t i);
void checkpoint_binds_release(struct checkpoint_binds *binds);
#define _cleanup_checkpoint_binds_ _cleanup_(checkpoint_binds_release)

#endif
