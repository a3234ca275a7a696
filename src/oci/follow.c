// SPDX-License-Identifier: GPL-2.0-or-later
#include "oci/follow.h"
#include "base/file.h"
#include "base/loop.h"
#include "sys/pty.h"
#include "sys/selfexec.h"
#include "sys/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <termios.h>

#define FOLLOW_CHUNK 4096

struct follow {
	struct loop *loop;
	int pidfd;
	int terminal; /* not blocking; negative: none */
	struct loop_source *process, *output, *input, *signals;
	struct termios saved;
	int is_raw;
	/* of our stdin, what the terminal has not taken yet */
	char pending[FOLLOW_CHUNK];
	size_t at, len;
};

static const int follow_signals[] = { SIGHUP,  SIGINT,	SIGQUIT, SIGTERM,  SIGUSR1,
				      SIGUSR2, SIGALRM, SIGCONT, SIGTSTP,  SIGTTIN,
				      SIGTTOU, SIGURG,	SIGPWR,	 SIGWINCH, 0 };

static void follow_resize(struct follow *follow)
{
	struct winsize size = { 0 };

	if (follow->terminal >= 0 && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
		(void)pty_resize(follow->terminal, size.ws_row, size.ws_col);
}

static void follow_on_signal(void *ctx, int number)
{
	struct follow *follow = ctx;

	if (number == SIGWINCH && follow->terminal >= 0)
		follow_resize(follow);
	else
		(void)pidfd_send_signal(follow->pidfd, number, NULL, 0);
}

/* 1: there may be more. */
static int follow_pass_output(struct follow *follow)
{
	char bytes[FOLLOW_CHUNK];
	ssize_t n = read(follow->terminal, bytes, sizeof(bytes));

	if (n <= 0)
		return 0;
	return file_write_all(STDOUT_FILENO, bytes, (size_t)n) == 0;
}

static void follow_pass_input(struct follow *follow)
{
	ssize_t n = write(follow->terminal, follow->pending + follow->at, follow->len - follow->at);

	if (n > 0)
		follow->at += (size_t)n;
	/* a terminal that takes no more: our own stdin waits */
	loop_source_set_events(follow->input, follow->at < follow->len ? 0 : EPOLLIN);
	loop_source_set_events(follow->output,
			       EPOLLIN | (follow->at < follow->len ? EPOLLOUT : 0U));
}

static void follow_on_output(void *ctx, uint32_t events)
{
	struct follow *follow = ctx;

	if (events & EPOLLOUT)
		follow_pass_input(follow);
	/* hung up, the process's end is all that is left to come */
	if ((events & (EPOLLIN | EPOLLHUP)) && !follow_pass_output(follow) && (events & EPOLLHUP))
		follow->output = loop_source_free(follow->output);
}

static void follow_on_input(void *ctx, _unused_ uint32_t events)
{
	struct follow *follow = ctx;
	ssize_t n = read(STDIN_FILENO, follow->pending, sizeof(follow->pending));

	if (n <= 0) {
		follow->input = loop_source_free(follow->input);
		return;
	}
	follow->at = 0;
	follow->len = (size_t)n;
	if (follow->output)
		follow_pass_input(follow);
}

static void follow_on_end(void *ctx, _unused_ uint32_t events)
{
	struct follow *follow = ctx;

	while (follow->terminal >= 0 && follow_pass_output(follow))
		continue;
	loop_exit(follow->loop, 0);
}

static void follow_take_terminal(struct follow *follow)
{
	struct termios raw;

	(void)fcntl(follow->terminal, F_SETFL, O_RDWR | O_NONBLOCK);
	follow_resize(follow);
	if (tcgetattr(STDIN_FILENO, &follow->saved) < 0)
		return;
	raw = follow->saved;
	cfmakeraw(&raw);
	follow->is_raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void follow_release(struct follow *follow)
{
	if (follow->is_raw)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &follow->saved);
	loop_source_free(follow->process);
	loop_source_free(follow->output);
	loop_source_free(follow->input);
	loop_source_free(follow->signals);
	loop_free(follow->loop);
}

static int follow_watch(struct follow *follow, struct err *err)
{
	int r = loop_new(&follow->loop, err);

	if (r < 0)
		return r;
	follow->signals =
		loop_watch_signals(follow->loop, follow_signals, follow_on_signal, follow);
	follow->process =
		loop_watch_fd(follow->loop, follow->pidfd, EPOLLIN, follow_on_end, follow);
	if (!follow->signals || !follow->process)
		return err_errno(err, -errno, "cannot wait for the process");
	if (follow->terminal < 0)
		return 0;
	follow_take_terminal(follow);
	follow->output =
		loop_watch_fd(follow->loop, follow->terminal, EPOLLIN, follow_on_output, follow);
	follow->input = loop_watch_fd(follow->loop, STDIN_FILENO, EPOLLIN, follow_on_input, follow);
	return follow->output ? 0 : err_errno(err, -errno, "cannot watch the terminal");
}

int follow_process(int pidfd, int terminal, struct err *err)
{
	_cleanup_(follow_release) struct follow follow = { .pidfd = pidfd, .terminal = terminal };
	int r = follow_watch(&follow, err);

	selfexec_release();
	if (r == 0)
		r = loop_run(follow.loop);
	if (r < 0)
		return err_is_set(err) ? r : err_errno(err, r, "cannot wait for the process");
	return spawn_wait(pidfd);
}
