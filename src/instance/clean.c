// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/clean.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/units.h"
#include "instance/events.h"
#include "instance/paths.h"
#include "instance/rollback.h"
#include "net/attach.h"
#include "sys/cgroup.h"
#include "sys/procstat.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>

/* SIGKILL needs no cooperation; only a process in uninterruptible sleep lasts longer. */
#define CLEAN_KILL_MS 10000

static int clean_wait_end(int pidfd)
{
	struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };

	return poll(&poll_fd, 1, CLEAN_KILL_MS) == 0 ? -ETIMEDOUT : 0;
}

int clean_kill_keeper(const struct instance_home *home, const char *name, struct err *err)
{
	_cleanup_free_ char *run_dir = paths_run(home, name);
	pid_t pid = paths_keeper_pid(run_dir);
	_cleanup_close_ int pidfd = -EBADF;

	if (!pid)
		return 0;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	/* the mark is asked again: from here on the pidfd is the keeper, or the keeper is gone */
	if (pidfd < 0 || paths_keeper_pid(run_dir) != pid)
		return 0;
	(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	if (clean_wait_end(pidfd) < 0)
		return err_set(err, -ETIMEDOUT, "the keeper of '%s' (process %d) does not end",
			       name, pid);
	return 0;
}

/*
 * The workload dies with its keeper, unless it changed its ids, which makes the kernel forget that. Root's is found
 * in its control group then; a user may have none.
 */
static int clean_kill_workload(const struct instance_run *run, struct err *err)
{
	_cleanup_close_ int pidfd = -EBADF;
	struct procstat stat;

	if (run->pid <= 0 || !run->pid_start)
		return 0;
	pidfd = (int)syscall(SYS_pidfd_open, (pid_t)run->pid, 0);
	/* looked at while the pidfd holds it: the process that it was, or another one */
	if (pidfd < 0 || procstat_read((pid_t)run->pid, &stat) < 0 ||
	    (int64_t)stat.start_time != run->pid_start)
		return 0;
	(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	return clean_wait_end(pidfd) < 0
		       ? err_set(err, -ETIMEDOUT, "process %lld does not end", (long long)run->pid)
		       : 0;
}

/* What the run's record leads to; a user's group has a name that drivers do not know. */
static int clean_workload(const char *run_dir, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/%s", run_dir, PATHS_RUN);
	_cleanup_instance_run_ struct instance_run run = { 0 };
	struct err ignored = ERR_INIT;
	int r;

	if (record_load(&instance_run_table, AT_FDCWD, path, &run, &ignored) < 0)
		return 0;
	r = clean_kill_workload(&run, err);
	if (r == 0 && geteuid() && run.cgroup)
		r = cgroup_remove(run.cgroup, CLEAN_KILL_MS, err);
	return r;
}

/* A record says that it runs when it was started and never finished. */
static int clean_note_end(const struct instance_home *home, struct instance *record,
			  struct err *err)
{
	_cleanup_free_ char *path = paths_state(home, record->name);
	_cleanup_close_ int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_errno(err, -errno, "cannot open %s", path);
	record->has_run = 1;
	record->exit_code = -1;
	record->finished = units_now();
	mem_replace(&record->error, "its keeper was killed before it could note the end");
	events_note_end(home, record);
	return record_save(&instance_table, record, dir, PATHS_RECORD, 1, err);
}

/* A restore from a snapshot, which only an instance that does not run gets. */
static int clean_rollback(const struct instance_home *home, const char *state_dir, struct err *err)
{
	_cleanup_close_ int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir >= 0 && rollback_is_unfinished(dir) ? rollback_finish(home, dir, err) : 0;
}

static int clean_names(int dir, const char *const *names)
{
	int r = 0;

	for (; names && *names && r == 0; names++)
		r = userns_remove_tree(dir, *names);
	return r;
}

int clean_forms(const struct instance_home *home, const char *state_dir, struct err *err)
{
	_cleanup_close_ int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_instance_ struct instance record;
	struct err unreadable = ERR_INIT;
	int r = dir < 0 ? -errno : userns_remove_tree(dir, PATHS_CONVERT);

	instance_init(&record);
	/* one that cannot be read says no kind */
	if (r == 0 && record_load(&instance_table, dir, PATHS_RECORD, &record, &unreadable) < 0)
		return 0;
	for (const struct driver_ops *const *driver = home->drivers; *driver && r == 0; driver++) {
		if ((*driver)->kind == record.kind)
			continue;
		r = clean_names(dir, (*driver)->data);
		if (r == 0)
			r = clean_names(dir, (*driver)->scratch);
	}
	return r < 0 ? err_errno(err, r, "cannot remove what is left in %s", state_dir) : 0;
}

/* Only the keeper writes it without the instance's lock, and there is none. */
static void clean_records(const char *state_dir)
{
	_cleanup_free_ char *record = mem_printf("%s/" PATHS_RECORD, state_dir);

	(void)file_replace_leftovers(AT_FDCWD, record, 1);
}

int clean_leftovers(const struct instance_home *home, struct instance *record, const char *name,
		    struct err *err)
{
	_cleanup_free_ char *run_dir = paths_run(home, name);
	_cleanup_free_ char *state_dir = paths_state(home, name);
	const struct network_home networks = { .root = home->root, .run = home->run };
	int r = 0;

	if (paths_keeper_pid(run_dir))
		return 0;
	/* first, for it may change the kind */
	r = clean_rollback(home, state_dir, err);
	if (r == 0)
		r = clean_forms(home, state_dir, err);
	clean_records(state_dir);
	if (r < 0 || access(run_dir, F_OK) < 0)
		return r;
	if (!record->name)
		record->name = mem_strdup(name);
	r = clean_workload(run_dir, err);
	for (const struct driver_ops *const *driver = home->drivers; *driver; driver++) {
		if ((*driver)->clean && r == 0)
			r = (*driver)->clean(record, state_dir, run_dir, err);
	}
	if (r == 0)
		r = attach_clean(&networks, name, err);
	if (r == 0 && record->created)
		attach_reclaim(&networks, name, record->networks);
	if (r == 0 && record->created && !record->finished)
		r = clean_note_end(home, record, err);
	if (r < 0)
		return r;
	r = file_remove_tree(AT_FDCWD, run_dir);
	return r < 0 ? err_errno(err, r, "cannot remove %s", run_dir) : 0;
}

int clean_view(const struct instance_home *home, const char *name, struct instance_view *ret,
	       struct err *err)
{
	int r = instance_view(home, name, ret, err);

	if (r < 0 || ret->alive)
		return r;
	r = clean_leftovers(home, &ret->record, name, err);
	instance_view_release(ret);
	*ret = (struct instance_view){ 0 };
	return r < 0 ? r : instance_view(home, name, ret, err);
}
