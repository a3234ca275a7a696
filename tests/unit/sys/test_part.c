// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/part.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/take.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define PART "brig-test-part"

/* A part for nobody, at a path below the test's own folder. */
static void put(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

	assert_true(fd >= 0);
	close(fd);
}

/* What a child that executes the program at that path says of where its part is. */
static void assert_finds(const char *program, const char *path)
{
	char said[4096] = "";
	int out[2], status;
	pid_t pid;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		(void)dup2(out[1], STDOUT_FILENO);
		(void)execl(program, "program", "find", NULL);
		_exit(127);
	}
	close(out[1]);
	(void)!read(out[0], said, sizeof(said) - 1);
	close(out[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, path ? 0 : 1 << 8);
	assert_string_equal(said, path ? path : "");
}

static void it_is_found_beside_the_program_or_below_libexec(void **state)
{
	const char *folder = *state;
	_cleanup_free_ char *program = mem_printf("%s/bin/program", folder);
	_cleanup_free_ char *beside = mem_printf("%s/bin/" PART, folder);
	_cleanup_free_ char *installed = mem_printf("%s/bin/../libexec/brig/" PART, folder);

	assert_finds(program, NULL);
	put("libexec/brig/" PART);
	assert_finds(program, installed);
	put("bin/" PART);
	assert_finds(program, beside);
}

static void the_environment_has_the_first_word(void **state _unused_)
{
	_cleanup_free_ char *path = NULL;
	struct err err = ERR_INIT;

	put("other");
	setenv("BRIG_TEST_PART", "other", 1);
	assert_int_equal(part_find(PART, &path, &err), 0);
	assert_string_equal(path, "other");
	setenv("BRIG_TEST_PART", "none", 1);
	assert_int_equal(part_find(PART, &path, &err), -ENOENT);
	assert_string_equal(err.msg, "there is no file none, which $BRIG_TEST_PART names");
	unsetenv("BRIG_TEST_PART");
}

static void without_it_the_error_says_what_to_do(void **state _unused_)
{
	_cleanup_free_ char *path = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(part_find(PART, &path, &err), -ENOENT);
	assert_non_null(strstr(err.msg, PART ", a part of brig,"));
	assert_non_null(strstr(err.msg, "in $BRIG_TEST_PART"));
	assert_null(path);
}

/* A folder as brig is installed in, with this program as brig. */
static int setup(void **state)
{
	char *folder = mem_strdup("/tmp/brig-test-part-XXXXXX");
	_cleanup_close_ int self = -EBADF, program = -EBADF;

	*state = mkdtemp(folder);
	if (!*state || chdir(folder) < 0 || mkdir("bin", 0755) < 0 || mkdir("libexec", 0755) < 0 ||
	    mkdir("libexec/brig", 0755) < 0)
		return -1;
	self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	program = open("bin/program", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	return self < 0 || program < 0 ? -1 : file_copy_sparse(self, program);
}

static int teardown(void **state)
{
	int r = file_remove_tree(AT_FDCWD, *state);

	free(*state);
	return r < 0 || chdir("/") < 0 ? -1 : 0;
}

static int find(void)
{
	_cleanup_free_ char *path = NULL;
	struct err err = ERR_INIT;

	return part_find(PART, &path, &err) < 0 || fputs(path, stdout) < 0;
}

int main(int argc, char **argv _unused_)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_it_the_error_says_what_to_do),
		cmocka_unit_test(it_is_found_beside_the_program_or_below_libexec),
		cmocka_unit_test(the_environment_has_the_first_word),
	};

	return argc > 1 ? find() : cmocka_run_group_tests(tests, setup, teardown);
}
