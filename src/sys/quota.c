// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: the first folder is given a number that the kernel counts nothing for, and is looked at again: if it is
 * not the only file then, another process had the same idea, and the next number is tried. Then each file gets the
 * number, folders before what is in them, so that what is made in between has it too.
 *
 *  1. The last folder gets the number after all else, so a walk that was interrupted is done again.
 *  2. What cannot be opened (symlinks, devices, fifos, sockets) has no way to be given a number by kernels before 6.17.
 *     It would stay outside, and the kernel renames nothing from outside into a folder that hands down its project: an
 *     overlay could not make a folder where a whiteout is. So it is cloned beside itself, and renamed over itself.
 */
#include "sys/quota.h"
#include "base/file.h"
#include "base/mem.h"
#include "sys/clone.h"
#include "sys/idmap.h"

#include <fcntl.h>
#include <fts.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/quota.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443 /* Linux 5.14; the same on every architecture */
#endif

#define QUOTA_TRIES 64
#define QUOTA_BLOCK 1024 /* bytes of a limit's unit, QIF_DQBLKSIZE */
#define QUOTA_CLONE ".brig-project"

static int quota_call(int fd, unsigned int command, uint32_t id, void *arg)
{
	return syscall(SYS_quotactl_fd, fd, QCMD(command, PRJQUOTA), id, arg) < 0 ? -errno : 0;
}

/* What each file system wants, to hold projects to limits. */
static int quota_explain(int dir, struct err *err)
{
	struct statfs fs = { 0 };

	(void)fstatfs(dir, &fs);
	if (fs.f_type == XFS_SUPER_MAGIC)
		return err_set(err, -EOPNOTSUPP,
			       "brig's folder is on an xfs without project quotas: unmount it and "
			       "mount it with '-o prjquota' (of the root file system: add "
			       "rootflags=prjquota to the kernel's command line, and reboot)");
	if (fs.f_type == EXT4_SUPER_MAGIC)
		return err_set(
			err, -EOPNOTSUPP,
			"brig's folder is on an ext4 without project quotas: unmount it, run "
			"'tune2fs -O project,quota -Q prjquota DEVICE', and mount it with "
			"'-o prjquota'");
	return err_set(err, -EOPNOTSUPP,
		       "brig's folder is on a file system without project quotas: move it (see "
		       "--root) to an xfs or ext4 that is mounted with '-o prjquota', or make it a "
		       "VM, which has a disk of its own");
}

/* An administrator's project, which no other can be put into. */
static int quota_check_parent(int dir, struct err *err)
{
	struct fsxattr attributes = { 0 };

	if (ioctl(dir, FS_IOC_FSGETXATTR, &attributes) < 0)
		return quota_explain(dir, err);
	if (attributes.fsx_xflags & FS_XFLAG_PROJINHERIT)
		return err_set(err, -EOPNOTSUPP,
			       "brig's folder is part of project %u, which has a quota of its own; "
			       "take it out of that first (see xfs_quota(8) or chattr(1))",
			       attributes.fsx_projid);
	return 0;
}

int quota_check(int dir, struct err *err)
{
	struct fs_quota_stat stat = { 0 };
	int r;

	if (!idmap_is_host_root())
		return err_set(err, -EPERM,
			       "a container's disk size is bounded by a quota, which takes root; a "
			       "VM has a disk of its own");
	r = quota_call(dir, Q_XGETQSTAT, 0, &stat);
	if (r < 0 || !(stat.qs_flags & FS_QUOTA_PDQ_ENFD))
		return quota_explain(dir, err);
	return quota_check_parent(dir, err);
}

static int quota_open(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Of one file or folder, unless it has it. */
static int quota_assign(int fd, uint32_t project)
{
	struct fsxattr attributes = { 0 };
	struct stat st;
	uint32_t flags;

	if (fstat(fd, &st) < 0 || ioctl(fd, FS_IOC_FSGETXATTR, &attributes) < 0)
		return -errno;
	flags = attributes.fsx_xflags | (S_ISDIR(st.st_mode) ? FS_XFLAG_PROJINHERIT : 0);
	if (attributes.fsx_projid == project && attributes.fsx_xflags == flags)
		return 0;
	attributes.fsx_projid = project;
	attributes.fsx_xflags = flags;
	return ioctl(fd, FS_IOC_FSSETXATTR, &attributes) < 0 ? -errno : 0;
}

/* Our project that the folder hands down; 0: none. */
static uint32_t quota_project(int fd)
{
	struct fsxattr attributes = { 0 };

	if (ioctl(fd, FS_IOC_FSGETXATTR, &attributes) < 0 ||
	    !(attributes.fsx_xflags & FS_XFLAG_PROJINHERIT) ||
	    (attributes.fsx_projid & ~QUOTA_PROJECT_MASK) != QUOTA_PROJECT_MIN)
		return 0;
	return attributes.fsx_projid;
}

static int quota_get(int fd, uint32_t project, struct if_dqblk *ret)
{
	int r = quota_call(fd, Q_GETQUOTA, project, ret);

	if (r == -ENOENT) { /* xfs, of a number that was never used */
		*ret = (struct if_dqblk){ 0 };
		r = 0;
	}
	return r;
}

static int quota_set(int fd, uint32_t project, int64_t bytes)
{
	struct if_dqblk limits = { .dqb_valid = QIF_BLIMITS };

	limits.dqb_bhardlimit = ((uint64_t)bytes + QUOTA_BLOCK - 1) / QUOTA_BLOCK;
	return quota_call(fd, Q_SETQUOTA, project, &limits);
}

/* 1: somebody else has it. */
static int quota_try(int fd, uint32_t project)
{
	struct if_dqblk counts = { 0 };
	int r = quota_get(fd, project, &counts);

	if (r < 0 || counts.dqb_curinodes || counts.dqb_curspace)
		return r < 0 ? r : 1;
	r = quota_assign(fd, project);
	if (r == 0)
		r = quota_get(fd, project, &counts);
	return r < 0 ? r : counts.dqb_curinodes != 1;
}

static int quota_choose(int fd, uint32_t *ret)
{
	struct stat st;
	int r = fstat(fd, &st) < 0 ? -errno : 1;
	uint64_t at = (uint64_t)st.st_ino * UINT64_C(0x9e3779b97f4a7c15) >> 32;

	for (unsigned int i = 0; i < QUOTA_TRIES && r == 1; i++) {
		*ret = QUOTA_PROJECT_MIN | ((uint32_t)at++ & QUOTA_PROJECT_MASK);
		r = quota_try(fd, *ret);
	}
	return r == 1 ? -EBUSY : r;
}

static int quota_replace(const char *name, struct err *err)
{
	int r;

	(void)unlink(QUOTA_CLONE);
	r = clone_tree(AT_FDCWD, name, AT_FDCWD, QUOTA_CLONE, err);
	if (r == 0 && rename(QUOTA_CLONE, name) < 0)
		r = err_errno(err, -errno, "cannot replace it");
	return r;
}

static int quota_mark_entry(const FTSENT *entry, uint32_t project, struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	int r;

	switch (entry->fts_info) {
	case FTS_DP:
		return 0;
	case FTS_D:
	case FTS_F:
		fd = quota_open(AT_FDCWD, entry->fts_accpath);
		r = fd < 0 ? fd : quota_assign(fd, project);
		break;
	case FTS_SL:
	case FTS_SLNONE:
	case FTS_DEFAULT:
		r = quota_replace(entry->fts_accpath, err);
		break;
	default:
		r = -entry->fts_errno;
	}
	if (r < 0 && !err_is_set(err))
		return err_errno(err, r, "cannot count '%.200s'", entry->fts_name);
	return r;
}

/* The folder with all below it. By way of /proc it is the one that we have, wherever its path leads by now. */
static int quota_mark(int dir, const char *name, uint32_t project, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("/proc/self/fd/%d/%s", dir, name);
	char *paths[] = { path, NULL };
	FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_XDEV, NULL);
	FTSENT *entry;
	int r = 0;

	if (!walk)
		return err_errno(err, -errno, "cannot read %s", name);
	while (r == 0 && (entry = fts_read(walk)))
		r = quota_mark_entry(entry, project, err);
	(void)fts_close(walk);
	return r;
}

/* A folder that is not there is none, but for the last. */
static int quota_mark_all(int dir, const char *const *names, uint32_t project, struct err *err)
{
	int r = 0;

	for (; *names && r == 0; names++) {
		if (names[1] && faccessat(dir, *names, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		r = quota_mark(dir, *names, project, err);
	}
	return r;
}

static int quota_is_marked(int dir, const char *const *names, uint32_t project)
{
	_cleanup_close_ int fd = -EBADF;

	while (names[1])
		names++;
	fd = quota_open(dir, *names);
	return fd >= 0 && quota_project(fd) == project;
}

int quota_bound(int dir, const char *const *names, int64_t bytes, struct err *err)
{
	_cleanup_close_ int fd = quota_open(dir, *names);
	uint32_t project;
	int r = quota_check(dir, err);

	if (r < 0)
		return r;
	if (fd < 0)
		return err_errno(err, fd, "cannot open %s", *names);
	project = quota_project(fd);
	if (!project) {
		r = quota_choose(fd, &project);
		if (r < 0)
			return err_errno(err, r, "cannot get a project for a quota");
	}
	if (!quota_is_marked(dir, names, project))
		r = quota_mark_all(dir, names, project, err);
	if (r < 0)
		return r;
	r = quota_set(fd, project, bytes);
	return r < 0 ? err_errno(err, r, "cannot set the quota of project %u", project) : 0;
}

int quota_change(int dir, const char *first, int64_t bytes, struct err *err)
{
	_cleanup_close_ int fd = quota_open(dir, first);
	uint32_t project = fd < 0 ? 0 : quota_project(fd);
	int r = project ? quota_set(fd, project, bytes) : -ENOENT;

	return r < 0 && r != -ENOENT ? err_errno(err, r, "cannot change the quota") : r;
}

void quota_release(int dir, const char *first)
{
	_cleanup_close_ int fd = quota_open(dir, first);
	uint32_t project = fd < 0 ? 0 : quota_project(fd);

	if (project)
		(void)quota_set(fd, project, 0);
}

int quota_read(int dir, const char *first, int64_t *ret_used, int64_t *ret_limit)
{
	_cleanup_close_ int fd = quota_open(dir, first);
	uint32_t project = fd < 0 ? 0 : quota_project(fd);
	struct if_dqblk counts = { 0 };
	int r = project ? quota_get(fd, project, &counts) : -ENOENT;

	if (r == 0 && !counts.dqb_bhardlimit)
		r = -ENOENT;
	if (r < 0)
		return r;
	*ret_used = (int64_t)counts.dqb_curspace;
	*ret_limit = (int64_t)counts.dqb_bhardlimit * QUOTA_BLOCK;
	return 0;
}
