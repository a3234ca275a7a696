// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The keeper. It marks the instance as running (instance/paths.h), starts the driver, writes the console
 * log, serves clients on RUN/NAME/ctl.sock, applies the restart policy, and notes the end.
 *
 * Life of an instance, as phases:
 *
 *   STARTING --STARTED--> RUNNING --EXIT--> ENDING --ended()--> DONE
 *      \--ERROR--> ENDING                       \--policy--> WAITING --timer--> STARTING
 *
 * Invariants:
 *  1. While the keeper lives, it alone writes the instance's record and RUN/NAME.
 *  2. DONE removes RUN/NAME, notes the end in the record (or removes the instance, with --rm) and only
 *     then tells the clients; who hears the end finds everything in its place.
 *  3. A request to stop ends the restart policy for this run.
 *  4. Whatever the keeper's end, nothing of the instance runs on: drivers tie everything to its life.
 *  5. Both records have spares before anything starts, so what happens is noted on full disks too.
 */
#include "instance/keeper.h"
#include "base/assignment.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/units.h"
#include "image/store.h"
#include "instance/boot.h"
#include "instance/engine.h"
#include "instance/events.h"
#include "instance/keeper-internal.h"
#include "instance/paths.h"
#include "instance/settings.h"
#include "proto/wire.h"
#include "sys/cgroup_own.h"
#include "sys/procstat.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* docker's: the first try after 100 ms, each next one after twice the time, up to a minute; a run of more
 * than 10 s counts as a success and starts over. */
#define KEEPER_RESTART_MIN_MS 100
#define KEEPER_RESTART_MAX_MS 60000
#define KEEPER_RESTART_OK_NS  INT64_C(10000000000)

static void keeper_begin(struct keeper *keeper);

/* The run record tells other commands; that it is not durable is right, it means nothing after a crash. */
static int keeper_write_run(struct keeper *keeper, struct err *err)
{
	return record_save(&instance_run_table, &keeper->run, keeper->run_fd, PATHS_RUN, 0, err);
}

void keeper_save_run(struct keeper *keeper)
{
	struct err ignored = ERR_INIT;

	(void)keeper_write_run(keeper, &ignored);
}

static int keeper_save_record(struct keeper *keeper, int durable)
{
	struct err ignored = ERR_INIT;

	return record_save(&instance_table, &keeper->record, keeper->state_fd, PATHS_RECORD,
			   durable && !keeper->record.remove, &ignored);
}

static void keeper_set_state(struct keeper *keeper, enum instance_state state)
{
	keeper->run.state = (int)state;
	keeper_save_run(keeper);
}

static void keeper_note_failure(struct keeper *keeper, const struct err *err)
{
	if (!err_is_set(&keeper->failure))
		keeper->failure = *err;
}

static void keeper_on_started(struct keeper *keeper, const void *payload, size_t len)
{
	struct procstat stat = { 0 };

	(void)procstat_read((pid_t)keeper->run.pid, &stat);
	keeper->run.pid_start = (int64_t)stat.start_time;
	keeper_limits_started(keeper);
	keeper->phase = KEEPER_RUNNING;
	keeper->record.started = keeper->run.started;
	keeper_set_state(keeper, INSTANCE_RUNNING);
	keeper->record.has_run = 1;
	keeper->record.finished = 0;
	keeper->record.checkpointed = 0;
	keeper->record.exit_code = 0;
	keeper->record.stopped_by_user = 0;
	mem_replace(&keeper->record.error, NULL);
	if (!keeper->record.remove)
		(void)keeper_save_record(keeper, 0);
	keeper_session_put_attached(keeper, MESSAGE_STARTED, payload, len);
	keeper_watch_started(keeper);
	events_note(&keeper->home, &keeper->record, EVENTS_START, "it runs", NULL);
	malloc_trim(0);
}

/*
 * By reboot(2) in a pid namespace its first process ends as if by SIGINT (power off, halt) or SIGHUP (reboot). An init
 * system has done its work then.
 */
static void keeper_on_exit(struct keeper *keeper, const void *payload, size_t len)
{
	struct wire_reader r = wire_read(payload, len);
	uint32_t status = wire_get_u32(&r) & 0xff;

	keeper->rebooted = keeper->record.system && status == 128 + SIGHUP;
	if (keeper->rebooted || (keeper->record.system && status == 128 + SIGINT))
		status = 0;
	keeper->record.exit_code = status;
	keeper->phase = KEEPER_ENDING;
	keeper_watch_look(keeper);
}

static void keeper_on_error(struct keeper *keeper, const void *payload, size_t len)
{
	struct frame frame = { .payload = payload, .len = (uint32_t)len };
	struct err err = ERR_INIT;

	message_get_error(&frame, &err);
	keeper_note_failure(keeper, &err);
	keeper->phase = KEEPER_ENDING;
}

static void keeper_on_output(struct keeper *keeper, uint16_t type, const void *payload, size_t len)
{
	/* a quick workload's words may be seen before the end of its start is: they prove it */
	if (keeper->phase == KEEPER_STARTING)
		keeper_on_started(keeper, NULL, 0);
	logs_write(keeper->log, type == MESSAGE_ERR ? 'e' : 'o', payload, len);
	keeper->unconsumed += len;
	keeper_session_put_attached(keeper, type, payload, len);
	keeper_session_settle(keeper);
}

static void keeper_deliver(void *ctx, uint32_t channel, uint16_t type, const void *payload,
			   size_t len)
{
	struct keeper *keeper = ctx;

	if (channel) {
		keeper_session_deliver(keeper, channel, type, payload, len);
		return;
	}
	switch (type) {
	case MESSAGE_OUT:
	case MESSAGE_ERR:
		keeper_on_output(keeper, type, payload, len);
		break;
	case MESSAGE_STARTED:
		if (keeper->phase == KEEPER_STARTING)
			keeper_on_started(keeper, payload, len);
		break;
	case MESSAGE_OOM:
		keeper_watch_guest(keeper, payload, len);
		break;
	case MESSAGE_EXIT:
		keeper_on_exit(keeper, payload, len);
		break;
	case MESSAGE_ERROR:
		keeper_on_error(keeper, payload, len);
		break;
	default:
		break;
	}
}

static void keeper_writable(void *ctx, uint32_t channel)
{
	keeper_session_writable(ctx, channel);
}

static int keeper_wants_restart(const struct keeper *keeper)
{
	const struct instance *record = &keeper->record;

	if (keeper->stop_requested || !record->started)
		return 0;
	if (keeper->rebooted)
		return 1;
	switch (record->restart) {
	case INSTANCE_RESTART_ALWAYS:
	case INSTANCE_RESTART_UNLESS_STOPPED:
		return 1;
	case INSTANCE_RESTART_ON_FAILURE:
		return record->exit_code != 0 &&
		       (!record->restart_max || record->restarts < record->restart_max);
	default:
		return 0;
	}
}

static void keeper_plan_restart(struct keeper *keeper)
{
	int64_t lasted = units_now() - keeper->run.started;

	if (lasted > KEEPER_RESTART_OK_NS || !keeper->restart_delay_ms)
		keeper->restart_delay_ms = KEEPER_RESTART_MIN_MS;
	else if (keeper->restart_delay_ms < KEEPER_RESTART_MAX_MS / 2)
		keeper->restart_delay_ms *= 2;
	else
		keeper->restart_delay_ms = KEEPER_RESTART_MAX_MS;
	keeper->phase = KEEPER_WAITING;
	keeper->run.pid = 0;
	keeper_set_state(keeper, INSTANCE_STOPPED);
	loop_timer_set(keeper->restart_timer, keeper->restart_delay_ms);
}

static void keeper_note_end(struct keeper *keeper)
{
	struct instance *record = &keeper->record;

	record->finished = units_now();
	record->stopped_by_user = keeper->stopped_by_user;
	record->oom_killed = keeper->run.oom_killed;
	mem_replace(&record->oom, keeper->run.oom);
	if (err_is_set(&keeper->failure)) {
		mem_replace(&record->error, keeper->failure.msg);
		record->exit_code = keeper->failure.exit_status ? keeper->failure.exit_status : 125;
		if (record->started)
			record->has_run = 1;
	}
	events_note_end(&keeper->home, record);
}

static void keeper_done(struct keeper *keeper)
{
	keeper->phase = KEEPER_DONE;
	loop_exit(keeper->loop, 0);
}

/* Drivers may find their end inside a call of ours, so what frees them comes from the loop. */
static void keeper_ended(void *ctx, const struct err *err)
{
	struct keeper *keeper = ctx;

	if (err)
		keeper_note_failure(keeper, err);
	keeper->phase = KEEPER_ENDING;
	loop_timer_set(keeper->end_timer, 0);
}

static void keeper_end_due(void *ctx)
{
	struct keeper *keeper = ctx;

	loop_timer_set(keeper->stop_timer, -1);
	keeper_session_end_processes(keeper);
	keeper->ops->free(keeper->driver);
	keeper->driver = NULL;
	keeper_limits_ended(keeper);
	keeper->unconsumed = 0;
	keeper_watch_end(keeper);
	keeper_note_end(keeper);
	if (keeper_wants_restart(keeper)) {
		(void)keeper_save_record(keeper, 0);
		keeper_plan_restart(keeper);
		return;
	}
	keeper_done(keeper);
}

static void keeper_changed(void *ctx, const struct err *err)
{
	struct keeper *keeper = ctx;

	if (keeper->change.network)
		keeper_network_changed(keeper, err);
	else if (keeper->change.active)
		keeper_change_done(keeper, err);
}

static const struct driver_host_ops keeper_host_ops = {
	.deliver = keeper_deliver,
	.writable = keeper_writable,
	.wire = keeper_network_wire,
	.limit = keeper_limits_set,
	.changed = keeper_changed,
	.ended = keeper_ended,
};

static void keeper_restart_due(void *ctx)
{
	struct keeper *keeper = ctx;

	keeper->record.restarts += !keeper->rebooted;
	keeper->rebooted = 0;
	keeper->host.restore = NULL;
	keeper->failure = ERR_INIT;
	events_note(&keeper->home, &keeper->record, EVENTS_RESTART, "it is started again", NULL);
	keeper_begin(keeper);
}

static void keeper_begin(struct keeper *keeper)
{
	struct err err = ERR_INIT;

	keeper->phase = KEEPER_STARTING;
	keeper->run.started = units_now();
	keeper->run.oom_killed = 0;
	keeper->run.state = (int)INSTANCE_RUNNING;
	keeper_watch_begin(keeper);
	if (settings_settle(&keeper->record, &err) < 0 || keeper_write_run(keeper, &err) < 0 ||
	    keeper_limits_begin(keeper, &err) < 0 || keeper_network_begin(keeper, &err) < 0 ||
	    keeper->ops->start(&keeper->host, &keeper->driver, &err) < 0) {
		keeper_note_failure(keeper, &err);
		keeper_watch_end(keeper);
		keeper_note_end(keeper);
		keeper_done(keeper);
	}
}

static void keeper_stop_timeout(void *ctx)
{
	struct keeper *keeper = ctx;

	if (keeper->driver)
		keeper->ops->kill(keeper->driver);
}

void keeper_signal(struct keeper *keeper, int number)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	if (!keeper->driver)
		return;
	wire_put_u32(&payload, (uint32_t)number);
	keeper->ops->send(keeper->driver, 0, MESSAGE_SIGNAL, payload.data, payload.len);
}

static int keeper_freeze(struct keeper *keeper, int paused, struct err *err)
{
	int r = keeper->ops->pause(keeper->driver, paused, err);

	if (r == 0)
		keeper_set_state(keeper, paused ? INSTANCE_PAUSED : INSTANCE_RUNNING);
	return r;
}

int keeper_pause(struct keeper *keeper, int paused, struct err *err)
{
	int r;

	if (keeper->phase != KEEPER_RUNNING)
		return err_set(err, -ESRCH, "'%s' is not running", keeper->record.name);
	if (keeper->holds)
		return err_set(err, -EBUSY,
			       "'%s' stands still while its files are copied; try again later",
			       keeper->record.name);
	if (paused == (keeper->run.state == INSTANCE_PAUSED))
		return err_set(err, -EALREADY, "'%s' is %s", keeper->record.name,
			       paused ? "paused already" : "not paused");
	r = keeper_freeze(keeper, paused, err);
	if (r == 0)
		events_note(&keeper->home, &keeper->record, paused ? EVENTS_PAUSE : EVENTS_RESUME,
			    paused ? "it stands still" : "it goes on", NULL);
	return r;
}

int keeper_hold(struct keeper *keeper, struct err *err)
{
	int r = 0;

	if (keeper->phase != KEEPER_RUNNING)
		return err_set(err, -ESRCH, "'%s' is not running", keeper->record.name);
	if (keeper->run.state != INSTANCE_PAUSED)
		r = keeper_freeze(keeper, 1, err);
	else if (!keeper->holds)
		return 0; /* it stays paused afterwards */
	if (r == 0)
		keeper->holds++;
	return r < 0 ? r : 1;
}

void keeper_hold_end(struct keeper *keeper)
{
	struct err ignored = ERR_INIT;

	if (--keeper->holds == 0 && keeper->phase == KEEPER_RUNNING &&
	    keeper->run.state == INSTANCE_PAUSED)
		(void)keeper_freeze(keeper, 0, &ignored);
}

int keeper_press(struct keeper *keeper, enum message_button button, struct err *err)
{
	if (!keeper->ops->press)
		return err_set(err, -EOPNOTSUPP,
			       "'%s' is a container, which has no machine with buttons",
			       keeper->record.name);
	if (!keeper->driver)
		return err_set(err, -ESRCH, "'%s' is not running", keeper->record.name);
	return keeper->ops->press(keeper->driver, button, err);
}

static int keeper_keep_setting(struct keeper *keeper, struct err *err)
{
	int r = keeper_save_record(keeper, 1);

	return r < 0 && !err_is_set(err) ? err_errno(err, r, "cannot keep the setting") : r;
}

void keeper_change_release(struct keeper_change *change)
{
	free(change->network);
	free(change->card.setup);
	free(change->share);
	free(change->setup);
	free(change->name);
	drive_release(&change->drive);
	if (change->drive_fd > 0)
		fd_close(change->drive_fd);
	if (change->lock > 0)
		fd_close(change->lock);
}

static void keeper_settings_save(const struct instance *record, struct keeper_settings *ret)
{
	*ret = (struct keeper_settings){ .networks = strv_dup(record->networks),
					 .ports = strv_dup(record->ports),
					 .volumes = strv_dup(record->volumes),
					 .drives = strv_dup(record->drives),
					 .disk_size = record->disk_size };
}

static void keeper_settings_release(struct keeper_settings *settings)
{
	strv_free(settings->networks);
	strv_free(settings->ports);
	strv_free(settings->volumes);
	strv_free(settings->drives);
	*settings = (struct keeper_settings){ .disk_size = 0 };
}

static void keeper_settings_restore(struct keeper_settings *settings, struct instance *record)
{
	strv_free(record->networks);
	strv_free(record->ports);
	strv_free(record->volumes);
	strv_free(record->drives);
	record->networks = take_ptr(settings->networks);
	record->ports = take_ptr(settings->ports);
	record->volumes = take_ptr(settings->volumes);
	record->drives = take_ptr(settings->drives);
	record->disk_size = settings->disk_size;
}

/* What has changed in the record comes to hold. 1: keeper->change sees to it. */
static int keeper_settings_hold(struct keeper *keeper, const struct keeper_settings *before,
				int forced, struct err *err)
{
	int r = keeper_network_change(keeper, before->networks, before->ports, forced, err);

	if (r == 0)
		r = keeper_disk_change(keeper, before->disk_size, err);
	if (r == 0)
		r = keeper_share_change(keeper, before->volumes, forced, err);
	if (r == 0)
		r = keeper_drive_change(keeper, before->drives, forced, err);
	return r;
}

int keeper_set(struct keeper *keeper, const char *assignment, struct err *err)
{
	struct instance *record = &keeper->record;
	int forced = assignment_value(assignment, SETTINGS_PULL) ||
		     assignment_value(assignment, SETTINGS_SEVER) ||
		     assignment_value(assignment, SETTINGS_RIP);
	struct keeper_settings before;
	const struct limits_row *row;
	int r;

	if (keeper->change.active)
		return err_set(err, -EBUSY, "another change of '%s' is under way; try again",
			       record->name);
	row = settings_limit(assignment);
	if (row) {
		r = keeper_limits_change(keeper, row, strchr(assignment, '=') + 1, err);
		return r < 0 ? r : keeper_keep_setting(keeper, err);
	}
	keeper_settings_save(record, &before);
	r = settings_assign(record, assignment, err);
	if (r == 0)
		r = keeper_settings_hold(keeper, &before, forced, err);
	if (r > 0) {
		keeper->change.before = before;
		return r;
	}
	if (r < 0)
		keeper_settings_restore(&before, record);
	keeper_settings_release(&before);
	return r < 0 ? r : keeper_keep_setting(keeper, err);
}

void keeper_change_done(struct keeper *keeper, const struct err *err)
{
	struct keeper_change change = keeper->change;
	struct err failure = ERR_INIT;

	keeper->change = (struct keeper_change){ .active = 0 };
	if (err) {
		failure = *err;
		keeper_settings_restore(&change.before, &keeper->record);
	} else {
		(void)keeper_keep_setting(keeper, &failure);
	}
	keeper_settings_release(&change.before);
	keeper_change_release(&change);
	if (change.session)
		keeper_session_changed(change.session, err_is_set(&failure) ? &failure : NULL);
}

void keeper_stop(struct keeper *keeper, int64_t timeout_ms, int by_user)
{
	struct err ignored = ERR_INIT;

	if (!keeper->stop_requested)
		keeper->stopped_by_user = by_user;
	keeper->stop_requested = 1;
	if (keeper->phase == KEEPER_WAITING) {
		loop_timer_set(keeper->restart_timer, -1);
		keeper->record.stopped_by_user = keeper->stopped_by_user;
		keeper_done(keeper);
		return;
	}
	if (!keeper->driver)
		return;
	/* what has not begun cannot be asked to end; and what is paused ends where it is */
	if (keeper->phase == KEEPER_STARTING || timeout_ms == 0) {
		keeper->ops->kill(keeper->driver);
		return;
	}
	if (keeper->run.state == INSTANCE_PAUSED)
		(void)keeper_freeze(keeper, 0, &ignored);
	keeper_signal(keeper, (int)keeper->record.stop_signal);
	loop_timer_set(keeper->stop_timer, timeout_ms);
}

/* The host shuts down, or somebody asks this process to end: the instance is stopped as it should be. */
static void keeper_on_signal(void *ctx, int number _unused_)
{
	struct keeper *keeper = ctx;

	keeper_stop(keeper, keeper->record.stop_timeout_ms, 0);
}

static void keeper_on_listen(void *ctx, uint32_t events _unused_)
{
	keeper_session_accept(ctx);
}

/* The path of a socket is at most 107 bytes long; through /proc/self/fd any folder is near enough. */
static int keeper_listen(struct keeper *keeper, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	keeper->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (keeper->listen_fd < 0)
		return err_errno(err, -errno, "cannot make a socket");
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" PATHS_SOCKET,
		 keeper->run_fd);
	if (bind(keeper->listen_fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    fchmodat(keeper->run_fd, PATHS_SOCKET, 0600, 0) < 0 ||
	    listen(keeper->listen_fd, 64) < 0)
		return err_errno(err, -errno, "cannot listen on %s/" PATHS_SOCKET, keeper->run_dir);
	keeper->listen_source =
		loop_watch_fd(keeper->loop, keeper->listen_fd, EPOLLIN, keeper_on_listen, keeper);
	return 0;
}

static int keeper_open_dirs(struct keeper *keeper, const char *name, struct err *err)
{
	int r;

	keeper->state_dir = paths_state(&keeper->home, name);
	keeper->run_dir = paths_run(&keeper->home, name);
	keeper->state_fd = open(keeper->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (keeper->state_fd < 0)
		return err_errno(err, -errno, "cannot open %s", keeper->state_dir);
	r = file_mkdir_p(keeper->run_dir, 0700);
	if (r < 0)
		return err_errno(err, r, "cannot make %s", keeper->run_dir);
	keeper->run_fd = open(keeper->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (keeper->run_fd < 0)
		return err_errno(err, -errno, "cannot open %s", keeper->run_dir);
	return paths_keeper_mark(keeper->run_fd, &keeper->mark_fd, err);
}

static int keeper_find_layers(struct keeper *keeper, struct err *err)
{
	strv_for_each(layer, keeper->record.layers) {
		char *path = NULL;

		if (keeper->record.kind != INSTANCE_VM)
			path = store_layer_path(keeper->home.root, *layer);
		else if (store_layer_disk(keeper->home.root, *layer, &path, err) < 0)
			return err->code;
		strv_add_take(&keeper->layer_paths, path);
		/* a folder's may be of another id of the user's */
		if (access(path, geteuid() ? F_OK : R_OK) < 0)
			return err_errno(err, -errno, "cannot read %s, a layer of image %s", path,
					 keeper->record.image);
	}
	return 0;
}

static int keeper_find_kernel(struct keeper *keeper, struct err *err)
{
	_cleanup_kernel_files_ struct kernel_files files = { 0 };
	int r;

	if (keeper->record.kind != INSTANCE_VM)
		return 0;
	r = boot_find_kernel(keeper->home.root, &keeper->record, keeper->layer_paths, &files, err);
	if (r < 0)
		return r;
	keeper->vmlinux = take_ptr(files.vmlinux);
	keeper->initramfs = take_ptr(files.initramfs);
	keeper->run.kernel = take_ptr(files.release);
	return 0;
}

/* One that is removed at its end needs no note of it. */
static int keeper_reserve(struct keeper *keeper, struct err *err)
{
	int r = record_spare(&instance_run_table, &keeper->run, keeper->run_fd, PATHS_RUN, err);

	if (r == 0 && !keeper->record.remove)
		r = record_spare(&instance_table, &keeper->record, keeper->state_fd, PATHS_RECORD,
				 err);
	return r;
}

static void keeper_release_spare(struct keeper *keeper)
{
	(void)file_replace_leftovers(keeper->state_fd, PATHS_RECORD, 1);
}

static void keeper_fill_host(struct keeper *keeper)
{
	struct instance *record = &keeper->record;

	keeper->host = (struct driver_host){
		.loop = keeper->loop,
		.instance = record,
		.run = &keeper->run,
		.state_dir = keeper->state_dir,
		.run_dir = keeper->run_dir,
		.root = keeper->home.root,
		.layer_paths = keeper->layer_paths,
		.restore = keeper->restore,
		.vmlinux = keeper->vmlinux,
		.initramfs = keeper->initramfs,
		.netns = -EBADF,
		.process = { .argv = record->argv,
			     .env = record->env,
			     .cwd = record->cwd,
			     .user = record->user,
			     .tty = record->tty,
			     .interactive = record->interactive,
			     .privileged = record->privileged },
		.ops = &keeper_host_ops,
		.ctx = keeper,
	};
}

/* A user's is where his own is delegated to him; anywhere else he can only try. */
static char *keeper_cgroup(const struct keeper *keeper)
{
	char *path = NULL;

	if (geteuid() && cgroup_own_take(keeper->record.name, &path) == 0)
		return path;
	return instance_cgroup(keeper->run_dir);
}

static int keeper_prepare(struct keeper *keeper, const char *name, struct err *err)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, 0 };
	char notice[ENGINE_NOTICE_MAX];
	int r;

	r = keeper_open_dirs(keeper, name, err);
	if (r == 0)
		r = instance_load(&keeper->home, name, &keeper->record, err);
	if (r == 0)
		r = settings_settle(&keeper->record, err);
	if (r == 0)
		r = engine_choose(&keeper->home, &keeper->record, &keeper->ops, notice, err);
	if (r == 0)
		r = keeper_find_layers(keeper, err);
	if (r == 0)
		r = keeper_find_kernel(keeper, err);
	if (r == 0)
		r = logs_writer_new(keeper->state_dir, &keeper->log, err);
	if (r == 0)
		r = keeper_listen(keeper, err);
	if (r < 0)
		return r;
	keeper->signal_source = loop_watch_signals(keeper->loop, signals, keeper_on_signal, keeper);
	keeper->stop_timer = loop_add_timer(keeper->loop, keeper_stop_timeout, keeper);
	keeper->restart_timer = loop_add_timer(keeper->loop, keeper_restart_due, keeper);
	keeper->end_timer = loop_add_timer(keeper->loop, keeper_end_due, keeper);
	if (!keeper->signal_source || !keeper->stop_timer || !keeper->restart_timer ||
	    !keeper->end_timer)
		return err_errno(err, -errno, "cannot watch signals and timers");
	keeper->run.keeper_pid = getpid();
	mem_replace(&keeper->run.engine, keeper->ops->engine);
	keeper->run.cgroup = keeper_cgroup(keeper);
	keeper->record.restarts = 0;
	keeper->record.started = 0;
	keeper_fill_host(keeper);
	r = keeper_reserve(keeper, err);
	return r < 0 ? r : keeper_network_up(keeper, err);
}

/*
 * Invariant 2: first everything in its place, then the news. The files of one that is removed are no
 * longer in any place; nobody waits for the disk to forget them. Where the end cannot be noted, what is left of the run
 * tells the next command that there was one (instance/clean.c).
 */
static void keeper_finish(struct keeper *keeper)
{
	_cleanup_free_ char *aside = NULL;
	struct err ignored = ERR_INIT;
	int r = 0;

	keeper_network_down(keeper);
	if (keeper->record.remove) {
		/* so that nobody takes what is set aside for a leftover, and helps */
		(void)flock(keeper->state_fd, LOCK_EX | LOCK_NB);
		(void)instance_set_aside(&keeper->home, keeper->record.name, &aside, &ignored);
	} else {
		r = keeper_save_record(keeper, 1);
		keeper_release_spare(keeper);
	}
	if (r == 0)
		(void)file_remove_tree(AT_FDCWD, keeper->run_dir);
	keeper_session_end_all(keeper);
	if (aside)
		(void)userns_remove_tree(AT_FDCWD, aside);
}

static void keeper_release(struct keeper *keeper)
{
	keeper_network_release(keeper);
	keeper->listen_source = loop_source_free(keeper->listen_source);
	keeper->signal_source = loop_source_free(keeper->signal_source);
	keeper->stop_timer = loop_source_free(keeper->stop_timer);
	keeper->restart_timer = loop_source_free(keeper->restart_timer);
	keeper->end_timer = loop_source_free(keeper->end_timer);
	loop_free(keeper->loop);
	logs_writer_free(keeper->log);
	instance_release(&keeper->record);
	instance_run_release(&keeper->run);
	strv_free(keeper->layer_paths);
	free(keeper->state_dir);
	free(keeper->run_dir);
	free(keeper->vmlinux);
	free(keeper->initramfs);
	fd_close(keeper->listen_fd);
	fd_close(keeper->state_fd);
	fd_close(keeper->run_fd);
	fd_close(keeper->mark_fd);
}

static int keeper_run(struct keeper *keeper, const char *name, const char *mode)
{
	struct keeper_session *first = keeper_session_new(keeper, KEEPER_SESSION_FD);
	struct err err = ERR_INIT, ignored = ERR_INIT;
	_cleanup_free_ char *aside = NULL;

	if (!first)
		return 125;
	first->kind = KEEPER_SESSION_ATTACHED;
	first->takes_stdin = !strcmp(mode, "in");
	first->wants_output = strcmp(mode, "none") != 0;
	if (keeper_prepare(keeper, name, &err) < 0) {
		keeper->failure = err;
		keeper_network_down(keeper);
		if (keeper->mark_fd >= 0) {
			keeper_release_spare(keeper);
			(void)file_remove_tree(AT_FDCWD, keeper->run_dir);
		}
		if (keeper->record.remove &&
		    instance_set_aside(&keeper->home, name, &aside, &ignored) == 0)
			(void)userns_remove_tree(AT_FDCWD, aside);
		keeper_session_end_all(keeper);
		return 125;
	}
	keeper_begin(keeper);
	if (keeper->phase != KEEPER_DONE)
		(void)loop_run(keeper->loop);
	keeper_finish(keeper);
	return 0;
}

int keeper_main(int argc, char **argv, const struct driver_ops *const *drivers)
{
	struct keeper keeper = {
		.state_fd = -EBADF,
		.run_fd = -EBADF,
		.mark_fd = -EBADF,
		.listen_fd = -EBADF,
		.netns = -EBADF,
		.next_channel = 1,
	};
	struct err err = ERR_INIT;
	int status;

	if (argc != 5 && argc != 6)
		return 125;
	keeper.home = (struct instance_home){ .root = argv[1], .run = argv[2], .drivers = drivers };
	keeper.restore = argv[5];
	(void)prctl(PR_SET_NAME, "brig-keep");
	signal(SIGPIPE, SIG_IGN);
	if (loop_new(&keeper.loop, &err) < 0)
		return 125;
	status = keeper_run(&keeper, argv[3], argv[4]);
	keeper_release(&keeper);
	return status;
}
