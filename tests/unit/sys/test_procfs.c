// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/procfs.h"
#include "base/take.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

static int proc_of_host(void)
{
	struct err err = ERR_INIT;
	int fd = -EBADF;

	assert_int_equal(procfs_open(&fd, &err), 0);
	return fd;
}

static void what_is_no_procfs_root_is_refused(void **state _unused_)
{
	_cleanup_close_ int proc = proc_of_host(), tmp = open("/tmp", O_PATH | O_DIRECTORY),
			    part = open("/proc/sys", O_PATH | O_DIRECTORY);

	assert_int_equal(procfs_verify(proc), 0);
	assert_int_equal(procfs_verify(tmp), -EXDEV);
	assert_int_equal(procfs_verify(part), -EXDEV);
	assert_int_equal(procfs_write(part, "kernel/domainname", "x"), -EXDEV);
}

static void nothing_leads_out_of_it(void **state _unused_)
{
	_cleanup_close_ int proc = proc_of_host();

	assert_int_equal(procfs_write(proc, "../tmp/brig-procfs", "x"), -EXDEV);
	assert_int_equal(procfs_write(proc, "/proc/self/comm", "x"), -EXDEV);
	assert_int_equal(procfs_write(proc, "self/comm", "x"), -EXDEV);
	assert_int_equal(procfs_write(proc, "1/root/tmp/brig-procfs", "x"), -EXDEV);
	assert_int_equal(procfs_write(proc, "sys/no/such", "x"), -ENOENT);
}

static void a_threads_own_file_is_written(void **state _unused_)
{
	_cleanup_close_ int proc = proc_of_host();
	char was[16] = "", is[16] = "";

	prctl(PR_GET_NAME, was);
	assert_int_equal(procfs_write_self(proc, "comm", "brig-procfs"), 0);
	prctl(PR_GET_NAME, is);
	prctl(PR_SET_NAME, was);
	assert_string_equal(is, "brig-procfs");
	assert_int_equal(procfs_write_self(proc, "no-such", "x"), -ENOENT);
}

/* As a hostile image would: over the whole, over a file, and over the link to ourselves. */
static int fooled(void)
{
	int proc;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 1;
	proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (mount("/dev/null", "/proc/sys/kernel/domainname", NULL, MS_BIND, NULL) < 0)
		return 2;
	if (procfs_write(proc, "sys/kernel/domainname", "x") != -EXDEV)
		return 3;
	if (mount("tmp", "/proc/sys", "tmpfs", 0, NULL) < 0 || mkdir("/proc/sys/kernel", 0755) < 0)
		return 4;
	if (procfs_write(proc, "sys/kernel/domainname", "x") != -EXDEV)
		return 5;
	close(proc);
	if (mount("tmp", "/proc", "tmpfs", 0, NULL) < 0 || mkdir("/proc/self", 0755) < 0)
		return 6;
	proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return procfs_write_self(proc, "comm", "x") == -EXDEV ? 0 : 7;
}

static void mounts_upon_it_are_not_written_to(void **state _unused_)
{
	int status = 0;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	pid = fork();
	if (!pid)
		_exit(fooled());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_procfs_root_is_refused),
		cmocka_unit_test(nothing_leads_out_of_it),
		cmocka_unit_test(a_threads_own_file_is_written),
		cmocka_unit_test(mounts_upon_it_are_not_written_to),
	};

	return cmocka_run_group_tests_name("sys/procfs", tests, NULL, NULL);
}
