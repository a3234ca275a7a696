// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/work.h"
#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char root[64];

static int setup(void **state _unused_)
{
	snprintf(root, sizeof(root), "/var/tmp/brig-work-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state _unused_)
{
	return file_remove_tree(AT_FDCWD, root);
}

static int folders(void)
{
	_cleanup_free_ char *path = mem_printf("%s/tmp", root);
	_cleanup_closedir_ DIR *dir = opendir(path);
	struct dirent *entry;
	int n = 0;

	while (dir && (entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	return n;
}

static void a_folder_goes_when_it_is_closed(void **state _unused_)
{
	struct work work = WORK_INIT, other = WORK_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(work_open(root, &work, &err), 0);
	assert_int_equal(work_open(root, &other, &err), 0);
	assert_int_equal(folders(), 2); /* a second one leaves the first one alone */
	work_close(&work);
	assert_int_equal(folders(), 1);
	work_close(&other);
	assert_int_equal(folders(), 0);
	work_close(&other);
}

/* A process with a folder of its own, which tells its janitor's pid and then waits to be killed. */
static pid_t start_owner(pid_t *ret_janitor)
{
	int pipe_fds[2];
	pid_t pid;

	assert_int_equal(pipe(pipe_fds), 0);
	pid = fork();
	if (!pid) {
		struct work work = WORK_INIT;
		struct err err = ERR_INIT;

		close(pipe_fds[0]);
		if (work_open(root, &work, &err) < 0 ||
		    write(pipe_fds[1], &work.janitor_pid, sizeof(pid_t)) != sizeof(pid_t))
			_exit(1);
		for (;;)
			pause();
	}
	close(pipe_fds[1]);
	assert_int_equal(read(pipe_fds[0], ret_janitor, sizeof(pid_t)), sizeof(pid_t));
	close(pipe_fds[0]);
	return pid;
}

static void kill_owner(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void the_next_owner_removes_what_a_killed_one_left(void **state _unused_)
{
	struct work work = WORK_INIT;
	struct err err = ERR_INIT;
	pid_t janitor = 0, owner = start_owner(&janitor);

	assert_int_equal(kill(janitor, SIGKILL), 0);
	kill_owner(owner);
	assert_int_equal(folders(), 1);
	assert_int_equal(work_open(root, &work, &err), 0);
	assert_int_equal(folders(), 1); /* its own */
	work_close(&work);
	assert_int_equal(folders(), 0);
}

static int add(const struct work *work, const char *text, const char *expected, int64_t size,
	       struct blob *blob)
{
	_cleanup_close_ int fd = memfd_create("blob", MFD_CLOEXEC);
	const struct work_input input = {
		.fd = fd, .expected = expected, .expected_size = size, .what = "it"
	};
	struct err err = ERR_INIT;

	assert_int_equal(file_write_all(fd, text, strlen(text)), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return work_add_blob(work, &input, blob, &err);
}

static void a_blob_must_be_what_it_is_said_to_be(void **state _unused_)
{
	_cleanup_work_ struct work work = WORK_INIT;
	struct blob blob = { .size = 0 }, text = { .size = 0 };
	_cleanup_free_ char *read_again = NULL;
	struct err err = ERR_INIT;
	char hex[DIGEST_HEX_SIZE];
	size_t len = 0;

	digest_of("hello", 5, hex);
	assert_int_equal(work_open(root, &work, &err), 0);
	assert_int_equal(add(&work, "hello", NULL, -1, &blob), 0);
	assert_string_equal(blob.hex, hex);
	assert_int_equal(blob.size, 5);
	assert_int_equal(add(&work, "hello", hex, 5, &blob), 0);
	assert_int_equal(add(&work, "hello", hex, 4, &blob), -EBADMSG);
	assert_int_equal(add(&work, "hello", hex, 6, &blob), -EBADMSG);
	assert_int_equal(add(&work, "hullo", hex, 5, &blob), -EBADMSG);
	assert_int_equal(work_add_text(&work, "hello", &text, &err), 0);
	assert_string_equal(text.hex, hex);
	assert_int_equal(work_read_blob(&work, hex, 100, &read_again, &len, &err), 0);
	assert_string_equal(read_again, "hello");
	assert_true(work_open_blob(&work, "nope", &err) < 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_folder_goes_when_it_is_closed),
		CASE(the_next_owner_removes_what_a_killed_one_left),
		CASE(a_blob_must_be_what_it_is_said_to_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
