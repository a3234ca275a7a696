// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/nic.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/strv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

static void an_interface_is_its_networks_name_and_what_was_asked_for(void **state _unused_)
{
	static const char text[] = "lan,mac=02:62:00:00:00:0f,ip=10.1.2.3,ip6=fd00::3,name=wan0,"
				   "rate=100000000,acl=web,acl=ssh,trust=1";
	_cleanup_nic_ struct nic plain = { 0 }, full = { 0 }, bridge = { 0 };
	_cleanup_free_ char *again = NULL, *of_bridge = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(nic_parse("brig0", 2, &plain, &err), 0);
	assert_string_equal(plain.network, "brig0");
	assert_string_equal(plain.name, "eth2");
	assert_false(plain.has_mac);
	assert_int_equal(nic_parse(text, 0, &full, &err), 0);
	again = nic_format(&full);
	assert_string_equal(again, text);
	assert_int_equal(nic_parse("bridge=br0", 0, &bridge, &err), 0);
	of_bridge = nic_format(&bridge);
	assert_string_equal(of_bridge, "bridge=br0,name=eth0");
}

static void what_is_no_interface_is_refused_with_why(void **state _unused_)
{
	static const char *const bad[][2] = {
		{ "", "has a name" },
		{ ",mac=1", "none of" }, /* a network of that name */
		{ "a/b", "name" },
		{ "a,mac=02:62:00:00:00", "mac: '02:62" },
		{ "a,mac=03:62:00:00:00:01", "no address of one interface" },
		{ "a,mac=00:00:00:00:00:00", "no address of one interface" },
		{ "a,mac=02:62:00:00:00:0g", "no address of one interface" },
		{ "a,ip=10.0.0.256", "no IPv4 address" },
		{ "a,ip=0.0.0.0", "no IPv4 address" },
		{ "a,ip6=fd00::1::2", "no IPv6 address" },
		{ "a,name=lo", "no name for an interface" },
		{ "a,name=sixteen-letters-", "no name for an interface" },
		{ "a,name=a b", "no name for an interface" },
		{ "a,rate=7", "rate: " },
		{ "a,acl=/", "acl: " },
		{ "a,trust=2", "trust: " },
		{ "a,ip", "none of" },
		{ "bridge=a:b", "no name of a bridge" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_nic_ struct nic nic = { 0 };
		struct err err = ERR_INIT;

		assert_true(nic_parse(bad[i][0], 0, &nic, &err) < 0);
		if (i != 1 && !strstr(err.msg, bad[i][1]))
			fail_msg("'%s': %s", bad[i][0], err.msg);
	}
}

static void no_two_interfaces_are_alike(void **state _unused_)
{
	static char *const names[] = { (char *)"a,name=eth1", (char *)"b", NULL };
	static char *const macs[] = { (char *)"a,mac=02:62:00:00:00:01",
				      (char *)"b,mac=02:62:00:00:00:01", NULL };
	static char *const twice[] = { (char *)"a", (char *)"a", NULL };
	static char *const apart[] = { (char *)"a", (char *)"b", (char *)"bridge=a", NULL };
	static char *const host[] = { (char *)"host", NULL };
	static char *const other[] = { (char *)"container:web", NULL };
	static char *const nobody[] = { (char *)"container:", NULL };
	_cleanup_strv_ char **many = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(nic_check_all(names, &err), -EINVAL);
	assert_int_equal(nic_check_all(macs, &err), -EINVAL);
	assert_int_equal(nic_check_all(twice, &err), -EINVAL);
	assert_true(nic_check_all(nobody, &err) < 0);
	err = (struct err)ERR_INIT;
	assert_int_equal(nic_check_all(apart, &err), 0);
	assert_int_equal(nic_check_all(host, &err), 0);
	assert_int_equal(nic_check_all(other, &err), 0);
	assert_int_equal(nic_check_all(NULL, &err), 0);
	assert_true(nic_is_shared(host) && nic_is_shared(other) && !nic_is_shared(apart));
	for (int i = 0; i <= NIC_MAX; i++)
		strv_add_printf(&many, "net%d", i);
	assert_int_equal(nic_check_all(many, &err), -E2BIG);
}

static void a_users_network_is_alone_and_has_no_settings_but_its_own(void **state _unused_)
{
	static char *const good[] = { (char *)"user,mac=02:62:00:00:00:01,name=lan0", NULL };
	static char *const plain[] = { (char *)"user", NULL };
	static char *const two[] = { (char *)"a", (char *)"user", NULL };
	static char *const other[] = { (char *)"user2", NULL };
	static const char *const bad[] = { "user,ip=10.0.0.1", "user,ip6=fd00::1",
					   "user,rate=1000000", "user,acl=web", "user,trust=1" };
	struct err err = ERR_INIT;

	assert_int_equal(nic_check_all(good, &err), 0);
	assert_true(nic_is_user(good) && nic_is_user(plain) && !nic_is_shared(good));
	assert_true(!nic_is_user(other) && !nic_is_user(two) && !nic_is_user(NULL));
	assert_int_equal(nic_check_all(two, &err), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char *const one[] = { (char *)bad[i], NULL };

		err = ERR_INIT;
		if (nic_check_all(one, &err) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
	}
}

static void a_made_up_address_is_of_one_station_and_of_nobody_else(void **state _unused_)
{
	uint8_t a[6], b[6], c[6];
	char text[NIC_MAC_TEXT];

	nic_make_mac(a);
	nic_make_mac(b);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_int_equal(a[0] & 3, 2);
	assert_int_equal(nic_parse_mac(nic_format_mac(a, text), c), 0);
	assert_memory_equal(a, c, sizeof(a));
}

static void what_an_interface_is_inside_crosses_as_text(void **state _unused_)
{
	static const char *const good[] = {
		"name=eth0,mac=02:62:00:00:00:01",
		"name=eth0,mac=02:62:00:00:00:01,mtu=1500,ip=10.0.0.2/24,via=10.0.0.1,"
		"ip6=fd00::2/64,via6=fe80::1",
		"name=eth0,mac=02:62:00:00:00:01,ip=10.0.0.2/24,also=10.0.1.2/32,also=fd00::3/128,"
		"route=0.0.0.0/0@169.254.1.1+100,route=169.254.1.1/32,route=::/"
		"0@fe80::1+4294967295,"
		"near=169.254.1.1@ee:ee:ee:ee:ee:ee,near=fe80::1@02:62:00:00:00:02",
	};
	static const char *const bad[] = {
		"",
		"mac=02:62:00:00:00:01",
		"name=eth0,ip=10.0.0.2",
		"name=eth0,ip=a/24",
		"name=a/b",
		"name=eth0,mtu=67",
		"name=eth0,ip=1.1.1.1/33",
		"name=eth0,x=y",
		"name",
		"name=eth0,via=fe80::1",
		"name=eth0,ip6=fd00::1/129",
		"name=eth0,also=10.0.0.1",
		"name=eth0,also=10.0.0.1/33",
		"name=eth0,route=10.0.0.0/8@fd00::1",
		"name=eth0,route=10.0.0.0/8@",
		"name=eth0,route=10.0.0.0/8+0",
		"name=eth0,route=10.0.0.0/8+1@10.0.0.1",
		"name=eth0,route=@10.0.0.1",
		"name=eth0,near=10.0.0.1",
		"name=eth0,near=10.0.0.1@ff:ff:ff:ff:ff:ff",
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_free_ char *again = NULL;
		struct err err = ERR_INIT;
		struct nic_setup setup;

		assert_int_equal(nic_setup_parse(good[i], &setup, &err), 0);
		again = nic_setup_format(&setup);
		assert_string_equal(again, good[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = ERR_INIT;
		struct nic_setup setup;

		if (nic_setup_parse(bad[i], &setup, &err) == 0)
			fail_msg("'%s' was taken", bad[i]);
	}
}

static void an_interface_has_so_many_words_at_most(void **state _unused_)
{
	static const struct {
		const char *word;
		int max;
	} rows[] = { { "also=10.0.0.1/32", NIC_ALSO_MAX },
		     { "route=10.0.0.0/8", NIC_ROUTES_MAX },
		     { "near=10.0.0.1@02:62:00:00:00:01", NIC_NEAR_MAX } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ struct buf text = BUF_INIT;
		struct nic_setup setup;
		struct err err = ERR_INIT;

		buf_printf(&text, "name=eth0");
		for (int n = 0; n < rows[i].max; n++)
			buf_printf(&text, ",%s", rows[i].word);
		assert_int_equal(nic_setup_parse((char *)text.data, &setup, &err), 0);
		buf_printf(&text, ",%s", rows[i].word);
		assert_int_equal(nic_setup_parse((char *)text.data, &setup, &err), -EINVAL);
	}
}

static void a_copy_has_addresses_of_its_own(void **state _unused_)
{
	_cleanup_strv_ char **texts = NULL, **shared = NULL;
	struct err err = ERR_INIT;

	strv_add(&texts, "lan,mac=02:62:00:00:00:0f,ip=10.1.2.3,ip6=fd00::3,name=up,rate=64000");
	strv_add(&texts, "bridge=br0,mac=02:62:00:00:00:10,name=eth1");
	nic_renew_all(texts);
	assert_int_equal(nic_check_all(texts, &err), 0);
	for (size_t i = 0; i < 2; i++) {
		_cleanup_nic_ struct nic nic = { 0 };

		assert_int_equal(nic_parse(texts[i], i, &nic, &err), 0);
		assert_true(nic.has_mac && nic.mac[0] == 0x02 && nic.mac[1] == 0x62);
		assert_memory_not_equal(nic.mac + 2, "\0\0\0", 3);
		assert_int_equal(nic.ip.s_addr, INADDR_ANY);
		assert_true(IN6_IS_ADDR_UNSPECIFIED(&nic.ip6));
		assert_int_equal(nic.rate, i ? 0 : 64000);
		assert_string_equal(nic.name, i ? "eth1" : "up");
	}
	strv_add(&shared, "host");
	nic_renew_all(shared);
	assert_string_equal(shared[0], "host");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interface_is_its_networks_name_and_what_was_asked_for),
		cmocka_unit_test(what_is_no_interface_is_refused_with_why),
		cmocka_unit_test(no_two_interfaces_are_alike),
		cmocka_unit_test(a_users_network_is_alone_and_has_no_settings_but_its_own),
		cmocka_unit_test(a_made_up_address_is_of_one_station_and_of_nobody_else),
		cmocka_unit_test(what_an_interface_is_inside_crosses_as_text),
		cmocka_unit_test(an_interface_has_so_many_words_at_most),
		cmocka_unit_test(a_copy_has_addresses_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
