// SPDX-License-Identifier: GPL-2.0-or-later
/* An instance's networks, from its keeper's side: there from before its first start until it is done, over all restarts. */
#include "base/file.h"
#include "base/mem.h"
#include "instance/keeper-internal.h"
#include "net/attach.h"
#include "net/userlink.h"
#include "proto/nic.h"
#include "sys/procstat.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* So long after a steward's end it is looked whether somebody has started another: who ends them on purpose does so. */
#define KEEPER_STEWARD_MS 500

static struct network_home keeper_network_home(const struct keeper *keeper)
{
	return (struct network_home){ .root = keeper->home.root, .run = keeper->home.run };
}

/* Each vCPU can have a queue. */
static unsigned int keeper_network_cpus(const struct instance *record)
{
	return (unsigned int)instance_vcpus(record);
}

/* What stands behind the instance's interfaces. */
struct keeper_way {
	int (*up)(struct keeper *keeper, struct err *err);
	int (*begin)(struct keeper *keeper, struct err *err); /* before each start; NULL: nothing */
	int (*wire)(struct keeper *keeper, pid_t pid, struct err *err);
};

static void keeper_network_let_go(struct keeper *keeper)
{
	struct keeper_stewards *stewards = &keeper->stewards;

	while (stewards->n) {
		loop_source_free(stewards->sources[--stewards->n]);
		fd_close(stewards->fds[stewards->n]);
	}
}

static void keeper_network_watch(struct keeper *keeper);

static void keeper_network_on_timer(void *ctx)
{
	struct keeper *keeper = ctx;
	struct err ignored = ERR_INIT;

	(void)attach_answer(keeper->attach, &ignored);
	keeper_network_watch(keeper);
}

static void keeper_network_on_steward(void *ctx, uint32_t events _unused_)
{
	struct keeper *keeper = ctx;
	struct keeper_stewards *stewards = &keeper->stewards;

	keeper_network_let_go(keeper);
	if (!stewards->timer)
		stewards->timer = loop_add_timer(keeper->loop, keeper_network_on_timer, keeper);
	if (stewards->timer)
		loop_timer_set(stewards->timer, KEEPER_STEWARD_MS);
}

/*
 * A steward belongs to nobody, so whoever is on its network looks after it: the first one starts it again, the others
 * find it there. One that cannot be started is left to the next start on that network, which says why.
 */
static void keeper_network_watch(struct keeper *keeper)
{
	struct keeper_stewards *stewards = &keeper->stewards;

	keeper_network_let_go(keeper);
	stewards->n = attach_open_stewards(keeper->attach, stewards->fds);
	for (size_t i = 0; i < stewards->n; i++)
		stewards->sources[i] = loop_watch_fd(keeper->loop, stewards->fds[i], EPOLLIN,
						     keeper_network_on_steward, keeper);
}

/* What the next start is given, and other commands see. */
static void keeper_network_tell(struct keeper *keeper)
{
	struct driver_host *host = &keeper->host;

	host->nics = attach_cards(keeper->attach, &host->n_nics);
	host->nic_setups = attach_setups(keeper->attach);
	host->hosts = attach_hosts(keeper->attach);
	host->resolv_conf = attach_resolv_conf(keeper->attach);
	strv_free(keeper->run.addresses);
	keeper->run.addresses = strv_dup(attach_addresses(keeper->attach));
	keeper_network_watch(keeper);
}

static int keeper_network_networks_up(struct keeper *keeper, struct err *err)
{
	const struct network_home home = keeper_network_home(keeper);
	int r = attach_new(&home, &keeper->record, &keeper->attach, err);

	if (r == 0 && keeper->record.kind == INSTANCE_VM)
		r = attach_make_cards(keeper->attach, keeper_network_cpus(&keeper->record), err);
	if (r == 0)
		keeper_network_tell(keeper);
	return r;
}

static int keeper_network_networks_wire(struct keeper *keeper, pid_t pid, struct err *err)
{
	return attach_wire(keeper->attach, pid, err);
}

static int keeper_network_user_up(struct keeper *keeper, struct err *err)
{
	struct driver_host *host = &keeper->host;

	/* as root it would become somebody else, who cannot enter the container's namespaces */
	if (!geteuid())
		return err_set(err, -EOPNOTSUPP,
			       "the network '" NIC_USER "' is for users who are not root, who has "
			       "networks that do more; make it anew with --network NAME");
	if (userlink_new(&keeper->record, &keeper->userlink, err) < 0)
		return err->code;
	host->nic_setups = userlink_setups(keeper->userlink);
	host->hosts = userlink_hosts(keeper->userlink);
	host->resolv_conf = userlink_resolv_conf(keeper->userlink);
	keeper->run.addresses = strv_dup(userlink_addresses(keeper->userlink));
	return 0;
}

static int keeper_network_user_begin(struct keeper *keeper, struct err *err)
{
	struct driver_host *host = &keeper->host;

	if (keeper->record.kind != INSTANCE_VM)
		return 0;
	if (userlink_make_card(keeper->userlink, err) < 0)
		return err->code;
	host->nics = userlink_cards(keeper->userlink, &host->n_nics);
	return 0;
}

static int keeper_network_user_wire(struct keeper *keeper, pid_t pid, struct err *err)
{
	return userlink_wire(keeper->userlink, pid, err);
}

static const struct keeper_way keeper_way_networks = { .up = keeper_network_networks_up,
						       .wire = keeper_network_networks_wire };
static const struct keeper_way keeper_way_user = { .up = keeper_network_user_up,
						   .begin = keeper_network_user_begin,
						   .wire = keeper_network_user_wire };

static const struct keeper_way *keeper_network_way(const struct keeper *keeper)
{
	return nic_is_user(keeper->record.networks) ? &keeper_way_user : &keeper_way_networks;
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
	char *const *networks = keeper->record.networks;

	if (!networks || !strcmp(*networks, NIC_HOST))
		return 0;
	if (nic_is_shared(networks))
		return keeper_network_join(keeper, *networks + strlen(NIC_OF), err);
	return keeper_network_way(keeper)->up(keeper, err);
}

int keeper_network_begin(struct keeper *keeper, struct err *err)
{
	const struct keeper_way *way = keeper_network_way(keeper);

	return way->begin ? way->begin(keeper, err) : 0;
}

int keeper_network_wire(void *ctx, pid_t pid, struct err *err)
{
	struct keeper *keeper = ctx;

	return keeper_network_way(keeper)->wire(keeper, pid, err);
}

void keeper_network_down(struct keeper *keeper)
{
	keeper_network_let_go(keeper);
	keeper->stewards.timer = loop_source_free(keeper->stewards.timer);
	attach_unplug_all(keeper->attach);
	userlink_unplug(keeper->userlink);
	keeper->netns = fd_close(keeper->netns);
}

void keeper_network_release(struct keeper *keeper)
{
	attach_free(keeper->attach);
	keeper->attach = NULL;
	userlink_free(keeper->userlink);
	keeper->userlink = NULL;
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

/* The first one that it has. */
static int keeper_network_need_attach(struct keeper *keeper, struct err *err)
{
	const struct network_home home = keeper_network_home(keeper);
	struct instance *record = &keeper->record;
	char **all = record->networks;
	int r = 0;

	if (keeper->attach)
		return 0;
	record->networks = NULL;
	r = attach_new(&home, record, &keeper->attach, err);
	record->networks = all;
	return r;
}

static int keeper_network_connect(struct keeper *keeper, const char *text, struct err *err)
{
	int r = keeper_network_need_attach(keeper, err);

	return r < 0 ? r : attach_connect(keeper->attach, text, (pid_t)keeper->run.pid, err);
}

static char *keeper_network_name(const char *text)
{
	return mem_strndup(text, strcspn(text, ","));
}

/* A guest has its part in that: what of the networks is the host's is there before it, and goes after it. */
static int keeper_network_begin_change(struct keeper *keeper, const char *text, int comes,
				       int forced, struct err *err)
{
	struct keeper_change *change = &keeper->change;
	struct driver_device device = { .kind = MESSAGE_DEVICE_CARD };
	struct err ignored = ERR_INIT;
	_cleanup_free_ char *network = keeper_network_name(text);
	char mac[NIC_MAC_TEXT];
	int r = keeper_device_ready(keeper, "it gets no other cards", err);

	if (r == 0)
		r = keeper_network_need_attach(keeper, err);
	if (r < 0)
		return r;
	*change = (struct keeper_change){ .active = 1, .comes = comes };
	change->network = mem_strdup(network);
	r = comes ? attach_connect_card(keeper->attach, text, keeper_network_cpus(&keeper->record),
					&change->card, err)
		  : attach_card(keeper->attach, network, &change->card, err);
	if (r < 0) {
		keeper_change_release(change);
		*change = (struct keeper_change){ .active = 0 };
		return r;
	}
	device.nic = &change->card.nic;
	device.setup = change->card.setup;
	device.name = change->name = mem_strdup(nic_format_mac(change->card.nic.mac, mac));
	r = keeper_device_begin(keeper, &device, forced, err);
	if (r < 0 && comes)
		(void)attach_disconnect(keeper->attach, network, &ignored);
	return r;
}

void keeper_network_changed(void *ctx, const struct err *err)
{
	struct keeper *keeper = ctx;
	const struct keeper_change *change = &keeper->change;
	struct err failure = err ? *err : (struct err)ERR_INIT, ignored = ERR_INIT;

	if (!change->active)
		return;
	if (change->comes && err)
		(void)attach_disconnect(keeper->attach, change->network, &ignored);
	if (!change->comes && !err)
		(void)attach_disconnect(keeper->attach, change->network, &failure);
	keeper_network_tell(keeper);
	keeper_save_run(keeper);
	keeper_change_done(keeper, err_is_set(&failure) ? &failure : NULL);
}

static int keeper_network_republish(struct keeper *keeper, char *const *ports, struct err *err)
{
	return keeper->attach && !strv_same(keeper->record.ports, ports)
		       ? attach_republish(keeper->attach, keeper->record.ports, err)
		       : 0;
}

/* Settings change one at a time. */
static int keeper_network_change_vm(struct keeper *keeper, char *const *added, char *const *gone,
				    int forced, struct err *err)
{
	if (added)
		return keeper_network_begin_change(keeper, *added, 1, forced, err);
	return gone ? keeper_network_begin_change(keeper, *gone, 0, forced, err) : 0;
}

static int keeper_network_change_container(struct keeper *keeper, char *const *added,
					   char *const *gone, struct err *err)
{
	int r = 0;

	strv_for_each(text, added) {
		if (r == 0)
			r = keeper_network_connect(keeper, *text, err);
	}
	strv_for_each(text, gone) {
		_cleanup_free_ char *name = keeper_network_name(*text);

		if (r == 0)
			r = attach_disconnect(keeper->attach, name, err);
	}
	return r;
}

int keeper_network_change(struct keeper *keeper, char *const *networks, char *const *ports,
			  int forced, struct err *err)
{
	_cleanup_strv_ char **added = keeper_network_missing(keeper->record.networks, networks);
	_cleanup_strv_ char **gone = keeper_network_missing(networks, keeper->record.networks);
	int r;

	if ((added || gone || !strv_same(keeper->record.ports, ports)) &&
	    (nic_is_user(networks) || nic_is_user(keeper->record.networks)))
		return err_set(err, -EBUSY,
			       "what the network '" NIC_USER "' is to '%s' changes when it does "
			       "not run: stop it first",
			       keeper->record.name);
	r = keeper->record.kind == INSTANCE_VM
		    ? keeper_network_change_vm(keeper, added, gone, forced, err)
		    : keeper_network_change_container(keeper, added, gone, err);
	if (r == 0)
		r = keeper_network_republish(keeper, ports, err);
	if (r == 0 && keeper->attach) {
		keeper_network_tell(keeper);
		keeper_save_run(keeper);
	}
	return r;
}
