// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/schedule.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/units.h"
#include "instance/snapshot.h"

#include <fcntl.h>
#include <sys/file.h>
#include <time.h>

#define SCHEDULE_MS INT64_C(1000000) /* in ns */
/* A timer's next turn may come that much earlier than the last one's snapshot was made. */
#define SCHEDULE_SLACK (INT64_C(60) * 1000 * SCHEDULE_MS)

struct schedule_item {
	char *name;
	int64_t every_ms, expiry_ms;
	int64_t ended; /* ns since the epoch; it has not changed since. 0: it runs */
	int may_make;
	char *damage; /* its record cannot be read, and why */
};

struct schedule_work {
	struct schedule_item *items;
	size_t n;
};

static void schedule_work_release(struct schedule_work *work)
{
	for (size_t i = 0; i < work->n; i++) {
		free(work->items[i].damage);
		free(work->items[i].name);
	}
	free(work->items);
}

static int schedule_note(struct instance_view *view, void *ctx)
{
	struct schedule_work *work = ctx;
	const struct instance *record = &view->record;

	if (!view->damaged && !record->snapshots_every_ms && !record->snapshots_expiry_ms)
		return 0;
	work->items = mem_realloc(work->items, work->n + 1, sizeof(*work->items));
	work->items[work->n++] = (struct schedule_item){
		.name = mem_strdup(record->name),
		.every_ms = record->snapshots_every_ms,
		.expiry_ms = record->snapshots_expiry_ms,
		.ended = view->alive ? 0 : record->finished,
		.damage = view->damaged ? mem_strdup(record->error) : NULL,
		.may_make = view->state != INSTANCE_CREATED && view->state != INSTANCE_CHECKPOINTED,
	};
	return 0;
}

/* An instance's scheduled snapshots, the oldest first. */
struct schedule_list {
	char **names;
	int64_t *created;
	size_t n;
	int64_t now, newest; /* those of a clock that was wrong do not count */
};

static void schedule_list_release(struct schedule_list *list)
{
	strv_free(list->names);
	free(list->created);
}

static int schedule_list_add(const struct snapshot *snapshot, void *ctx)
{
	struct schedule_list *list = ctx;

	if (!snapshot->scheduled || snapshot->damaged)
		return 0;
	strv_add(&list->names, snapshot->name);
	list->created = mem_realloc(list->created, list->n + 1, sizeof(*list->created));
	list->created[list->n++] = snapshot->created;
	if (snapshot->created <= list->now)
		list->newest = snapshot->created;
	return 0;
}

int schedule_is_due(int64_t every_ms, int64_t newest, int64_t ended, int64_t now)
{
	if (!every_ms || (ended && newest >= ended))
		return 0;
	return !newest || now - newest + SCHEDULE_SLACK >= every_ms * SCHEDULE_MS;
}

static int schedule_make(const struct instance_home *home, const struct schedule_item *item,
			 const struct schedule_events *events, int64_t now, struct err *err)
{
	time_t seconds = (time_t)(now / (1000 * SCHEDULE_MS));
	struct tm tm = { 0 };
	char name[32];
	int r;

	(void)gmtime_r(&seconds, &tm);
	(void)strftime(name, sizeof(name), "auto-%Y%m%d-%H%M%S", &tm);
	r = snapshot_create_scheduled(home, item->name, name, err);
	if (r == 0)
		events->made(events->ctx, item->name, name);
	return r;
}

static int schedule_expire(const struct instance_home *home, const struct schedule_item *item,
			   const struct schedule_list *list, struct err *err)
{
	int r = 0;

	for (size_t i = 0; item->expiry_ms && i + 1 < list->n && r == 0; i++) {
		if ((list->now - list->created[i]) / SCHEDULE_MS > item->expiry_ms)
			r = snapshot_remove(home, item->name, list->names[i], err);
	}
	return r;
}

static int schedule_list_read(const struct instance_home *home, const struct schedule_item *item,
			      int64_t now, struct schedule_list *list, struct err *err)
{
	*list = (struct schedule_list){ .now = now };
	return snapshot_each(home, item->name, schedule_list_add, list, err);
}

static int schedule_one(const struct instance_home *home, const struct schedule_item *item,
			const struct schedule_events *events, int64_t now, struct err *err)
{
	_cleanup_(schedule_list_release) struct schedule_list before = { 0 }, after = { 0 };
	int r = schedule_list_read(home, item, now, &before, err);

	if (r == 0 && item->may_make &&
	    schedule_is_due(item->every_ms, before.newest, item->ended, now))
		r = schedule_make(home, item, events, now, err);
	if (r < 0) {
		struct err ignored = ERR_INIT;

		/* room may be what was missing */
		(void)schedule_expire(home, item, &before, &ignored);
		return r;
	}
	r = schedule_list_read(home, item, now, &after, err);
	return r < 0 ? r : schedule_expire(home, item, &after, err);
}

/* Who comes meanwhile finds afterwards what is not due any more. */
static int schedule_lock(const struct instance_home *home, int *ret, struct err *err)
{
	_cleanup_close_ int fd = open(home->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(err, -errno, "cannot open %s", home->root);
	r = file_lock(fd, LOCK_EX);
	if (r < 0)
		return err_errno(err, r, "cannot lock %s", home->root);
	*ret = take_fd(&fd);
	return 0;
}

int schedule_run(const struct instance_home *home, const struct schedule_events *events,
		 struct err *err)
{
	_cleanup_(schedule_work_release) struct schedule_work work = { 0 };
	_cleanup_close_ int lock = -EBADF;
	int r = schedule_lock(home, &lock, err);
	int64_t now = units_now(); /* not before: what another one has just made is no future */

	if (r == 0)
		r = instance_each(home, schedule_note, &work, err);
	for (size_t i = 0; i < work.n && r == 0; i++) {
		struct err problem = ERR_INIT;

		/* which may have had a schedule */
		if (work.items[i].damage) {
			err_set(&problem, -EBADMSG, "%s", work.items[i].damage);
			events->failed(events->ctx, work.items[i].name, &problem);
		} else if (schedule_one(home, &work.items[i], events, now, &problem) < 0)
			events->failed(events->ctx, work.items[i].name, &problem);
	}
	return r;
}
