/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OCI_VERB_H
#define OCI_VERB_H

#include "base/verb.h"

struct driver_ops;

enum oci_cgroup_manager {
	OCI_CGROUP_FILES,    /* we make the group ourselves */
	OCI_CGROUP_SYSTEMD,  /* systemd makes a scope of it: --systemd-cgroup */
	OCI_CGROUP_DISABLED, /* the container stays in the caller's group */
};

/* What every verb gets. */
struct oci_context {
	const char *
		root; /* whole path of the folder that holds this caller's containers; may not be there */
	int debug;
	enum oci_cgroup_manager cgroup_manager;
	int rootless;	 /* we are not the host's root: 1, 0; --rootless auto is decided by then */
	const char *log; /* --log, NULL: stderr; for what we start, base/log.h is set up */
	int log_json;	 /* --log-format json */
	const struct driver_ops *const *drivers; /* NULL-terminated, from main's table */
};

/* Every table of rows (their run_oci), ended by a row with a NULL name; oci.c lists the tables. */
extern const struct verb oci_life_verbs[];    /* create start run kill delete */
extern const struct verb oci_process_verbs[]; /* exec ps */
extern const struct verb oci_control_verbs[]; /* pause resume update events */
extern const struct verb oci_show_verbs[];    /* state list features spec */

#endif
