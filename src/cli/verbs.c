// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"
#include "cli/verb.h"
#include "instance/limit_table.h"

#define VERBS_LIMIT(name_, ...) " " name_ "="
#define VERBS_LIMITS		LIMIT_TABLE(VERBS_LIMIT, VERBS_LIMIT)

/* clang-format off */
static const struct verb *const verbs_tables[] = {
	cli_run_verbs,
	cli_life_verbs,
	cli_convert_verbs,
	cli_set_verbs,
	cli_enter_verbs,
	cli_copy_verbs,
	cli_ps_verbs,
	cli_show_verbs,
	cli_stats_verbs,
	cli_events_verbs,
	cli_top_verbs,
	cli_balance_verbs,
	cli_image_verbs,
	cli_registry_verbs,
	cli_commit_verbs,
	cli_build_verbs,
	cli_kernel_verbs,
	cli_volume_verbs,
	cli_attach_verbs,
	cli_network_verbs,
	cli_network_lease_verbs,
	cli_network_wire_verbs,
	cli_acl_verbs,
	cli_snapshot_verbs,
	cli_backup_verbs,
	cli_df_verbs,
	cli_check_verbs,
	cli_advise_verbs,
	cli_bench_verbs,
	cli_doctor_verbs,
	cli_info_verbs,
	cli_autostart_verbs,
	cli_help_verbs,
	NULL,
};
/* clang-format on */

static const struct verb_kind verbs_kinds[] = {
	{ "instance", "ps -a -q", NULL },
	{ "running", "ps -q", NULL },
	{ "image", "image ls -q", NULL },
	{ "kernel", "kernel ls -q", "image" },
	{ "volume", "volume ls -q", NULL },
	{ "network", "network ls -q", NULL },
	{ "acl", "acl ls -q", NULL },
	{ "signal", NULL, VERB_SIGNALS },
	{ "button", NULL, "button nmi reset" },
	{ "setting", NULL,
	  "disk= ports= snapshots.schedule= snapshots.expiry= autostart= order= delay= "
	  "best-effort= overcommit=" VERBS_LIMITS },
	{ "copy", "ps -a -q", NULL, .of_files = 1 },
	{ .name = NULL },
};

const struct verb_program cli_program = {
	.name = "brig",
	.identifier = "brig",
	.tables = verbs_tables,
	.options = cli_options,
	.kinds = verbs_kinds,
	.page = &cli_manual_page,
};
