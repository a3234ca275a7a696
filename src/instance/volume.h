/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_VOLUME_H
#define INSTANCE_VOLUME_H

#include "base/strv.h"
#include "instance/instance.h"

/*
 * Volumes: folders, or disks, that outlive the instances that use them. ROOT/volumes/NAME has the record volume.json, and
 * data: a folder whose files have the owners that instances see, or a file, which is a disk of a VM's, byte by byte.
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

/* A disk's least size, in bytes; and what sizes are rounded up to, the largest sector that is sold. */
#define VOLUME_DISK_MIN	  ((int64_t)1 << 20)
#define VOLUME_DISK_ALIGN 4096

/*
 * size: of a disk, in bytes; 0: it is a folder. The caller holds the lock. One that is there already stays as it is:
 * success, if it is of that kind and, as a disk, of that size.
 */
int volume_make(const struct instance_home *home, const char *name, char *const *labels,
		int64_t size, struct err *err);
/*
 * Makes the folders that the record names and that are not there. -ENOENT: a disk is not; -EINVAL: one is the other
 * kind. The caller holds the lock.
 */
int volume_make_all(const struct instance_home *home, const struct instance *record,
		    struct err *err);
/* The same, for who has no lock yet: *ret_lock keeps them until the record names them; untouched if it names none. */
int volume_hold_all(const struct instance_home *home, const struct instance *record, int *ret_lock,
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
	int64_t disk_size; /* bytes; 0: a folder */
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

/* Where its files are, or its disk is; caller frees. */
char *volume_data(const struct instance_home *home, const char *name);

#endif
