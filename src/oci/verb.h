/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OCI_VERB_H
#define OCI_VERB_H

#include "base/verb.h"
#include "container/scope.h"

enum oci_cgroup_manager {
	OCI_CGROUP_FILES,    /* we make the group ourselves */
	OCI_CGROUP_SYSTEMD,  /* systemd makes a scope of it: --systemd-cgroup */
	OCI_CGROUP_DISABLED, /* the container stays in the caller's group */
};

/* What every verb gets. */
struct oci_context {
	const char *
		root; /* whole path of the folder with this caller's containers; may not be there */
	char **argv;  /* of the program */
	int debug;
	const char *vm_root; /* whole path of where brig keeps the kernels of VMs */
	enum oci_cgroup_manager cgroup_manager;
	enum scope_manager systemd; /* whose scopes OCI_CGROUP_SYSTEMD makes */
	int rootless; /* we are not the host's root; --rootless auto is decided by then */
	const char
		*log; /* whole path of --log, NULL: stderr; base/log.h is set up for us already */
	int log_json; /* --log-format json */
};

/* The whole command line, and what its manual page says besides the rows. */
extern const struct verb_program oci_program;
extern const struct verb_page oci_manual_page;

/* Arguments complete to "container" "signal" (and "file" "command" "none"). */

/* Every table of rows (their run_oci), ended by a row with a NULL name; oci.c lists the tables. */
extern const struct verb oci_life_verbs[];	 /* create start run kill delete */
extern const struct verb oci_process_verbs[];	 /* exec ps */
extern const struct verb oci_control_verbs[];	 /* pause resume update */
extern const struct verb oci_checkpoint_verbs[]; /* checkpoint restore */
extern const struct verb oci_events_verbs[];
extern const struct verb oci_show_verbs[]; /* state list */
extern const struct verb oci_features_verbs[];
extern const struct verb oci_spec_verbs[];
extern const struct verb oci_help_verbs[];

/* The specification that we implement, as configurations and `features` have it. */
#define OCI_VERSION "1.3.0"

#endif
