/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_SNAPSHOT_H
#define INSTANCE_SNAPSHOT_H

#include "instance/instance.h"

/*
 * Snapshots: what an instance was at a moment. ROOT/instances/NAME/snapshots/SNAP has snapshot.json, the instance's
 * record as it was (instance.json), and its data (instance/data.h), which share their blocks with the instance's own
 * where the file system can.
 *
 * A folder whose name begins with a dot is being made or removed; it gets its name, or loses it, in one rename(2). Who
 * works on one holds the instance's lock, so the next one to hold it removes what a killed process left.
 *
 * A running container stands still while its data are cloned (instance_hold()), a running VM's file system does
 * (instance_freeze()). An instance that a checkpoint has stopped is refused.
 */
struct snapshot {
	char *name;
	int64_t created; /* ns since the epoch */
	int kind;	 /* enum instance_kind: what the instance was then */
	int running;	 /* it ran then: its programs were not told, as in a power cut */
	int scheduled;	 /* instance/schedule.h made it */
	int damaged;	 /* its record cannot be read, and only the name is known */
};

/* snap NULL: the next of snap0, snap1... *ret_name is the caller's to free. */
int snapshot_create(const struct instance_home *home, const char *name, const char *snap,
		    char **ret_name, struct err *err);
/* The same, for instance/schedule.h. */
int snapshot_create_scheduled(const struct instance_home *home, const char *name, const char *snap,
			      struct err *err);
/* Each of an instance, the oldest first, until each() returns non-zero; returns that. */
int snapshot_each(const struct instance_home *home, const char *name,
		  int (*each)(const struct snapshot *snapshot, void *ctx), void *ctx,
		  struct err *err);
/*
 * The stopped instance gets the snapshot's data and settings; its name, its
 * schedule, and how it last ended, stay its own. At
 * whatever point this is killed, the instance is whole in one of the two forms.
 */
int snapshot_restore(const struct instance_home *home, const char *name, const char *snap,
		     struct err *err);
int snapshot_remove(const struct instance_home *home, const char *name, const char *snap,
		    struct err *err);

/*
 * What has changed in the files from `from` to `to` (image/difference.h), both names of snapshots: from NULL is the image,
 * to NULL is the instance as it is. Of a VM that runs that cannot be told.
 */
int snapshot_diff(const struct instance_home *home, const char *name, const char *from,
		  const char *to, int (*each)(char change, const char *path, void *ctx), void *ctx,
		  struct err *err);

/*
 * A new instance, stopped, with the settings and data of another one or (snap not NULL) of a snapshot of it. Its name and,
 * if that was the name, its host name are its own; it has not run yet, has no snapshots, and stays at its end.
 */
int snapshot_copy(const struct instance_home *home, const char *name, const char *snap,
		  const char *new_name, struct err *err);

#endif
