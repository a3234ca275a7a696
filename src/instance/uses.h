/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_USES_H
#define INSTANCE_USES_H

#include "instance/instance.h"

/* Which instances use what, by name: volumes, networks. */
struct uses {
	struct uses_row *rows;
	size_t n;
};

void uses_release(struct uses *uses);
#define _cleanup_uses_ _cleanup_(uses_release)

/*
 * Goes through all instances. names: adds what a record uses; other than 0: it cannot be told, and may be all of it, as with
 * a record that cannot be read.
 */
int uses_collect(const struct instance_home *home,
		 int (*names)(const struct instance *record, char ***ret), struct uses *ret,
		 struct err *err);

/* The instances that use it, or may; caller frees. */
char **uses_of(const struct uses *uses, const char *name);

#endif
