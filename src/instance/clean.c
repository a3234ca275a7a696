// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/clean.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/units.h"
#include "instance/paths.h"
#include "sys/cgroup.h"
#include "sys/procstat.h"

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
	return record_save(&instance_table, record, dir, PATHS_RECORD, 1, err);
}

int clean_forms(const char *state_dir, int kind, struct err *err)
{
	static const char *const of_container[] = { INSTANCE_UPPER, INSTANCE_WORK, NULL };
	static const char *const of_vm[] = { INSTANCE_DISK, NULL };
	const char *const *other = kind == INSTANCE_VM ? of_container : of_vm;
	_cleanup_close_ int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = dir < 0 ? -errno : file_remove_tree(dir, PATHS_CONVERT);

	for (; r == 0 && *other; other++)
		r = file_remove_tree(dir, *other);
	return r < 0 ? err_errno(err, r, "cannot remove what is left in %s", state_dir) : 0;
}

int clean_leftovers(const struct instance_home *home, struct instance *record, const char *name,
		    struct err *err)
{
	_cleanup_free_ char *run_dir = paths_run(home, name);
	_cleanup_free_ char *state_dir = paths_state(home, name);
	int r = 0;

	if (paths_keeper_pid(run_dir))
		return 0;
	/* one that cannot be read says no kind */
	if (record->created)
		r = clean_forms(state_dir, record->kind, err);
	if (r < 0 || access(run_dir, F_OK) < 0)
		return r;
	if (!record->name)
		record->name = mem_strdup(name);
	r = clean_workload(run_dir, err);
	for (const struct driver_ops *const *driver = home->drivers; *driver; driver++) {
		if ((*driver)->clean && r == 0)
			r = (*driver)->clean(record, state_dir, run_dir, err);
	}
	if (r == 0 && record->created && !record->finished)
		r = clean_note_end(home, record, err);
	if (r < 0)
		return r;
	r = file_remove_tree(AT_FDCWD, run_dir);
	return r < 0 ? err_errno(err, r, "cannot remove %s", run_dir) : 0;
}
