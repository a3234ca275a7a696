// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/criu_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void assert_bytes(const struct buf *buf, const char *bytes, size_t len)
{
	assert_int_equal(buf->len, len);
	assert_memory_equal(buf->data, bytes, len);
}

static void numbers_and_strings_are_as_protocol_buffers_have_them(void **state _unused_)
{
	_cleanup_buf_ struct buf buf = BUF_INIT;

	/* protobuf.dev, "Encoding": 150 in field 1, "testing" in field 2 */
	criu_wire_put_number(&buf, 1, 150);
	criu_wire_put_string(&buf, 2, "testing");
	assert_bytes(&buf,
		     "\x08\x96\x01\x12\x07"
		     "testing",
		     12);
}

static void a_field_beyond_15_has_a_longer_key(void **state _unused_)
{
	_cleanup_buf_ struct buf buf = BUF_INIT;

	criu_wire_put_number(&buf, CRIU_LSM_MOUNT_CONTEXT, 0);
	assert_bytes(&buf, "\xf8\x03\x00", 3);
}

static void messages_are_in_messages(void **state _unused_)
{
	_cleanup_buf_ struct buf options = BUF_INIT, request = BUF_INIT;

	criu_wire_put_pair(&options, CRIU_EXT_MOUNT, "/a", "b");
	criu_wire_put_numbered(&options, CRIU_INHERIT_FD, "k", 10);
	criu_wire_put_request(&request, CRIU_DUMP, &options);
	assert_bytes(&request,
		     "\x08\x01\x12\x12"
		     "\xba\x01\x07\x0a\x02/a\x12\x01"
		     "b"
		     "\xda\x01\x05\x0a\x01k\x10\x0a",
		     22);
}

static void a_notification_is_answered(void **state _unused_)
{
	_cleanup_buf_ struct buf yes = BUF_INIT, no = BUF_INIT;

	criu_wire_put_notified(&yes, 1);
	criu_wire_put_notified(&no, 0);
	assert_bytes(&yes, "\x08\x06\x18\x01", 4);
	assert_bytes(&no, "\x08\x06\x18\x00", 4);
}

static void get(const char *bytes, size_t len, struct criu_answer *ret)
{
	assert_int_equal(criu_wire_get_answer(bytes, len, ret), 0);
}

static void an_answer_says_what_was_restored(void **state _unused_)
{
	struct criu_answer answer;

	get("\x08\x02\x10\x01\x22\x03\x08\xe8\x07", 9, &answer);
	assert_int_equal(answer.type, CRIU_RESTORE);
	assert_true(answer.success);
	assert_int_equal(answer.pid, 1000);
}

static void a_failure_has_its_cause(void **state _unused_)
{
	struct criu_answer answer;

	get("\x08\x01\x10\x00\x38\x01\x4a\x05"
	    "no\x1bgo",
	    13, &answer);
	assert_false(answer.success);
	assert_int_equal(answer.code, 1);
	assert_string_equal(answer.message, "no?go");
}

static void a_notification_has_its_step_and_process(void **state _unused_)
{
	struct criu_answer answer;

	get("\x08\x06\x10\x01\x2a\x0b\x0a\x06"
	    "resume\x10\x80\x01",
	    17, &answer);
	assert_int_equal(answer.type, CRIU_NOTIFY);
	assert_string_equal(answer.script, "resume");
	assert_int_equal(answer.pid, 128);
	/* -1: there is none yet */
	get("\x08\x06\x2a\x0b\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 15, &answer);
	assert_int_equal(answer.pid, 0);
}

static void fields_of_later_versions_are_passed_over(void **state _unused_)
{
	struct criu_answer answer;

	get("\xfa\x07\x03xyz\x08\x03\xf9\x07\x01\x02\x03\x04\x05\x06\x07\x08\x10\x01"
	    "\xfd\x07\x01\x02\x03\x04",
	    26, &answer);
	assert_int_equal(answer.type, CRIU_CHECK);
	assert_true(answer.success);
}

static void what_is_cut_off_is_refused(void **state _unused_)
{
	static const char whole[] = "\x08\x06\x10\x01\x2a\x0b\x0a\x06resume\x10\x80\x01";
	struct criu_answer answer;

	for (size_t len = 5; len < sizeof(whole) - 1; len++)
		assert_int_equal(criu_wire_get_answer(whole, len, &answer), -EBADMSG);
	assert_int_equal(criu_wire_get_answer("", 0, &answer), -EBADMSG);
	/* a length of almost 2^64, a number without an end, a group */
	assert_int_equal(
		criu_wire_get_answer("\x08\x01\x4a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 13,
				     &answer),
		-EBADMSG);
	assert_int_equal(criu_wire_get_answer("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
					      12, &answer),
			 -EBADMSG);
	assert_int_equal(criu_wire_get_answer("\x08\x01\x0b", 3, &answer), -EBADMSG);
}

/* Two numbers, then each message behind its length. */
#define PAGEMAP "\x19\x43\x56\x54\x25\x40\x08\x56"

static void pages_that_have_to_be_there_are_counted(void **state _unused_)
{
	/* the head; 5 pages that are there, 7 of a parent's, 9 for later, 2 of an older version, 3 of a newer one */
	static const char image[] = PAGEMAP "\x02\0\0\0\x08\x04"
					    "\x06\0\0\0\x08\x01\x10\x05\x20\x04"
					    "\x06\0\0\0\x08\x01\x10\x07\x20\x01"
					    "\x06\0\0\0\x08\x01\x10\x09\x20\x02"
					    "\x04\0\0\0\x08\x01\x10\x02"
					    "\x06\0\0\0\x08\x01\x28\x03\x20\x04";
	uint64_t id = 0, pages = 0;

	assert_int_equal(criu_wire_count_pages(image, sizeof(image) - 1, &id, &pages), 0);
	assert_int_equal(id, 4);
	assert_int_equal(pages, 10);
}

static void what_is_no_pagemap_is_told(void **state _unused_)
{
	static const char image[] = PAGEMAP "\x02\0\0\0\x08\x04"
					    "\x06\0\0\0\x08\x01\x10\x05\x20\x04";
	uint64_t id, pages;

	for (size_t len = 0; len < sizeof(image) - 1; len++) {
		/* but where a message ends, so can the image */
		if (len != 14)
			assert_int_equal(criu_wire_count_pages(image, len, &id, &pages), -EBADMSG);
	}
	assert_int_equal(criu_wire_count_pages("12345678", 8, &id, &pages), -EBADMSG);
}

static void a_log_says_why(void **state _unused_)
{
	_cleanup_free_ char *reason =
		criu_wire_log_reason("(00.1) all is well\n"
				     "(00.2) Error (criu/a.c:1): first: that is long past\n"
				     "(00.3)     12: Error (criu/b.c:22): second: \x1b[31m\n"
				     "Error (criu/c.c:3): third: no time\n"
				     "(00.4) Error (criu/d.c:4): fourth\n"
				     "Error: another program's\n"
				     "(00.5) Error (criu/e.c:5): Dumping FAILED.");

	_cleanup_free_ char *lost =
		criu_wire_log_reason("(00.3) Can't connect to server 127.0.0.1:1\n"
				     "(00.4) Error (criu/a.c:1): then this");

	assert_string_equal(reason, "second: ?[31m; third: no time; fourth");
	assert_string_equal(lost, "Can't connect to server 127.0.0.1:1; then this");
}

static void a_log_may_say_nothing(void **state _unused_)
{
	assert_null(criu_wire_log_reason(""));
	assert_null(criu_wire_log_reason("Error (\nError (criu/a.c:1): \n\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_and_strings_are_as_protocol_buffers_have_them),
		cmocka_unit_test(a_field_beyond_15_has_a_longer_key),
		cmocka_unit_test(messages_are_in_messages),
		cmocka_unit_test(a_notification_is_answered),
		cmocka_unit_test(an_answer_says_what_was_restored),
		cmocka_unit_test(a_failure_has_its_cause),
		cmocka_unit_test(a_notification_has_its_step_and_process),
		cmocka_unit_test(fields_of_later_versions_are_passed_over),
		cmocka_unit_test(what_is_cut_off_is_refused),
		cmocka_unit_test(pages_that_have_to_be_there_are_counted),
		cmocka_unit_test(what_is_no_pagemap_is_told),
		cmocka_unit_test(a_log_says_why),
		cmocka_unit_test(a_log_may_say_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
