// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The eyes. What a user sees as memory in use and what the host could have are not the same:
 *
 * Host: MemTotal less MemAvailable. The page cache of anybody is no use: the kernel drops it by itself, and who is to keep
 * his has a memory.low.
 * Container: its memory without idle file pages. Cold is anonymous memory that it has not touched of late, if there is swap
 * that it may use; without swap nobody can have it, and it is no candidate.
 * VM: to the host a guest's page cache is memory in use like any other. Cold is what the guest could do without, less a
 * sixteenth for it to go on with. Free pages that the guest has reported the host has already; those that it has not are
 * what the host counts and the guest does not.
 *
 * A guest's word makes nobody richer: what it says bounds what it is asked for, what came of it the host sees. It is
 * believed for a while when no new one comes, and then the guest is asked for nothing more.
 */
#include "base/file.h"
#include "base/mem.h"
#include "base/meminfo.h"
#include "base/units.h"
#include "instance/balancer-internal.h"
#include "instance/paths.h"
#include "sys/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/param.h>

#define BALANCER_WATCH_MIB	(UINT64_C(1) << 20)
#define BALANCER_WATCH_FILE_MAX 65536
/* A guest that does not answer in this time is heard the next time, or its last word grows old. */
#define BALANCER_WATCH_AGENT_MS 1000
#define BALANCER_WATCH_STALE_NS (INT64_C(30) * 1000 * 1000 * 1000)
#define BALANCER_WATCH_VM_MIN	((uint64_t)INSTANCE_VM_MEMORY_MIN)
#define BALANCER_WATCH_KEEP	(16 * BALANCER_WATCH_MIB)
#define BALANCER_WATCH_MONITOR	(64 * BALANCER_WATCH_MIB)
/* Refaults of a tenth of its memory a second are as much as waiting all the time. */
#define BALANCER_WATCH_REFAULTS 10
#define BALANCER_WATCH_PAGE	4096
#define BALANCER_WATCH_ALL_TIME 10000

static uint64_t balancer_watch_bytes(int64_t figure)
{
	return figure > 0 ? (uint64_t)figure : 0;
}

static uint64_t balancer_watch_less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static void balancer_item_release(struct balancer_item *item)
{
	instance_view_release(&item->view);
	free(item->name);
}

void balancer_watch_release(struct balancer_watch *watch)
{
	for (size_t i = 0; i < watch->n; i++)
		balancer_item_release(&watch->items[i]);
	free(watch->items);
	watch->meter = cgroup_meter_free(watch->meter);
}

int balancer_watch_host(struct balancer_watch *watch, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int r = file_read(AT_FDCWD, "/proc/meminfo", BALANCER_WATCH_FILE_MAX, &text, NULL);

	if (r < 0)
		return err_errno(err, r, "cannot read /proc/meminfo");
	watch->total = balancer_watch_bytes(meminfo_bytes(text, "MemTotal"));
	watch->available =
		MIN(balancer_watch_bytes(meminfo_bytes(text, "MemAvailable")), watch->total);
	watch->swap_free = balancer_watch_bytes(meminfo_bytes(text, "SwapFree"));
	return 0;
}

/* --- who is there --- */

static int balancer_watch_is_same(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* 1: the files are those that the view was made of. */
static int balancer_watch_is_fresh(struct balancer_item *item, const struct stat *run,
				   const struct stat *record)
{
	int fresh = item->run_ino == run->st_ino && item->record_ino == record->st_ino &&
		    balancer_watch_is_same(&item->run_time, &run->st_mtim) &&
		    balancer_watch_is_same(&item->record_time, &record->st_mtim);

	item->run_ino = run->st_ino;
	item->record_ino = record->st_ino;
	item->run_time = run->st_mtim;
	item->record_time = record->st_mtim;
	return fresh;
}

static void balancer_watch_view(const struct balancer_watch *watch, struct balancer_item *item)
{
	struct err ignored = ERR_INIT;

	instance_view_release(&item->view);
	item->view = (struct instance_view){ .alive = 0 };
	if (instance_view(watch->home, item->name, &item->view, &ignored) < 0)
		item->view = (struct instance_view){ .alive = 0 };
	if (item->started == item->view.run.started)
		return;
	item->started = item->view.run.started;
	item->past = (struct balance_past){ .ordered = 0 };
	item->guest_taken = 0;
	item->refault = 0;
	item->told = NULL;
	if (units_now() - item->started > BALANCER_SETTLED_NS)
		item->past = BALANCE_PAST_SETTLED;
}

/* Takes over what there was of that name, if it runs. */
static void balancer_watch_add(struct balancer_watch *watch, struct balancer_item *known,
			       const char *name, int run, struct balancer_item *ret)
{
	_cleanup_free_ char *state = paths_state(watch->home, name);
	_cleanup_free_ char *record = mem_printf("%s/" PATHS_RECORD, state);
	_cleanup_free_ char *path = mem_printf("%s/" PATHS_RUN, name);
	struct stat run_stat, record_stat;

	*ret = (struct balancer_item){ .name = NULL };
	if (fstatat(run, path, &run_stat, 0) < 0 || stat(record, &record_stat) < 0)
		return;
	if (known) {
		*ret = *known;
		*known = (struct balancer_item){ .name = NULL };
	} else {
		ret->name = mem_strdup(name);
	}
	if (!balancer_watch_is_fresh(ret, &run_stat, &record_stat))
		balancer_watch_view(watch, ret);
}

static int balancer_watch_filter(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int balancer_watch_compare(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int balancer_watch_list(struct balancer_watch *watch, struct err *err)
{
	_cleanup_close_ int run = open(watch->home->run, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct dirent **names = NULL;
	int found = run < 0 ? -1
			    : scandirat(run, ".", &names, balancer_watch_filter,
					balancer_watch_compare);
	struct balancer_item *items;
	size_t n = 0, at = 0;

	if (found < 0 && errno != ENOENT)
		return err_errno(err, -errno, "cannot read %s", watch->home->run);
	items = mem_zalloc((size_t)MAX(found, 0) * sizeof(*items) + 1);
	watch->held = 0;
	for (int i = 0; i < found; i++) {
		const char *name = names[i]->d_name;

		while (at < watch->n && strcmp(watch->items[at].name, name) < 0)
			balancer_item_release(&watch->items[at++]);
		balancer_watch_add(watch,
				   at < watch->n && !strcmp(watch->items[at].name, name)
					   ? &watch->items[at]
					   : NULL,
				   name, run, &items[n]);
		/* what was taken over is empty now */
		if (at < watch->n && !watch->items[at].name)
			at++;
		watch->held += balancer_watch_bytes(items[n].view.run.memory_held);
		n += items[n].name != NULL;
		free(names[i]);
	}
	while (at < watch->n)
		balancer_item_release(&watch->items[at++]);
	free(names);
	free(watch->items);
	watch->items = items;
	watch->n = n;
	return 0;
}

/* --- figures --- */

static int balancer_watch_runs(const struct balancer_item *item)
{
	return item->view.alive && !item->view.damaged && item->view.run.cgroup;
}

static void balancer_watch_hear(struct balancer_item *item, const struct message_stats *guest)
{
	int64_t now = units_monotonic(), ms = (now - item->guest_taken) / 1000000;
	uint64_t pages = balancer_watch_less(guest->refaults, item->guest.refaults);

	item->refault = 0;
	if (item->guest_taken && ms > 0 && guest->memory_total / BALANCER_WATCH_REFAULTS > 0)
		item->refault = (unsigned int)MIN(
			pages * BALANCER_WATCH_PAGE / 1024 * BALANCER_WATCH_ALL_TIME /
				(guest->memory_total / 1024 / BALANCER_WATCH_REFAULTS + 1) * 1000 /
				(uint64_t)ms,
			(uint64_t)BALANCER_WATCH_ALL_TIME);
	item->guest = *guest;
	item->guest_taken = now;
}

/* Why there is no hand for any container; NULL: there is. */
static const char *balancer_watch_no_hand(const struct balancer_watch *watch)
{
	if (cgroup_host_layout() != CGROUP_LAYOUT_UNIFIED)
		return "a container's memory can be taken back by cgroup version 2 alone";
	if (!watch->swap_free)
		return "the host has no free swap, and a container's file pages the kernel drops "
		       "by itself";
	return NULL;
}

void balancer_watch_figures(struct balancer_watch *watch, int only_held)
{
	_cleanup_free_ struct stats_item *asked = mem_zalloc(watch->n * sizeof(*asked) + 1);
	_cleanup_free_ struct balancer_item **of =
		mem_zalloc(watch->n * sizeof(struct balancer_item *) + 1);
	int no_hand = balancer_watch_no_hand(watch) != NULL;
	size_t n = 0;

	if (!watch->meter)
		watch->meter = cgroup_meter_new();
	for (size_t i = 0; i < watch->n; i++) {
		struct balancer_item *item = &watch->items[i];

		item->group = CGROUP_STATS_UNKNOWN;
		if (!balancer_watch_runs(item) || (only_held && !item->view.run.memory_held))
			continue;
		if (no_hand && item->view.record.kind == INSTANCE_CONTAINER)
			continue;
		cgroup_meter_read_memory(watch->meter, item->view.run.cgroup, &item->group);
		if (item->view.record.kind != INSTANCE_VM)
			continue;
		of[n] = item;
		asked[n++].view = &item->view;
	}
	stats_read_guests(watch->home, BALANCER_WATCH_AGENT_MS, asked, n);
	for (size_t i = 0; i < n; i++) {
		if (asked[i].stats.guest.has_more)
			balancer_watch_hear(of[i], &asked[i].stats.guest);
	}
}

/* --- what the policy is told --- */

static const char *balancer_watch_container(const struct balancer_watch *watch,
					    const struct balancer_item *item,
					    struct balance_member *ret)
{
	const struct instance *record = &item->view.record;
	uint64_t idle = balancer_watch_bytes(item->group.anon_idle);
	uint64_t anon = balancer_watch_bytes(item->group.anon);
	uint64_t swap = watch->swap_free;

	if (balancer_watch_no_hand(watch))
		return balancer_watch_no_hand(watch);
	if (record->memory && !record->memory_swap)
		return "it may not swap (see --memory-swap)";
	if (record->memory && record->memory_swap > 0)
		swap = MIN(swap,
			   balancer_watch_less((uint64_t)(record->memory_swap - record->memory),
					       balancer_watch_bytes(item->group.swap)));
	ret->cold = MIN(MIN(idle, swap), ret->used);
	ret->warm = MIN(balancer_watch_less(anon, idle), balancer_watch_less(swap, ret->cold));
	return NULL;
}

static int balancer_watch_is_sound(const struct message_stats *guest, uint64_t started)
{
	return guest->memory_total <= started && guest->memory_used <= guest->memory_total &&
	       guest->memory_free <= guest->memory_total &&
	       guest->memory_balloon <= guest->memory_total;
}

static const char *balancer_watch_vm(const struct balancer_item *item, struct balance_member *ret)
{
	const struct instance_view *view = &item->view;
	uint64_t started = balancer_watch_bytes(view->run.memory_started), free, spare, available;
	const struct message_stats *guest = &item->guest;

	ret->held = balancer_watch_bytes(view->run.memory_held);
	ret->min = MAX(ret->min, BALANCER_WATCH_VM_MIN);
	ret->size = balancer_watch_less(MIN(started, balancer_watch_bytes(view->record.memory)),
					ret->held);
	if (view->record.huge_pages)
		return "its memory is of the host's pool of huge pages";
	if (!started)
		return "it was started by an earlier version of brig's";
	if (!item->guest_taken || units_monotonic() - item->guest_taken > BALANCER_WATCH_STALE_NS)
		return "its agent does not answer";
	if (!balancer_watch_is_sound(guest, started))
		return "what its agent says cannot be";
	ret->pressure = guest->pressure == MESSAGE_UNKNOWN
				? item->refault
				: (unsigned int)MIN(guest->pressure, BALANCER_WATCH_ALL_TIME);
	available = balancer_watch_less(guest->memory_total,
					guest->memory_used + guest->memory_balloon);
	ret->used = balancer_watch_less(started, guest->memory_balloon + guest->memory_free);
	/* free, and the host has not got it yet: as if it were cache */
	free = MIN(guest->memory_free,
		   BALANCER_WATCH_KEEP +
			   balancer_watch_less(ret->host,
					       ret->used + ret->used / 8 + BALANCER_WATCH_MONITOR));
	ret->used += free;
	spare = balancer_watch_less(available, balancer_watch_less(guest->memory_free, free));
	ret->cold = MIN(ret->host,
			balancer_watch_less(spare, ret->size / 16 + 2 * BALANCER_WATCH_KEEP));
	/* what it was asked for and has not done yet */
	ret->cold = balancer_watch_less(ret->cold, balancer_watch_less(ret->used, ret->size));
	return NULL;
}

int balancer_watch_member(const struct balancer_watch *watch, const struct balancer_item *item,
			  struct balance_member *ret, const char **ret_why)
{
	const struct instance_view *view = &item->view;
	uint64_t used = balancer_watch_bytes(item->group.memory);
	int64_t weight = view->record.memory_weight;

	if (!balancer_watch_runs(item))
		return 0;
	*ret = (struct balance_member){
		.name = view->record.name,
		.host = used,
		.used = used,
		.size = UINT64_MAX,
		.min = balancer_watch_bytes(view->record.memory_low),
		.shares = weight > 0 ? (uint32_t)weight : BALANCE_SHARES,
		.pressure = (unsigned int)balancer_watch_bytes(
			item->group.pressure[CGROUP_PRESSURE_MEMORY]),
		.past = item->past,
	};
	*ret_why = view->record.kind == INSTANCE_VM ? balancer_watch_vm(item, ret)
						    : balancer_watch_container(watch, item, ret);
	if (!*ret_why && item->group.memory < 0)
		*ret_why = "this host does not count its memory";
	if (view->state == INSTANCE_PAUSED)
		*ret_why = "it is paused";
	ret->fixed = *ret_why != NULL;
	return 1;
}
