// SPDX-License-Identifier: GPL-2.0-or-later
/* An instance's networks, from its keeper's side: there from before its first start until it is done, over all restarts. */
#include "base/mem.h"
#include "instance/keeper-internal.h"
#include "net/attach.h"
#include "proto/nic.h"

#define KEEPER_CPU 1000 /* thousandths */

static struct network_home keeper_network_home(const struct keeper *keeper)
{
	return (struct network_home){ .root = keeper->home.root, .run = keeper->home.run };
}

/* A guest has as many vCPUs as it is given CPUs, and each can have a queue. */
static unsigned int keeper_network_cpus(const struct instance *record)
{
	return record->cpus_milli > KEEPER_CPU
		       ? (unsigned int)((record->cpus_milli + KEEPER_CPU - 1) / KEEPER_CPU)
		       : 1;
}

static void keeper_network_fill_host(struct keeper *keeper)
{
	struct driver_host *host = &keeper->host;

	host->nics = attach_cards(keeper->attach, &host->n_nics);
	host->nic_setups = attach_setups(keeper->attach);
	host->hosts = attach_hosts(keeper->attach);
	host->resolv_conf = attach_resolv_conf(keeper->attach);
	keeper->run.addresses = strv_dup(attach_addresses(keeper->attach));
}

int keeper_network_up(struct keeper *keeper, struct err *err)
{
	const struct network_home home = keeper_network_home(keeper);
	struct instance *record = &keeper->record;
	int r;

	if (!record->networks || nic_is_shared(record->networks))
		return 0;
	r = attach_new(&home, record, &keeper->attach, err);
	if (r == 0 && record->kind == INSTANCE_VM)
		r = attach_make_cards(keeper->attach, keeper_network_cpus(record), err);
	if (r == 0)
		keeper_network_fill_host(keeper);
	return r;
}

int keeper_network_wire(void *ctx, pid_t pid, struct err *err)
{
	struct keeper *keeper = ctx;

	return attach_wire(keeper->attach, pid, err);
}

void keeper_network_down(struct keeper *keeper)
{
	attach_free(keeper->attach);
	keeper->attach = NULL;
}
