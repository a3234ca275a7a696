// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/take.h"
#include "container/seccomp_profile.h"
#include "sys/caps.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <cmocka.h>

/* docker's default set */
#define CAPS_DEFAULT UINT64_C(0xa80425fb)

/* Runs the question under the real filter, in a child. */
static int under_filter(uint64_t caps, int (*question)(void))
{
	struct filter filter = { 0 };
	struct err err = ERR_INIT;
	int status = 0;
	pid_t pid;

	seccomp_profile_compile(caps, &filter);
	pid = fork();
	if (!pid) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		    filter_install(&filter, 0, &err) < 0)
			_exit(99);
		_exit(question());
	}
	filter_release(&filter);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int no_errno(long result)
{
	return result < 0 ? errno : 0;
}

static int ask_unshare(void)
{
	return no_errno(unshare(CLONE_NEWUSER));
}

static int ask_keyring(void)
{
	/* KEYCTL_GET_KEYRING_ID of the session's, not made: allowed, it finds one or none */
	int error = no_errno(syscall(SYS_keyctl, 0, -3, 0));

	return error == ENOKEY ? 0 : error;
}

static void keyrings_are_for_who_runs_containers(void **state)
{
	(void)state;
	assert_int_equal(under_filter(CAPS_DEFAULT, ask_keyring), EPERM);
	assert_int_equal(under_filter(CAPS_DEFAULT | SECCOMP_PROFILE_NESTING, ask_keyring), 0);
}

static int ask_clone_namespace(void)
{
	return no_errno(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
}

static int ask_clone3(void)
{
	return no_errno(syscall(SYS_clone3, NULL, 0));
}

static int ask_fork(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	return no_errno(pid);
}

static int ask_vsock(void)
{
	return no_errno(socket(AF_VSOCK, SOCK_STREAM, 0));
}

/* The kernel looks at the low 32 bits alone, so the filter must not be told apart by the others. */
static int ask_hidden_vsock(void)
{
	return no_errno(syscall(SYS_socket, UINT64_C(0x100000000) | AF_VSOCK, SOCK_STREAM, 0));
}

static int ask_unix_socket(void)
{
	return no_errno(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int ask_personality(void)
{
	return no_errno(personality(0xffffffff));
}

static int ask_bad_personality(void)
{
	return no_errno(personality(ADDR_NO_RANDOMIZE));
}

static int ask_keyctl(void)
{
	return no_errno(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
}

static int ask_mount(void)
{
	return no_errno(mount("none", "/nonexistent", "tmpfs", 0, NULL));
}

static int ask_new_call(void)
{
	return no_errno(syscall(500));
}

static int ask_x32_call(void)
{
	return no_errno(syscall(0x40000000 + SYS_getpid));
}

static int ask_open(void)
{
	return no_errno(syscall(SYS_openat, AT_FDCWD, "/", 0));
}

static void an_ordinary_program_notices_nothing(void **state)
{
	(void)state;
	assert_int_equal(under_filter(CAPS_DEFAULT, ask_fork), 0);
	assert_int_equal(under_filter(CAPS_DEFAULT, ask_open), 0);
	assert_int_equal(under_filter(CAPS_DEFAULT, ask_unix_socket), 0);
	assert_int_equal(under_filter(CAPS_DEFAULT, ask_personality), 0);
}

static void no_namespaces_are_made_without_the_capability(void **state)
{
	(void)state;
	assert_int_equal(under_filter(CAPS_DEFAULT, ask_unshare), EPERM);
	assert_int_equal(under_filter(CAPS_DEFAULT, ask_clone_namespace), EPERM);
	/* so that libraries fall back to clone(), whose flags can be seen */
	assert_int_equal(under_filter(CAPS_DEFAULT, ask_clone3), ENOSYS);
}

static void what_reaches_the_host_is_denied(void **state)
{
	(void)state;
	assert_int_equal(under_filter(CAPS_DEFAULT, ask_vsock), EPERM);
	assert_int_equal(under_filter(CAPS_DEFAULT, ask_hidden_vsock), EPERM);
	assert_int_equal(under_filter(CAPS_DEFAULT, ask_keyctl), EPERM);
	assert_int_equal(under_filter(CAPS_DEFAULT, ask_mount), EPERM);
	assert_int_equal(under_filter(CAPS_DEFAULT, ask_bad_personality), EPERM);
}

static void a_capability_brings_its_calls(void **state)
{
	uint64_t caps = CAPS_DEFAULT | CAPS_BIT(CAP_SYS_ADMIN);

	(void)state;
	assert_int_not_equal(under_filter(caps, ask_clone3), ENOSYS);
	assert_int_equal(under_filter(caps, ask_unshare), 0);
	assert_int_equal(under_filter(caps, ask_mount), geteuid() ? EPERM : ENOENT);
	assert_int_equal(under_filter(caps, ask_keyctl), EPERM);
}

static void calls_newer_than_the_tables_do_not_exist(void **state)
{
	(void)state;
	assert_int_equal(under_filter(CAPS_DEFAULT, ask_new_call), ENOSYS);
	assert_int_equal(under_filter(CAPS_DEFAULT, ask_x32_call), ENOSYS);
}

static void a_compiled_filter_is_kept_and_used_again(void **state)
{
	char folder[] = "/tmp/brig-seccomp-XXXXXX";
	_cleanup_filter_ struct filter made = { 0 }, kept = { 0 }, other = { 0 };
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int files = 0;

	(void)state;
	assert_non_null(mkdtemp(folder));
	seccomp_profile_get(folder, CAPS_DEFAULT, &made);
	seccomp_profile_get(folder, CAPS_DEFAULT, &kept);
	seccomp_profile_get(folder, CAPS_ALL, &other);
	assert_int_equal(made.n, kept.n);
	assert_memory_equal(made.code, kept.code, made.n * sizeof(*made.code));
	dir = opendir(folder);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		files++;
		assert_int_equal(unlinkat(dirfd(dir), entry->d_name, 0), 0);
	}
	assert_int_equal(files, 2);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keyrings_are_for_who_runs_containers),
		cmocka_unit_test(an_ordinary_program_notices_nothing),
		cmocka_unit_test(no_namespaces_are_made_without_the_capability),
		cmocka_unit_test(what_reaches_the_host_is_denied),
		cmocka_unit_test(a_capability_brings_its_calls),
		cmocka_unit_test(calls_newer_than_the_tables_do_not_exist),
		cmocka_unit_test(a_compiled_filter_is_kept_and_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
