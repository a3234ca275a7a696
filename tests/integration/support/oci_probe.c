// SPDX-License-Identifier: GPL-2.0-or-later
/* What a shell in a container cannot find out: `probe WHAT [ARG]` says it in a line. */
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int probe_result(const char *what, long r)
{
	printf("%s: %s\n", what, r < 0 ? strerror(errno) : "done");
	return 0;
}

static int probe_clock(const char *arg __attribute__((unused)))
{
	struct timespec monotonic, boottime;

	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	clock_gettime(CLOCK_BOOTTIME, &boottime);
	printf("%lld %lld\n", (long long)monotonic.tv_sec, (long long)boottime.tv_sec);
	return 0;
}

static int probe_keyring(const char *arg __attribute__((unused)))
{
	printf("%ld\n", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0));
	return 0;
}

static int probe_policy(const char *arg __attribute__((unused)))
{
	unsigned long nodes[16] = { 0 };
	int mode = -1;

	if (syscall(SYS_get_mempolicy, &mode, nodes, 8 * sizeof(nodes), NULL, 0) < 0)
		return probe_result("get_mempolicy", -1);
	printf("%d %lx\n", mode, nodes[0]);
	return 0;
}

static int probe_type(const char *arg)
{
	int fd = open(arg, O_RDWR | O_NOCTTY);

	if (fd < 0)
		return probe_result("open", -1);
	return probe_result("TIOCSTI", ioctl(fd, TIOCSTI, "x"));
}

static int probe_trace(const char *arg)
{
	return probe_result("ptrace",
			    ptrace(PTRACE_SEIZE, (pid_t)strtol(arg, NULL, 10), NULL, NULL));
}

/* All that is open but the standard streams. */
static int probe_files(const char *arg __attribute__((unused)))
{
	for (int fd = 3; fd < 1024; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			printf("%d ", fd);
	}
	printf("\n");
	return 0;
}

/* By descriptors up to 64: what can be opened above them that is no part of the root? */
static int probe_escape(const char *arg __attribute__((unused)))
{
	for (int fd = 0; fd < 64; fd++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/self/fd/%d/../../../../../etc/hostname", fd);
		if (access(path, F_OK) == 0)
			printf("%d ", fd);
	}
	printf("\n");
	return 0;
}

/* Whether the calls that make mounts by hand are let through to the kernel, and user namespaces with them. */
static int probe_mounts(const char *arg __attribute__((unused)))
{
	char value[256];

	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	probe_result("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
	probe_result("fsconfig", syscall(SYS_fsconfig, -1, FSCONFIG_SET_STRING, "a", value, 0));
	probe_result("fspick", syscall(SYS_fspick, AT_FDCWD, "/", 0));
	probe_result("unshare", syscall(SYS_unshare, CLONE_NEWUSER));
	return probe_result("fsopen then", syscall(SYS_fsopen, "tmpfs", 0));
}

static const struct {
	const char *name;
	int (*run)(const char *arg);
} probes[] = {
	{ "clock", probe_clock },   { "keyring", probe_keyring }, { "policy", probe_policy },
	{ "type", probe_type },	    { "trace", probe_trace },	  { "files", probe_files },
	{ "escape", probe_escape }, { "mounts", probe_mounts },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(probes) / sizeof(*probes); i++) {
		if (!strcmp(probes[i].name, argv[1]))
			return probes[i].run(argc > 2 ? argv[2] : "");
	}
	return 2;
}
