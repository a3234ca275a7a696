// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: every source owns one epoll registration (a watched descriptor, a timerfd or a
 * signalfd). Invariants:
 *  1. A freed source is never called: free marks it dead and moves it to the graveyard, which is
 *     emptied only between two rounds of epoll_wait().
 *  2. A source is called only for what it waits for at that moment, whatever epoll_wait() had seen:
 *     an earlier call of the same round may have changed it. Hang-ups and errors count as waited
 *     for unless nothing is.
 *  3. Regular files, which epoll refuses, are kept in a list and called on every round; then
 *     epoll_wait() does not block.
 */
#include "base/loop.h"
#include "base/mem.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#define LOOP_ROUND_MAX 32

struct loop_source {
	struct loop *loop;
	struct loop_source *next; /* in loop->always or loop->dead */
	int fd;
	int fd_owned;
	int always; /* a regular file */
	int dead;
	uint32_t events;
	loop_fd_fn fd_fn;
	loop_timer_fn timer_fn;
	loop_signal_fn signal_fn;
	void *ctx;
};

struct loop {
	int epoll;
	int exiting;
	int value;
	struct loop_source *always;
	struct loop_source *dead;
	void (*before_wait)(void *ctx);
	void (*after_wait)(void *ctx);
	void *wait_ctx;
};

int loop_new(struct loop **ret, struct err *err)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return err_errno(err, -errno, "cannot make an event loop");
	*ret = mem_zalloc(sizeof(**ret));
	(*ret)->epoll = fd;
	return 0;
}

static void loop_bury(struct loop *loop)
{
	while (loop->dead) {
		struct loop_source *source = loop->dead;

		loop->dead = source->next;
		free(source);
	}
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	loop_bury(loop);
	fd_close(loop->epoll);
	free(loop);
}

void loop_exit(struct loop *loop, int value)
{
	loop->exiting = 1;
	loop->value = value;
}

static void loop_call_signals(struct loop_source *source)
{
	struct signalfd_siginfo info;

	while (!source->dead && read(source->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		source->signal_fn(source->ctx, (int)info.ssi_signo);
}

static void loop_call(struct loop_source *source, uint32_t events)
{
	uint64_t expirations;

	events &= source->events | EPOLLHUP | EPOLLERR;
	if (source->dead || !source->events || !events)
		return;
	if (source->fd_fn) {
		source->fd_fn(source->ctx, events);
	} else if (source->signal_fn) {
		loop_call_signals(source);
	} else if (read(source->fd, &expirations, sizeof(expirations)) ==
		   (ssize_t)sizeof(expirations)) {
		source->timer_fn(source->ctx);
	}
}

static int loop_call_always(struct loop *loop)
{
	int active = 0;

	for (struct loop_source *s = loop->always, *next; s; s = next) {
		next = s->next;
		if (!s->events)
			continue;
		active = 1;
		loop_call(s, s->events);
		if (s->dead)
			break; /* the list has changed */
	}
	return active;
}

void loop_set_wait_hooks(struct loop *loop, void (*before)(void *ctx), void (*after)(void *ctx),
			 void *ctx)
{
	loop->before_wait = before;
	loop->after_wait = after;
	loop->wait_ctx = ctx;
}

static int loop_wait(struct loop *loop, struct epoll_event events[LOOP_ROUND_MAX], int timeout)
{
	int n;

	if (loop->before_wait)
		loop->before_wait(loop->wait_ctx);
	n = epoll_wait(loop->epoll, events, LOOP_ROUND_MAX, timeout);
	if (n < 0)
		n = -errno;
	if (loop->after_wait)
		loop->after_wait(loop->wait_ctx);
	return n;
}

int loop_run(struct loop *loop)
{
	struct epoll_event events[LOOP_ROUND_MAX];

	while (!loop->exiting) {
		int active = loop_call_always(loop);
		int n;

		if (loop->exiting)
			break;
		n = loop_wait(loop, events, active ? 0 : -1);
		if (n < 0 && n != -EINTR)
			return n;
		for (int i = 0; i < n && !loop->exiting; i++)
			loop_call(events[i].data.ptr, events[i].events);
		loop_bury(loop);
	}
	loop->exiting = 0;
	return loop->value;
}

static struct loop_source *loop_add(struct loop *loop, int fd, uint32_t events, void *ctx)
{
	struct loop_source *source = mem_zalloc(sizeof(*source));
	struct epoll_event event = { .events = events, .data.ptr = source };

	*source = (struct loop_source){ .loop = loop, .fd = fd, .events = events, .ctx = ctx };
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
		return source;
	if (errno == EPERM) {
		source->always = 1;
		source->next = loop->always;
		loop->always = source;
		return source;
	}
	free(source);
	return NULL;
}

struct loop_source *loop_watch_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn fn,
				  void *ctx)
{
	struct loop_source *source = loop_add(loop, fd, events, ctx);

	if (source)
		source->fd_fn = fn;
	if (source && !events)
		loop_source_set_events(source, 0);
	return source;
}

/* With no events the registration goes, since epoll reports a hang-up whatever is asked for. */
void loop_source_set_events(struct loop_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };
	int op = EPOLL_CTL_MOD;

	if (events && events == source->events)
		return;
	if (!source->always) {
		if (!events)
			op = EPOLL_CTL_DEL;
		else if (!source->events)
			op = EPOLL_CTL_ADD;
		(void)epoll_ctl(source->loop->epoll, op, source->fd, &event);
	}
	source->events = events;
}

static struct loop_source *loop_add_owned(struct loop *loop, int fd, void *ctx)
{
	struct loop_source *source;

	if (fd < 0)
		return NULL;
	source = loop_add(loop, fd, EPOLLIN, ctx);
	if (!source)
		fd_close(fd);
	else
		source->fd_owned = 1;
	return source;
}

struct loop_source *loop_add_timer(struct loop *loop, loop_timer_fn fn, void *ctx)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	struct loop_source *source = loop_add_owned(loop, fd, ctx);

	if (source)
		source->timer_fn = fn;
	return source;
}

void loop_timer_set(struct loop_source *source, int64_t ms)
{
	struct itimerspec spec = { 0 };

	if (ms == 0)
		spec.it_value.tv_nsec = 1;
	if (ms > 0) {
		spec.it_value.tv_sec = ms / 1000;
		spec.it_value.tv_nsec = ms % 1000 * 1000000;
	}
	(void)timerfd_settime(source->fd, 0, &spec, NULL);
}

struct loop_source *loop_watch_signals(struct loop *loop, const int *signals, loop_signal_fn fn,
				       void *ctx)
{
	struct loop_source *source;
	sigset_t set;

	sigemptyset(&set);
	for (; *signals; signals++)
		sigaddset(&set, *signals);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return NULL;
	source = loop_add_owned(loop, signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), ctx);
	if (source)
		source->signal_fn = fn;
	return source;
}

static void loop_forget_always(struct loop_source *source)
{
	for (struct loop_source **at = &source->loop->always; *at; at = &(*at)->next) {
		if (*at == source) {
			*at = source->next;
			return;
		}
	}
}

struct loop_source *loop_source_free(struct loop_source *source)
{
	if (!source)
		return NULL;
	if (source->always)
		loop_forget_always(source);
	else if (source->events)
		(void)epoll_ctl(source->loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
	if (source->fd_owned)
		fd_close(source->fd);
	source->dead = 1;
	source->next = source->loop->dead;
	source->loop->dead = source;
	return NULL;
}
