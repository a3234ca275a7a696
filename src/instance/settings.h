/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_SETTINGS_H
#define INSTANCE_SETTINGS_H

#include "instance/instance.h"
#include "instance/limits.h"

/*
 * What can be changed of an instance that is there, as KEY=VALUE; a row of settings_table for each. Of one that runs it
 * holds at once, or is refused.
 */
struct settings_row {
	const char *name;
	/* The new value into a copy of the record; what cannot be is refused. */
	int (*set)(struct instance *record, const char *value, struct err *err);
	/* Makes it hold, running or not; record: the new one, view: what there is. Before the record is kept. */
	int (*apply)(const struct instance_home *home, const struct instance_view *view,
		     const struct instance *record, struct err *err);
	int hidden; /* for verbs of ours alone */
};

/* NETWORK[,KEY=VALUE]... with its MAC; and NETWORK or bridge=NAME alone. */
#define SETTINGS_CONNECT    "network.connect"
#define SETTINGS_DISCONNECT "network.disconnect"
#define SETTINGS_PULL	    "network.pull" /* the same, whether a VM lets go of the card or not */

/* A share, as the record has it (proto/share.h); and its path inside, or its source if that is shown once. */
#define SETTINGS_ATTACH "volume.attach"
#define SETTINGS_DETACH "volume.detach"
#define SETTINGS_SEVER	"volume.sever" /* the same, whether it is in use inside or not */

/* A drive, as the record has it (proto/drive.h), with or without a serial number; and that, or its source. */
#define SETTINGS_ADD	"disk.attach"
#define SETTINGS_REMOVE "disk.detach"
#define SETTINGS_RIP	"disk.rip" /* the same, whether it is in use inside or not */

/* Of what starts with the host. */
#define SETTINGS_ORDER_MAX    1000000
#define SETTINGS_DELAY_MAX_MS 3600000

extern const struct settings_row
	settings_table[]; /* ended by a NULL name; limits are in limits_table */

/* The limit that an assignment is of; NULL: of none. */
const struct limits_row *settings_limit(const char *assignment);
/* What was kept for the next start (`pending`) becomes so. */
int settings_settle(struct instance *record, struct err *err);

/* One assignment into a record, for who has it; nothing is made to hold. */
int settings_assign(struct instance *record, const char *assignment, struct err *err);

/*
 * All or, at the first that is refused, none; of one that runs none of the limits, at least. NULL-terminated.
 * ret_pending: those of limits that will hold from the next start on, since it runs; the caller frees; NULL: nobody asks.
 */
int settings_change(const struct instance_home *home, const char *name, char *const *assignments,
		    char ***ret_pending, struct err *err);

#endif
