// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/containerfile.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_images(const char *text, const char *expected)
{
	_cleanup_strv_ char **images = containerfile_images(text);
	_cleanup_free_ char *joined = strv_join(images, " ");

	assert_string_equal(joined ? joined : "", expected);
}

static void images_are_found_where_they_are_named(void **state _unused_)
{
	assert_images("FROM debian:bookworm\nRUN true\n", "debian:bookworm");
	assert_images("# FROM no\n from --platform=linux/amd64 web AS one\r\nFROM web\n", "web");
	assert_images("FROM scratch\nCOPY --chown=1 --from=r.example:5000/tools /x /y\n"
		      "RUN echo --from=no\n",
		      "r.example:5000/tools");
	assert_images("", "");
	assert_images("FROM", "");
	assert_images("FROM --x\n", "");
}

static void stages_and_variables_are_no_images(void **state _unused_)
{
	assert_images("FROM scratch AS base\nFROM Base as more\nCOPY --from=0 /a /b\n"
		      "COPY --from=more /a /b\nFROM ${WHICH}\nFROM not/\n",
		      "");
	/* one may have the name of the image that it comes from */
	assert_images("FROM web AS web\nFROM web\n", "web");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(images_are_found_where_they_are_named),
		cmocka_unit_test(stages_and_variables_are_no_images),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
