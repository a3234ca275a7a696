/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_VERB_H
#define CLI_VERB_H

#include "base/verb.h"
#include "proto/driver.h"

/*
 * What arguments complete to (verbs.c): "instance" "running" "image" "kernel" "button" "setting" "signal"
 * "copy" (NAME:PATH or a file).
 */

/* What every verb gets: where brig's data is and how to talk. */
struct cli_context {
	const char *root;			 /* --root, see instance/home.h */
	const char *run;			 /* --run, default /run/brig */
	const struct driver_ops *const *drivers; /* NULL-terminated, from main's table */
};

/* The whole command line, and what its manual page says besides the rows. */
extern const struct verb_program cli_program;
extern const struct verb_page cli_manual_page;

/* Every table of rows, ended by a row with a NULL name; cli/verbs.c lists the tables. */
extern const struct verb cli_run_verbs[];
extern const struct verb cli_life_verbs[];
extern const struct verb cli_convert_verbs[];
extern const struct verb cli_set_verbs[];
extern const struct verb cli_ps_verbs[];
extern const struct verb cli_show_verbs[];
extern const struct verb cli_stats_verbs[];
extern const struct verb cli_events_verbs[];
extern const struct verb cli_top_verbs[];
extern const struct verb cli_balance_verbs[];
extern const struct verb cli_enter_verbs[];
extern const struct verb cli_copy_verbs[];
extern const struct verb cli_help_verbs[];
extern const struct verb cli_image_verbs[];
extern const struct verb cli_registry_verbs[];
extern const struct verb cli_commit_verbs[];
extern const struct verb cli_build_verbs[];
extern const struct verb cli_kernel_verbs[];
extern const struct verb cli_volume_verbs[];
extern const struct verb cli_attach_verbs[];
extern const struct verb cli_network_verbs[];
extern const struct verb cli_network_lease_verbs[];
extern const struct verb cli_network_wire_verbs[];
extern const struct verb cli_acl_verbs[];
extern const struct verb cli_snapshot_verbs[];
extern const struct verb cli_backup_verbs[];
extern const struct verb cli_df_verbs[];
extern const struct verb cli_check_verbs[];
extern const struct verb cli_doctor_verbs[];
extern const struct verb cli_advise_verbs[];
extern const struct verb cli_bench_verbs[];
extern const struct verb cli_info_verbs[];
extern const struct verb cli_autostart_verbs[];

#endif
