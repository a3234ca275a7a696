// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/passt.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "net/publish.h"
#include "sys/child.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <unistd.h>

#define PASST_TUN "/dev/net/tun"

int passt_check(int is_vm, struct err *err)
{
	_cleanup_free_ char *program = child_find(is_vm ? "passt" : "pasta");
	_cleanup_close_ int tun = -EBADF;

	if (!program)
		return err_set(err, -ENOENT, "%s is not installed: apt install passt",
			       is_vm ? "passt" : "pasta");
	if (is_vm)
		return 0;
	tun = open(PASST_TUN, O_RDWR | O_CLOEXEC);
	if (tun < 0)
		return err_errno(err, -errno, "cannot open " PASST_TUN);
	return 0;
}

static void passt_add(char ***args, const char *option, const char *value)
{
	strv_add(args, option);
	strv_add(args, value);
}

static void passt_add_ip(const struct nic_setup *setup, char ***args)
{
	char ip[INET_ADDRSTRLEN], via[INET_ADDRSTRLEN];

	if (!setup->ip.s_addr) {
		strv_add(args, "--ipv6-only");
		return;
	}
	passt_add(args, "--address", inet_ntop(AF_INET, &setup->ip, ip, sizeof(ip)));
	strv_add(args, "--netmask");
	strv_add_printf(args, "%u", setup->prefix);
	passt_add(args, "--gateway", inet_ntop(AF_INET, &setup->via, via, sizeof(via)));
}

static void passt_add_ip6(const struct nic_setup *setup, char ***args)
{
	char ip[INET6_ADDRSTRLEN], via[INET6_ADDRSTRLEN];

	if (IN6_IS_ADDR_UNSPECIFIED(&setup->ip6)) {
		strv_add(args, "--ipv4-only");
		return;
	}
	passt_add(args, "--address", inet_ntop(AF_INET6, &setup->ip6, ip, sizeof(ip)));
	passt_add(args, "--gateway", inet_ntop(AF_INET6, &setup->via6, via, sizeof(via)));
}

/* [ADDRESS/]FIRST-LAST:FIRST-LAST */
static void passt_add_port(const struct publish *publish, char ***args)
{
	char address[SUBNET_TEXT_MAX] = "";
	int last = publish->count - 1;

	if (publish->address.family)
		subnet_format_address(&publish->address, address);
	strv_add(args, publish->protocol == IPPROTO_UDP ? "--udp-ports" : "--tcp-ports");
	strv_add_printf(args, "%s%s%d-%d:%d-%d", address, *address ? "/" : "", publish->host,
			publish->host + last, publish->inside, publish->inside + last);
}

/* Without a word on a protocol it would follow what listens inside. */
static int passt_add_ports(char *const *ports, char ***args, struct err *err)
{
	int has_tcp = 0, has_udp = 0;

	strv_for_each(text, ports) {
		struct publish publish;

		if (publish_parse(*text, &publish, err) < 0)
			return err->code;
		passt_add_port(&publish, args);
		has_udp |= publish.protocol == IPPROTO_UDP;
		has_tcp |= publish.protocol == IPPROTO_TCP;
	}
	if (!has_tcp)
		passt_add(args, "--tcp-ports", "none");
	if (!has_udp)
		passt_add(args, "--udp-ports", "none");
	return 0;
}

/* Nothing leads from the namespace to the host's loopback. */
static void passt_add_namespace(const struct passt *passt, char ***args)
{
	char mac[NIC_MAC_TEXT];

	passt_add(args, "--tcp-ns", "none");
	passt_add(args, "--udp-ns", "none");
	strv_add(args, "--config-net");
	passt_add(args, "--ns-ifname", passt->setup->name);
	passt_add(args, "--ns-mac-addr", nic_format_mac(passt->setup->mac, mac));
	strv_add(args, "--userns");
	strv_add_printf(args, "/proc/%d/ns/user", passt->pid);
	strv_add(args, "--netns");
	strv_add_printf(args, "/proc/%d/ns/net", passt->pid);
}

int passt_command(const struct passt *passt, char ***ret, struct err *err)
{
	const char *name = passt->pid ? "pasta" : "passt";
	_cleanup_strv_ char **args = NULL;
	char *program = child_find(name);

	if (!program)
		return err_set(err, -ENOENT, "%s is not installed: apt install passt", name);
	strv_add_take(&args, program);
	strv_add(&args, "--foreground");
	strv_add(&args, "--quiet");
	/* which it writes once all is set up, before it goes to work */
	strv_add(&args, "--pid");
	strv_add_printf(&args, "/proc/self/fd/%d", PASST_READY);
	strv_add(&args, "--no-map-gw");
	strv_add(&args, "--mtu");
	strv_add_printf(&args, "%u", passt->setup->mtu);
	passt_add_ip(passt->setup, &args);
	passt_add_ip6(passt->setup, &args);
	if (passt_add_ports(passt->ports, &args, err) < 0)
		return err->code;
	if (passt->pid) {
		passt_add_namespace(passt, &args);
	} else {
		strv_add(&args, "--fd");
		strv_add_printf(&args, "%d", PASST_STREAM);
	}
	*ret = take_ptr(args);
	return 0;
}
