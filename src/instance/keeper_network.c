// SPDX-License-Identifier: GPL-2.0-or-later
/* An instance's networks, from its keeper's side: there from before its first start until it is done, over all restarts. */
#include "base/file.h"
#include "base/mem.h"
#include "instance/keeper-internal.h"
#include "net/attach.h"
#include "proto/nic.h"
#include "sys/procstat.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

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

/*
 * Another's network: that of its first process, which is looked at again once its namespace is open, since a number alone can be
 * a stranger's by then.
 */
static int keeper_network_join(struct keeper *keeper, const char *name, struct err *err)
{
	_cleanup_instance_view_ struct instance_view view = { 0 };
	_cleanup_close_ int netns = -EBADF;
	struct procstat stat = { 0 };
	char path[64];

	if (instance_view(&keeper->home, name, &view, err) < 0)
		return err_wrap(err, "option --network " NIC_OF "%s", name);
	if (view.record.kind == INSTANCE_VM)
		return err_set(err, -EOPNOTSUPP,
			       "'%s' is a VM, whose network is inside its own kernel and cannot be "
			       "shared",
			       name);
	if (!view.alive || view.run.pid <= 0)
		return err_set(err, -ESRCH, "'%s', whose network is to be shared, is not running",
			       name);
	snprintf(path, sizeof(path), "/proc/%jd/ns/net", (intmax_t)view.run.pid);
	netns = open(path, O_RDONLY | O_CLOEXEC);
	if (netns < 0 || procstat_read((pid_t)view.run.pid, &stat) < 0 ||
	    (int64_t)stat.start_time != view.run.pid_start)
		return err_set(err, -ESRCH, "'%s', whose network is to be shared, has ended", name);
	keeper->host.netns = keeper->netns = take_fd(&netns);
	return 0;
}

int keeper_network_up(struct keeper *keeper, struct err *err)
{
	const struct network_home home = keeper_network_home(keeper);
	struct instance *record = &keeper->record;
	int r;

	if (!record->networks || !strcmp(*record->networks, NIC_HOST))
		return 0;
	if (nic_is_shared(record->networks))
		return keeper_network_join(keeper, *record->networks + strlen(NIC_OF), err);
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
	attach_unplug_all(keeper->attach);
	keeper->netns = fd_close(keeper->netns);
}

void keeper_network_release(struct keeper *keeper)
{
	attach_free(keeper->attach);
	keeper->attach = NULL;
}

/* Those of one that are not in the other. */
static char **keeper_network_missing(char *const *from, char *const *in)
{
	char **missing = NULL;

	strv_for_each(text, from) {
		if (!strv_has(in, *text))
			strv_add(&missing, *text);
	}
	return missing;
}

static int keeper_network_connect(struct keeper *keeper, const char *text, struct err *err)
{
	const struct network_home home = keeper_network_home(keeper);
	struct instance *record = &keeper->record;
	char **all = record->networks;
	int r = 0;

	/* the first one that it has */
	if (!keeper->attach) {
		record->networks = NULL;
		r = attach_new(&home, record, &keeper->attach, err);
		record->networks = all;
	}
	return r < 0 ? r : attach_connect(keeper->attach, text, (pid_t)keeper->run.pid, err);
}

int keeper_network_change(struct keeper *keeper, char *const *networks, char *const *ports,
			  struct err *err)
{
	_cleanup_strv_ char **added = keeper_network_missing(keeper->record.networks, networks);
	_cleanup_strv_ char **gone = keeper_network_missing(networks, keeper->record.networks);
	int r = 0;

	if ((added || gone) && keeper->record.kind == INSTANCE_VM)
		return err_set(err, -EBUSY, "a VM that runs gets no other cards");
	strv_for_each(text, added) {
		if (r == 0)
			r = keeper_network_connect(keeper, *text, err);
	}
	strv_for_each(text, gone) {
		_cleanup_free_ char *name = mem_strndup(*text, strcspn(*text, ","));

		if (r == 0)
			r = attach_disconnect(keeper->attach, name, err);
	}
	if (r == 0 && keeper->attach && !strv_same(keeper->record.ports, ports))
		r = attach_republish(keeper->attach, keeper->record.ports, err);
	if (r == 0 && keeper->attach) {
		strv_free(keeper->run.addresses);
		keeper->run.addresses = strv_dup(attach_addresses(keeper->attach));
		keeper_save_run(keeper);
	}
	return r;
}
