// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a balance has taken of a VM is kept here, and in the record of the run: so it may be killed at any moment, and the next
 * one finds it there and goes on. If no next one comes, the guest is not left in want: after a minute without one
 * the keeper gives back by itself, a step at a time and only while the host has room. Not at once, since all
 * keepers would do so together, on a host that was short when the balance died; nor in no time, since an upgrade of brig's
 * or a restart of the service is no reason to undo its work.
 *
 * 1. The guest is never left less than its reservation, whoever asks.
 * 2. Less memory by `brig set` comes out of what is held first: the guest does not lose it twice.
 * 3. Nothing is held at a start.
 */
#include "base/file.h"
#include "base/mem.h"
#include "base/meminfo.h"
#include "instance/balance_mark.h"
#include "instance/keeper-internal.h"

#include <fcntl.h>
#include <sys/param.h>

#define KEEPER_BALANCE_LOOK_MS 15000
#define KEEPER_BALANCE_GRACE   4 /* looks */
#define KEEPER_BALANCE_FILE    65536

static int64_t keeper_balance_most(const struct keeper *keeper)
{
	int64_t size = MIN(keeper->record.memory, keeper->limits.memory);

	return MAX(size - MAX(keeper->record.memory_low, INSTANCE_VM_MEMORY_MIN), 0);
}

/* A sixteenth of the host's memory is left to it. */
static int keeper_balance_has_room(int64_t step)
{
	_cleanup_free_ char *text = NULL;

	return file_read(AT_FDCWD, "/proc/meminfo", KEEPER_BALANCE_FILE, &text, NULL) == 0 &&
	       meminfo_bytes(text, "MemAvailable") - step > meminfo_bytes(text, "MemTotal") / 16;
}

static int keeper_balance_tune(struct keeper *keeper, int64_t bytes, struct err *err)
{
	int64_t before = keeper->run.memory_held;
	int r;

	keeper->run.memory_held = bytes;
	r = keeper->ops->tune(keeper->driver, err);
	if (r < 0)
		keeper->run.memory_held = before;
	keeper_save_run(keeper);
	if (!keeper->run.memory_held)
		keeper->limits.balance_timer = loop_source_free(keeper->limits.balance_timer);
	return r;
}

static void keeper_balance_look(void *ctx)
{
	struct keeper *keeper = ctx;
	int64_t step = MAX(keeper->limits.memory / 8, INSTANCE_VM_MEMORY_MIN);
	int64_t held = keeper->run.memory_held;
	struct err ignored = ERR_INIT;

	keeper->limits.unbalanced =
		balance_mark_is_taken(keeper->home.run) ? 0 : keeper->limits.unbalanced + 1;
	loop_timer_set(keeper->limits.balance_timer, KEEPER_BALANCE_LOOK_MS);
	if (keeper->limits.unbalanced >= KEEPER_BALANCE_GRACE && keeper->driver &&
	    keeper->phase == KEEPER_RUNNING && keeper_balance_has_room(step))
		(void)keeper_balance_tune(keeper, MAX(held - step, 0), &ignored);
}

int keeper_balance_hold(struct keeper *keeper, uint64_t bytes, struct err *err)
{
	struct keeper_limits *limits = &keeper->limits;

	if (keeper->record.kind != INSTANCE_VM || keeper->record.huge_pages)
		return err_set(err, -EOPNOTSUPP, "'%s' has no memory that a balloon could take",
			       keeper->record.name);
	if (!keeper->driver || keeper->phase != KEEPER_RUNNING)
		return err_set(err, -ESRCH, "'%s' is not running", keeper->record.name);
	limits->unbalanced = 0;
	if (!limits->balance_timer)
		limits->balance_timer = loop_add_timer(keeper->loop, keeper_balance_look, keeper);
	if (!limits->balance_timer)
		return err_errno(err, -errno, "cannot make a timer");
	loop_timer_set(limits->balance_timer, KEEPER_BALANCE_LOOK_MS);
	return keeper_balance_tune(keeper,
				   (int64_t)MIN(bytes, (uint64_t)keeper_balance_most(keeper)), err);
}

void keeper_balance_fit(struct keeper *keeper, const struct instance *before)
{
	int64_t less = MAX(before->memory - keeper->record.memory, 0);
	int64_t held = MAX(keeper->run.memory_held - less, 0);

	keeper->run.memory_held = MIN(held, keeper_balance_most(keeper));
}

void keeper_balance_end(struct keeper *keeper)
{
	keeper->limits.balance_timer = loop_source_free(keeper->limits.balance_timer);
	keeper->run.memory_held = 0;
}
