// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the instance lacks: memory, so that the kernel kills something of it, and CPU time that its limit keeps from it. The
 * keeper hears of kills by the control group, looks once the kernel has had time to say who it was, and finds that in
 * /dev/kmsg, which is open from before the start, at its end. A guest's kills the agent tells in its kernel's words. They become events
 * and a line of the run's record.
 *
 * Invariants:
 *  1. Nothing that a guest or a process does makes more than WATCH_EVENTS_MAX events in WATCH_EVENTS_NS.
 *  2. A kill that is counted is told, by whatever is known of it.
 */
#include "base/json.h"
#include "base/mem.h"
#include "base/units.h"
#include "instance/events.h"
#include "instance/keeper-internal.h"
#include "proto/oom.h"
#include "sys/cgroup_meter.h"

#include <fcntl.h>
#include <string.h>

#define WATCH_SETTLE_MS	   200
#define WATCH_EVENTS_MAX   20
#define WATCH_EVENTS_NS	   INT64_C(10000000000)
#define WATCH_THROTTLED_MS 60000
/* Of periods of a minute in which it was kept from running: it is throttled from the one on, and below the other no more. */
#define WATCH_THROTTLED_PERCENT	  25
#define WATCH_UNTHROTTLED_PERCENT 10
/* prefix, line and dictionary of a record: CONSOLE_EXT_LOG_MAX of kernel/printk */
#define WATCH_RECORD_MAX 8192

static int watch_may_tell(struct keeper_watch *watch)
{
	int64_t now = units_monotonic();

	if (now - watch->window > WATCH_EVENTS_NS) {
		watch->window = now;
		watch->told = 0;
	}
	return watch->told++ < WATCH_EVENTS_MAX;
}

static void watch_tell(struct keeper *keeper, const char *text, struct json *details)
{
	mem_replace(&keeper->run.oom, text);
	keeper_save_run(keeper);
	if (watch_may_tell(&keeper->watch))
		events_note(&keeper->home, &keeper->record, EVENTS_OOM, text, details);
	else
		json_free(details);
}

struct watch_cause {
	const char *word; /* for scripts */
	char text[OOM_GROUP_MAX + 64];
};

static void watch_explain(const struct keeper *keeper, const struct oom_kill *kill, int in_guest,
			  struct watch_cause *ret)
{
	enum oom_place place = oom_place(kill->limit, keeper->run.cgroup ? keeper->run.cgroup : "");
	char size[UNITS_TEXT_MAX];

	units_format_size(keeper->record.memory ? keeper->record.memory : -1, size);
	if (in_guest) {
		ret->word = kill->global ? "guest" : "guest-limit";
		if (kill->global)
			snprintf(ret->text, sizeof(ret->text), "the VM's memory of %s was used up",
				 size);
		else
			snprintf(ret->text, sizeof(ret->text),
				 "a limit inside the VM was met, of %s", kill->limit);
	} else if (kill->global) {
		ret->word = "host";
		snprintf(ret->text, sizeof(ret->text), "the host had no memory left");
	} else if (place == OOM_AT) {
		ret->word = "limit";
		snprintf(ret->text, sizeof(ret->text), "the limit of %s was met", size);
	} else {
		ret->word = place == OOM_BELOW ? "limit-inside" : "limit-above";
		snprintf(ret->text, sizeof(ret->text), "a limit %s it was met, of %s",
			 place == OOM_BELOW ? "inside" : "above", kill->limit);
	}
}

static struct json *watch_details(const struct keeper *keeper, const struct oom_kill *kill,
				  const char *cause)
{
	struct json *details = json_new_object();

	json_object_add(details, "pid", json_new_int(kill->pid));
	json_object_add(details, "uid", json_new_int(kill->uid));
	json_object_add(details, "command", json_new_string(kill->name));
	json_object_add(details, "cause", json_new_string(cause));
	json_object_add(details, "limit",
			keeper->record.memory ? json_new_int(keeper->record.memory)
					      : json_new_null());
	json_object_add(details, "group",
			*kill->limit ? json_new_string(kill->limit) : json_new_null());
	return details;
}

static void watch_tell_kill(struct keeper *keeper, const struct oom_kill *kill, int in_guest)
{
	int is_monitor = !in_guest && keeper->record.kind == INSTANCE_VM;
	struct watch_cause cause;
	_cleanup_free_ char *text = NULL;

	watch_explain(keeper, kill, in_guest, &cause);
	text = mem_printf("the %s's kernel killed %s%s (pid %lld): %s", in_guest ? "guest" : "host",
			  is_monitor ? "the VM's own process " : "", kill->name,
			  (long long)kill->pid, cause.text);
	keeper->run.oom_kills++;
	if (is_monitor)
		keeper->run.oom_killed = 1;
	watch_tell(keeper, text, watch_details(keeper, kill, cause.word));
}

static void watch_tell_unknown(struct keeper *keeper, int64_t n)
{
	char size[UNITS_TEXT_MAX];
	_cleanup_free_ char *text = NULL;
	struct json *details = json_new_object();

	units_format_size(keeper->record.memory ? keeper->record.memory : -1, size);
	text = mem_printf("want of memory killed %lld process%s, which the kernel's log does not "
			  "tell (limit: %s)",
			  (long long)n, n == 1 ? "" : "es", size);
	json_object_add(details, "cause", json_new_null());
	json_object_add(details, "kills", json_new_int(n));
	keeper->run.oom_kills += n;
	watch_tell(keeper, text, details);
}

/* Returns how many kills of ours the kernel's log had. */
static int64_t watch_read_log(struct keeper *keeper)
{
	char record[WATCH_RECORD_MAX];
	struct oom_kill kill;
	int64_t found = 0;
	ssize_t n;

	/* EPIPE: records were lost, and the next read goes on behind them */
	while (keeper->watch.log >= 0 && keeper->run.cgroup &&
	       ((n = read(keeper->watch.log, record, sizeof(record) - 1)) > 0 || errno == EPIPE)) {
		if (n <= 0)
			continue;
		record[n] = '\0';
		if (!oom_parse(record, &kill) ||
		    oom_place(kill.group, keeper->run.cgroup) == OOM_ELSEWHERE)
			continue;
		found++;
		watch_tell_kill(keeper, &kill, 0);
	}
	return found;
}

void keeper_watch_look(struct keeper *keeper)
{
	struct keeper_watch *watch = &keeper->watch;
	int64_t kills = cgroup_oom_kills(watch->cgroup), found = watch_read_log(keeper);

	/* a group that is gone counts nothing any more */
	if (kills > watch->kills + found)
		watch_tell_unknown(keeper, kills - watch->kills - found);
	if (kills > watch->kills)
		watch->kills = kills;
	else
		watch->kills += found;
}

/* It may be told of many times in a moment, and the log is written after the kill. */
static void watch_on_oom(void *ctx, uint32_t events _unused_)
{
	struct keeper *keeper = ctx;

	(void)cgroup_oom_count(&keeper->watch.oom);
	loop_source_set_events(keeper->watch.oom_source, 0);
	loop_timer_set(keeper->watch.settle_timer, WATCH_SETTLE_MS);
}

static void watch_settled(void *ctx)
{
	struct keeper *keeper = ctx;

	keeper_watch_look(keeper);
	if (!keeper->watch.oom_source)
		return;
	(void)cgroup_oom_count(&keeper->watch.oom);
	loop_source_set_events(keeper->watch.oom_source, keeper->watch.oom.events);
}

static void watch_throttled(struct keeper *keeper, int64_t percent)
{
	struct json *details = json_new_object();
	_cleanup_free_ char *text = NULL;

	keeper->watch.is_throttled = !keeper->watch.is_throttled;
	json_object_add(details, "percent", json_new_int(percent));
	json_object_add(details, "cpus", json_new_double((double)keeper->record.cpus_milli / 1000));
	text = mem_printf(
		"the limit of %.2f CPUs kept it from running in %lld%% of the last minute",
		(double)keeper->record.cpus_milli / 1000, (long long)percent);
	events_note(&keeper->home, &keeper->record,
		    keeper->watch.is_throttled ? EVENTS_THROTTLE : EVENTS_UNTHROTTLE, text,
		    details);
}

static void watch_throttled_due(void *ctx)
{
	struct keeper *keeper = ctx;
	struct keeper_watch *watch = &keeper->watch;
	_cleanup_cgroup_meter_ struct cgroup_meter *meter = cgroup_meter_new();
	struct cgroup_stats stats;

	loop_timer_set(watch->throttled_timer, WATCH_THROTTLED_MS);
	cgroup_meter_read(meter, keeper->run.cgroup, &stats);
	if (stats.throttled < 0 || stats.periods < 0)
		return;
	if (stats.periods > watch->periods) {
		int64_t percent = (stats.throttled - watch->throttled) * 100 /
				  (stats.periods - watch->periods);

		if (watch->is_throttled ? percent < WATCH_UNTHROTTLED_PERCENT
					: percent >= WATCH_THROTTLED_PERCENT)
			watch_throttled(keeper, percent);
	} else if (watch->is_throttled) {
		watch_throttled(keeper, 0);
	}
	watch->throttled = stats.throttled;
	watch->periods = stats.periods;
}

void keeper_watch_begin(struct keeper *keeper)
{
	struct keeper_watch *watch = &keeper->watch;

	*watch = (struct keeper_watch){ .oom = CGROUP_OOM_INIT };
	watch->log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (watch->log >= 0)
		(void)lseek(watch->log, 0, SEEK_END);
	keeper->run.oom_kills = 0;
	mem_replace(&keeper->run.oom, NULL);
}

void keeper_watch_started(struct keeper *keeper)
{
	struct keeper_watch *watch = &keeper->watch;
	struct err ignored = ERR_INIT;

	if (!keeper->run.cgroup ||
	    cgroup_open_for(keeper->run.cgroup, CGROUP_CORE | CGROUP_MEMORY, &watch->cgroup) < 0)
		return;
	watch->settle_timer = loop_add_timer(keeper->loop, watch_settled, keeper);
	if (watch->settle_timer && cgroup_oom_open(watch->cgroup, &watch->oom, &ignored) == 0)
		watch->oom_source = loop_watch_fd(keeper->loop, watch->oom.fd, watch->oom.events,
						  watch_on_oom, keeper);
	if (!keeper->record.cpus_milli)
		return;
	watch->throttled_timer = loop_add_timer(keeper->loop, watch_throttled_due, keeper);
	if (watch->throttled_timer)
		loop_timer_set(watch->throttled_timer, WATCH_THROTTLED_MS);
}

void keeper_watch_guest(struct keeper *keeper, const void *payload, size_t len)
{
	_cleanup_free_ char *line = mem_strndup(payload, len < OOM_LINE_MAX ? len : OOM_LINE_MAX);
	struct oom_kill kill;

	if (oom_parse(line, &kill))
		watch_tell_kill(keeper, &kill, 1);
}

void keeper_watch_end(struct keeper *keeper)
{
	struct keeper_watch *watch = &keeper->watch;

	keeper_watch_look(keeper);
	watch->oom_source = loop_source_free(watch->oom_source);
	watch->settle_timer = loop_source_free(watch->settle_timer);
	watch->throttled_timer = loop_source_free(watch->throttled_timer);
	cgroup_oom_release(&watch->oom);
	watch->cgroup = cgroup_free(watch->cgroup);
	watch->log = fd_close(watch->log);
}
