// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/child.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "sys/spawn.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define CHILD_OUT_MAX	 (1U << 20)
#define CHILD_STDERR_MAX 8192
/* more than a pipe holds */
#define CHILD_STDERR_READS 8
#define CHILD_IO_MAX	   4096 /* of /proc/PID/io */
/* where tools are if the environment does not say */
#define CHILD_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct child_pipes {
	int out[2], err[2], exec[2]; /* exec: closes on exec, or carries errno */
};

static void child_pipes_release(struct child_pipes *pipes)
{
	for (int i = 0; i < 2; i++) {
		fd_close(pipes->out[i]);
		fd_close(pipes->err[i]);
		fd_close(pipes->exec[i]);
	}
}

static void child_stdio(int fd, int target)
{
	if (fd < 0)
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd == target)
		(void)fcntl(fd, F_SETFD, 0);
	else
		dup2(fd, target);
}

static const char *child_name(const struct child_spec *spec)
{
	return spec->path ? spec->path : spec->argv[0];
}

static void child_execve(const struct child_spec *spec)
{
	char *const *env = spec->env ? spec->env : environ;

	if (spec->path)
		execve(spec->path, spec->argv, env);
	else
		execvpe(spec->argv[0], spec->argv, env);
}

static _noreturn_ void child_exec(const struct child_spec *spec, struct child_pipes *pipes,
				  pid_t parent)
{
	int code;

	spawn_reset_signals();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	if (spec->timeout_ms)
		setsid();
	child_stdio(spec->in_fd, STDIN_FILENO);
	child_stdio(spec->out ? pipes->out[1] : spec->out_fd, STDOUT_FILENO);
	if (!spec->show_stderr)
		child_stdio(pipes->err[1], STDERR_FILENO);
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	if (spec->hold_fd > STDERR_FILENO)
		(void)fcntl(spec->hold_fd, F_SETFD, 0);
	if (!spec->cwd || chdir(spec->cwd) == 0)
		child_execve(spec);
	code = errno;
	if (write(pipes->exec[1], &code, sizeof(code)) < 0)
		_exit(127);
	_exit(127);
}

/* Keeps what fits of the front (stdout) or of the back (stderr). 0 at the end, 1 if there may be more. */
static int child_collect(int fd, struct buf *buf, size_t max, int keep_tail)
{
	char chunk[16384];
	ssize_t n = read(fd, chunk, sizeof(chunk));

	if (n <= 0)
		return n < 0 && errno == EINTR ? 1 : 0;
	buf_add(buf, chunk, (size_t)n);
	if (buf->len > max && keep_tail)
		buf_consume(buf, buf->len - max);
	return buf->len > max ? -EFBIG : 1;
}

/* One that runs. */
struct child {
	const struct child_spec *spec;
	struct child_pipes pipes;
	struct buf errors;
	pid_t pid;
	int pidfd, exec_errno;
	int watch_failed; /* its error is set */
	int stalled;
	int64_t deadline; /* of units_monotonic(); 0: none */
	int64_t stall_at; /* likewise: when it is asked next how far it is */
	int64_t moved;	  /* bytes, when it was asked last */
};

/* In the order in which poll(2) looks: once the end is seen, so is all that came before it. */
enum child_event { CHILD_END, CHILD_EXEC, CHILD_OUT, CHILD_ERR, CHILD_WATCH, CHILD_EVENTS };

/* What it has read and written by now: "rchar: N" and "wchar: N" come first, proc(5). */
static int64_t child_moved(const struct child *child)
{
	_cleanup_free_ char *path = mem_printf("/proc/%d/io", child->pid), *text = NULL;
	_cleanup_strv_ char **words = NULL;
	struct err ignored = ERR_INIT;
	int64_t in = 0, out = 0;

	if (file_read(AT_FDCWD, path, CHILD_IO_MAX, &text, NULL) < 0)
		return 0;
	words = strv_split(text, " \n");
	if (strv_len(words) < 4 || units_parse_int(words[1], 0, INT64_MAX / 2, &in, &ignored) < 0 ||
	    units_parse_int(words[3], 0, INT64_MAX / 2, &out, &ignored) < 0)
		return 0;
	return in + out;
}

static int child_check_stall(struct child *child, int64_t now)
{
	int64_t stall_ms = child->spec->stall_ms;
	int64_t moved;

	if (now < child->stall_at)
		return 0;
	moved = child_moved(child);
	child->stalled = moved - child->moved < stall_ms * CHILD_STALL_RATE / 1000;
	child->moved = moved;
	child->stall_at = now + stall_ms * 1000000;
	return child->stalled ? -ETIMEDOUT : 0;
}

static int child_poll(struct child *child, struct pollfd fds[CHILD_EVENTS])
{
	int64_t now = units_monotonic(), until = child->deadline, left = -1;

	if (child->deadline && now >= child->deadline)
		return -ETIMEDOUT;
	if (child->stall_at && child_check_stall(child, now) < 0)
		return -ETIMEDOUT;
	if (child->stall_at && (!until || child->stall_at < until))
		until = child->stall_at;
	if (until)
		left = (until - now + 999999) / 1000000;
	if (poll(fds, CHILD_EVENTS, left > INT_MAX ? INT_MAX : (int)left) >= 0)
		return 0;
	for (int i = 0; i < CHILD_EVENTS; i++)
		fds[i].revents = 0;
	return errno == EINTR ? 0 : -errno;
}

static int child_take_out(struct child *child, struct pollfd *event)
{
	size_t max = child->spec->out_max ? child->spec->out_max : CHILD_OUT_MAX;
	int r = child_collect(event->fd, child->spec->out, max, 0);

	if (r == 0)
		event->fd = -1;
	return r < 0 ? r : 0;
}

static void child_take_exec(struct child *child, struct pollfd *event)
{
	if (read(event->fd, &child->exec_errno, sizeof(child->exec_errno)) < 0)
		child->exec_errno = 0;
	event->fd = -1;
}

static int child_take_watch(struct child *child, struct err *err)
{
	int r = child->spec->watch(child->spec->watch_ctx, err);

	child->watch_failed = r < 0;
	return r < 0 ? r : 0;
}

/* What it said last: a process that it left behind may hold the pipe for as long as it likes. */
static void child_take_last(struct child *child, int fd)
{
	if (fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return;
	for (int i = 0; i < CHILD_STDERR_READS; i++) {
		if (child_collect(fd, &child->errors, CHILD_STDERR_MAX, 1) == 0)
			return;
	}
}

static int child_drain(struct child *child, struct err *err)
{
	struct pollfd fds[CHILD_EVENTS] = {
		[CHILD_END] = { .fd = child->pidfd, .events = POLLIN },
		[CHILD_EXEC] = { .fd = child->pipes.exec[0], .events = POLLIN },
		[CHILD_OUT] = { .fd = child->spec->out ? child->pipes.out[0] : -1,
				.events = POLLIN },
		[CHILD_ERR] = { .fd = child->spec->show_stderr ? -1 : child->pipes.err[0],
				.events = POLLIN },
		[CHILD_WATCH] = { .fd = child->spec->watch ? child->spec->watch_fd : -1,
				  .events = POLLIN },
	};
	int r = 0;

	while (r == 0 && (fds[CHILD_END].fd >= 0 || fds[CHILD_OUT].fd >= 0)) {
		r = child_poll(child, fds);
		if (r < 0)
			break;
		if (fds[CHILD_EXEC].revents)
			child_take_exec(child, &fds[CHILD_EXEC]);
		if (fds[CHILD_OUT].revents)
			r = child_take_out(child, &fds[CHILD_OUT]);
		if (fds[CHILD_ERR].revents &&
		    child_collect(fds[CHILD_ERR].fd, &child->errors, CHILD_STDERR_MAX, 1) == 0)
			fds[CHILD_ERR].fd = -1;
		if (r == 0 && fds[CHILD_WATCH].revents)
			r = child_take_watch(child, err);
		if (fds[CHILD_END].revents)
			fds[CHILD_END].fd = -1;
	}
	child_take_last(child, fds[CHILD_ERR].fd);
	return r;
}

/* The last line with text in it; the buffer is cut there. */
static const char *child_last_line(struct buf *errors)
{
	char *line;

	while (errors->len && strchr(" \n\r\t", errors->data[errors->len - 1]))
		errors->data[--errors->len] = '\0';
	if (!errors->len)
		return "no message";
	line = strrchr(errors->data, '\n');
	return line ? line + 1 : errors->data;
}

/* The line of stderr for the message. */
static const char *child_reason(const struct child_spec *spec, struct buf *errors)
{
	const char *last = child_last_line(errors);
	char *rest = errors->data, *line;

	while (spec->reason && errors->len && (line = strsep(&rest, "\n"))) {
		if (!strncmp(line, spec->reason, strlen(spec->reason)))
			return line + strlen(spec->reason);
	}
	return last;
}

static int child_verdict(struct child *child, int status, struct err *err)
{
	const struct child_spec *spec = child->spec;
	const char *tool = child_name(spec);

	if (child->exec_errno == ENOENT && !spec->path)
		return err_set(err, -ENOENT, "the tool %s is not installed%s%s", tool,
			       spec->hint ? ": " : "", spec->hint ? spec->hint : "");
	if (child->exec_errno)
		return err_errno(err, -child->exec_errno, "cannot run %s", tool);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		return err_set(err, -EREMOTEIO, "%s was killed by signal %d", tool,
			       WTERMSIG(status));
	return err_set(err, -EREMOTEIO, "%s failed with status %d: %.300s", tool,
		       WEXITSTATUS(status),
		       spec->show_stderr ? "see above" : child_reason(spec, &child->errors));
}

static int child_no_end(const struct child *child, int code, struct err *err)
{
	const struct child_spec *spec = child->spec;

	if (child->stalled)
		return err_set(err, code, "%s made no headway for %g s", child_name(spec),
			       (double)spec->stall_ms / 1000);
	if (code != -ETIMEDOUT)
		return err_errno(err, code, "cannot read the output of %s", child_name(spec));
	return err_set(err, code, "%s did not end within %g s", child_name(spec),
		       (double)spec->timeout_ms / 1000);
}

static void child_release(struct child *child)
{
	child_pipes_release(&child->pipes);
	buf_release(&child->errors);
	fd_close(child->pidfd);
}

int child_run(const struct child_spec *spec, struct err *err)
{
	_cleanup_(child_release) struct child child = {
		.spec = spec,
		.pipes = { { -EBADF, -EBADF }, { -EBADF, -EBADF }, { -EBADF, -EBADF } },
		.pidfd = -EBADF,
	};
	struct child_pipes *pipes = &child.pipes;
	pid_t parent = getpid(), pid;
	int status = 0, r;

	if (pipe2(pipes->out, O_CLOEXEC) < 0 || pipe2(pipes->err, O_CLOEXEC) < 0 ||
	    pipe2(pipes->exec, O_CLOEXEC) < 0)
		return err_errno(err, -errno, "cannot make pipes for %s", child_name(spec));
	pid = spawn_clone(0, -EBADF, &child.pidfd);
	if (pid < 0)
		return err_errno(err, (int)pid, "cannot start %s", child_name(spec));
	if (!pid)
		child_exec(spec, pipes, parent);
	pipes->out[1] = fd_close(pipes->out[1]);
	pipes->err[1] = fd_close(pipes->err[1]);
	pipes->exec[1] = fd_close(pipes->exec[1]);
	if (spec->timeout_ms)
		child.deadline = units_monotonic() + spec->timeout_ms * 1000000;
	if (spec->stall_ms)
		child.stall_at = units_monotonic() + spec->stall_ms * 1000000;
	child.pid = pid;
	r = child_drain(&child, err);
	if (r < 0) {
		/* not waited for yet, so neither number can be another's */
		kill(pid, SIGKILL);
		if (spec->timeout_ms)
			kill(-pid, SIGKILL);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (spec->said)
		buf_add(spec->said, child.errors.data, child.errors.len);
	if (child.watch_failed)
		return r;
	return r < 0 ? child_no_end(&child, r, err) : child_verdict(&child, status, err);
}

char *child_find(const char *tool)
{
	const char *path = getenv("PATH");
	_cleanup_strv_ char **folders = strv_split(path ? path : CHILD_PATH, ":");

	strv_for_each(folder, folders) {
		_cleanup_free_ char *full = mem_printf("%s/%s", *folder, tool);

		if (access(full, X_OK) == 0)
			return take_ptr(full);
	}
	return NULL;
}
