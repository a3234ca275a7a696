// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/spawn.h"
#include "base/mem.h"
#include "sys/procstat.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* The kernel writes to ret_pidfd, through a number. NOLINTNEXTLINE(readability-non-const-parameter) */
static struct clone_args spawn_args(uint64_t flags, int into_cgroup, int *ret_pidfd)
{
	struct clone_args args = {
		.flags = flags | CLONE_CLEAR_SIGHAND | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd,
		.exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD, /* or as the caller's own */
	};

	if (into_cgroup >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)into_cgroup;
	}
	return args;
}

pid_t spawn_clone(uint64_t flags, int into_cgroup, int *ret_pidfd)
{
	struct clone_args args = spawn_args(flags, into_cgroup, ret_pidfd);
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	return pid < 0 ? -errno : (pid_t)pid;
}

#if defined(__has_feature)
#define SPAWN_IS_SANITIZED __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define SPAWN_IS_SANITIZED 1
#else
#define SPAWN_IS_SANITIZED 0
#endif

/*
 * The child goes on on our stack, below our frame and what the ABI lets us keep below that; it never comes back from fn,
 * so that the compiler sees one call and no second return. ASan would take its frames for ours.
 */
#if defined(__x86_64__) && !SPAWN_IS_SANITIZED
static long spawn_clone_and_call(struct clone_args *args, void (*fn)(void *ctx), void *ctx)
{
	long result = SYS_clone3;

	args->flags |= CLONE_VM | CLONE_VFORK;
	__asm__ volatile("syscall\n\t"
			 "testq %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xorl %%ebp, %%ebp\n\t"
			 "leaq -128(%%rsp), %%rsp\n\t"
			 "andq $-16, %%rsp\n\t"
			 "movq %[ctx], %%rdi\n\t"
			 "callq *%[fn]\n\t"
			 "ud2\n"
			 "1:"
			 : "+a"(result)
			 : "D"(args), "S"(sizeof(*args)), [fn] "b"(fn), [ctx] "r"(ctx)
			 : "rcx", "r11", "cc", "memory");
	return result;
}
#else
static long spawn_clone_and_call(struct clone_args *args, void (*fn)(void *ctx), void *ctx)
{
	long result = syscall(SYS_clone3, args, sizeof(*args));

	if (!result)
		fn(ctx);
	return result < 0 ? -errno : result;
}
#endif

pid_t spawn_call(uint64_t flags, int into_cgroup, void (*fn)(void *ctx), void *ctx, int *ret_pidfd)
{
	struct clone_args args = spawn_args(flags, into_cgroup, ret_pidfd);

	return (pid_t)spawn_clone_and_call(&args, fn, ctx);
}

int spawn_wait(int pidfd)
{
	siginfo_t info = { 0 };

	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return info.si_code == CLD_EXITED ? info.si_status & 0xff : 128 + info.si_status;
}

static int spawn_compare(const void *a, const void *b)
{
	return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

int spawn_close_others(unsigned int first, int *keep, size_t n)
{
	unsigned int from = first;

	if (n)
		qsort(keep, n, sizeof(*keep), spawn_compare);
	for (size_t i = 0; i < n; i++) {
		unsigned int fd = (unsigned int)keep[i];

		if (keep[i] < (int)from)
			continue;
		if (fd > from && syscall(SYS_close_range, from, fd - 1, 0) < 0)
			return -errno;
		from = fd + 1;
	}
	return syscall(SYS_close_range, from, ~0U, 0) < 0 ? -errno : 0;
}

void spawn_reset_signals(void)
{
	sigset_t none;

	/* CLONE_CLEAR_SIGHAND leaves ignored signals ignored */
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void spawn_hide_arguments(void)
{
	uint64_t at[4]; /* where arguments begin and end, and the environment */

	if (procstat_fields(0, PROCSTAT_ARG_START, at, ARRAY_SIZE(at)) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(at); i += 2) {
		if (at[i] && at[i] <= at[i + 1])
			memset((char *)(uintptr_t)at[i], 0, at[i + 1] - at[i]);
	}
}

union spawn_control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

int spawn_send(int sock, const void *data, size_t len, int fd)
{
	struct iovec part = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	union spawn_control control = { 0 };
	struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd >= 0) {
		control.header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
						   .cmsg_level = SOL_SOCKET,
						   .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

ssize_t spawn_receive(int sock, void *data, size_t size, int *ret_fd, int flags)
{
	struct iovec part = { .iov_base = data, .iov_len = size };
	union spawn_control control = { 0 };
	struct msghdr msg = { .msg_iov = &part,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *header;
	ssize_t n;

	*ret_fd = -EBADF;
	do {
		n = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	header = CMSG_FIRSTHDR(&msg);
	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
	    header->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(ret_fd, CMSG_DATA(header), sizeof(*ret_fd));
	return n;
}
