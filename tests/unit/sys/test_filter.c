// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "base/take.h"
#include "sys/filter.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static char path[64];

static int setup(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "/tmp/brig-filter-%d", getpid());
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path) < 0 && errno != ENOENT;
}

static struct sock_filter code[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x12345678, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, 0x7fff0000),
};
static const struct filter filter = { .code = code, .n = 3 };

static void a_saved_filter_comes_back_as_it_was(void **state)
{
	_cleanup_filter_ struct filter loaded = { 0 };

	(void)state;
	assert_int_equal(filter_save(AT_FDCWD, path, &filter), 0);
	assert_int_equal(filter_load(AT_FDCWD, path, &loaded), 0);
	assert_int_equal(loaded.n, filter.n);
	assert_memory_equal(loaded.code, code, sizeof(code));
}

/* Each byte of it counts. */
static void a_changed_or_cut_file_is_no_filter(void **state)
{
	_cleanup_free_ char *data = NULL;
	size_t len = 0;

	(void)state;
	assert_int_equal(filter_save(AT_FDCWD, path, &filter), 0);
	assert_int_equal(file_read(AT_FDCWD, path, 4096, &data, &len), 0);
	for (size_t i = 0; i < len; i++) {
		struct filter loaded = { 0 };

		data[i] ^= 1;
		assert_int_equal(file_replace(AT_FDCWD, path, data, len, 0600, 0), 0);
		assert_int_equal(filter_load(AT_FDCWD, path, &loaded), -EBADMSG);
		data[i] ^= 1;
		assert_int_equal(file_replace(AT_FDCWD, path, data, i, 0600, 0), 0);
		assert_int_equal(filter_load(AT_FDCWD, path, &loaded), -EBADMSG);
	}
}

static void a_file_that_is_not_there_is_said(void **state)
{
	struct filter loaded = { 0 };

	(void)state;
	assert_int_equal(filter_load(AT_FDCWD, path, &loaded), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_saved_filter_comes_back_as_it_was, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_changed_or_cut_file_is_no_filter, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_file_that_is_not_there_is_said, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
