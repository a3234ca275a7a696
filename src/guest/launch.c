// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: the child is born in its PID namespace and cgroup, takes its way into the rest of the
 * instance (enter), and becomes the program. On the way it reports by packets on a socket that closes
 * on execve(): so its end says that the program has begun, unless a failure came first. Both ends of
 * the socket are this program, which is why a packet may be a struct; what a process of the instance
 * could forge in it is a message, an exit status and a terminal of its own.
 *
 * For work of ours (no program), the socket stays open to carry the work's error, and the first report
 * (LAUNCH_PID) says that it has begun.
 */
#include "guest/launch.h"
#include "guest/reaper.h"
#include "guest/terminal.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

/* What crosses the socket, next to at most one descriptor. */
struct launch_packet {
	int event;
	uint32_t pid;
	struct err err;
};

/* The child's ends. */
struct launch_ends {
	int status, in, out, err;
};

void launch_release(struct launch *launch)
{
	launch->pidfd = fd_close(launch->pidfd);
	launch->status = fd_close(launch->status);
	launch->in = fd_close(launch->in);
	launch->out = fd_close(launch->out);
	launch->err = fd_close(launch->err);
}

static void launch_close_ends(struct launch_ends *ends)
{
	ends->status = fd_close(ends->status);
	ends->in = fd_close(ends->in);
	ends->out = fd_close(ends->out);
	ends->err = fd_close(ends->err);
}

#define _cleanup_launch_ends_ _cleanup_(launch_close_ends)

static void launch_tell(int status, const struct launch_packet *packet, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)packet, .iov_len = sizeof(*packet) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	/* If the agent is gone, so is the machine. */
	(void)sendmsg(status, &message, MSG_NOSIGNAL);
}

static int launch_received_fd(struct msghdr *message)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);
	int fd = -EBADF;

	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
	    header->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

int launch_report(int status, struct launch_report *ret)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct launch_packet packet = { 0 };
	struct iovec iov = { .iov_base = &packet, .iov_len = sizeof(packet) };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(status, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	*ret = (struct launch_report){ .event = LAUNCH_DONE, .fd = -EBADF };
	if (n != (ssize_t)sizeof(packet))
		return 1;
	ret->event = packet.event;
	ret->fd = launch_received_fd(&message);
	ret->pid = packet.pid;
	ret->err = packet.err;
	ret->err.msg[sizeof(ret->err.msg) - 1] = '\0';
	return 1;
}

/* A pipe of which one end is ours, without blocking, and the other the child's. */
static int launch_pipe(int *ours, int *childs, int we_write)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	*ours = fds[!!we_write];
	*childs = fds[!we_write];
	return fcntl(*ours, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int launch_make_ends(const struct launch_spec *spec, struct launch *launch,
			    struct launch_ends *ends)
{
	int terminal = spec->process && spec->process->tty;
	int fds[2], r = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	launch->status = fds[0];
	ends->status = fds[1];
	if (terminal)
		return 0;
	if (!spec->process || spec->process->interactive)
		r = launch_pipe(&launch->in, &ends->in, 1);
	else
		ends->in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (r < 0 || ends->in < 0)
		return r < 0 ? r : -errno;
	r = launch_pipe(&launch->out, &ends->out, 0);
	if (r == 0 && spec->process)
		r = launch_pipe(&launch->err, &ends->err, 0);
	return r;
}

/* The agent blocks and ignores signals that a program expects to find as ever. */
static void launch_reset_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
}

static int launch_take_terminal(const struct launch_spec *spec, int status, struct err *err)
{
	struct launch_packet packet = { .event = LAUNCH_TERMINAL };
	int master = -EBADF, slave = -EBADF, r;

	r = terminal_open(spec->process->rows, spec->process->columns, &master, &slave, err);
	if (r == 0 && spec->console)
		r = terminal_bind_console(slave, err);
	if (r == 0)
		r = terminal_attach(slave, err);
	if (r == 0)
		launch_tell(status, &packet, master);
	fd_close(master);
	fd_close(slave);
	return r;
}

/* stdio as 0 to 2, the status socket as 3, and nothing else of the agent's. */
static int launch_take_stdio(struct launch_ends *ends, struct err *err)
{
	int status = fcntl(ends->status, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	if (status < 0 || (ends->in >= 0 && dup2(ends->in, STDIN_FILENO) < 0) ||
	    (ends->out >= 0 && dup2(ends->out, STDOUT_FILENO) < 0) ||
	    (ends->err >= 0 && dup2(ends->err, STDERR_FILENO) < 0))
		return err_errno(err, -errno, "cannot pass on stdin, stdout and stderr");
	if (dup3(status, STDERR_FILENO + 1, O_CLOEXEC) >= 0)
		status = STDERR_FILENO + 1;
	ends->status = status;
	(void)syscall(SYS_close_range, (unsigned int)status + 1, ~0U, 0);
	return 0;
}

/* So that a user other than root can open /dev/stdout and its kind anew. */
static int launch_give_stdio(const struct process_identity *identity, struct err *err)
{
	for (int fd = STDIN_FILENO; identity->uid && fd <= STDERR_FILENO; fd++) {
		struct stat st;

		if (fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || isatty(fd)) &&
		    fchown(fd, identity->uid, (gid_t)-1) < 0)
			return err_errno(err, -errno, "cannot pass on stdin, stdout and stderr");
	}
	return 0;
}

/* Until execve(). Returns only on failure. */
static int launch_become(const struct launch_spec *spec, struct err *err)
{
	struct process_identity identity = { 0 };
	int r = process_identify_groups(spec->process, &identity, err);

	if (r < 0)
		return r;
	r = launch_give_stdio(&identity, err);
	if (r == 0)
		r = limits_apply(spec->limits, spec->process->privileged, err);
	if (r == 0)
		r = process_become(&identity, err);
	if (r == 0 && spec->process->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = err_errno(err, -errno, "cannot give up new privileges");
	return r < 0 ? r : process_exec(spec->process, &identity, err);
}

static int launch_do(const struct launch_spec *spec, struct launch_ends *ends, struct err *err)
{
	struct launch_packet packet = { .event = LAUNCH_PID };
	int r;

	if (spec->process && spec->init) {
		r = reaper_fork(err);
		if (r)
			return r;
	}
	(void)setsid();
	r = launch_take_stdio(ends, err);
	if (r == 0 && spec->process && spec->process->tty)
		r = launch_take_terminal(spec, ends->status, err);
	if (r < 0)
		return r;
	packet.pid = (uint32_t)getpid();
	launch_tell(ends->status, &packet, -EBADF);
	return spec->process ? launch_become(spec, err) : spec->work(spec->work_ctx, err);
}

static _noreturn_ void launch_child(const struct launch_spec *spec, struct launch_ends *ends)
{
	struct launch_packet packet = { .event = LAUNCH_FAILED };
	int r = 0;

	launch_reset_signals();
	(void)umask(022);
	if (spec->enter)
		r = spec->enter(spec->enter_ctx, &packet.err);
	if (r == 0)
		r = launch_do(spec, ends, &packet.err);
	if (r < 0)
		launch_tell(ends->status, &packet, -EBADF);
	_exit(r < 0 ? packet.err.exit_status : 0);
}

static int launch_clone(const struct launch_spec *spec, int *ret_pidfd)
{
	int pidfd = -EBADF;
	struct clone_args args = {
		.flags = spec->namespaces | CLONE_PIDFD |
			 (spec->cgroup >= 0 ? CLONE_INTO_CGROUP : 0),
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = spec->cgroup >= 0 ? (uint64_t)spec->cgroup : 0,
	};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	*ret_pidfd = pidfd;
	return pid < 0 ? -errno : (int)pid;
}

/* A process is born where its parent's PID namespace "for children" is. */
static int launch_clone_in(const struct launch_spec *spec, int *ret_pidfd)
{
	_cleanup_close_ int own = -EBADF;
	int pid;

	if (spec->pid_namespace < 0)
		return launch_clone(spec, ret_pidfd);
	own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (own < 0 || setns(spec->pid_namespace, CLONE_NEWPID) < 0)
		return -errno;
	pid = launch_clone(spec, ret_pidfd);
	if (pid && setns(own, CLONE_NEWPID) < 0)
		return -errno;
	return pid;
}

int launch_start(const struct launch_spec *spec, struct launch *ret, struct err *err)
{
	struct launch launch = {
		.pidfd = -EBADF, .status = -EBADF, .in = -EBADF, .out = -EBADF, .err = -EBADF
	};
	_cleanup_launch_ends_ struct launch_ends ends = {
		.status = -EBADF, .in = -EBADF, .out = -EBADF, .err = -EBADF
	};
	int r = launch_make_ends(spec, &launch, &ends);

	if (r == 0)
		r = launch_clone_in(spec, &launch.pidfd);
	if (r == 0)
		launch_child(spec, &ends);
	if (r < 0) {
		launch_release(&launch);
		return err_errno(err, r, "cannot start a process in the instance");
	}
	launch.pid = r;
	*ret = launch;
	return 0;
}
