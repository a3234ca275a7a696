// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/skopeo.h"
#include "base/mem.h"
#include "base/file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

static void the_last_fatal_line_is_the_reason(void **state _unused_)
{
	static const char *const said[][2] = {
		{ "time=\"x\" level=fatal msg=\"no \\\"a\\\\b\\\"\"\n", "no \"a\\b\"" },
		{ "level=warning msg=one\nlevel=fatal msg=two\nrest\n", "two" },
		{ "level=fatal msg=\"one\"\ntime=x level=fatal msg=\"two", "two" },
		{ "level=fatal msg=\"a\\x1b[2J\x1b[1m\"", "a\\x1b[2J?[1m" },
		{ "panic: out of luck", "it gives no reason" },
		{ "level=fatal msg=", "it gives no reason" },
		{ "level=fatal msg=\"\\", "\\" },
		{ "", "it gives no reason" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(said); i++) {
		_cleanup_free_ char *reason = skopeo_reason(said[i][0], strlen(said[i][0]));

		assert_string_equal(reason, said[i][1]);
	}
}

/* Runs a program in skopeo's place that says this. */
static int run(const char *said, struct err *err)
{
	char folder[] = "/tmp/brig-skopeo-XXXXXX";
	_cleanup_free_ char *path = NULL, *text = NULL;
	_cleanup_strv_ char **argv = NULL;
	const struct registry_access access = { 0 };
	const struct skopeo skopeo = {
		.access = &access, .reference = "h/x:1", .host = "h", .in_fd = -EBADF
	};
	int r;

	assert_non_null(mkdtemp(folder));
	path = mem_printf("%s/skopeo", folder);
	text = mem_printf("#!/bin/sh\necho 'level=fatal msg=\"%s\"' >&2\nexit 1\n", said);
	assert_int_equal(file_replace(AT_FDCWD, path, text, strlen(text), 0755, 0), 0);
	strv_add(&argv, path);
	r = skopeo_run(&skopeo, argv, err);
	file_remove_tree(AT_FDCWD, folder);
	return r;
}

static void a_failure_says_what_to_do(void **state _unused_)
{
	static const struct {
		const char *said;
		int code;
		const char *told;
	} failures[] = {
		{ "reading manifest 1 in h/x: manifest unknown: manifest unknown", -ENOENT,
		  "the registry h has no image" },
		{ "unauthorized: authentication required", -EACCES, "brig login h" },
		{ "Get: x509: certificate signed by unknown authority", -EPROTO,
		  "certs.d/h/ca.crt" },
		{ "dial tcp: connect: connection refused", -EHOSTUNREACH,
		  "no registry answers at h" },
		{ "write /x: no space left on device", -ENOSPC, "no space left" },
		{ "Error parsing image name \\\"docker://h/x:1\\\": odd", -EREMOTEIO, "odd" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(run(failures[i].said, &err), failures[i].code);
		assert_non_null(strstr(err.msg, failures[i].told));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_fatal_line_is_the_reason),
		cmocka_unit_test(a_failure_says_what_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
