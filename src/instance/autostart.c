// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How a stop works: the keeper gets SIGTERM, as from a host that shuts down, and stops its instance in the instance's own
 * way; that its process is gone is waited for by its pidfd. Of those with a higher order nothing runs when the next are asked.
 */
#include "instance/autostart.h"
#include "base/mem.h"
#include "base/units.h"
#include "instance/paths.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>

struct autostart_item {
	char *name;
	int64_t order, delay_ms;
	int keeper; /* its pidfd */
};

struct autostart_work {
	const struct instance_home *home;
	const struct autostart_report *report;
	int of_running;
	struct autostart_item *items;
	size_t n;
};

static void autostart_work_release(struct autostart_work *work)
{
	for (size_t i = 0; i < work->n; i++) {
		free(work->items[i].name);
		fd_close(work->items[i].keeper);
	}
	free(work->items);
}

int autostart_is_for_boot(const struct instance_view *view)
{
	const struct instance *record = &view->record;
	int has_run = record->has_run || view->alive;

	if (view->damaged || record->autostart == INSTANCE_AUTOSTART_NO)
		return 0;
	if (record->autostart == INSTANCE_AUTOSTART_YES)
		return 1;
	switch (record->restart) {
	case INSTANCE_RESTART_ALWAYS:
		return has_run;
	case INSTANCE_RESTART_UNLESS_STOPPED:
		return has_run && (view->alive || !record->stopped_by_user);
	default:
		return 0;
	}
}

int autostart_is_due(const struct instance_view *view)
{
	return !view->alive && autostart_is_for_boot(view);
}

static int autostart_collect(struct instance_view *view, void *ctx)
{
	struct autostart_work *work = ctx;

	if (work->of_running ? !view->alive : !autostart_is_due(view))
		return 0;
	work->items = mem_realloc(work->items, work->n + 1, sizeof(*work->items));
	work->items[work->n++] = (struct autostart_item){ .name = mem_strdup(view->record.name),
							  .order = view->record.start_order,
							  .delay_ms = view->record.start_delay_ms,
							  .keeper = -EBADF };
	return 0;
}

static int autostart_compare(const void *a, const void *b)
{
	const struct autostart_item *one = a, *other = b;

	if (one->order != other->order)
		return one->order < other->order ? -1 : 1;
	return strcmp(one->name, other->name);
}

static int autostart_find(struct autostart_work *work, struct err *err)
{
	int r = instance_each(work->home, autostart_collect, work, err);

	if (work->n)
		qsort(work->items, work->n, sizeof(*work->items), autostart_compare);
	return r;
}

int autostart_start(const struct instance_home *home, const struct autostart_report *report,
		    struct err *err)
{
	_cleanup_(autostart_work_release) struct autostart_work work = { .home = home };
	size_t failed = 0;
	int r = autostart_find(&work, err);

	for (size_t i = 0; r == 0 && i < work.n; i++) {
		struct autostart_item *item = &work.items[i];
		struct err problem = ERR_INIT;
		int last = i + 1 == work.n;

		if (instance_start(home, item->name, 0, NULL, &problem) < 0) {
			failed++;
			report->failed(item->name, &problem, report->ctx);
			continue;
		}
		report->started(item->name, report->ctx);
		/* the user's own wish; there is no event to wait for */
		if (item->delay_ms && !last)
			(void)poll(NULL, 0, (int)item->delay_ms);
	}
	if (r == 0 && failed)
		r = err_set(err, -EIO, "%zu of %zu instances could not be started", failed, work.n);
	return r;
}

/* The keeper that holds the mark, and no process that has got its number since. */
static int autostart_ask(const struct instance_home *home, struct autostart_item *item)
{
	_cleanup_free_ char *run_dir = paths_run(home, item->name);
	_cleanup_close_ int fd = -EBADF;
	pid_t pid = paths_keeper_pid(run_dir);

	fd = pid ? pidfd_open(pid, 0) : -ESRCH;
	if (fd < 0 || paths_keeper_pid(run_dir) != pid ||
	    pidfd_send_signal(fd, SIGTERM, NULL, 0) < 0)
		return 0;
	item->keeper = take_fd(&fd);
	return 1;
}

/* Those at items are asked already; what is left at the deadline has its keeper's process still. */
static void autostart_await(struct autostart_work *work, struct autostart_item *items, size_t n,
			    int64_t deadline)
{
	for (size_t i = 0; i < n; i++) {
		struct pollfd poller = { .fd = items[i].keeper, .events = POLLIN };
		int64_t left = (deadline - units_monotonic()) / 1000000;

		if (items[i].keeper < 0)
			continue;
		if (poll(&poller, 1, left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left) <= 0)
			continue;
		items[i].keeper = fd_close(items[i].keeper);
		work->report->stopped(items[i].name, work->report->ctx);
	}
}

static size_t autostart_kill(struct autostart_work *work, struct autostart_item *items, size_t n)
{
	size_t failed = 0;

	for (size_t i = 0; i < n; i++) {
		struct err problem = ERR_INIT;

		if (items[i].keeper < 0)
			continue;
		if (instance_stop(work->home, items[i].name, 0, &problem) == 0) {
			work->report->stopped(items[i].name, work->report->ctx);
			continue;
		}
		failed++;
		work->report->failed(items[i].name, &problem, work->report->ctx);
	}
	return failed;
}

int autostart_stop(const struct instance_home *home, int64_t timeout_ms,
		   const struct autostart_report *report, struct err *err)
{
	_cleanup_(autostart_work_release) struct autostart_work work = { .home = home,
									 .report = report,
									 .of_running = 1 };
	int64_t deadline = units_monotonic() + timeout_ms * 1000000;
	size_t failed = 0, all;
	int r = autostart_find(&work, err);

	all = work.n;
	for (size_t end = work.n, first; r == 0 && end > 0; end = first) {
		struct autostart_item *items;

		for (first = end - 1;
		     first > 0 && work.items[first - 1].order == work.items[first].order;)
			first--;
		items = work.items + first;
		for (size_t i = 0; i < end - first; i++)
			(void)autostart_ask(home, &items[i]);
		autostart_await(&work, items, end - first, deadline);
		failed += autostart_kill(&work, items, end - first);
	}
	if (r == 0 && failed)
		r = err_set(err, -EIO, "%zu of %zu instances could not be stopped", failed, all);
	return r;
}
