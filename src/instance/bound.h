/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_BOUND_H
#define INSTANCE_BOUND_H

#include "instance/instance.h"

/*
 * What a container may write in all, by a quota of the host's file system (sys/quota.h). Its driver sets it at each
 * start, so that what has come into the writable layer meanwhile (from a snapshot, of a VM's disk) counts; snapshots do
 * not. A VM's disk is a bound in itself.
 */

/* Whether the record is of no container with a bound, or the folder's file system can hold it to that. */
int bound_check(const struct instance *record, int dir, struct err *err);
/* A new bound of one that runs, at once; record: the new one. */
int bound_change(const struct instance_home *home, const struct instance *record, struct err *err);
/* Ends the bound on what is in an instance's folder, which goes or becomes something else. */
void bound_release(int dir);
/* Bytes; -ENOENT if nothing is held to a bound. */
int bound_read(const struct instance_home *home, const char *name, int64_t *ret_used,
	       int64_t *ret_limit);

#endif
