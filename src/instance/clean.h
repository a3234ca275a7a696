/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_CLEAN_H
#define INSTANCE_CLEAN_H

#include "instance/instance.h"

/* Putting things right after a process of ours was killed. The caller holds the instance's lock. */

/* Ends the instance's keeper, and with it all that it started, if there is one. */
int clean_kill_keeper(const struct instance_home *home, const char *name, struct err *err);

/*
 * Removes from an instance's folder, under its lock, what a change of its kind has left: the form that is not of the
 * kind that the record there says, and what was being made. See instance/convert.h.
 */
int clean_forms(const struct instance_home *home, const char *state_dir, struct err *err);

/*
 * Removes what a keeper that no longer runs has left: cgroups, sockets, the run record. If that keeper
 * wrote no end, the instance's record gets one (exit code unknown). Does nothing while a keeper runs.
 * What a change of kind has left goes too. record may be empty if it could not be read.
 */
int clean_leftovers(const struct instance_home *home, struct instance *record, const char *name,
		    struct err *err);

/* What is known of an instance, under its lock, once its leftovers are gone: they may say another kind. */
int clean_view(const struct instance_home *home, const char *name, struct instance_view *ret,
	       struct err *err);

#endif
