// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/userns.h"
#include "base/file.h"
#include "sys/idmap.h"
#include "sys/spawn.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>

int userns_open(struct err *err)
{
	struct idmap map;
	int fd;

	idmap_of_caller(&map, 0);
	fd = idmap_make_userns(&map, err);
	idmap_release(&map);
	return fd;
}

int userns_become_root(int may_keep)
{
	if (setgroups(0, NULL) < 0 && (!may_keep || errno != EPERM))
		return -errno;
	return setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 ? -errno : 0;
}

int userns_enter(int userns)
{
	return setns(userns, CLONE_NEWUSER) < 0 ? -errno : userns_become_root(1);
}

/* In memory that parent and child share. */
struct userns_outcome {
	int ended; /* there is a result */
	int64_t result;
	struct err err;
};

static _Noreturn void userns_child(int userns, int64_t (*fn)(void *ctx, struct err *err), void *ctx,
				   struct userns_outcome *outcome)
{
	int r = userns_enter(userns);

	if (r == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		r = -errno;
	outcome->result = r < 0 ? err_errno(&outcome->err, r, "cannot become root of your ids")
				: fn(ctx, &outcome->err);
	outcome->ended = 1;
	_exit(0);
}

static int64_t userns_take(const struct userns_outcome *outcome, struct err *err)
{
	if (!outcome->ended)
		return err_set(err, -EIO, "a process that worked on your files was killed");
	if (err_is_set(&outcome->err))
		*err = outcome->err;
	return outcome->result;
}

int64_t userns_run(int64_t (*fn)(void *ctx, struct err *err), void *ctx, struct err *err)
{
	_cleanup_close_ int userns = userns_open(err), pidfd = -EBADF;
	struct userns_outcome *outcome;
	int64_t result;
	pid_t pid;

	if (userns < 0)
		return userns;
	outcome = mmap(NULL, sizeof(*outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (outcome == MAP_FAILED)
		return err_errno(err, -errno, "cannot get memory");
	pid = spawn_clone(0, -EBADF, &pidfd);
	if (!pid)
		userns_child(userns, fn, ctx, outcome);
	if (pid < 0) {
		result = err_errno(err, pid, "cannot start a process");
	} else {
		(void)spawn_wait(pidfd);
		result = userns_take(outcome, err);
	}
	(void)munmap(outcome, sizeof(*outcome));
	return result;
}

struct userns_removal {
	int dirfd;
	const char *path;
};

static int64_t userns_remove(void *ctx, struct err *err _unused_)
{
	const struct userns_removal *removal = ctx;

	return file_remove_tree(removal->dirfd, removal->path);
}

int userns_remove_tree(int dirfd, const char *path)
{
	struct userns_removal removal = { dirfd, path };
	struct err ignored = ERR_INIT;
	int r = file_remove_tree(dirfd, path);

	if ((r != -EACCES && r != -EPERM) || !geteuid())
		return r;
	return (int)userns_run(userns_remove, &removal, &ignored);
}
