// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/port.h"
#include "base/file.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>

static void save(const struct network_home *home, const char *device, const char *network)
{
	_cleanup_port_ struct port port = { 0 };
	struct err err = ERR_INIT;

	port.device = mem_strdup(device);
	port.instance = mem_strdup("web");
	port.network = mem_strdup(network);
	port.mac = mem_strdup("02:62:00:00:00:01");
	port.ip = mem_strdup("10.1.2.3");
	strv_add(&port.publish, "80:80/tcp");
	port.isolated = 1;
	assert_int_equal(port_save(home, &port, &err), 0);
}

static void ports_are_there_until_they_are_removed(void **state _unused_)
{
	char folder[] = "/tmp/brig-port-XXXXXX";
	const struct network_home home = { .root = "/nowhere", .run = mkdtemp(folder) };
	_cleanup_free_ char *broken = mem_printf("%s/.net/ports/vb0.json", folder);
	_cleanup_free_ char *left = mem_printf("%s/.net/ports/vb0.json.1.tmp", folder);
	_cleanup_port_list_ struct port_list all = { 0 }, lan = { 0 }, none = { 0 };
	_cleanup_port_ struct port port = { 0 };
	struct err err = ERR_INIT;

	port_list_load(&home, NULL, &none);
	assert_int_equal(none.n, 0);
	save(&home, "vb2", "lan");
	save(&home, "vb1", "dmz");
	assert_int_equal(file_replace(AT_FDCWD, broken, "{", 1, 0600, 0), 0);
	assert_int_equal(file_replace(AT_FDCWD, left, "{", 1, 0600, 0), 0);
	port_sweep(&home);
	assert_int_equal(access(left, F_OK), -1);
	port_list_load(&home, NULL, &all);
	assert_int_equal(all.n, 2);
	assert_string_equal(all.items[0].device, "vb1");
	assert_string_equal(all.items[0].publish[0], "80:80/tcp");
	port_list_load(&home, "lan", &lan);
	assert_int_equal(lan.n, 1);
	assert_string_equal(lan.items[0].device, "vb2");
	assert_int_equal(port_load(&home, "vb1", &port, &err), 0);
	assert_true(port.isolated && !port.trusted);
	port_remove(&home, "vb1");
	port_release(&port);
	assert_int_equal(port_load(&home, "vb1", &port, &err), -ENOENT);
	assert_int_equal(file_remove_tree(AT_FDCWD, folder), 0);
}

static void devices_are_named_by_home_instance_and_place(void **state _unused_)
{
	const struct network_home a = { .run = "/run/brig" }, b = { .run = "/tmp/b" };
	char one[NIC_NAME_MAX], two[NIC_NAME_MAX];

	port_device_name(&a, "web", 1, one);
	assert_int_equal(strlen(one), 11);
	assert_true(nic_name_is_valid(one));
	port_device_name(&a, "web", 0, two);
	assert_string_not_equal(one, two);
	port_device_name(&a, "db", 1, two);
	assert_string_not_equal(one, two);
	port_device_name(&b, "web", 1, two);
	assert_string_not_equal(one, two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_are_there_until_they_are_removed),
		cmocka_unit_test(devices_are_named_by_home_instance_and_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
