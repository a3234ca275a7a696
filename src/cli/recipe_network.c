// SPDX-License-Identifier: GPL-2.0-or-later
/* --network and what goes with it: users' words for what proto/nic.h and net/publish.h say. */
#include "base/mem.h"
#include "base/units.h"
#include "cli/recipe-internal.h"
#include "net/network.h"
#include "net/passt.h"
#include "net/publish.h"
#include "proto/nic.h"
#include "proto/lookup.h"

#include <arpa/inet.h>
#include <string.h>

#define RECIPE_NETWORK_VARIABLE "BRIG_NETWORK"
#define RECIPE_NETWORK_RATE	"rate="

/* What the words came from, for messages. */
static const char *recipe_network_source(const struct recipe *recipe)
{
	return recipe->networks ? "option --network" : RECIPE_NETWORK_VARIABLE;
}

/* Of who says nothing. 'brig doctor' tells a user why it is none. */
static const char *recipe_network_default(int kind)
{
	struct err ignored = ERR_INIT;

	if (!geteuid())
		return NETWORK_DEFAULT;
	return passt_check(kind == INSTANCE_VM, &ignored) < 0 ? NIC_NONE : NIC_USER;
}

/* As they were given, or what holds if they were not. */
static char **recipe_network_words(const struct recipe *recipe, int kind)
{
	const char *variable = getenv(RECIPE_NETWORK_VARIABLE);
	char **words = NULL;

	if (recipe->networks)
		return strv_dup(recipe->networks);
	if (variable && *variable)
		strv_add(&words, variable);
	else
		strv_add(&words, recipe_network_default(kind));
	return words;
}

static int recipe_network_is_of(const char *word)
{
	return !strncmp(word, NIC_OF, strlen(NIC_OF));
}

/* No interface of its own. */
static int recipe_network_is_apart(const char *word)
{
	return !strcmp(word, NIC_NONE) || !strcmp(word, NIC_HOST) || recipe_network_is_of(word);
}

/* Options that ask for what there is not. */
static int recipe_network_refuse(const struct recipe *recipe, const char *word, struct err *err)
{
	static const char *const options[] = { "ip", "ip6", "mac-address", "net-rate", "publish" };
	static const char *const names[] = { "dns", "dns-search", "add-host" };
	int is_host = !strcmp(word, NIC_HOST), is_of = recipe_network_is_of(word);
	const char *why = is_host ? "the network is the host's own"
			  : is_of ? "the network is that of another instance, which has it"
				  : "there is no network; give one with --network NAME";

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (recipe_check_is_given(recipe, options[i]))
			return err_set(err, -EINVAL, "option --%s: %s", options[i], why);
	}
	for (size_t i = 0; i < ARRAY_SIZE(names) && is_of; i++) {
		if (recipe_check_is_given(recipe, names[i]))
			return err_set(err, -EINVAL, "option --%s: %s", names[i], why);
	}
	return 0;
}

static int recipe_network_share(const struct recipe *recipe, const char *word, struct instance *ret,
				struct err *err)
{
	const char *source = recipe_network_source(recipe), *other = strchr(word, ':');

	if (ret->kind == INSTANCE_VM)
		return err_set(err, -EOPNOTSUPP,
			       "%s: %s: a VM has a kernel of its own, which cannot be on "
			       "%s; bridge=NAME makes it a neighbour of the host's",
			       source, word,
			       other ? "another one's network" : "the host's network");
	if (other && geteuid())
		return err_set(err, -EPERM,
			       "%s: %s: sharing an instance's network takes root; '" NIC_NONE
			       "' and '" NIC_HOST "' do not",
			       source, word);
	if (other && recipe->name && !strcmp(other + 1, recipe->name))
		return err_set(err, -EINVAL, "%s: %s: that is itself", source, word);
	strv_add(&ret->networks, word);
	return nic_check_all(ret->networks, err) < 0 ? err_wrap(err, "%s", source) : 0;
}

/* NETWORK,KEY=VALUE... with its rate in bits, as the record has it. Caller frees. */
static int recipe_network_text(const char *given, char **ret, struct err *err)
{
	_cleanup_strv_ char **words = strv_split(given, ","), **text = NULL;
	size_t len = strlen(RECIPE_NETWORK_RATE);

	strv_for_each(word, words) {
		int64_t rate = 0;

		if (strncmp(*word, RECIPE_NETWORK_RATE, len) != 0) {
			strv_add(&text, *word);
			continue;
		}
		if (units_parse_rate(*word + len, &rate, err) < 0)
			return err_wrap(err, "network '%.64s'", given);
		strv_add_printf(&text, RECIPE_NETWORK_RATE "%jd", (intmax_t)rate);
	}
	*ret = text ? strv_join(text, ",") : mem_strdup("");
	return 0;
}

static int recipe_network_twice(const char *option, struct err *err)
{
	return err_set(err, -EINVAL, "option --%s: the first network has one already", option);
}

/* docker's options of the first network. */
static int recipe_network_set_first(const struct recipe *recipe, struct nic *nic, struct err *err)
{
	if (recipe->ip && nic->ip.s_addr)
		return recipe_network_twice("ip", err);
	if (recipe->ip6 && !IN6_IS_ADDR_UNSPECIFIED(&nic->ip6))
		return recipe_network_twice("ip6", err);
	if (recipe->mac && nic->has_mac)
		return recipe_network_twice("mac-address", err);
	if (recipe->ip && (inet_pton(AF_INET, recipe->ip, &nic->ip) != 1 || !nic->ip.s_addr))
		return err_set(err, -EINVAL, "option --ip: '%.64s' is no IPv4 address", recipe->ip);
	if (recipe->ip6 && (inet_pton(AF_INET6, recipe->ip6, &nic->ip6) != 1 ||
			    IN6_IS_ADDR_UNSPECIFIED(&nic->ip6)))
		return err_set(err, -EINVAL, "option --ip6: '%.64s' is no IPv6 address",
			       recipe->ip6);
	if (!recipe->mac)
		return 0;
	nic->has_mac = 1;
	if (nic_parse_mac(recipe->mac, nic->mac) < 0)
		return err_set(err, -EINVAL,
			       "option --mac-address: '%.64s' is no address of one interface, as "
			       "02:62:12:34:56:78",
			       recipe->mac);
	return 0;
}

static int recipe_network_add(const struct recipe *recipe, const char *word, struct instance *ret,
			      struct err *err)
{
	const char *source = recipe_network_source(recipe);
	size_t place = strv_len(ret->networks);
	_cleanup_nic_ struct nic nic = { 0 };
	_cleanup_free_ char *text = NULL;
	char *const words[] = { (char *)(uintptr_t)word, NULL };
	int is_user = nic_is_user(words), r;

	if (recipe_network_is_apart(word))
		return err_set(err, -EINVAL, "%s: '%s' goes with no other", source, word);
	if (geteuid() && !is_user)
		return err_set(err, -EPERM,
			       "%s: '%.64s': networks take root; '" NIC_USER "', '" NIC_NONE
			       "' and '" NIC_HOST "' do not",
			       source, word);
	if (!geteuid() && is_user)
		return err_set(err, -EOPNOTSUPP,
			       "%s: '%.64s' is for users who are not root; name a network", source,
			       word);
	r = recipe_network_text(word, &text, err);
	if (r == 0)
		r = nic_parse(text, place, &nic, err);
	if (r < 0)
		return err_wrap(err, "%s", source);
	r = place ? 0 : recipe_network_set_first(recipe, &nic, err);
	if (r < 0)
		return r;
	if (!nic.rate)
		nic.rate = recipe->net_rate;
	if (!nic.has_mac)
		nic_make_mac(nic.mac);
	nic.has_mac = 1;
	strv_add_take(&ret->networks, nic_format(&nic));
	return 0;
}

static int recipe_network_fill(const struct recipe *recipe, struct instance *ret, struct err *err)
{
	_cleanup_strv_ char **words = recipe_network_words(recipe, ret->kind);
	int r = 0;

	if (strv_len(words) == 1 && recipe_network_is_apart(*words)) {
		r = recipe_network_refuse(recipe, *words, err);
		if (r == 0 && strcmp(*words, NIC_NONE) != 0)
			r = recipe_network_share(recipe, *words, ret, err);
		return r;
	}
	strv_for_each(word, words) {
		r = recipe_network_add(recipe, *word, ret, err);
		if (r < 0)
			return r;
	}
	/* such as a rate that cannot be */
	return nic_check_all(ret->networks, err) < 0
		       ? err_wrap(err, "%s", recipe_network_source(recipe))
		       : 0;
}

static int recipe_network_fill_names(const struct recipe *recipe, struct instance *ret,
				     struct err *err)
{
	strv_for_each(server, recipe->dns) {
		if (lookup_check_server(*server, err) < 0)
			return err_wrap(err, "option --dns");
	}
	strv_for_each(domain, recipe->dns_search) {
		if (lookup_check_domain(*domain, err) < 0)
			return err_wrap(err, "option --dns-search");
	}
	strv_for_each(host, recipe->extra_hosts) {
		char *text = NULL;

		if (lookup_parse_host(*host, &text, err) < 0)
			return err_wrap(err, "option --add-host");
		strv_add_take(&ret->extra_hosts, text);
	}
	ret->dns = strv_dup(recipe->dns);
	ret->dns_search = strv_dup(recipe->dns_search);
	return 0;
}

int recipe_fill_network(const struct recipe *recipe, struct instance *ret, struct err *err)
{
	int r = recipe_network_fill(recipe, ret, err);

	if (r == 0)
		r = recipe_network_fill_names(recipe, ret, err);
	if (r < 0)
		return r;
	return publish_parse_all(recipe->ports, &ret->ports, err) < 0
		       ? err_wrap(err, "option --publish")
		       : 0;
}
