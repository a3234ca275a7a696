// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/sysctl.h"
#include "base/file.h"
#include "base/take.h"
#include "sys/procfs.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <cmocka.h>

#define ALL ((uint64_t)(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWUSER))

static int check(const char *name, uint64_t own, struct err *err)
{
	struct record_pair pair = { (char *)(uintptr_t)name, (char *)"1" };

	*err = ERR_INIT;
	return sysctl_check(&pair, 1, own, err);
}

static void what_a_namespace_has_is_taken_with_that_namespace(void **state _unused_)
{
	static const struct {
		const char *name;
		uint64_t namespace;
	} known[] = {
		{ "net.ipv4.ip_forward", CLONE_NEWNET },
		{ "net/core/somaxconn", CLONE_NEWNET },
		{ "kernel.shmmax", CLONE_NEWIPC },
		{ "kernel.sem", CLONE_NEWIPC },
		{ "kernel.msgmni", CLONE_NEWIPC },
		{ "kernel/shm_rmid_forced", CLONE_NEWIPC },
		{ "fs.mqueue.msg_max", CLONE_NEWIPC },
		{ "kernel.domainname", CLONE_NEWUTS },
		{ "user.max_net_namespaces", CLONE_NEWUSER },
	};
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		assert_int_equal(check(known[i].name, known[i].namespace, &err), 0);
		assert_int_equal(check(known[i].name, ALL & ~known[i].namespace, &err), -EPERM);
		assert_non_null(strstr(err.msg, known[i].name));
		assert_non_null(strstr(err.msg, "needs a namespace of the container's own"));
	}
	check("kernel.sem", CLONE_NEWNET, &err);
	assert_string_equal(err.msg, "linux.sysctl[\"kernel.sem\"]: it needs a namespace of the "
				     "container's own of type 'ipc' in linux.namespaces");
}

static void what_the_whole_host_shares_is_refused(void **state _unused_)
{
	static const char *const names[] = {
		"kernel.panic",
		"kernel.core_pattern",
		"kernel.pid_max",
		"vm.swappiness",
		"fs.file-max",
		"fs.mqueue",
		"net",
		"networks.x",
		"kernel.shmmax.x",
		"kernel.shm",
		"user",
		"dev.cdrom.info",
		"kernel.domainname2",
		"sys.net.x",
	};
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(check(names[i], ALL, &err), -EPERM);
		assert_non_null(strstr(err.msg, "it is no namespace's, but the whole host's"));
	}
	assert_int_equal(check("kernel.hostname", ALL, &err), -EINVAL);
	assert_string_equal(err.msg, "linux.sysctl[\"kernel.hostname\"]: the member 'hostname' is "
				     "for that");
}

static void names_that_could_lead_elsewhere_are_refused(void **state _unused_)
{
	static const char *const names[] = {
		"",
		".",
		"/",
		"/net/ipv4/ip_forward",
		"net..ipv4",
		"net/../kernel/x",
		"net/./x",
		"net/",
		"net.",
		"net.//.x",
		"../kernel/panic",
		"net/ipv4/../../kernel/panic",
		".net.ipv4",
		"net./.x",
	};
	char large[600];
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (check(names[i], ALL, &err) != -EINVAL)
			fail_msg("'%s': %s", names[i], err.msg);
	}
	memset(large, 'a', sizeof(large));
	memcpy(large, "net.", 4);
	large[sizeof(large) - 1] = '\0';
	assert_int_equal(check(large, ALL, &err), -EINVAL);
}

static int says(const char *path, const char *wanted)
{
	_cleanup_free_ char *text = NULL;

	return file_read(-EBADF, path, 4096, &text, NULL) == 0 && !strcmp(text, wanted);
}

static int written(void)
{
	/* in a network namespace there are "all" and "default"; a dot in a name is a slash here */
	struct record_pair pairs[] = {
		{ (char *)"net.ipv4.ip_forward", (char *)"1" },
		{ (char *)"net/ipv4/conf/lo/forwarding", (char *)"0" },
		{ (char *)"kernel.domainname", (char *)"set.example" },
		{ (char *)"kernel.sem", (char *)"100 200 30 40" },
		{ (char *)"fs.mqueue.msg_max", (char *)"7" },
	};
	struct err err = ERR_INIT;
	int proc = -EBADF;

	if (unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0 || procfs_open(&proc, &err) < 0)
		return 1;
	if (sysctl_check(pairs, ARRAY_SIZE(pairs), ALL, &err) < 0 ||
	    sysctl_apply(proc, pairs, ARRAY_SIZE(pairs), &err) < 0) {
		fprintf(stderr, "# %s\n", err.msg);
		return 2;
	}
	if (!says("/proc/sys/net/ipv4/ip_forward", "1\n") ||
	    !says("/proc/sys/net/ipv4/conf/lo/forwarding", "0\n"))
		return 3;
	if (!says("/proc/sys/kernel/domainname", "set.example\n") ||
	    !says("/proc/sys/kernel/sem", "100\t200\t30\t40\n"))
		return 4;
	return says("/proc/sys/fs/mqueue/msg_max", "7\n") ? 0 : 5;
}

static int in_child(int (*fn)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (!pid)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void settings_are_those_of_the_namespaces(void **state _unused_)
{
	_cleanup_free_ char *before = NULL;

	if (geteuid() != 0)
		skip();
	assert_int_equal(file_read(-EBADF, "/proc/sys/kernel/sem", 4096, &before, NULL), 0);
	assert_int_equal(in_child(written), 0);
	assert_true(says("/proc/sys/kernel/sem", before));
}

/* As root of the user namespace that has the others, who is nobody on the host. */
static int written_by_its_root(int sock)
{
	struct record_pair pairs[] = {
		{ (char *)"net.ipv4.ip_forward", (char *)"1" },
		{ (char *)"user.max_ipc_namespaces", (char *)"3" },
		{ (char *)"kernel.shmmni", (char *)"100" },
		{ (char *)"fs.mqueue.msg_max", (char *)"7" },
		{ (char *)"kernel.domainname", (char *)"own.example" },
	};
	struct err err = ERR_INIT;
	int proc = -EBADF;
	char byte = 0;

	if (procfs_open(&proc, &err) < 0 ||
	    unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC) < 0)
		return 1;
	if (write(sock, &byte, 1) != 1 || read(sock, &byte, 1) != 1 || setresgid(0, 0, 0) < 0 ||
	    setresuid(0, 0, 0) < 0)
		return 2;
	if (sysctl_apply(proc, pairs, ARRAY_SIZE(pairs), &err) < 0) {
		fprintf(stderr, "# %s\n", err.msg);
		return 3;
	}
	return 0;
}

static void a_user_namespaces_root_sets_its_own(void **state _unused_)
{
	int status = 0, pair[2];
	char path[64], byte;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	if (!pid)
		_exit(written_by_its_root(pair[1]));
	close(pair[1]);
	assert_int_equal(read(pair[0], &byte, 1), 1);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	assert_int_equal(file_write_value(-EBADF, path, "0 100000 65536"), 0);
	snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	assert_int_equal(file_write_value(-EBADF, path, "0 100000 65536"), 0);
	assert_int_equal(write(pair[0], &byte, 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(pair[0]);
}

static void what_cannot_be_written_is_told(void **state _unused_)
{
	struct record_pair missing = { (char *)"net.ipv4.no_such_thing", (char *)"1" };
	struct record_pair escape = { (char *)"net/../../self/comm", (char *)"1" };
	struct record_pair wrong = { (char *)"kernel.sem", (char *)"many" };
	struct err err = ERR_INIT;
	int proc = -EBADF;

	assert_int_equal(procfs_open(&proc, &err), 0);
	assert_int_equal(sysctl_apply(proc, &missing, 1, &err), -ENOENT);
	assert_string_equal(err.msg, "linux.sysctl[\"net.ipv4.no_such_thing\"]: this kernel has no "
				     "such setting");
	assert_int_equal(sysctl_apply(proc, &escape, 1, &err), -EINVAL);
	assert_true(sysctl_apply(proc, &wrong, 1, &err) < 0);
	assert_non_null(strstr(err.msg, "linux.sysctl[\"kernel.sem\"]: cannot write 'many'"));
	close(proc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_namespace_has_is_taken_with_that_namespace),
		cmocka_unit_test(what_the_whole_host_shares_is_refused),
		cmocka_unit_test(names_that_could_lead_elsewhere_are_refused),
		cmocka_unit_test(settings_are_those_of_the_namespaces),
		cmocka_unit_test(a_user_namespaces_root_sets_its_own),
		cmocka_unit_test(what_cannot_be_written_is_told),
	};

	return cmocka_run_group_tests_name("container/sysctl", tests, NULL, NULL);
}
