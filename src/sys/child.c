// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/child.h"
#include "base/mem.h"
#include "base/strv.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define CHILD_OUT_MAX	 (1U << 20)
#define CHILD_STDERR_MAX 8192
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

static _noreturn_ void child_exec(const struct child_spec *spec, struct child_pipes *pipes,
				  pid_t parent)
{
	sigset_t none;
	int code;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	child_stdio(spec->in_fd, STDIN_FILENO);
	child_stdio(spec->out ? pipes->out[1] : spec->out_fd, STDOUT_FILENO);
	if (!spec->show_stderr)
		child_stdio(pipes->err[1], STDERR_FILENO);
	if (!spec->cwd || chdir(spec->cwd) == 0)
		execvp(spec->argv[0], spec->argv);
	code = errno;
	if (write(pipes->exec[1], &code, sizeof(code)) < 0)
		_exit(127);
	_exit(127);
}

/* Keeps what fits of the front (stdout) or of the back (stderr). */
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

static int child_drain(const struct child_spec *spec, struct child_pipes *pipes, struct buf *errors)
{
	size_t max = spec->out_max ? spec->out_max : CHILD_OUT_MAX;
	struct pollfd fds[2] = {
		{ .fd = spec->out ? pipes->out[0] : -1, .events = POLLIN },
		{ .fd = spec->show_stderr ? -1 : pipes->err[0], .events = POLLIN },
	};
	int r;

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return -errno;
		if (spec->out && fds[0].revents) {
			r = child_collect(fds[0].fd, spec->out, max, 0);
			if (r < 0)
				return r;
			if (!r)
				fds[0].fd = -1;
		}
		if (fds[1].revents && child_collect(fds[1].fd, errors, CHILD_STDERR_MAX, 1) == 0)
			fds[1].fd = -1;
	}
	return 0;
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

static int child_verdict(const struct child_spec *spec, int status, int exec_errno,
			 struct buf *errors, struct err *err)
{
	const char *tool = spec->argv[0];

	if (exec_errno == ENOENT)
		return err_set(err, -ENOENT, "the tool %s is not installed%s%s", tool,
			       spec->hint ? ": " : "", spec->hint ? spec->hint : "");
	if (exec_errno)
		return err_errno(err, -exec_errno, "cannot run %s", tool);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		return err_set(err, -EREMOTEIO, "%s was killed by signal %d", tool,
			       WTERMSIG(status));
	return err_set(err, -EREMOTEIO, "%s failed with status %d: %.300s", tool,
		       WEXITSTATUS(status),
		       spec->show_stderr ? "see above" : child_reason(spec, errors));
}

int child_run(const struct child_spec *spec, struct err *err)
{
	_cleanup_(child_pipes_release) struct child_pipes pipes = { { -EBADF, -EBADF },
								    { -EBADF, -EBADF },
								    { -EBADF, -EBADF } };
	_cleanup_buf_ struct buf errors = BUF_INIT;
	int status = 0, exec_errno = 0, r;
	pid_t parent = getpid(), pid;

	if (pipe2(pipes.out, O_CLOEXEC) < 0 || pipe2(pipes.err, O_CLOEXEC) < 0 ||
	    pipe2(pipes.exec, O_CLOEXEC) < 0)
		return err_errno(err, -errno, "cannot make pipes for %s", spec->argv[0]);
	pid = fork();
	if (pid < 0)
		return err_errno(err, -errno, "cannot start %s", spec->argv[0]);
	if (!pid)
		child_exec(spec, &pipes, parent);
	pipes.out[1] = fd_close(pipes.out[1]);
	pipes.err[1] = fd_close(pipes.err[1]);
	pipes.exec[1] = fd_close(pipes.exec[1]);
	if (read(pipes.exec[0], &exec_errno, sizeof(exec_errno)) < 0)
		exec_errno = 0;
	r = child_drain(spec, &pipes, &errors);
	if (r < 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (r < 0)
		return err_errno(err, r, "cannot read the output of %s", spec->argv[0]);
	return child_verdict(spec, status, exec_errno, &errors, err);
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
