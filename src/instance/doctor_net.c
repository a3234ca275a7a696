// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/doctor_net.h"
#include "base/file.h"
#include "base/mem.h"
#include "instance/networks.h"
#include "net/fabric.h"
#include "sys/child.h"

#include <fcntl.h>
#include <string.h>

#define DOCTOR_NET_RULES_MAX ((size_t)64 << 20)

int doctor_net_device(const struct instance_home *home _unused_, const struct doctor_check *check,
		      char *detail)
{
	_cleanup_close_ int fd = open(check->arg, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		doctor_say(detail, "%s: %s", check->arg, strerror(errno));
		return DOCTOR_WARN;
	}
	doctor_say(detail, "there is %s", check->arg);
	return DOCTOR_OK;
}

/* Bridges that lead out: (name of the interface, is it up). The one that is made on first use stands for none. */
struct doctor_net_bridges {
	char **names;
	int routes4, routes6; /* some that is up needs forwarding */
};

static void doctor_net_find_bridges(const struct instance_home *instances,
				    struct doctor_net_bridges *ret)
{
	const struct network_home home = networks_home(instances);
	_cleanup_strv_ char **names = NULL;
	struct err ignored = ERR_INIT;

	(void)network_names(&home, &names, &ignored);
	strv_for_each(name, names) {
		_cleanup_network_ struct network network = { 0 };

		if (network_load(&home, *name, &network, &ignored) < 0 || network.internal ||
		    network.type != NETWORK_BRIDGE || !network.device)
			continue;
		strv_add(&ret->names, network.device);
		if (!fabric_is_up(&network))
			continue;
		ret->routes4 |= network.ipv4 != NULL;
		ret->routes6 |= network.ipv6 != NULL;
	}
	if (!ret->names)
		strv_add(&ret->names, NETWORK_DEFAULT);
}

/* "brig", and for other homes "brig" and 8 hexadecimal digits: net/ruleset.h. */
static int doctor_net_is_ours(const char *table)
{
	static const char name[] = "brig";
	const char *rest = table + sizeof(name) - 1;

	return !strncmp(table, name, sizeof(name) - 1) &&
	       (!*rest || (strlen(rest) == 8 && strspn(rest, "0123456789abcdef") == 8));
}

static int doctor_net_is_same_table(const struct json *a, const struct json *b)
{
	return !strcmp(json_get_string(a, "family", ""), json_get_string(b, "family", "")) &&
	       !strcmp(json_get_string(a, "table", ""), json_get_string(b, "table", ""));
}

/* Chains that the one at the hook jumps to are of the same table, so any rule there may be the one. */
static int doctor_net_is_named(const struct json *objects, const struct json *chain,
			       const char *bridge)
{
	_cleanup_free_ char *quoted = mem_printf("\"%s\"", bridge);

	for (size_t i = 0; i < json_array_len(objects); i++) {
		struct json *rule = json_get(json_array_at(objects, i), "rule");
		_cleanup_free_ char *text = NULL;

		if (!rule || !doctor_net_is_same_table(rule, chain))
			continue;
		text = json_text(rule, 0);
		if (strstr(text, quoted))
			return 1;
	}
	return 0;
}

int doctor_net_find_wall(const struct json *ruleset, const char *bridge, char *detail)
{
	const struct json *objects = json_get(ruleset, "nftables");

	for (size_t i = 0; i < json_array_len(objects); i++) {
		const struct json *chain = json_get(json_array_at(objects, i), "chain");
		const char *table = json_get_string(chain, "table", "");

		if (!chain || doctor_net_is_ours(table) ||
		    strcmp(json_get_string(chain, "hook", ""), "forward") != 0 ||
		    strcmp(json_get_string(chain, "type", ""), "filter") != 0 ||
		    (strcmp(json_get_string(chain, "policy", ""), "drop") != 0 &&
		     strcmp(table, "firewalld") != 0) ||
		    doctor_net_is_named(objects, chain, bridge))
			continue;
		doctor_say(detail,
			   "table %s %s, chain %s, lets nothing pass that no rule accepts, "
			   "and none names %s",
			   json_get_string(chain, "family", "?"), table,
			   json_get_string(chain, "name", "?"), bridge);
		return 1;
	}
	return 0;
}

static int doctor_net_run(const char *const argv[], struct buf *ret, struct err *err)
{
	struct child_spec spec = CHILD_SPEC_INIT;

	spec.argv = (char *const *)argv;
	spec.out = ret;
	spec.out_max = DOCTOR_NET_RULES_MAX;
	return child_run(&spec, err);
}

/* The rules of the older iptables, which nft does not see; asked only where there are some, since asking makes them. */
static int doctor_net_find_legacy(char *const *bridges, char *detail)
{
	static const struct {
		const char *tables, *argv[3];
	} tools[] = {
		{ "/proc/net/ip_tables_names", { "iptables-legacy", "-S", NULL } },
		{ "/proc/net/ip6_tables_names", { "ip6tables-legacy", "-S", NULL } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
		_cleanup_free_ char *tables = NULL;
		_cleanup_buf_ struct buf rules = BUF_INIT;
		struct err ignored = ERR_INIT;

		if (file_read(AT_FDCWD, tools[i].tables, 4096, &tables, NULL) < 0 ||
		    !strstr(tables, "filter\n") ||
		    doctor_net_run(tools[i].argv, &rules, &ignored) < 0 || !rules.len ||
		    !strstr(rules.data, "-P FORWARD DROP\n"))
			continue;
		strv_for_each(bridge, bridges) {
			_cleanup_free_ char *word = mem_printf(" %s ", *bridge);

			if (strstr(rules.data, word))
				continue;
			doctor_say(detail,
				   "%s: FORWARD drops what no rule accepts, and none "
				   "names %s",
				   tools[i].argv[0], *bridge);
			return 1;
		}
	}
	return 0;
}

int doctor_net_firewall(const struct instance_home *home, const struct doctor_check *check _unused_,
			char *detail)
{
	/* -t: without the elements of sets, of which there may be very many */
	const char *const argv[] = { "nft", "-j", "-t", "list", "ruleset", NULL };
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_json_ struct json *ruleset = NULL;
	struct doctor_net_bridges bridges = { 0 };
	struct err err = ERR_INIT;
	int r = doctor_net_run(argv, &text, &err), walled;

	if (r == 0)
		r = json_parse(text.data, text.len, "nft's list of rules", &ruleset, &err);
	doctor_net_find_bridges(home, &bridges);
	walled = doctor_net_find_legacy(bridges.names, detail);
	for (size_t i = 0; r == 0 && !walled && bridges.names[i]; i++)
		walled = doctor_net_find_wall(ruleset, bridges.names[i], detail);
	strv_free(bridges.names);
	if (walled)
		return DOCTOR_WARN;
	doctor_say(detail, "%s", r < 0 ? err.msg : "no other firewall is in the way");
	return r < 0 ? DOCTOR_WARN : DOCTOR_OK;
}

static int doctor_net_is_on(const char *path)
{
	_cleanup_free_ char *value = NULL;

	return file_read(AT_FDCWD, path, 16, &value, NULL) == 0 && *value && *value != '0';
}

int doctor_net_bridge_filter(const struct instance_home *home _unused_,
			     const struct doctor_check *check _unused_, char *detail)
{
	int four = doctor_net_is_on("/proc/sys/net/bridge/bridge-nf-call-iptables");
	int six = doctor_net_is_on("/proc/sys/net/bridge/bridge-nf-call-ip6tables");

	doctor_say(detail, "br_netfilter %s%s%s",
		   four || six ? "gives filters of routed packets what stays on a bridge: "
			       : "is not at work",
		   four	 ? "IPv4"
		   : six ? "IPv6"
			 : "",
		   four && six ? ", IPv6" : "");
	return four || six ? DOCTOR_WARN : DOCTOR_OK;
}

int doctor_net_forwarding(const struct instance_home *home,
			  const struct doctor_check *check _unused_, char *detail)
{
	int four = doctor_net_is_on("/proc/sys/net/ipv4/ip_forward");
	int six = doctor_net_is_on("/proc/sys/net/ipv6/conf/all/forwarding");
	struct doctor_net_bridges bridges = { 0 };
	int lacks4, lacks6;

	doctor_net_find_bridges(home, &bridges);
	strv_free(bridges.names);
	lacks4 = bridges.routes4 && !four;
	lacks6 = bridges.routes6 && !six;
	if (lacks4 || lacks6)
		doctor_say(detail, "off for %s, and networks are up",
			   lacks4 && lacks6 ? "IPv4 and IPv6"
			   : lacks4	    ? "IPv4"
					    : "IPv6");
	else
		doctor_say(detail, "%s",
			   bridges.routes4 || bridges.routes6
				   ? "on"
				   : "no network needs it; the first that does switches it on");
	return lacks4 || lacks6 ? DOCTOR_WARN : DOCTOR_OK;
}
