/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_SPACE_H
#define INSTANCE_SPACE_H

#include "instance/instance.h"

/*
 * What brig's files take on the disk (sys/diskuse.h), and what of it nothing needs. Two images share the layers that
 * they both have, and those alone; everything else is its own.
 */
enum space_kind { SPACE_IMAGES, SPACE_INSTANCES, SPACE_VOLUMES, SPACE_KERNELS, SPACE_CACHE };
#define SPACE_KINDS (SPACE_CACHE + 1)

extern const char *const space_kind_names[]; /* "images", ... */

struct space_item {
	char *name;
	char *path;    /* where its files are; NULL: an image's, which are in several places */
	int64_t size;  /* bytes */
	int64_t own;   /* of these, what goes with it if it is removed alone */
	int64_t limit; /* of an instance: what it may write, --disk-size; 0: none */
	char **users;  /* instances that need it; an instance itself, unless it is stopped */
};

struct space_group {
	struct space_item *items; /* in the order of names; the cache has none */
	size_t n, n_used;
	int64_t size; /* bytes; less than the sum of the items' where they share */
	int64_t free; /* of these, what goes with all that nobody uses */
};

struct space {
	struct space_group groups[SPACE_KINDS];
};

void space_release(struct space *space);
#define _cleanup_space_ _cleanup_(space_release)

/* What there is and who uses it; no sizes. */
int space_list(const struct instance_home *home, struct space *ret, struct err *err);
/* With sizes: looks at every file, so it takes its time. */
int space_measure(const struct instance_home *home, struct space *ret, struct err *err);

/* Of one instance, in bytes. */
struct space_written {
	int64_t written; /* its writable layer, or disk, as far as it takes room */
	int64_t all;	 /* with the image's layers, which others may share */
	int64_t limit;	 /* as of a space_item */
};

/* Looks at every file that it has written. What cannot be read does not count. */
void space_written(const struct instance_home *home, const struct instance *record,
		   struct space_written *ret);

/*
 * Removes everything of the kind that nobody uses; of instances, those that are stopped. each() hears the name of each
 * that has gone. What is taken into use or removed by others meanwhile is left alone. Kernels, which any instance may
 * name later, are refused: -EINVAL.
 */
int space_prune(const struct instance_home *home, enum space_kind kind,
		void (*each)(const char *name), struct err *err);

#endif
