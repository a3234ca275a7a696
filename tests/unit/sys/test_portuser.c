// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/portuser.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

/* A socket of any free port. */
static int make(int type, uint32_t address, uint16_t *ret_port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(address) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	*ret_port = ntohs(in.sin_port);
	return fd;
}

static void assert_user(int type, uint32_t address, uint16_t port, int is_us)
{
	struct in_addr in = { .s_addr = htonl(address) };
	_cleanup_free_ char *user = portuser_find(type, AF_INET, &in, port);
	_cleanup_free_ char *us = mem_printf("port?user (pid %d)", getpid());

	if (is_us)
		assert_string_equal(user ? user : "nobody", us);
	else
		assert_null(user);
}

static void who_has_a_port_is_told_with_what_he_is_called(void **state _unused_)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM };

	assert_int_equal(prctl(PR_SET_NAME, "port\x1buser"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		uint16_t port;
		int fd = make(types[i], INADDR_LOOPBACK, &port);

		assert_user(types[i], INADDR_LOOPBACK, port, 1);
		/* another address, and the other protocol, have nothing to do with it */
		assert_user(types[i], INADDR_LOOPBACK + 1, port, 0);
		assert_user(types[1 - i], INADDR_LOOPBACK, port, 0);
		fd_close(fd);
		assert_user(types[i], INADDR_LOOPBACK, port, 0);
	}
}

static void who_has_the_port_of_all_addresses_has_it(void **state _unused_)
{
	_cleanup_close_ int fd = -EBADF;
	_cleanup_free_ char *user = NULL;
	uint16_t port;

	fd = make(SOCK_DGRAM, INADDR_ANY, &port);
	assert_user(SOCK_DGRAM, INADDR_LOOPBACK, port, 1);
	user = portuser_find(SOCK_DGRAM, AF_INET, NULL, port);
	assert_non_null(user);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_has_a_port_is_told_with_what_he_is_called),
		cmocka_unit_test(who_has_the_port_of_all_addresses_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
