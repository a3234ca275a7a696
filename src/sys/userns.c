// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/userns.h"
#include "base/file.h"
#include "sys/idmap.h"
#include "sys/spawn.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
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

int userns_run(int (*fn)(void *ctx), void *ctx, struct err *err)
{
	_cleanup_close_ int userns = userns_open(err), pidfd = -EBADF;
	pid_t pid;

	if (userns < 0)
		return userns;
	pid = spawn_clone(0, -EBADF, &pidfd);
	if (pid < 0)
		return err_errno(err, pid, "cannot start a process");
	if (!pid) {
		int r = userns_enter(userns);

		if (r == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
			r = -errno;
		_exit(r < 0 ? -r & 0xff : fn(ctx));
	}
	return spawn_wait(pidfd);
}

struct userns_removal {
	int dirfd;
	const char *path;
};

static int userns_remove(void *ctx)
{
	const struct userns_removal *removal = ctx;

	return -file_remove_tree(removal->dirfd, removal->path) & 0xff;
}

int userns_remove_tree(int dirfd, const char *path)
{
	struct userns_removal removal = { dirfd, path };
	struct err ignored = ERR_INIT;
	int r = file_remove_tree(dirfd, path);

	if ((r != -EACCES && r != -EPERM) || !geteuid())
		return r;
	r = userns_run(userns_remove, &removal, &ignored);
	return r > 0 ? -r : r;
}
