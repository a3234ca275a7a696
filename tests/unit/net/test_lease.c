// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/lease.h"
#include "base/file.h"
#include "base/mem.h"
#include "net/port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct place {
	char folder[32];
	struct network_home home;
	struct network network;
	int transient;
};

static int set_up(void **state)
{
	struct place *place = mem_zalloc(sizeof(*place));
	struct err err = ERR_INIT;

	strcpy(place->folder, "/tmp/brig-lease-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	place->home = (struct network_home){ .root = place->folder, .run = place->folder };
	fd_close(network_lock(&place->home, &err));
	network_init(&place->network);
	place->network.name = mem_strdup("lan");
	place->network.ipv4 = mem_strdup("10.1.2.1/28");
	place->network.ipv6 = mem_strdup("fd00::1/64");
	assert_int_equal(network_make(&place->home, &place->network, &err), 0);
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	assert_int_equal(file_remove_tree(AT_FDCWD, place->folder), 0);
	network_release(&place->network);
	free(place);
	return 0;
}

static void add_instance(const struct place *place, int i)
{
	_cleanup_free_ char *path = mem_printf("%s/instances/i%d", place->folder, i);

	assert_int_equal(file_mkdir_p(path, 0700), 0);
}

/* "ADDRESS ADDRESS6" of the interface with that number, or the error. */
static int take_as(const struct place *place, const char *name, int i, const char *keys,
		   char text[128], struct err *err)
{
	_cleanup_free_ char *words = mem_printf("lan,mac=02:62:00:00:00:%02x%s", i, keys);
	_cleanup_nic_ struct nic nic = { 0 };
	char ip4[SUBNET_TEXT_MAX], ip6[SUBNET_TEXT_MAX];
	struct subnet ip, six;
	int r;

	assert_int_equal(nic_parse(words, 0, &nic, err), 0);
	r = lease_take(&place->home, &place->network, name, place->transient, &nic, &ip, &six, err);
	if (r == 0)
		snprintf(text, 128, "%s %s", subnet_format(&ip, ip4),
			 six.family ? subnet_format(&six, ip6) : "-");
	return r;
}

static int take(const struct place *place, int i, const char *keys, char text[128], struct err *err)
{
	_cleanup_free_ char *name = mem_printf("i%d", i);

	return take_as(place, name, i, keys, text, err);
}

static void an_interface_keeps_its_addresses(void **state)
{
	const struct place *place = *state;
	_cleanup_free_ char *left = mem_printf("%s/networks/lan/leases.json.1.tmp", place->folder);
	struct err err = ERR_INIT;
	char a[128], b[128], again[128];

	assert_int_equal(take(place, 1, "", a, &err), 0);
	assert_string_equal(a, "10.1.2.2/28 fd00::2/64");
	assert_int_equal(file_replace(AT_FDCWD, left, "{", 1, 0600, 0), 0);
	assert_int_equal(take(place, 2, "", b, &err), 0);
	assert_int_equal(access(left, F_OK), -1); /* what a killed process left */
	assert_string_equal(b, "10.1.2.3/28 fd00::3/64");
	assert_int_equal(take(place, 1, "", again, &err), 0);
	assert_string_equal(a, again);
}

static void an_address_that_was_given_back_rests(void **state)
{
	const struct place *place = *state;
	const uint8_t mac[6] = { 2, 0x62, 0, 0, 0, 1 };
	struct err err = ERR_INIT;
	char a[128];

	assert_int_equal(take(place, 1, "", a, &err), 0);
	assert_int_equal(take(place, 2, "", a, &err), 0);
	assert_int_equal(lease_drop(&place->home, "lan", "i1", mac, &err), 0);
	assert_int_equal(lease_drop(&place->home, "lan", "i1", mac, &err), 0);
	assert_int_equal(take(place, 3, "", a, &err), 0);
	assert_string_equal(a, "10.1.2.4/28 fd00::4/64");
}

static size_t lines_of(const char *path)
{
	_cleanup_free_ char *text = NULL;
	size_t n = 0;

	if (file_read(AT_FDCWD, path, 65536, &text, NULL) < 0)
		return 0;
	for (const char *at = text; (at = strstr(at, "\"mac\"")) != NULL; at++)
		n++;
	return n;
}

static void what_goes_with_its_instance_is_not_on_the_disk(void **state)
{
	struct place *place = *state;
	_cleanup_free_ char *kept = mem_printf("%s/networks/lan/leases.json", place->folder);
	_cleanup_free_ char *passing = mem_printf("%s/.net/lan/leases.json", place->folder);
	const uint8_t mac[6] = { 2, 0x62, 0, 0, 0, 2 };
	struct err err = ERR_INIT;
	char a[128], b[128], again[128];

	assert_int_equal(take(place, 1, "", a, &err), 0);
	place->transient = 1;
	assert_int_equal(take(place, 2, "", b, &err), 0);
	assert_string_not_equal(a, b);
	assert_int_equal(lines_of(kept), 1);
	assert_int_equal(lines_of(passing), 1);
	assert_int_equal(take(place, 1, "", again, &err), 0);
	assert_string_equal(a, again);
	assert_int_equal(lines_of(kept), 0);
	assert_int_equal(lines_of(passing), 2);
	assert_int_equal(lease_drop(&place->home, "lan", "i2", mac, &err), 0);
	assert_int_equal(lines_of(passing), 1);
}

static void make_port(const struct place *place)
{
	_cleanup_port_ struct port port = { .instance = mem_strdup("i1"),
					    .network = mem_strdup("lan"),
					    .mac = mem_strdup("02:62:00:00:00:01"),
					    .ip = mem_strdup("10.1.2.9") };
	_cleanup_free_ char *folder = mem_printf("%s/instances/i1", place->folder);
	char device[NIC_NAME_MAX];
	struct err err = ERR_INIT;

	port_device_name(&place->home, "i1", 0, device);
	port.device = mem_strdup(device);
	assert_int_equal(port_save(&place->home, &port, &err), 0);
	assert_int_equal(file_mkdir_p(folder, 0700), 0);
}

static void a_copy_takes_nothing_from_who_runs(void **state)
{
	const struct place *place = *state;
	const uint8_t mac[6] = { 2, 0x62, 0, 0, 0, 1 };
	const struct nic nic = { .mac = { 2, 0x62, 0, 0, 0, 1 } };
	_cleanup_leases_ struct leases leases = { 0 };
	struct err err = ERR_INIT;
	struct subnet ip, six;
	char a[128];

	assert_int_equal(take(place, 1, "", a, &err), 0);
	make_port(place);
	assert_int_equal(
		lease_take(&place->home, &place->network, "copy", 0, &nic, &ip, &six, &err),
		-EADDRINUSE);
	assert_non_null(strstr(err.msg, "is that of 'i1'"));
	assert_int_equal(lease_drop(&place->home, "lan", "copy", mac, &err), 0);
	assert_int_equal(leases_load(&place->home, "lan", &leases, &err), 0);
	assert_int_equal(leases.n, 1);
}

static void damaged_leases_are_noted_anew_of_who_runs(void **state)
{
	const struct place *place = *state;
	_cleanup_free_ char *path = mem_printf("%s/networks/lan/leases.json", place->folder);
	_cleanup_leases_ struct leases leases = { 0 };
	struct err err = ERR_INIT;
	char a[128];

	make_port(place);
	assert_int_equal(lease_repair(&place->home, "lan", &err), 0);
	assert_int_equal(file_replace(AT_FDCWD, path, "{", 1, 0600, 0), 0);
	assert_true(take(place, 2, "", a, &err) < 0);
	assert_non_null(strstr(err.msg, "'brig network repair lan'"));
	err = ERR_INIT;
	assert_int_equal(lease_repair(&place->home, "lan", &err), 0);
	assert_int_equal(leases_load(&place->home, "lan", &leases, &err), 0);
	assert_int_equal(leases.n, 1);
	assert_string_equal(leases.items[0].ip, "10.1.2.9");
}

static void what_was_asked_for_is_given_or_refused(void **state)
{
	static const char *const bad[][2] = {
		{ ",ip=10.1.2.1", "the host's own" },  { ",ip=10.1.2.9", "address of 'i1'" },
		{ ",ip=10.1.3.2", "no address for" },  { ",ip=10.1.2.15", "no address for" },
		{ ",ip=10.1.2.0", "no address for" },  { ",ip6=fd00::1", "the host's own" },
		{ ",ip6=fd00::9", "address of 'i1'" }, { ",ip6=fd01::9", "no address for" },
	};
	const struct place *place = *state;
	struct err err = ERR_INIT;
	char a[128];

	assert_int_equal(take(place, 1, ",ip=10.1.2.9,ip6=fd00::9", a, &err), 0);
	assert_string_equal(a, "10.1.2.9/28 fd00::9/64");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		err = ERR_INIT;
		assert_true(take(place, 2, bad[i][0], a, &err) < 0);
		if (!strstr(err.msg, bad[i][1]) || !strstr(err.msg, "network 'lan'"))
			fail_msg("%s: %s", bad[i][0], err.msg);
	}
	err = ERR_INIT;
	assert_int_equal(take(place, 1, ",ip=10.1.2.10", a, &err), 0);
	assert_string_equal(a, "10.1.2.10/28 fd00::9/64");
}

static void all_addresses_can_be_given_and_those_of_the_gone_are_taken_back(void **state)
{
	const struct place *place = *state;
	_cleanup_free_ char *gone = mem_printf("%s/instances/i5", place->folder);
	struct err err = ERR_INIT;
	char a[128];

	for (int i = 2; i < 12; i++) {
		add_instance(place, i);
		assert_int_equal(take(place, i, "", a, &err), 0);
	}
	add_instance(place, 50);
	assert_int_equal(take(place, 50, "", a, &err), -EADDRNOTAVAIL);
	assert_non_null(strstr(err.msg, "remove instances"));
	assert_int_equal(file_remove_tree(AT_FDCWD, gone), 0);
	err = ERR_INIT;
	assert_int_equal(take(place, 50, "", a, &err), 0);
	assert_string_equal(a, "10.1.2.5/28 fd00::c/64");
}

static void what_an_instance_has_beside_its_record_is_taken_back(void **state)
{
	struct place *place = *state;
	char *networks[] = { (char *)"lan,mac=02:62:00:00:00:01", NULL };
	_cleanup_leases_ struct leases leases = { 0 };
	struct err err = ERR_INIT;

	char text[128];

	for (int i = 1; i <= 4; i++) {
		add_instance(place, i);
		place->transient = i == 3;
		assert_int_equal(take_as(place, i < 4 ? "i1" : "i4", i, "", text, &err), 0);
	}
	assert_int_equal(lease_drop_others(&place->home, "lan", "i1", networks, &err), 0);
	assert_int_equal(leases_load(&place->home, "lan", &leases, &err), 0);
	assert_int_equal(leases.n, 2);
	assert_string_equal(leases.items[0].mac, "02:62:00:00:00:01");
	assert_string_equal(leases.items[1].instance, "i4");
}

static void a_network_of_one_family_gives_one(void **state)
{
	struct place *place = *state;
	struct err err = ERR_INIT;
	char a[128];

	mem_replace(&place->network.ipv6, NULL);
	assert_int_equal(take(place, 1, "", a, &err), 0);
	assert_string_equal(a, "10.1.2.2/28 -");
	assert_int_equal(take(place, 1, ",ip6=fd00::2", a, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "no IPv6"));
}

#define PLACE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACE_TEST(an_interface_keeps_its_addresses),
		PLACE_TEST(an_address_that_was_given_back_rests),
		PLACE_TEST(damaged_leases_are_noted_anew_of_who_runs),
		PLACE_TEST(what_goes_with_its_instance_is_not_on_the_disk),
		PLACE_TEST(a_copy_takes_nothing_from_who_runs),
		PLACE_TEST(what_was_asked_for_is_given_or_refused),
		PLACE_TEST(all_addresses_can_be_given_and_those_of_the_gone_are_taken_back),
		PLACE_TEST(what_an_instance_has_beside_its_record_is_taken_back),
		PLACE_TEST(a_network_of_one_family_gives_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
