// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "base/take.h"
#include "sys/filter.h"
#include "sys/spawn.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

/* In a child, whose filter denies sendmsg: 0 if that was sent all the same, and nothing after it. */
static int listen_under_a_filter(int sock)
{
	struct sock_filter denies[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendmsg, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct filter strict = { .code = denies, .n = ARRAY_SIZE(denies) };
	struct msghdr msg = { 0 };
	struct err err = ERR_INIT;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    filter_install_listener(&strict, SECCOMP_FILTER_FLAG_TSYNC, sock, "told", 4, &err) < 0)
		return 1;
	if (sendmsg(sock, &msg, 0) >= 0 || errno != EXDEV)
		return 2;
	/* three arguments that nobody told the filter of */
	return syscall(SYS_sendmsg, sock, &msg, 0, 0L, 0L, 0L) < 0 && errno == EXDEV ? 0 : 3;
}

static void a_listener_is_told_of_a_filter_that_denies_telling(void **state)
{
	int pair[2], fd = -EBADF, status;
	char data[8] = "";
	pid_t pid;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(listen_under_a_filter(pair[1]));
	close(pair[1]);
	assert_int_equal(spawn_receive(pair[0], data, sizeof(data), &fd, 0), 4);
	assert_string_equal(data, "told");
	assert_true(fd >= 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(spawn_receive(pair[0], data, sizeof(data), &status, 0), 0);
	close(fd);
	close(pair[0]);
}

static void a_flag_is_known_or_not(void **state)
{
	(void)state;
	assert_true(filter_knows_flag(SECCOMP_FILTER_FLAG_TSYNC));
	assert_true(filter_knows_flag(SECCOMP_FILTER_FLAG_LOG));
	assert_false(filter_knows_flag(1U << 30));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_saved_filter_comes_back_as_it_was, setup,
						teardown),
		cmocka_unit_test(a_listener_is_told_of_a_filter_that_denies_telling),
		cmocka_unit_test(a_flag_is_known_or_not),
		cmocka_unit_test_setup_teardown(a_changed_or_cut_file_is_no_filter, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_file_that_is_not_there_is_said, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
