// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/publish.h"
#include "base/file.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>

static void what_is_published_is_told_whole(void **state _unused_)
{
	static const char *const rows[][2] = {
		{ "8080:80", "8080:80/tcp" },
		{ "53:53/udp", "53:53/udp" },
		{ "127.0.0.1:5353:53/udp", "127.0.0.1:5353:53/udp" },
		{ "[::1]:8080:80", "[::1]:8080:80/tcp" },
		{ "8000-8009:80-89", "8000-8009:80-89/tcp" },
		{ "0.0.0.0:1:1", "1:1/tcp" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = NULL;
		struct publish publish;
		struct err err = ERR_INIT;

		assert_int_equal(publish_parse(rows[i][0], &publish, &err), 0);
		text = publish_format(&publish);
		assert_string_equal(text, rows[i][1]);
	}
}

static void what_publishes_nothing_is_refused(void **state _unused_)
{
	static const char *const bad[] = {
		"",	      "80",	   "0:80",	"80:65536",	 "80:80/sctp",
		"a:80",	      "80:80-81",  "9-8:9-8",	"1.2.3:80:80",	 "[::1:80:80",
		"[::1]80:80", "::1:80:80", "80:80:80:", "80:80/tcp/udp", "70000:1",
		"-1:80",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct publish publish;
		struct err err = ERR_INIT;

		if (publish_parse(bad[i], &publish, &err) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
	}
}

static void a_port_of_the_hosts_leads_to_one_place(void **state _unused_)
{
	static char *const twice[] = { (char *)"80:80", (char *)"127.0.0.1:80:81", NULL };
	static char *const ranges[] = { (char *)"80-90:80-90", (char *)"90:1", NULL };
	static char *const apart[] = { (char *)"80:80", (char *)"80:80/udp",
				       (char *)"127.0.0.1:81:80", (char *)"127.0.0.2:81:80", NULL };
	static char *const many[] = { (char *)"1000-2023:1000-2023", (char *)"1:1", NULL };
	_cleanup_strv_ char **canonical = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(publish_parse_all(twice, &canonical, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "twice"));
	assert_int_equal(publish_parse_all(ranges, &canonical, &err), -EINVAL);
	assert_int_equal(publish_parse_all(many, &canonical, &err), -E2BIG);
	err = ERR_INIT;
	assert_int_equal(publish_parse_all(apart, &canonical, &err), 0);
	assert_int_equal(strv_len(canonical), 4);
	assert_string_equal(canonical[3], "127.0.0.2:81:80/tcp");
}

static void a_held_port_is_nobody_elses(void **state _unused_)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	socklen_t len = sizeof(any);
	_cleanup_close_ int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	_cleanup_free_ char *text = NULL;
	struct err err = ERR_INIT;
	int *fds = NULL, *more = NULL, on = 1;
	size_t n = 0, n_more = 0;

	/* a port that is free: of a socket that has gone since */
	assert_int_equal(bind(other, (struct sockaddr *)&any, len), 0);
	assert_int_equal(getsockname(other, (struct sockaddr *)&any, &len), 0);
	other = fd_close(other);
	text = mem_printf("%u:1/tcp", ntohs(any.sin_port));
	assert_int_equal(publish_hold((char *[]){ text, NULL }, &fds, &n, &err), 0);
	assert_true(n >= 1);
	other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(other, (struct sockaddr *)&any, len), -1);
	assert_int_equal(publish_hold((char *[]){ text, NULL }, &more, &n_more, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, "in use"));
	assert_int_equal(publish_check((char *[]){ text, NULL }, &err), -EADDRINUSE);
	for (size_t i = 0; i < n; i++)
		fd_close(fds[i]);
	err = ERR_INIT;
	assert_int_equal(publish_check((char *[]){ text, NULL }, &err), 0);
	free(fds);
	free(more);
}

static void what_is_at_the_ipv6_loopback_is_refused(void **state)
{
	char *good[] = { (char[]){ "8080:80/tcp" }, (char[]){ "127.0.0.1:8080:80/tcp" },
			 (char[]){ "[fd00::1]:8080:80/tcp" }, NULL };
	char *bad[] = { (char[]){ "8080:80/tcp" }, (char[]){ "[0:0::1]:8081:80/udp" }, NULL };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(publish_check_addresses(NULL, &err), 0);
	assert_int_equal(publish_check_addresses(good, &err), 0);
	assert_int_equal(publish_check_addresses(bad, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "8081"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_at_the_ipv6_loopback_is_refused),
		cmocka_unit_test(what_is_published_is_told_whole),
		cmocka_unit_test(what_publishes_nothing_is_refused),
		cmocka_unit_test(a_port_of_the_hosts_leads_to_one_place),
		cmocka_unit_test(a_held_port_is_nobody_elses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
