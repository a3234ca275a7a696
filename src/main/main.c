// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"
#include "container/driver.h"
#include "instance/bench_work.h"
#include "instance/keeper.h"
#include "net/steward.h"
#include "oci/vm_role.h"
#include "proto/driver.h"
#include "qemu/driver.h"
#include "vmm/driver.h"

#include <stdio.h>
#include <string.h>

/*
 * One program in roles. A role is chosen by the name that the program is called by, or by the first
 * argument, which no verb has; see docs/architecture.md.
 */
struct role {
	const char *name;
	int (*main)(int argc, char **argv, const struct driver_ops *const *drivers);
};

static const struct role roles[] = {
	{ KEEPER_ROLE, keeper_main },
	{ STEWARD_ROLE, steward_main },
	{ VM_ROLE, vm_role_main },
	{ BENCH_WORK_ROLE, bench_work_main },
	{ NULL, NULL },
};

/* The engines; the order is that of preference within a kind. */
static const struct driver_ops *const drivers[] = {
	&container_driver,
	&kvm_driver,
	&qemu_driver,
	NULL,
};

static const char *main_program_name(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path ? path : "brig";
}

int main(int argc, char **argv)
{
	const char *program = main_program_name(argv[0]);

	for (const struct role *role = roles; role->name; role++) {
		if (!strcmp(role->name, program))
			return role->main(argc, argv, drivers);
		if (argc > 1 && !strcmp(role->name, argv[1]))
			return role->main(argc - 1, argv + 1, drivers);
	}
	return cli_main(argc, argv, drivers);
}
