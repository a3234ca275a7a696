// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/output.h"
#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

/* Every test has a folder of its own, which is also its working directory. */
static int setup(void **state)
{
	char *folder = mem_strdup("/tmp/brig-test-output-XXXXXX");

	*state = mkdtemp(folder);
	return *state && chdir(folder) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	int r = file_remove_tree(AT_FDCWD, *state);

	free(*state);
	return r < 0 || chdir("/") < 0 ? -1 : 0;
}

static int is_alone(const char *name)
{
	_cleanup_closedir_ DIR *dir = opendir(".");
	struct dirent *entry;

	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, name) != 0)
			return 0;
	}
	return 1;
}

static void a_file_is_replaced_once_it_is_whole(void **state _unused_)
{
	struct output output = OUTPUT_INIT;
	_cleanup_free_ char *content = NULL;
	struct err err = ERR_INIT;
	struct stat st;

	assert_int_equal(file_replace(AT_FDCWD, "f", "old", 3, 0644, 0), 0);
	assert_int_equal(output_open("f", &output, &err), 0);
	assert_int_equal(file_write_all(output.fd, "new", 3), 0);
	assert_int_equal(file_read(AT_FDCWD, "f", 100, &content, NULL), 0);
	assert_string_equal(content, "old");
	mem_replace(&content, NULL);
	assert_int_equal(output_publish(&output, &err), 0);
	output_release(&output);
	assert_int_equal(file_read(AT_FDCWD, "f", 100, &content, NULL), 0);
	assert_string_equal(content, "new");
	assert_int_equal(stat("f", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(is_alone("f"));
}

static void nothing_is_left_of_what_was_not_published(void **state _unused_)
{
	struct output output = OUTPUT_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(output_open("./f", &output, &err), 0);
	assert_int_equal(file_write_all(output.fd, "new", 3), 0);
	output_release(&output);
	assert_true(is_alone(""));
	assert_int_equal(output_open("no/f", &output, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "no/f"));
}

static void a_pipe_is_written_to(void **state _unused_)
{
	struct output output = OUTPUT_INIT;
	struct err err = ERR_INIT;
	_cleanup_close_ int reader = -EBADF;
	char got[4] = "";
	struct stat st;

	assert_int_equal(mkfifo("p", 0600), 0);
	reader = open("p", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(output_open("p", &output, &err), 0);
	assert_int_equal(file_write_all(output.fd, "new", 3), 0);
	assert_int_equal(output_publish(&output, &err), 0);
	output_release(&output);
	assert_int_equal(read(reader, got, 3), 3);
	assert_string_equal(got, "new");
	assert_int_equal(stat("p", &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_is_replaced_once_it_is_whole),
		TEST(nothing_is_left_of_what_was_not_published),
		TEST(a_pipe_is_written_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
