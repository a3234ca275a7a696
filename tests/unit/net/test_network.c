// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/network.h"
#include "base/file.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct place {
	char folder[32];
	struct network_home home;
	int lock;
};

static int set_up(void **state)
{
	struct place *place = mem_zalloc(sizeof(*place));
	struct err err = ERR_INIT;

	strcpy(place->folder, "/tmp/brig-network-XXXXXX");
	assert_non_null(mkdtemp(place->folder));
	place->home = (struct network_home){ .root = place->folder, .run = "/run/brig" };
	place->lock = network_lock(&place->home, &err);
	assert_true(place->lock >= 0);
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	fd_close(place->lock);
	assert_int_equal(file_remove_tree(AT_FDCWD, place->folder), 0);
	free(place);
	return 0;
}

static void make(const struct place *place, const char *name)
{
	_cleanup_network_ struct network network = { 0 };
	struct err err = ERR_INIT;

	network_init(&network);
	network.name = mem_strdup(name);
	network.ipv4 = mem_strdup("10.9.8.1/24");
	network.isolated = 1;
	network.vlan = 7;
	assert_int_equal(network_make(&place->home, &network, &err), 0);
}

static void a_network_is_there_until_it_is_removed(void **state)
{
	const struct place *place = *state;
	_cleanup_network_ struct network network = { 0 };
	_cleanup_free_ char *left = mem_printf("%s/networks/lan/network.json.1.tmp", place->folder);
	_cleanup_strv_ char **names = NULL, **none = NULL;
	struct err err = ERR_INIT;

	make(place, "lan");
	make(place, "dmz");
	assert_int_equal(network_names(&place->home, &names, &err), 0);
	assert_int_equal(strv_len(names), 2);
	assert_string_equal(names[0], "dmz");
	assert_int_equal(network_load(&place->home, "lan", &network, &err), 0);
	assert_string_equal(network.ipv4, "10.9.8.1/24");
	assert_true(network.nat && network.dhcp && network.dns && network.isolated);
	assert_int_equal(network.vlan, 7);
	assert_int_equal(network_make(&place->home, &network, &err), -EEXIST);
	network.nat = 0;
	assert_int_equal(file_replace(AT_FDCWD, left, "{", 1, 0600, 0), 0);
	assert_int_equal(network_save(&place->home, &network, &err), 0);
	assert_int_equal(access(left, F_OK), -1); /* what a killed process left */
	network_release(&network);
	assert_int_equal(network_load(&place->home, "lan", &network, &err), 0);
	assert_false(network.nat);
	assert_int_equal(network_remove(&place->home, "lan", &err), 0);
	assert_int_equal(network_remove(&place->home, "dmz", &err), 0);
	assert_int_equal(network_names(&place->home, &none, &err), 0);
	assert_int_equal(strv_len(none), 0);
}

static void an_unknown_network_is_told_with_the_nearest(void **state)
{
	const struct place *place = *state;
	_cleanup_network_ struct network network = { 0 };
	struct err err = ERR_INIT;

	make(place, "office");
	assert_int_equal(network_load(&place->home, "ofice", &network, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "did you mean 'office'?"));
	err = ERR_INIT;
	assert_int_equal(network_load(&place->home, "../office", &network, &err), -EINVAL);
}

static void a_record_that_is_none_is_an_error_and_stays(void **state)
{
	const struct place *place = *state;
	_cleanup_free_ char *path = mem_printf("%s/networks/lan/network.json", place->folder);
	_cleanup_network_ struct network network = { 0 };
	struct err err = ERR_INIT;

	make(place, "lan");
	assert_int_equal(file_replace(AT_FDCWD, path, "{", 1, 0600, 0), 0);
	assert_true(network_load(&place->home, "lan", &network, &err) < 0);
	assert_non_null(strstr(err.msg, "network 'lan'"));
	assert_true(network_exists(&place->home, "lan"));
}

static void what_a_killed_process_was_making_is_swept(void **state)
{
	struct place *place = *state;
	_cleanup_free_ char *path = mem_printf("%s/networks/.making", place->folder);
	struct err err = ERR_INIT;

	assert_int_equal(mkdir(path, 0700), 0);
	fd_close(place->lock);
	place->lock = network_lock(&place->home, &err);
	assert_true(place->lock >= 0);
	assert_int_equal(access(path, F_OK), -1);
	make(place, "lan");
}

static void homes_have_numbers_of_their_own(void **state _unused_)
{
	const struct network_home usual = { .run = "/run/brig" };
	const struct network_home a = { .run = "/tmp/a" }, b = { .run = "/tmp/b" };

	assert_int_equal(network_home_number(&usual), 0);
	assert_int_not_equal(network_home_number(&a), 0);
	assert_int_not_equal(network_home_number(&a), network_home_number(&b));
}

#define PLACE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACE_TEST(a_network_is_there_until_it_is_removed),
		PLACE_TEST(an_unknown_network_is_told_with_the_nearest),
		PLACE_TEST(a_record_that_is_none_is_an_error_and_stays),
		PLACE_TEST(what_a_killed_process_was_making_is_swept),
		cmocka_unit_test(homes_have_numbers_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
