// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void a_digest_is_that_of_all_that_was_added(void **state _unused_)
{
	_cleanup_digest_ struct digest *digest = digest_new();
	char hex[DIGEST_HEX_SIZE];

	digest_add(digest, "a", 1);
	digest_add(digest, "bc", 2);
	digest_hex(digest, hex);
	assert_string_equal(hex, ABC);
	digest_hex(digest, hex);
	assert_string_equal(hex, EMPTY); /* a new one has begun */
	digest_of("abc", 3, hex);
	assert_string_equal(hex, ABC);
}

static void only_sha256_and_64_digits_are_a_digest(void **state _unused_)
{
	static const char *const bad[] = { "",
					   ABC,
					   "sha256:",
					   "sha256:" ABC "0",
					   "sha512:" ABC,
					   "sha256:" ABC " ",
					   "SHA256:" ABC,
					   "sha256:../../../../etc/passwd",
					   "sha256:" EMPTY ABC };
	char hex[DIGEST_HEX_SIZE] = "";
	struct err err = ERR_INIT;

	assert_int_equal(digest_parse("sha256:" ABC, hex, &err), 0);
	assert_string_equal(hex, ABC);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(digest_parse(bad[i], hex, &err), -EINVAL);
	assert_int_equal(digest_parse(NULL, hex, &err), -EINVAL);
	assert_int_equal(digest_parse("sha256:BA7816BF8F01CFEA414140DE5DAE2223"
				      "B00361A396177A9CB410FF61F20015AD",
				      hex, &err),
			 -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_digest_is_that_of_all_that_was_added),
		cmocka_unit_test(only_sha256_and_64_digits_are_a_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
