// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/netns.h"
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

static int loopback_is_up(int sock)
{
	struct ifreq request = { .ifr_name = "lo" };

	assert_int_equal(ioctl(sock, SIOCGIFFLAGS, &request), 0);
	return (request.ifr_flags & IFF_UP) != 0;
}

/* The new namespace's loopback is down; in the first one, also a new one, we bring it up. */
static void a_socket_is_in_the_namespace_that_was_said_and_we_are_not(void **state)
{
	_cleanup_close_ int other = -EBADF, here = -EBADF, there = -EBADF;
	struct ifreq up = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	struct stat before, after;
	struct err err = ERR_INIT;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	other = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(stat("/proc/self/ns/net", &before), 0);
	here = netns_socket(-EBADF, AF_INET, SOCK_DGRAM, 0, &err);
	there = netns_socket(other, AF_INET, SOCK_DGRAM, 0, &err);
	assert_true(here >= 0 && there >= 0);
	assert_int_equal(ioctl(here, SIOCSIFFLAGS, &up), 0);
	assert_true(loopback_is_up(here));
	assert_false(loopback_is_up(there));
	assert_int_equal(stat("/proc/self/ns/net", &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(netns_socket(here, AF_INET, SOCK_DGRAM, 0, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_socket_is_in_the_namespace_that_was_said_and_we_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
