/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_VOLUME_H
#define INSTANCE_VOLUME_H

#include "base/strv.h"
#include "instance/instance.h"

/*
 * Volumes: folders that outlive the instances that use them. ROOT/volumes/NAME has the record volume.json and the
 * folder data/, whose files have the owners that instances see.
 *
 * Who makes a volume, removes one, or makes an instance that names one, holds the lock of ROOT/volumes for as long,
 * so that none goes that a record names. A folder whose name begins with a dot is being made or removed; it gets its
 * name, or loses it, in one rename(2), and who next takes the lock removes what a killed process left.
 */
struct volume {
	char *name;
	int64_t created; /* ns since the epoch */
	char **labels;	 /* KEY=VALUE */
};

void volume_release(struct volume *volume);
#define _cleanup_volume_ _cleanup_(volume_release)

/* Makes the folder ROOT/volumes if it is not there; the lock, to be closed, or -errno. */
int volume_lock(const struct instance_home *home, struct err *err);

/* The caller holds the lock. One that is there already stays as it is: success. */
int volume_make(const struct instance_home *home, const char *name, char *const *labels,
		struct err *err);
/* Makes those that the record names and that are not there. The caller holds the lock. */
int volume_make_all(const struct instance_home *home, const struct instance *record,
		    struct err *err);

/* Refuses one that an instance uses. */
int volume_remove(const struct instance_home *home, const char *name, struct err *err);

/*
 * What is known of a volume at a moment. users: the names of the instances whose records name it, or are damaged and
 * may. damaged: the volume's own record cannot be read, and only its name is known.
 */
struct volume_view {
	struct volume record;
	char **users;
	int damaged;
};

void volume_view_release(struct volume_view *view);
#define _cleanup_volume_view_ _cleanup_(volume_view_release)

/* -ENOENT with the nearest name there is; a damaged one is an error. */
int volume_view(const struct instance_home *home, const char *name, struct volume_view *ret,
		struct err *err);
/* Every volume in the order of names, until each() returns non-zero; returns that. Instances are gone through once. */
int volume_each(const struct instance_home *home,
		int (*each)(const struct volume_view *view, void *ctx), void *ctx, struct err *err);

/* Where its files are; caller frees. */
char *volume_data(const struct instance_home *home, const char *name);

#endif
