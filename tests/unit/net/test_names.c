// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/names.h"
#include "base/file.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct place {
	char folder[32];
	char *path; /* RUN/.net/lan */
	struct network_home home;
	struct network network;
};

static int set_up(void **state)
{
	struct place *place = mem_zalloc(sizeof(*place));

	strcpy(place->folder, "/tmp/brig-names-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	place->home = (struct network_home){ .root = place->folder, .run = place->folder };
	network_init(&place->network);
	place->network.name = mem_strdup("lan");
	place->network.device = mem_strdup("brig0");
	place->network.ipv4 = mem_strdup("10.1.2.1/24");
	place->network.ipv6 = mem_strdup("fd00:1:2:3::1/64");
	place->path = network_run_path(&place->home, "lan");
	assert_int_equal(file_mkdir_p(place->path, 0700), 0);
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	assert_int_equal(file_remove_tree(AT_FDCWD, place->folder), 0);
	network_release(&place->network);
	free(place->path);
	free(place);
	return 0;
}

static char *file_of(const struct place *place, const char *name)
{
	_cleanup_free_ char *path = mem_printf("%s/%s", place->path, name);
	char *text = NULL;

	return file_read(AT_FDCWD, path, 65536, &text, NULL) == 0 ? text : mem_strdup("");
}

static void assert_has(const char *text, const char *line)
{
	_cleanup_strv_ char **lines = strv_split(text, "\n");

	if (!strv_has(lines, line))
		fail_msg("no '%s' in:\n%s", line, text);
}

static void assert_has_no(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("'%s' in:\n%s", part, text);
}

static const struct link bridge7 = { .index = 7, .mtu = 1400 };
static const struct link bridge8 = { .index = 8, .mtu = 1400 };

static void a_network_with_names_and_addresses_has_all_of_it(void **state)
{
	struct place *place = *state;
	_cleanup_free_ char *conf = NULL;

	conf = names_conf(&place->network, &bridge7, "dnsmasq", "/etc/resolv.conf");
	assert_has(conf, "user=dnsmasq");
	assert_has(conf, "interface=brig0");
	assert_has(conf, "bind-dynamic");
	assert_has(conf, "no-hosts");
	assert_has(conf, "local=/brig/");
	assert_has(conf, "resolv-file=/etc/resolv.conf");
	assert_has(conf, "dhcp-ignore-names");
	assert_has(conf, "dhcp-range=10.1.2.0,static,255.255.255.0,1h");
	assert_has(conf, "dhcp-range=10.1.2.192,10.1.2.254,255.255.255.0,1h");
	assert_has(conf, "dhcp-option=option:mtu,1400");
	assert_has(conf,
		   "dhcp-range=fd00:1:2:3:ffff:ffff:ffff:0,fd00:1:2:3:ffff:ffff:ffff:fffe,64,1h");
	assert_has(conf, "ra-param=brig0,mtu:1400,0,1800");
	assert_has_no(conf, "option:router");
}

static void an_internal_network_has_no_way_out(void **state)
{
	struct place *place = *state;
	_cleanup_free_ char *conf = NULL;

	place->network.internal = 1;
	conf = names_conf(&place->network, &bridge7, "dnsmasq", "/etc/resolv.conf");
	assert_has(conf, "no-resolv");
	assert_has(conf, "dhcp-option=option:router");
	assert_has(conf, "ra-param=brig0,mtu:1400,0,0");
	assert_has_no(conf, "resolv-file");
}

static void what_a_network_does_not_have_is_not_answered(void **state)
{
	struct place *place = *state;
	_cleanup_free_ char *names = NULL, *dhcp = NULL;

	place->network.dhcp = 0;
	names = names_conf(&place->network, &bridge7, "dnsmasq", "/etc/resolv.conf");
	assert_has_no(names, "dhcp");
	assert_has_no(names, "enable-ra");
	place->network.dhcp = 1;
	place->network.dns = 0;
	dhcp = names_conf(&place->network, &bridge7, "dnsmasq", "/etc/resolv.conf");
	assert_has(dhcp, "port=0");
	assert_has(dhcp, "dhcp-option=option:dns-server");
	assert_has_no(dhcp, "resolv-file");
}

static void a_view_has_the_names_of_its_networks_and_a_port_of_its_own(void **state)
{
	struct place *place = *state;
	_cleanup_free_ char *conf = NULL;

	place->network.dhcp = 0;
	place->network.dns_port = 40001;
	strv_add(&place->network.parts, "lan");
	strv_add(&place->network.parts, "dmz");
	strv_add(&place->network.part_devices, "brig0");
	strv_add(&place->network.part_devices, "brig1");
	conf = names_conf(&place->network, &bridge7, "dnsmasq", "/etc/resolv.conf");
	assert_has(conf, "port=40001");
	assert_has(conf, "hostsdir=/names-lan");
	assert_has(conf, "hostsdir=/names-dmz");
	assert_has(conf, "interface=brig1");
	assert_has_no(conf, "hostsdir=/net");
	assert_has_no(conf, "dhcp");
}

/* steward_start() compares the texts: who has a new bridge has to have a new text. */
static void another_bridge_or_mtu_is_another_configuration(void **state)
{
	const struct link smaller = { .index = 7, .mtu = 1300 };
	struct place *place = *state;
	_cleanup_free_ char *a =
		names_conf(&place->network, &bridge7, "dnsmasq", "/etc/resolv.conf");
	_cleanup_free_ char *b =
		names_conf(&place->network, &bridge8, "dnsmasq", "/etc/resolv.conf");

	_cleanup_free_ char *c =
		names_conf(&place->network, &smaller, "dnsmasq", "/etc/resolv.conf");

	assert_string_not_equal(a, b);
	assert_string_not_equal(a, c);
}

static void assert_resolver(const char *path, const char *inside, const char *shown,
			    const char *name)
{
	_cleanup_(names_resolver_release) struct names_resolver resolver = { 0 };

	names_find_resolver(path, &resolver);
	assert_string_equal(resolver.inside ? resolver.inside : "none", inside);
	assert_string_equal(resolver.shown ? resolver.shown : "none", shown);
	assert_string_equal(resolver.name ? resolver.name : "none", name);
}

/* As /etc/resolv.conf may be a link to a link to a file that systemd-resolved replaces. */
static void the_hosts_resolver_is_found_behind_its_links(void **state)
{
	struct place *place = *state;
	_cleanup_free_ char *file = mem_printf("%s/stub.conf", place->path);
	_cleanup_free_ char *a = mem_printf("%s/a", place->folder);
	_cleanup_free_ char *b = mem_printf("%s/b", place->folder);

	assert_int_equal(file_replace(AT_FDCWD, file, "", 0, 0644, 0), 0);
	assert_int_equal(symlink(file, b), 0);
	assert_int_equal(symlink(b, a), 0);
	assert_resolver(a, "/resolver/stub.conf", place->path, "resolver");
	assert_resolver("/etc/passwd", "/etc/passwd", "none", "none");
	assert_int_equal(unlink(file), 0);
	assert_resolver(a, "none", "none", "none");
}

static void a_host_without_a_resolver_has_only_our_own_names(void **state)
{
	struct place *place = *state;
	_cleanup_free_ char *conf = names_conf(&place->network, &bridge7, "dnsmasq", NULL);

	assert_has(conf, "no-resolv");
	assert_has_no(conf, "resolv-file");
}

static void assert_pool(const char *ipv4, const char *first, const char *last)
{
	struct network network = { .dhcp = 1, .ipv4 = (char *)(uintptr_t)ipv4 };
	struct names_pool pool;
	char text[INET_ADDRSTRLEN];

	names_pool(&network, &pool);
	assert_string_equal(inet_ntop(AF_INET, &pool.first, text, sizeof(text)), first);
	assert_string_equal(inet_ntop(AF_INET, &pool.last, text, sizeof(text)), last);
	assert_true(IN6_IS_ADDR_UNSPECIFIED(&pool.first6));
}

static void the_pool_is_the_upper_quarter(void **state _unused_)
{
	assert_pool("10.1.2.1/24", "10.1.2.192", "10.1.2.254");
	assert_pool("10.1.2.129/28", "10.1.2.140", "10.1.2.142");
	assert_pool("10.1.0.1/18", "10.1.48.0", "10.1.63.254");
	assert_pool("10.0.0.1/8", "10.255.240.0", "10.255.255.254");
	assert_pool("10.1.2.1/29", "0.0.0.0", "0.0.0.0");
	assert_pool("10.1.2.1/33", "0.0.0.0", "0.0.0.0");
	assert_pool("10.1.2.1", "0.0.0.0", "0.0.0.0");
	assert_pool("10.1.2/24", "0.0.0.0", "0.0.0.0");
}

static struct names_host make_host(const char *name)
{
	struct names_host host = { .name = name, .mac = { 2, 0x62, 0, 0, 0, 5 } };

	assert_int_equal(inet_pton(AF_INET, "10.1.2.5", &host.ip), 1);
	assert_int_equal(inet_pton(AF_INET6, "fd00:1:2:3::5", &host.ip6), 1);
	return host;
}

static void an_instance_has_a_line_for_each_address(void **state)
{
	struct place *place = *state;
	struct names_host host = make_host("web");
	_cleanup_free_ char *hosts = NULL, *dhcp = NULL, *none = NULL;
	char *aliases[] = { (char *)"www", (char *)"api.v1", NULL };
	struct err err = ERR_INIT;

	host.aliases = aliases;
	assert_int_equal(names_add(&place->home, &place->network, &host, &err), 0);
	hosts = file_of(place, "hosts/web");
	dhcp = file_of(place, "dhcp/web");
	assert_string_equal(hosts, "10.1.2.5 web.brig web www www.brig api.v1 api.v1.brig\n"
				   "fd00:1:2:3::5 web.brig web www www.brig api.v1 api.v1.brig\n");
	assert_string_equal(dhcp, "02:62:00:00:00:05,[fd00:1:2:3::5],10.1.2.5,web,infinite\n");
	assert_int_equal(names_remove(&place->home, "lan", "web", &err), 0);
	assert_int_equal(names_remove(&place->home, "lan", "web", &err), 0);
	none = file_of(place, "hosts/web");
	assert_string_equal(none, "");
}

/* What dnsmasq would take for something else than a name is not told as one; the address is all the same. */
static void a_name_that_means_something_else_is_kept_from_dhcp(void **state)
{
	struct place *place = *state;
	static const char *const names[] = {
		"5d", "1234", "ignore", "infinite", "10.0.0.1", "a..b"
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct names_host host = make_host(names[i]);
		_cleanup_free_ char *name = mem_printf("dhcp/%s", names[i]), *dhcp = NULL;
		struct err err = ERR_INIT;

		assert_int_equal(names_add(&place->home, &place->network, &host, &err), 0);
		dhcp = file_of(place, name);
		assert_string_equal(dhcp, "02:62:00:00:00:05,[fd00:1:2:3::5],10.1.2.5,infinite\n");
	}
	{
		_cleanup_free_ char *hosts = file_of(place, "hosts/a..b");

		assert_string_equal(hosts, "");
	}
}

static void nothing_but_a_name_gets_into_the_files(void **state)
{
	struct place *place = *state;
	static const char *const names[] = { "",     "a b",	     "a\n10.0.0.1 b",
					     "../x", ".x",	     "a,ignore",
					     "#a",   "a#",	     "a/b",
					     "a\tb", "web,10.1.2.9", "\xc3\xa4" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char *aliases[] = { (char *)(uintptr_t)names[i], NULL };
		struct names_host host = make_host(names[i]), with_alias = make_host("web");
		struct err err = ERR_INIT;

		with_alias.aliases = aliases;
		assert_int_equal(names_add(&place->home, &place->network, &host, &err), -EINVAL);
		err = ERR_INIT;
		assert_int_equal(names_add(&place->home, &place->network, &with_alias, &err),
				 -EINVAL);
		err = ERR_INIT;
		assert_int_equal(names_remove(&place->home, "lan", names[i], &err), -EINVAL);
	}
	{
		_cleanup_free_ char *hosts = file_of(place, "hosts/web");

		assert_string_equal(hosts, "");
	}
}

static void collect(void *ctx, const struct names_lease *lease)
{
	strv_add_printf(ctx, "%jd %s %s '%s' %d", (intmax_t)lease->expires, lease->address,
			lease->mac, lease->host, lease->family == AF_INET6);
}

static void leases_are_read_and_what_is_none_is_passed_over(void **state _unused_)
{
	static const char text[] =
		"1700000000 02:62:00:00:00:05 10.1.2.5 web ff:01\n"
		"0 06-02:62:00:00:00:06 10.1.2.200 * *\n"
		"duid 00:01:00:01\n"
		"1700000000 123456 fd00::5 * 00:01\n"
		"12345678901234567890 02:00 10.1.2.5 a *\n"
		"x 02:00 10.1.2.5 a *\n"
		"1 02:00 10.1.2 a *\n"
		"1 02;00 10.1.2.5 a *\n"
		"1 02:00 10.1.2.5 a\n"
		"1 02:00 10.1.2.5 a * *\n"
		"1  10.1.2.5 a *\n"
		"\n"
		"7 02:00 10.1.2.9 "
		"\x1b[2J;rm/\xff-01234567890123456789012345678901234567890123456789xxxxxx *";
	_cleanup_strv_ char **leases = NULL;

	names_leases_parse(text, sizeof(text) - 1, collect, &leases);
	assert_int_equal(strv_len(leases), 4);
	assert_string_equal(leases[0], "1700000000 10.1.2.5 02:62:00:00:00:05 'web' 0");
	assert_string_equal(leases[1], "0 10.1.2.200 06-02:62:00:00:00:06 '' 0");
	assert_string_equal(leases[2], "1700000000 fd00::5  '' 1");
	assert_string_equal(leases[3],
			    "7 10.1.2.9 02:00 "
			    "'??2J?rm/?-01234567890123456789012345678901234567890123456789xxx' 0");
}

static void only_the_pools_leases_outlive_dnsmasq(void **state)
{
	struct place *place = *state;
	static const char text[] = "1700000000 02:62:00:00:00:05 10.1.2.5 web ff:01\n"
				   "0 02:62:00:00:00:06 10.1.2.200 * *\n"
				   "duid 00:01:00:01\n"
				   "1700000000 1 fd00:1:2:3::5 * 00:01\n"
				   "1700000000 2 fd00:1:2:3:ffff:ffff:ffff:7 * 00:02\n"
				   "rubbish\n";
	_cleanup_free_ char *path = mem_printf("%s/state", place->path), *kept = NULL;
	_cleanup_close_ int fd = -EBADF;
	struct names_pool pool;
	struct err err = ERR_INIT;

	assert_int_equal(mkdir(path, 0700), 0);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	names_pool(&place->network, &pool);
	assert_int_equal(names_prune_leases(fd, &pool, getuid(), &err), 0);
	assert_int_equal(file_replace(fd, "leases", text, sizeof(text) - 1, 0600, 0), 0);
	assert_int_equal(names_prune_leases(fd, &pool, getuid(), &err), 0);
	kept = file_of(place, "state/leases");
	assert_string_equal(kept, "0 02:62:00:00:00:06 10.1.2.200 * *\n"
				  "duid 00:01:00:01\n"
				  "1700000000 2 fd00:1:2:3:ffff:ffff:ffff:7 * 00:02\n");
}

/* dnsmasq's folder is for it to write: a link of it leads nobody astray, and a pipe holds nobody up. */
static void leases_that_are_no_file_are_not_followed(void **state)
{
	struct place *place = *state;
	_cleanup_free_ char *path = mem_printf("%s/state", place->path);
	_cleanup_free_ char *leases = mem_printf("%s/leases", path);
	_cleanup_strv_ char **found = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(symlink("/etc/shadow", leases), 0);
	assert_int_equal(names_leases(&place->home, "lan", collect, &found, &err), -ELOOP);
	assert_int_equal(unlink(leases), 0);
	assert_int_equal(mkfifo(leases, 0600), 0);
	err = ERR_INIT;
	assert_int_equal(names_leases(&place->home, "lan", collect, &found, &err), -EBADMSG);
}

#define PLACE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACE_TEST(a_network_with_names_and_addresses_has_all_of_it),
		PLACE_TEST(an_internal_network_has_no_way_out),
		PLACE_TEST(what_a_network_does_not_have_is_not_answered),
		PLACE_TEST(another_bridge_or_mtu_is_another_configuration),
		PLACE_TEST(a_view_has_the_names_of_its_networks_and_a_port_of_its_own),
		PLACE_TEST(the_hosts_resolver_is_found_behind_its_links),
		PLACE_TEST(a_host_without_a_resolver_has_only_our_own_names),
		cmocka_unit_test(the_pool_is_the_upper_quarter),
		PLACE_TEST(an_instance_has_a_line_for_each_address),
		PLACE_TEST(a_name_that_means_something_else_is_kept_from_dhcp),
		PLACE_TEST(nothing_but_a_name_gets_into_the_files),
		cmocka_unit_test(leases_are_read_and_what_is_none_is_passed_over),
		PLACE_TEST(only_the_pools_leases_outlive_dnsmasq),
		PLACE_TEST(leases_that_are_no_file_are_not_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
