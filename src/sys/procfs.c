// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/procfs.h"
#include "sys/mnt.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#define PROCFS_ROOT_INO 1 /* PROC_ROOT_INO, include/linux/proc_fs.h */

static int procfs_is(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return -errno;
	return fs.f_type == PROC_SUPER_MAGIC ? 0 : -EXDEV;
}

int procfs_verify(int proc)
{
	struct stat st;
	int r = procfs_is(proc);

	if (r < 0)
		return r;
	if (fstat(proc, &st) < 0)
		return -errno;
	return st.st_ino == PROCFS_ROOT_INO ? 0 : -EXDEV;
}

int procfs_open(int *ret_fd, struct err *err)
{
	struct err ignored = ERR_INIT;
	_cleanup_close_ int fd = -EBADF;
	int r;

	if (mnt_new("proc", NULL, NULL, 0, ret_fd, &ignored) == 0)
		return 0;
	fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, -errno, "cannot open /proc");
	r = procfs_verify(fd);
	if (r < 0)
		return err_set(err, r, "/proc is not a procfs");
	*ret_fd = take_fd(&fd);
	return 0;
}

/* A file below the root, that is procfs's itself and no mount upon it. */
static int procfs_at(int proc, const char *path, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
			   RESOLVE_NO_XDEV,
	};
	_cleanup_close_ int fd = -EBADF;
	int r = procfs_verify(proc);

	if (r < 0)
		return r;
	fd = (int)syscall(SYS_openat2, proc, path, &how, sizeof(how));
	if (fd < 0)
		return errno == ELOOP ? -EXDEV : -errno;
	r = procfs_is(fd);
	return r < 0 ? r : take_fd(&fd);
}

int procfs_write(int proc, const char *path, const char *value)
{
	_cleanup_close_ int fd = procfs_at(proc, path, O_WRONLY | O_NOCTTY);
	size_t len = strlen(value);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = write(fd, value, len);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int procfs_write_self(int proc, const char *name, const char *value)
{
	/* the only link that is followed: the kernel's own, and what it says has no link in it */
	_cleanup_close_ int link = procfs_at(proc, "thread-self", O_PATH | O_NOFOLLOW);
	char path[PATH_MAX];
	ssize_t n;

	if (link < 0)
		return link;
	n = readlinkat(link, "", path, sizeof(path) - 1);
	if (n < 0)
		return -errno;
	if (snprintf(path + n, sizeof(path) - (size_t)n, "/%s", name) >=
	    (int)(sizeof(path) - (size_t)n))
		return -ENAMETOOLONG;
	return procfs_write(proc, path, value);
}
