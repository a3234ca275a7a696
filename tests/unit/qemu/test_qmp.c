// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/buf.h"
#include "base/mem.h"
#include "qemu/qmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"

struct fixture {
	struct loop *loop;
	struct qmp *qmp;
	int qemu;
	char events[256];
};

static void on_event(void *ctx, const char *event, const struct json *data)
{
	struct fixture *f = ctx;
	size_t used = strlen(f->events);

	snprintf(f->events + used, sizeof(f->events) - used, "%s:%s ", event,
		 json_get_string(data, "reason", "-"));
}

static int setup(void **state)
{
	struct fixture *f = mem_zalloc(sizeof(*f));
	struct err err = ERR_INIT;
	int pair[2];

	assert_int_equal(loop_new(&f->loop, &err), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	f->qemu = pair[1];
	assert_int_equal(qmp_new(f->loop, pair[0], on_event, f, &f->qmp, &err), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	qmp_free(f->qmp);
	loop_free(f->loop);
	fd_close(f->qemu);
	free(f);
	return 0;
}

static const char *qemu_hears(struct fixture *f, char text[256])
{
	ssize_t n = recv(f->qemu, text, 255, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void commands_wait_for_the_greeting(void **state)
{
	struct fixture *f = *state;
	char text[256];

	qmp_command(f->qmp, "stop");
	assert_string_equal(qemu_hears(f, text), "");
	assert_int_equal(qmp_feed(f->qmp, GREETING, strlen(GREETING)), 0);
	assert_string_equal(qemu_hears(f, text),
			    "{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"stop\"}\n");
	qmp_command(f->qmp, "cont");
	assert_string_equal(qemu_hears(f, text), "{\"execute\":\"cont\"}\n");
}

static void events_arrive_however_they_are_cut(void **state)
{
	static const char event[] =
		"{\"event\": \"SHUTDOWN\", \"data\": {\"reason\": \"guest-reset\"}}\r\n"
		"{\"event\": \"STOP\"}\r\n";
	struct fixture *f = *state;

	for (size_t i = 0; i < strlen(event); i++)
		assert_int_equal(qmp_feed(f->qmp, event + i, 1), 0);
	assert_string_equal(f->events, "SHUTDOWN:guest-reset STOP:- ");
}

static void what_is_no_qmp_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(qmp_feed(f->qmp, "hello\n", 6), -EBADMSG);
	assert_string_equal(f->events, "");
}

static void a_line_without_end_is_refused(void **state)
{
	_cleanup_free_ char *line = mem_zalloc(QMP_LINE_MAX + 2);
	struct fixture *f = *state;

	memset(line, ' ', QMP_LINE_MAX + 1);
	assert_int_equal(qmp_feed(f->qmp, line, QMP_LINE_MAX), 0);
	assert_int_equal(qmp_feed(f->qmp, line, 1), -EBADMSG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(commands_wait_for_the_greeting),
		TEST(events_arrive_however_they_are_cut),
		TEST(what_is_no_qmp_is_refused),
		TEST(a_line_without_end_is_refused),
	};

	return cmocka_run_group_tests_name("qemu/qmp", tests, NULL, NULL);
}
