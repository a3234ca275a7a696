// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/passt.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/brig-passt-XXXXXX";

/* Programs of these names, wherever the tests run. */
static int make_programs(void **state _unused_)
{
	static const char *const names[] = { "passt", "pasta" };

	if (!mkdtemp(folder) || setenv("PATH", folder, 1) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = mem_printf("%s/%s", folder, names[i]);

		if (mknod(path, S_IFREG | 0700, 0) < 0)
			return -1;
	}
	return 0;
}

static int remove_programs(void **state _unused_)
{
	return file_remove_tree(AT_FDCWD, folder);
}

static struct nic_setup setup_of(int four, int six)
{
	struct nic_setup setup = { .name = "eth0",
				   .mac = { 2, 0x62, 0, 0, 0, 1 },
				   .mtu = 1500,
				   .prefix = PASST_PREFIX,
				   .prefix6 = PASST_PREFIX6 };

	if (four) {
		inet_pton(AF_INET, PASST_IP, &setup.ip);
		inet_pton(AF_INET, PASST_VIA, &setup.via);
	}
	if (six) {
		inet_pton(AF_INET6, PASST_IP6, &setup.ip6);
		inet_pton(AF_INET6, PASST_VIA6, &setup.via6);
	}
	return setup;
}

static char *command_of(const struct nic_setup *setup, pid_t pid, char *const *ports)
{
	const struct passt passt = { .setup = setup, .ports = ports, .pid = pid };
	_cleanup_strv_ char **args = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(passt_command(&passt, &args, &err), 0);
	assert_true(**args == '/');
	return strv_join(args + 1, " ");
}

#define COMMON "--foreground --quiet --pid /proc/self/fd/1 --no-map-gw --mtu 1500 "
#define FOUR   "--address 10.0.2.100 --netmask 24 --gateway 10.0.2.2 "
#define SIX    "--address fd00::100 --gateway fd00::2 "

static void a_container_has_an_interface_and_no_way_to_the_hosts_loopback(void **state _unused_)
{
	const struct nic_setup setup = setup_of(1, 1);
	_cleanup_free_ char *command = command_of(&setup, 42, NULL);

	assert_string_equal(command, COMMON FOUR SIX
			    "--tcp-ports none --udp-ports none --tcp-ns none --udp-ns none "
			    "--config-net --ns-ifname eth0 --ns-mac-addr 02:62:00:00:00:01 "
			    "--userns /proc/42/ns/user --netns /proc/42/ns/net");
}

static void a_vm_has_a_stream(void **state _unused_)
{
	const struct nic_setup setup = setup_of(1, 1);
	_cleanup_free_ char *command = command_of(&setup, 0, NULL);

	assert_string_equal(command, COMMON FOUR SIX "--tcp-ports none --udp-ports none --fd 3");
}

static void a_family_without_an_address_is_not_spoken(void **state _unused_)
{
	const struct nic_setup four = setup_of(1, 0), six = setup_of(0, 1);
	_cleanup_free_ char *a = command_of(&four, 0, NULL), *b = command_of(&six, 0, NULL);

	assert_non_null(strstr(a, FOUR "--ipv4-only --tcp"));
	assert_non_null(strstr(b, "--ipv6-only " SIX "--tcp"));
}

static void ports_are_named_with_their_addresses_and_no_others_are_open(void **state _unused_)
{
	char *const ports[] = { (char *)"8080:80/tcp", (char *)"127.0.0.1:9000-9009:90-99/tcp",
				(char *)"[::1]:53:5353/udp", NULL };
	char *const tcp[] = { (char *)"8080:80/tcp", NULL };
	const struct nic_setup setup = setup_of(1, 1);
	_cleanup_free_ char *all = command_of(&setup, 0, ports), *one = command_of(&setup, 0, tcp);

	assert_non_null(strstr(all, "--tcp-ports 8080-8080:80-80 "
				    "--tcp-ports 127.0.0.1/9000-9009:90-99 "
				    "--udp-ports ::1/53-53:5353-5353 --fd"));
	assert_non_null(strstr(one, "--tcp-ports 8080-8080:80-80 --udp-ports none"));
}

static void what_is_missing_is_told_with_what_to_do(void **state _unused_)
{
	char *const no_path = (char *)"/nonexistent";
	struct err err = ERR_INIT;

	assert_int_equal(passt_check(1, &err), 0);
	assert_int_equal(setenv("PATH", no_path, 1), 0);
	assert_int_equal(passt_check(1, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "passt is not installed: apt install passt"));
	err = ERR_INIT;
	assert_int_equal(passt_check(0, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "pasta is not installed"));
	assert_int_equal(setenv("PATH", folder, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_container_has_an_interface_and_no_way_to_the_hosts_loopback),
		cmocka_unit_test(a_vm_has_a_stream),
		cmocka_unit_test(a_family_without_an_address_is_not_spoken),
		cmocka_unit_test(ports_are_named_with_their_addresses_and_no_others_are_open),
		cmocka_unit_test(what_is_missing_is_told_with_what_to_do),
	};

	return cmocka_run_group_tests_name("net/passt", tests, make_programs, remove_programs);
}
