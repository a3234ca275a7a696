// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/networks.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/units.h"
#include "instance/uses.h"
#include "net/acl.h"
#include "net/fabric.h"
#include "net/port.h"
#include "net/ruleset.h"
#include "proto/nic.h"

#include <fcntl.h>
#include <string.h>

static int networks_of(const struct instance *record, char ***ret)
{
	int r = 0;

	if (nic_is_shared(record->networks))
		return 0;
	for (size_t i = 0; record->networks && record->networks[i]; i++) {
		_cleanup_nic_ struct nic nic = { 0 };
		struct err ignored = ERR_INIT;

		if (nic_parse(record->networks[i], i, &nic, &ignored) < 0)
			r = -EINVAL;
		else if (nic.network)
			strv_add(ret, nic.network);
	}
	return r;
}

void networks_view_release(struct networks_view *view)
{
	network_release(&view->record);
	strv_free(view->users);
	*view = (struct networks_view){ .damaged = 0 };
}

int networks_view(const struct instance_home *home, const char *name, struct networks_view *ret,
		  struct err *err)
{
	const struct network_home networks = networks_home(home);
	_cleanup_uses_ struct uses uses = { 0 };
	int r;

	*ret = (struct networks_view){ .damaged = 0 };
	r = network_load(&networks, name, &ret->record, err);
	if (r == 0)
		r = uses_collect(home, networks_of, &uses, err);
	if (r < 0) {
		networks_view_release(ret);
		return r;
	}
	ret->users = uses_of(&uses, name);
	ret->is_up = fabric_is_up(&ret->record);
	return 0;
}

int networks_each(const struct instance_home *home,
		  int (*each)(const struct networks_view *view, void *ctx), void *ctx,
		  struct err *err)
{
	const struct network_home networks = networks_home(home);
	_cleanup_uses_ struct uses uses = { 0 };
	_cleanup_strv_ char **names = NULL;
	int r = network_names(&networks, &names, err);

	if (r == 0)
		r = uses_collect(home, networks_of, &uses, err);
	strv_for_each(name, names) {
		_cleanup_networks_view_ struct networks_view view = { 0 };
		struct err problem = ERR_INIT;
		int loaded;

		if (r)
			break;
		loaded = network_load(&networks, *name, &view.record, &problem);
		if (loaded == -ENOENT)
			continue; /* removed meanwhile */
		view.damaged = loaded < 0;
		mem_replace(&view.record.name, *name);
		view.users = uses_of(&uses, *name);
		view.is_up = loaded == 0 && fabric_is_up(&view.record);
		r = each(&view, ctx);
	}
	return r;
}

static int networks_check_acls(const struct network_home *networks, const struct network *network,
			       struct err *err)
{
	if (network->acls && network->type != NETWORK_BRIDGE)
		return err_set(err, -EOPNOTSUPP, "a macvlan network has no ACLs");
	return acl_check_all(networks, network->acls, err);
}

/* What could not be brought up does not stay: its maker hears why and tries again. */
int networks_create(const struct instance_home *home, struct network *network,
		    enum plan_family ipv4, enum plan_family ipv6, struct err *err)
{
	const struct network_home networks = networks_home(home);
	_cleanup_close_ int lock = network_lock(&networks, err);
	struct err ignored = ERR_INIT;
	uint32_t mtu;
	int r = lock;

	if (lock < 0)
		return lock;
	if (network_exists(&networks, network->name))
		return err_set(err, -EEXIST, "there is a network '%.64s' already", network->name);
	network->created = units_now();
	r = networks_check_acls(&networks, network, err);
	if (r == 0)
		r = plan_network(&networks, network, ipv4, ipv6, err);
	if (r == 0)
		r = network_make(&networks, network, err);
	if (r < 0)
		return r;
	r = fabric_up(&networks, network, &mtu, err);
	if (r == 0)
		return 0;
	(void)fabric_down(&networks, network, &ignored);
	(void)network_remove(&networks, network->name, &ignored);
	if (ruleset_trim(&networks, &ignored) == 0)
		(void)ruleset_apply(&networks, &ignored);
	return r;
}

static int networks_check_unused(const struct instance_home *home, const char *name,
				 struct err *err)
{
	_cleanup_uses_ struct uses uses = { 0 };
	_cleanup_strv_ char **users = NULL;
	_cleanup_free_ char *list = NULL;

	if (uses_collect(home, networks_of, &uses, err) < 0)
		return err->code;
	users = uses_of(&uses, name);
	list = strv_join(users, ", ");
	return users ? err_set(err, -EBUSY, "the network '%s' is used by %.200s; remove that first",
			       name, list)
		     : 0;
}

/* Rules about nobody would let nobody in, or out, without a word. */
static int networks_check_unnamed(const struct network_home *networks, const char *name,
				  struct err *err)
{
	_cleanup_strv_ char **acls = NULL;
	int r = acl_names(networks, &acls, err);

	strv_for_each(acl, acls) {
		_cleanup_acl_ struct acl record = { 0 };
		struct err unreadable = ERR_INIT;

		if (acl_load(networks, *acl, &record, &unreadable) == 0 &&
		    acl_names_network(&record, name))
			return err_set(err, -EBUSY,
				       "a rule of the ACL '%s' is about the network '%s'; take it "
				       "out by 'brig acl drop'",
				       *acl, name);
	}
	return r;
}

int networks_remove(const struct instance_home *home, const char *name, struct err *err)
{
	const struct network_home networks = networks_home(home);
	_cleanup_free_ char *run = network_run_path(&networks, name);
	_cleanup_network_ struct network network = { 0 };
	_cleanup_close_ int lock = network_lock(&networks, err);
	struct err unreadable = ERR_INIT;
	int r = lock < 0 ? lock : name_check("network", name, err);

	if (r == 0)
		r = networks_check_unused(home, name, err);
	if (r == 0)
		r = networks_check_unnamed(&networks, name, err);
	if (r < 0)
		return r;
	/* one that is damaged goes, too */
	if (network_load(&networks, name, &network, &unreadable) < 0 &&
	    !network_exists(&networks, name)) {
		*err = unreadable;
		return err->code;
	}
	r = fabric_down(&networks, &network, err);
	if (r == 0)
		r = network_remove(&networks, name, err);
	if (r == 0)
		r = ruleset_trim(&networks, err);
	if (r == 0)
		r = ruleset_apply(&networks, err);
	if (r >= 0)
		(void)file_remove_tree(AT_FDCWD, run);
	return r < 0 ? r : 0;
}

/* Those who are plugged in have the network's, besides their own. */
static int networks_check_ports(const struct network_home *networks, const struct network *network,
				struct err *err)
{
	_cleanup_port_list_ struct port_list ports = { 0 };
	int r = 0;

	port_list_load(networks, network->name, &ports);
	for (size_t i = 0; i < ports.n && r == 0; i++) {
		_cleanup_strv_ char **acls = port_acls(&ports.items[i], network);

		r = acl_check_all(networks, acls, err);
		if (r < 0)
			return err_wrap(err, "instance '%s'", ports.items[i].instance);
	}
	return r;
}

int networks_change(const struct instance_home *home, const char *name,
		    int (*change)(struct network *network, void *ctx, struct err *err), void *ctx,
		    struct err *err)
{
	const struct network_home networks = networks_home(home);
	_cleanup_network_ struct network network = { 0 };
	_cleanup_close_ int lock = network_lock(&networks, err);
	int r = lock < 0 ? lock : network_load(&networks, name, &network, err);

	if (r == 0)
		r = change(&network, ctx, err);
	if (r == 0)
		r = plan_check(&network, err);
	if (r == 0)
		r = networks_check_acls(&networks, &network, err);
	if (r == 0)
		r = networks_check_ports(&networks, &network, err);
	if (r == 0)
		r = network_save(&networks, &network, err);
	return r < 0 ? r : fabric_repair(&networks, &network, err);
}

int networks_repair(const struct instance_home *home, const char *name, struct err *err)
{
	const struct network_home networks = networks_home(home);
	_cleanup_network_ struct network network = { 0 };
	_cleanup_close_ int lock = network_lock(&networks, err);
	int r = lock < 0 ? lock : network_load(&networks, name, &network, err);

	return r < 0 ? r : fabric_repair(&networks, &network, err);
}
