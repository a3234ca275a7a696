// SPDX-License-Identifier: GPL-2.0-or-later
#include "oci/vm_net.h"
#include "base/file.h"
#include "base/mem.h"
#include "sys/child.h"
#include "sys/ingress.h"
#include "sys/netlink.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

static const struct link eth0 = { .index = 7,
				  .name = "eth0",
				  .kind = "veth",
				  .is_up = 1,
				  .mtu = 1420,
				  .mac = { 2, 0x62, 0, 0, 0, 1 } };

static struct route_prefix prefix(const char *text, unsigned int length)
{
	struct route_prefix prefix = { .family = strchr(text, ':') ? AF_INET6 : AF_INET,
				       .length = length };

	assert_int_equal(inet_pton(prefix.family, text, &prefix.ip), 1);
	return prefix;
}

static void assert_described(const struct vm_net_tables *tables, const char *as)
{
	_cleanup_free_ struct nic_setup *setup = mem_zalloc(sizeof(*setup));
	_cleanup_free_ char *text = NULL;
	struct err err = ERR_INIT;

	if (vm_net_describe(&eth0, tables, setup, &err) < 0)
		fail_msg("%s", err.msg);
	text = nic_setup_format(setup);
	assert_string_equal(text, as);
}

static void an_interface_is_described_with_what_its_kernel_does_not_make(void **state _unused_)
{
	struct route_address addresses[] = {
		{ 7, prefix("10.1.0.2", 20) }, { 7, prefix("fe80::1", 64) },
		{ 8, prefix("10.9.0.2", 24) }, { 7, prefix("10.2.0.2", 32) },
		{ 7, prefix("fd00::2", 64) },  { 7, prefix("fd01::2", 64) },
	};
	struct route routes[] = {
		{ 7, prefix("10.1.0.0", 20), { 0 }, 0, RTPROT_KERNEL },
		{ 7, prefix("fe80::", 64), { 0 }, 256, RTPROT_KERNEL },
		{ 7, prefix("ff00::", 8), { 0 }, 256, RTPROT_KERNEL },
		{ 7, prefix("fd00::", 64), { 0 }, 256, RTPROT_KERNEL },
		{ 7, prefix("::", 0), prefix("fe80::9", 128), 1024, RTPROT_RA },
		{ 8, prefix("0.0.0.0", 0), prefix("10.9.0.1", 32), 0, RTPROT_STATIC },
		/* the other end of an address, and one that is no network of ours */
		{ 7, prefix("10.3.0.1", 32), { 0 }, 0, RTPROT_KERNEL },
		{ 7, prefix("10.1.16.0", 20), { 0 }, 0, RTPROT_KERNEL },
		{ 7, prefix("0.0.0.0", 0), prefix("10.1.0.1", 32), 0, RTPROT_STATIC },
		{ 7, prefix("::", 0), prefix("fd00::1", 128), 1024, RTPROT_STATIC },
	};
	struct route_neighbour neighbours[] = {
		{ 8, prefix("10.9.0.1", 32), { 2, 0, 0, 0, 0, 8 } },
		{ 7, prefix("10.1.0.1", 32), { 2, 0, 0, 0, 0, 9 } },
	};
	const struct vm_net_tables tables = { addresses,	  routes,
					      neighbours,	  ARRAY_SIZE(addresses),
					      ARRAY_SIZE(routes), ARRAY_SIZE(neighbours) };

	assert_described(&tables,
			 "name=eth0,mac=02:62:00:00:00:01,mtu=1420,ip=10.1.0.2/20,ip6=fd00::2/64,"
			 "also=10.2.0.2/32,also=fd01::2/64,route=10.3.0.1/32,route=10.1.16.0/20,"
			 "route=0.0.0.0/0@10.1.0.1,route=::/0@fd00::1+1024,"
			 "near=10.1.0.1@02:00:00:00:00:09");
}

static void assert_refused(const struct link *link, const struct vm_net_tables *tables, int code,
			   const char *says)
{
	_cleanup_free_ struct nic_setup *setup = mem_zalloc(sizeof(*setup));
	struct err err = ERR_INIT;

	assert_int_equal(vm_net_describe(link, tables, setup, &err), code);
	if (!strstr(err.msg, says))
		fail_msg("'%s' does not say '%s'", err.msg, says);
}

static void what_a_machine_cannot_take_over_is_refused_by_name(void **state _unused_)
{
	static const struct {
		const char *name, *kind, *says;
		int code;
	} rows[] = {
		{ "m0", "macvlan", "m0, of the kind macvlan", -EOPNOTSUPP },
		{ "ens5", "", "ens5, a device of the host's", -EOPNOTSUPP },
		{ "tun0", "tun", "tun0, of the kind tun", -EOPNOTSUPP },
		{ "brig0", "tun", "another VM", -EBUSY },
		{ "a:b", "veth", "'a:b'", -EOPNOTSUPP },
	};
	const struct vm_net_tables none = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct link link = eth0;

		snprintf(link.name, sizeof(link.name), "%s", rows[i].name);
		snprintf(link.kind, sizeof(link.kind), "%s", rows[i].kind);
		assert_refused(&link, &none, rows[i].code, rows[i].says);
	}
}

static void more_than_a_machine_can_be_told_is_refused(void **state _unused_)
{
	struct route_address addresses[NIC_ALSO_MAX + 2];
	struct route routes[NIC_ROUTES_MAX + 1];
	struct route_neighbour neighbours[NIC_NEAR_MAX + 1];
	struct vm_net_tables tables = { addresses, routes, neighbours, 0, 0, 0 };
	const struct route odd = { 7, prefix("10.0.0.0", 8), prefix("fe80::9", 128), 0, 0 };

	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++)
		addresses[i] = (struct route_address){ 7, prefix("10.1.0.2", 32) };
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
		routes[i] = (struct route){ 7, prefix("10.0.0.0", 8), { 0 }, 0, RTPROT_STATIC };
	for (size_t i = 0; i < ARRAY_SIZE(neighbours); i++)
		neighbours[i] = (struct route_neighbour){ 7, prefix("10.1.0.1", 32), { 2 } };
	tables.n_addresses = ARRAY_SIZE(addresses);
	assert_refused(&eth0, &tables, -E2BIG, "addresses");
	tables.n_addresses--;
	tables.n_routes = ARRAY_SIZE(routes);
	assert_refused(&eth0, &tables, -E2BIG, "routes");
	tables.n_routes--;
	tables.n_neighbours = ARRAY_SIZE(neighbours);
	assert_refused(&eth0, &tables, -E2BIG, "neighbours");
	routes[0] = odd;
	tables.n_routes = 1;
	assert_refused(&eth0, &tables, -EOPNOTSUPP, "gateway");
}

/* 0 if the shell's words end well. */
static int run(const char *words)
{
	char *argv[] = { (char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
			 (char *)(uintptr_t)words, NULL };
	struct child_spec spec = CHILD_SPEC_INIT;
	struct err ignored = ERR_INIT;

	spec.argv = argv;
	return child_run(&spec, &ignored);
}

static void write_record(int dir, ino_t inode, int link)
{
	_cleanup_free_ char *text =
		mem_printf("/proc/self/ns/net\n%ju\n%d\n", (uintmax_t)inode, link);

	assert_int_equal(file_replace(dir, VM_NET_RECORD, text, strlen(text), 0600, 0), 0);
}

/* Before Linux 6.6: what a killed holder has left at an interface goes with the container, if it is still the same network. */
static void what_a_killed_holder_left_goes_with_the_container(void **state _unused_)
{
	static const char shown[] = "tc filter show dev a0 ingress | grep -q brig";
	char folder[] = "/tmp/brig-test-XXXXXX";
	_cleanup_close_ int dir = -EBADF, sock = -EBADF;
	struct err err = ERR_INIT;
	struct link a, b;
	struct stat status;

	if (geteuid() != 0)
		skip();
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(run("ip link add a0 type veth peer name a1"), 0);
	sock = netlink_open(NETLINK_ROUTE, -EBADF, &err);
	assert_int_equal(link_find(sock, "a0", &a, &err), 0);
	assert_int_equal(link_find(sock, "a1", &b, &err), 0);
	assert_int_equal(ingress_redirect_left(sock, a.index, b.index, &err), 0);
	assert_int_equal(run(shown), 0);
	assert_non_null(mkdtemp(folder));
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	vm_net_clean(dir);
	assert_int_equal(stat("/proc/self/ns/net", &status), 0);
	write_record(dir, status.st_ino + 1, a.index);
	vm_net_clean(dir);
	assert_int_equal(run(shown), 0);
	write_record(dir, status.st_ino, a.index);
	vm_net_clean(dir);
	assert_int_not_equal(run(shown), 0);
	assert_int_equal(unlinkat(dir, VM_NET_RECORD, 0), 0);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interface_is_described_with_what_its_kernel_does_not_make),
		cmocka_unit_test(what_a_machine_cannot_take_over_is_refused_by_name),
		cmocka_unit_test(more_than_a_machine_can_be_told_is_refused),
		cmocka_unit_test(what_a_killed_holder_left_goes_with_the_container),
	};

	return cmocka_run_group_tests_name("oci/vm_net", tests, NULL, NULL);
}
