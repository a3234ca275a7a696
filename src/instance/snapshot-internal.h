/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_SNAPSHOT_INTERNAL_H
#define INSTANCE_SNAPSHOT_INTERNAL_H

#include "instance/snapshot.h"

/* What backups need of snapshots, and of how copies are made. */

#define SNAPSHOT_FOLDER "snapshots"
#define SNAPSHOT_RECORD "snapshot.json"
/* In that folder, what is being made, and what is being removed. */
#define SNAPSHOT_MAKING	 ".making"
#define SNAPSHOT_REMOVED ".removed"

extern const struct record_table snapshot_table;

/* An instance that is locked, and the folders of it. */
struct snapshot_place {
	const struct instance_home *home;
	struct instance_view view;
	int lock;      /* a descriptor of the instance's folder, too */
	int folder;    /* of its snapshots; -EBADF: it has none */
	int scheduled; /* what is made is of a schedule */
};

/* Locks it and removes what a killed process left. Release it in any case. */
int snapshot_open(const struct instance_home *home, const char *name, struct snapshot_place *place,
		  struct err *err);
void snapshot_place_release(struct snapshot_place *place);
#define _cleanup_snapshot_place_ _cleanup_(snapshot_place_release)

/* Whether its data can be cloned as they are now. */
int snapshot_check_state(const struct snapshot_place *place, struct err *err);
/* A clone of its data as they are, in a folder that nobody sees, until it is dropped. */
int snapshot_hold(struct snapshot_place *place, int *ret_fd, struct err *err);
void snapshot_drop_held(const struct snapshot_place *place);

/* A snapshot's folder, and the record that the instance had. */
int snapshot_load(const struct snapshot_place *place, const char *snap, int *ret_fd,
		  struct instance *ret, struct err *err);

/* Makes a record, which was that of `name`, one of a new instance. */
void snapshot_make_other(struct instance *record, const char *name, const char *new_name);
/* -EEXIST if the name is in use. */
int snapshot_check_free(const struct instance_home *home, const char *name, struct err *err);

#endif
