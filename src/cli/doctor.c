// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/doctor.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/table.h"
#include "cli/verb.h"

#include <stdio.h>

struct doctor_options {
	int json;
};

static const struct option doctor_options[] = {
	{ "json", 0, OPTION_FLAG, NULL, "print JSON", offsetof(struct doctor_options, json) },
	OPTION_END,
};

static void doctor_print_json(const struct doctor_finding *findings, size_t n, unsigned int kinds)
{
	_cleanup_json_ struct json *all = json_new_object();
	struct json *checks = json_new_array(), *runs = json_new_object();

	for (size_t i = 0; i < n; i++) {
		const struct doctor_finding *finding = &findings[i];
		struct json *check = json_new_object();

		json_object_add(check, "id", json_new_string(finding->check->id));
		json_object_add(check, "title", json_new_string(finding->check->title));
		json_object_add(check, "status",
				json_new_string(doctor_status_names[finding->status]));
		json_object_add(check, "detail", json_new_string(finding->detail));
		json_object_add(check, "cost", json_new_string(finding->check->cost));
		json_object_add(check, "fix", json_new_string(finding->check->fix));
		json_array_add(checks, check);
	}
	json_object_add(runs, "container", json_new_bool(!!(kinds & DOCTOR_CONTAINER)));
	json_object_add(runs, "vm", json_new_bool(!!(kinds & DOCTOR_VM)));
	json_object_add(all, "checks", checks);
	json_object_add(all, "kinds", runs);
	json_print(all);
}

/* The table stays narrow; what a lack costs and how to mend it follows below it. */
static void doctor_print(const struct doctor_finding *findings, size_t n, unsigned int kinds)
{
	static const char *const headings[] = { "CHECK", "STATUS", "DETAIL", NULL };
	_cleanup_table_ struct table *table = table_new(headings);

	for (size_t i = 0; i < n; i++) {
		char *const cells[] = { (char *)findings[i].check->title,
					(char *)doctor_status_names[findings[i].status],
					(char *)findings[i].detail, NULL };

		table_add(table, cells);
	}
	table_print(table, 1);
	for (size_t i = 0; i < n; i++) {
		const struct doctor_check *check = findings[i].check;

		if (findings[i].status != DOCTOR_OK)
			printf("\n%s (%s)\n  costs:  %s\n  mend:   %s\n", check->title,
			       doctor_status_names[findings[i].status], check->cost, check->fix);
	}
	printf("\ncontainers can%s run here, VMs can%s\n", kinds & DOCTOR_CONTAINER ? "" : "not",
	       kinds & DOCTOR_VM ? "" : "not");
}

static int doctor_do(const struct cli_context *cli, const void *values, char **args _unused_,
		     struct err *err _unused_)
{
	const struct instance_home home = { .root = cli->root,
					    .run = cli->run,
					    .drivers = cli->drivers };
	const struct doctor_options *options = values;
	_cleanup_free_ struct doctor_finding *findings = NULL;
	size_t n = 0;
	unsigned int kinds = doctor_run(&home, &findings, &n);

	if (options->json)
		doctor_print_json(findings, n, kinds);
	else
		doctor_print(findings, n, kinds);
	return kinds == DOCTOR_BOTH ? 0 : 1;
}

static const char *const doctor_examples[] = {
	"brig doctor",
	"Show what this host has and lacks",
	"brig doctor --json | jq '.checks[] | select(.status != \"ok\")'",
	"Only the lacks, for a script",
	NULL,
};

const struct verb cli_doctor_verbs[] = {
	{
		.name = "doctor",
		.group = "Host",
		.args = "",
		.summary = "Say what this host can run, and what is missing",
		.description =
			"Tries what containers and VMs need of the host and prints a table; for "
			"each lack it "
			"says what it costs and how to mend it. Nothing on the host is changed.\n\n"
			"The exit status is 0 if both containers and VMs can run, else 1. With "
			"--json, "
			"'checks' has id, title, status (\"ok\", \"warn\" or \"fail\"), detail, "
			"cost and fix "
			"of each check, and 'kinds' says whether a container and a vm can run.",
		.examples = doctor_examples,
		.options = doctor_options,
		.values_size = sizeof(struct doctor_options),
		.run = doctor_do,
	},
	{ .name = NULL },
};
