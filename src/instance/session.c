// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One loop around poll(2) serves both a keeper's socket and a child's terminal. Local output is written
 * blocking: who does not read it holds up this session and nothing else. What goes to the other side is
 * buffered and written only when it fits, since the other side may take no input before its output is
 * read. Invariant: the local terminal is restored on every way out of here.
 */
#include "instance/session.h"
#include "base/buf.h"
#include "base/file.h"
#include "proto/message.h"
#include "proto/wire.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>

struct session {
	const struct session_options *options;
	int fd;	     /* keeper's socket, or terminal's master, or negative */
	int framed;  /* fd is a socket */
	pid_t child; /* 0: none */
	int pidfd;
	int signals;
	int in_open, remote_open;
	int raw;
	struct termios saved;
	sigset_t saved_mask;
	size_t keys_seen;   /* of detach_keys */
	struct buf out, in; /* to and from the other side */
	int status, done;
};

static void session_send(struct session *s, uint16_t type, const void *payload, size_t len)
{
	if (s->framed)
		frame_put(&s->out, 0, type, payload, len);
	else if (type == MESSAGE_IN)
		buf_add(&s->out, payload, len);
}

static void session_send_size(struct session *s)
{
	struct winsize size = { 0 };
	_cleanup_buf_ struct buf payload = BUF_INIT;

	if (ioctl(s->options->stdio[0], TIOCGWINSZ, &size) < 0)
		return;
	if (!s->framed) {
		(void)ioctl(s->fd, TIOCSWINSZ, &size);
		return;
	}
	wire_put_u16(&payload, size.ws_row);
	wire_put_u16(&payload, size.ws_col);
	session_send(s, MESSAGE_RESIZE, payload.data, payload.len);
}

static void session_make_raw(struct session *s)
{
	struct termios raw;

	if (!s->options->tty || s->options->stdio[0] < 0 ||
	    tcgetattr(s->options->stdio[0], &s->saved) < 0)
		return;
	raw = s->saved;
	cfmakeraw(&raw);
	if (tcsetattr(s->options->stdio[0], TCSADRAIN, &raw) < 0)
		return;
	s->raw = 1;
	session_send_size(s);
}

static int session_watch_signals(struct session *s, struct err *err)
{
	static const int numbers[] = {
		SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH
	};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		sigaddset(&set, numbers[i]);
	sigaddset(&set, SIGPIPE);
	if (sigprocmask(SIG_BLOCK, &set, &s->saved_mask) < 0)
		return err_errno(err, -errno, "cannot block signals");
	sigdelset(&set, SIGPIPE);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signals < 0 ? err_errno(err, -errno, "cannot watch signals") : 0;
}

static void session_release(struct session *s)
{
	if (s->raw)
		(void)tcsetattr(s->options->stdio[0], TCSADRAIN, &s->saved);
	if (s->signals >= 0)
		sigprocmask(SIG_SETMASK, &s->saved_mask, NULL);
	fd_close(s->signals);
	fd_close(s->fd);
	fd_close(s->pidfd);
	buf_release(&s->in);
	buf_release(&s->out);
}

/* A signal from the terminal has reached a child of our process group by itself. */
static int session_child_has_it(const struct session *s, const struct signalfd_siginfo *info)
{
	return info->ssi_code == SI_KERNEL && getpgid(s->child) == getpgrp();
}

static void session_pass_signal(struct session *s, const struct signalfd_siginfo *info)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	if (s->child && !session_child_has_it(s, info))
		(void)kill(s->child, (int)info->ssi_signo);
	if (!s->framed)
		return;
	wire_put_u32(&payload, info->ssi_signo);
	session_send(s, MESSAGE_SIGNAL, payload.data, payload.len);
}

static int session_on_signal(struct session *s, struct err *err)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGWINCH && s->options->tty)
			session_send_size(s);
		else if (info.ssi_signo != SIGWINCH && s->options->pass_signals)
			session_pass_signal(s, &info);
		else if (info.ssi_signo != SIGWINCH)
			return err_set(err, -EINTR, "interrupted by signal %u", info.ssi_signo);
	}
	return 0;
}

/* Takes the detach keys out of what was typed; true when they are complete. */
static int session_is_detach(struct session *s, char *data, size_t *len)
{
	const char *keys = s->options->detach_keys;
	size_t kept = 0, n = keys ? strlen(keys) : 0;

	if (!n)
		return 0;
	for (size_t i = 0; i < *len; i++) {
		if (data[i] == keys[s->keys_seen]) {
			if (++s->keys_seen == n)
				return 1;
			continue;
		}
		if (s->keys_seen) {
			/* no detach after all: what was held back goes first */
			session_send(s, MESSAGE_IN, keys, s->keys_seen);
			s->keys_seen = 0;
		}
		data[kept++] = data[i];
	}
	*len = kept;
	return 0;
}

static void session_on_input(struct session *s)
{
	char data[FRAME_DATA_MAX];
	ssize_t n = read(s->options->stdio[0], data, sizeof(data));
	size_t len = n > 0 ? (size_t)n : 0;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		s->in_open = 0;
		session_send(s, MESSAGE_IN_END, NULL, 0);
		return;
	}
	if (session_is_detach(s, data, &len)) {
		s->status = SESSION_DETACHED;
		s->done = 1;
		return;
	}
	if (len)
		session_send(s, MESSAGE_IN, data, len);
}

static int session_write(struct session *s, int is_error, const void *data, size_t len,
			 struct err *err)
{
	int fd = s->options->stdio[is_error ? 2 : 1];
	int r = fd < 0 ? 0 : file_write_all(fd, data, len);

	return r < 0 ? err_errno(err, r, "cannot write the output") : 0;
}

static int session_handle(struct session *s, const struct frame *frame, struct err *err)
{
	struct wire_reader r = wire_read(frame->payload, frame->len);

	switch (frame->type) {
	case MESSAGE_OUT:
	case MESSAGE_ERR:
		return session_write(s, frame->type == MESSAGE_ERR, frame->payload, frame->len,
				     err);
	case MESSAGE_EXIT:
		s->status = (int)(wire_get_u32(&r) & 0xff);
		s->done = 1;
		return 0;
	case MESSAGE_ERROR:
		return message_get_error(frame, err);
	default:
		return 0;
	}
}

static int session_on_frames(struct session *s, struct err *err)
{
	struct frame frame;
	size_t done = 0;
	ssize_t n;
	int r = 0;

	buf_reserve(&s->in, 65536);
	n = recv(s->fd, s->in.data + s->in.len, 65536, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return err_set(err, -EPIPE, "the instance's keeper was killed");
	s->in.len += (size_t)n;
	while (!s->done) {
		r = frame_parse(s->in.data + done, s->in.len - done, &frame);
		if (r <= 0)
			break;
		done += FRAME_HEADER_SIZE + frame.len;
		r = session_handle(s, &frame, err);
		if (r < 0)
			return r;
	}
	buf_consume(&s->in, done);
	return r < 0 ? err_set(err, r, "the keeper sent a broken frame") : 0;
}

/* A terminal's master: EIO is its end. */
static int session_on_terminal(struct session *s, struct err *err)
{
	char data[16384];
	ssize_t n = read(s->fd, data, sizeof(data));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0) {
		s->remote_open = 0;
		return 0;
	}
	return session_write(s, 0, data, (size_t)n, err);
}

static int session_flush(struct session *s, struct err *err)
{
	while (s->out.len) {
		ssize_t n = s->framed ? send(s->fd, s->out.data, s->out.len,
					     MSG_DONTWAIT | MSG_NOSIGNAL)
				      : write(s->fd, s->out.data, s->out.len);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n < 0 && s->framed && errno == EPIPE) {
			/* its last words may still be there to be read */
			s->out.len = 0;
			s->in_open = 0;
			return 0;
		}
		if (n < 0)
			return err_errno(err, -errno, "cannot pass on the input");
		buf_consume(&s->out, (size_t)n);
	}
	return 0;
}

static void session_reap(struct session *s)
{
	int status = 0;

	if (waitpid(s->child, &status, WNOHANG) != s->child)
		return;
	s->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	s->pidfd = fd_close(s->pidfd);
}

static int session_is_done(struct session *s)
{
	if (s->child && s->pidfd < 0 && !s->remote_open)
		s->done = 1;
	return s->done;
}

/* Once the child is gone, what it left in the terminal is read as far as it is there. */
static int session_poll_timeout(const struct session *s)
{
	return s->child && s->pidfd < 0 ? 0 : -1;
}

static int session_round(struct session *s, struct err *err)
{
	int in_wanted = s->in_open && s->out.len < FRAME_DATA_MAX;
	struct pollfd fds[4] = {
		{ .fd = in_wanted ? s->options->stdio[0] : -1, .events = POLLIN },
		{ .fd = s->remote_open ? s->fd : -1,
		  .events = (short)(POLLIN | (s->out.len ? POLLOUT : 0)) },
		{ .fd = s->signals, .events = POLLIN },
		{ .fd = s->pidfd, .events = POLLIN },
	};
	int r = 0, n = poll(fds, 4, session_poll_timeout(s));

	if (n < 0)
		return errno == EINTR ? 0 : err_errno(err, -errno, "cannot wait");
	if (!n)
		s->remote_open = 0;
	if (fds[2].revents)
		r = session_on_signal(s, err);
	if (r == 0 && (fds[1].revents & (POLLIN | POLLHUP | POLLERR)))
		r = s->framed ? session_on_frames(s, err) : session_on_terminal(s, err);
	if (r == 0 && !s->done && fds[0].revents)
		session_on_input(s);
	if (r == 0 && s->out.len && s->remote_open)
		r = session_flush(s, err);
	if (fds[3].revents)
		session_reap(s);
	return r;
}

static int session_loop(struct session *s, int *ret_status, struct err *err)
{
	int r = session_watch_signals(s, err);

	if (r == 0)
		session_make_raw(s);
	while (r == 0 && !session_is_done(s))
		r = session_round(s, err);
	if (r == 0)
		*ret_status = s->status;
	session_release(s);
	return r;
}

int session_run(int fd, const struct session_options *options, int *ret_status, struct err *err)
{
	struct session s = {
		.options = options,
		.fd = fd,
		.framed = 1,
		.pidfd = -EBADF,
		.signals = -EBADF,
		.in_open = options->stdio[0] >= 0,
		.remote_open = 1,
	};

	return session_loop(&s, ret_status, err);
}

int session_run_child(int pid, int pty, const struct session_options *options, int *ret_status,
		      struct err *err)
{
	struct session s = {
		.options = options,
		.fd = pty,
		.child = pid,
		.pidfd = (int)syscall(SYS_pidfd_open, pid, 0),
		.signals = -EBADF,
		.in_open = pty >= 0 && options->stdio[0] >= 0,
		.remote_open = pty >= 0,
	};

	if (s.pidfd < 0) {
		fd_close(pty);
		return err_errno(err, -errno, "cannot watch process %d", pid);
	}
	if (pty >= 0)
		(void)fcntl(pty, F_SETFL, fcntl(pty, F_GETFL) | O_NONBLOCK);
	return session_loop(&s, ret_status, err);
}
