// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/acls.h"
#include "base/mem.h"
#include "base/units.h"
#include "instance/networks.h"
#include "instance/uses.h"
#include "net/port.h"
#include "net/ruleset.h"
#include "proto/nic.h"

#include <string.h>

static int acls_of(const struct instance *record, char ***ret)
{
	int r = 0;

	if (nic_is_shared(record->networks))
		return 0;
	for (size_t i = 0; record->networks && record->networks[i]; i++) {
		_cleanup_nic_ struct nic nic = { 0 };
		struct err ignored = ERR_INIT;

		if (nic_parse(record->networks[i], i, &nic, &ignored) < 0)
			r = -EINVAL;
		strv_for_each(acl, nic.acls)
			strv_add(ret, *acl);
	}
	return r;
}

/* What runs with it, though its record says otherwise by now. */
static void acls_add_ports(const struct network_home *networks, const char *name, char ***ret)
{
	_cleanup_port_list_ struct port_list ports = { 0 };

	port_list_load(networks, NULL, &ports);
	for (size_t i = 0; i < ports.n; i++) {
		const struct port *port = &ports.items[i];

		if (strv_has(port->acls, name) && !strv_has(*ret, port->instance))
			strv_add(ret, port->instance);
	}
}

static int acls_find_networks(const struct network_home *networks, const char *name, char ***ret,
			      struct err *err)
{
	_cleanup_strv_ char **names = NULL;
	int r = network_names(networks, &names, err);

	strv_for_each(network, names) {
		_cleanup_network_ struct network record = { 0 };
		struct err unreadable = ERR_INIT;

		if (network_load(networks, *network, &record, &unreadable) < 0 ||
		    strv_has(record.acls, name))
			strv_add(ret, *network);
	}
	return r;
}

void acls_view_release(struct acls_view *view)
{
	acl_release(&view->record);
	strv_free(view->instances);
	strv_free(view->networks);
	*view = (struct acls_view){ .damaged = 0 };
}

static int acls_fill(const struct instance_home *home, const struct uses *uses, const char *name,
		     struct acls_view *ret, struct err *err)
{
	const struct network_home networks = networks_home(home);

	ret->instances = uses_of(uses, name);
	return acls_find_networks(&networks, name, &ret->networks, err);
}

int acls_view(const struct instance_home *home, const char *name, struct acls_view *ret,
	      struct err *err)
{
	const struct network_home networks = networks_home(home);
	_cleanup_uses_ struct uses uses = { 0 };
	int r;

	*ret = (struct acls_view){ .damaged = 0 };
	r = acl_load(&networks, name, &ret->record, err);
	if (r == 0)
		r = uses_collect(home, acls_of, &uses, err);
	if (r == 0)
		r = acls_fill(home, &uses, name, ret, err);
	if (r < 0)
		acls_view_release(ret);
	return r;
}

int acls_each(const struct instance_home *home,
	      int (*each)(const struct acls_view *view, void *ctx), void *ctx, struct err *err)
{
	const struct network_home networks = networks_home(home);
	_cleanup_uses_ struct uses uses = { 0 };
	_cleanup_strv_ char **names = NULL;
	int r = acl_names(&networks, &names, err);

	if (r == 0)
		r = uses_collect(home, acls_of, &uses, err);
	strv_for_each(name, names) {
		_cleanup_acls_view_ struct acls_view view = { 0 };
		struct err problem = ERR_INIT;
		int loaded;

		if (r)
			break;
		loaded = acl_load(&networks, *name, &view.record, &problem);
		if (loaded == -ENOENT)
			continue; /* removed meanwhile */
		view.damaged = loaded < 0;
		r = acls_fill(home, &uses, *name, &view, err);
		if (r == 0)
			r = each(&view, ctx);
	}
	return r;
}

/* Without any network there is no packet filter; it gets its rules when it is made. */
static int acls_apply(const struct network_home *networks, struct err *err)
{
	return ruleset_is_there(networks) ? ruleset_apply(networks, err) : 0;
}

/* What the kernel does not take is not kept either; before: NULL: there was none. */
static int acls_keep(const struct network_home *networks, const struct acl *before,
		     const struct acl *after, struct err *err)
{
	struct err ignored = ERR_INIT;
	int r = acl_save(networks, after, err);

	if (r < 0)
		return r;
	r = acls_apply(networks, err);
	if (r < 0 && before)
		(void)acl_save(networks, before, &ignored);
	else if (r < 0)
		(void)acl_remove(networks, after->name, &ignored);
	return r;
}

int acls_create(const struct instance_home *home, const char *name, char *const *rules,
		struct err *err)
{
	const struct network_home networks = networks_home(home);
	_cleanup_close_ int lock = network_lock(&networks, err);
	_cleanup_acl_ struct acl acl = { .created = units_now() };

	if (lock < 0)
		return lock;
	if (acl_exists(&networks, name))
		return err_set(err, -EEXIST,
			       "there is an ACL '%.64s' already; 'brig acl add' adds rules to it",
			       name);
	acl.name = mem_strdup(name);
	if (acl_parse_words(&networks, rules, &acl.rules, err) < 0)
		return err->code;
	return acls_keep(&networks, NULL, &acl, err);
}

int acls_add(const struct instance_home *home, const char *name, char *const *rules,
	     struct err *err)
{
	const struct network_home networks = networks_home(home);
	_cleanup_close_ int lock = network_lock(&networks, err);
	_cleanup_acl_ struct acl before = { 0 }, acl = { 0 };

	if (lock < 0 || acl_load(&networks, name, &before, err) < 0)
		return err->code;
	acl.name = mem_strdup(name);
	acl.created = before.created;
	acl.rules = strv_dup(before.rules);
	if (acl_parse_words(&networks, rules, &acl.rules, err) < 0)
		return err->code;
	return acls_keep(&networks, &before, &acl, err);
}

/* Its number, or 0. What it names may be gone. */
static size_t acls_find_rule(const struct acl *acl, char *const *words, struct err *err)
{
	_cleanup_free_ char *text = strv_join(words, " "), *canonical = NULL;
	struct err ignored = ERR_INIT;
	struct acl_rule rule;
	int64_t number = 0;

	if (units_parse_int(text, 1, ACL_RULES_MAX, &number, &ignored) == 0) {
		if ((size_t)number <= strv_len(acl->rules))
			return (size_t)number;
		err_set(err, -ENOENT, "the ACL '%s' has %zu rules", acl->name,
			strv_len(acl->rules));
		return 0;
	}
	if (acl_rule_parse(text, &rule, err) < 0)
		return 0;
	canonical = acl_rule_format(&rule);
	for (size_t i = 0; acl->rules && acl->rules[i]; i++) {
		if (!strcmp(acl->rules[i], canonical))
			return i + 1;
	}
	err_set(err, -ENOENT, "the ACL '%s' has no rule '%.128s'; see 'brig acl inspect %s'",
		acl->name, canonical, acl->name);
	return 0;
}

int acls_drop(const struct instance_home *home, const char *name, char *const *rule,
	      struct err *err)
{
	const struct network_home networks = networks_home(home);
	_cleanup_close_ int lock = network_lock(&networks, err);
	_cleanup_acl_ struct acl before = { 0 }, acl = { 0 };
	size_t number;

	if (lock < 0 || acl_load(&networks, name, &before, err) < 0)
		return err->code;
	number = acls_find_rule(&before, rule, err);
	if (!number)
		return err->code;
	acl.name = mem_strdup(name);
	acl.created = before.created;
	for (size_t i = 0; before.rules[i]; i++) {
		if (i + 1 != number)
			strv_add(&acl.rules, before.rules[i]);
	}
	return acls_keep(&networks, &before, &acl, err);
}

static int acls_check_unused(const struct instance_home *home, const char *name, struct err *err)
{
	const struct network_home networks = networks_home(home);
	_cleanup_uses_ struct uses uses = { 0 };
	_cleanup_acls_view_ struct acls_view view = { 0 };
	_cleanup_free_ char *instances = NULL, *nets = NULL;

	if (uses_collect(home, acls_of, &uses, err) < 0 ||
	    acls_fill(home, &uses, name, &view, err) < 0)
		return err->code;
	acls_add_ports(&networks, name, &view.instances);
	instances = strv_join(view.instances, ", ");
	nets = strv_join(view.networks, ", ");
	if (view.instances)
		return err_set(err, -EBUSY, "the ACL '%s' is used by %.200s", name, instances);
	return view.networks ? err_set(err, -EBUSY,
				       "the ACL '%s' is used by the network %.200s; see 'brig "
				       "network set'",
				       name, nets)
			     : 0;
}

int acls_remove(const struct instance_home *home, const char *name, struct err *err)
{
	const struct network_home networks = networks_home(home);
	_cleanup_close_ int lock = network_lock(&networks, err);
	int r = lock < 0 ? lock : acls_check_unused(home, name, err);

	if (r == 0)
		r = acl_remove(&networks, name, err);
	return r < 0 ? r : acls_apply(&networks, err);
}
