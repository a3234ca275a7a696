// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/selfexec.h"
#include "base/file.h"
#include "base/units.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/memfd.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* Linux 6.3 */
#endif
#define SELFEXEC_FILE  "/proc/self/exe"
#define SELFEXEC_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int selfexec_is_view(void)
{
	struct statvfs fs;

	return statvfs(SELFEXEC_FILE, &fs) == 0 && (fs.f_flag & ST_RDONLY);
}

/* Of the view that we run from. */
static int selfexec_view = -EBADF;

/*
 * execveat() of a descriptor has the program called by its number (fs/exec.c, alloc_bprm()). One that names a file, and
 * gives no access to it, is nobody's but the first start's.
 */
static void selfexec_keep_view(void)
{
	static const char prefix[] = "/dev/fd/";
	const char *name = (const char *)(uintptr_t)getauxval(AT_EXECFN);
	struct err ignored = ERR_INIT;
	int64_t fd = -EBADF;

	if (!name || strncmp(name, prefix, strlen(prefix)) != 0 ||
	    units_parse_int(name + strlen(prefix), 3, INT_MAX, &fd, &ignored) < 0)
		return;
	if ((fcntl((int)fd, F_GETFL) & O_PATH) && fcntl((int)fd, F_SETFD, FD_CLOEXEC) == 0)
		selfexec_view = (int)fd;
}

void selfexec_release(void)
{
	selfexec_view = fd_close(selfexec_view);
}

void selfexec_leave(void)
{
	fd_close(selfexec_view);
}

static int selfexec_is_sealed(int exe)
{
	int seals = fcntl(exe, F_GET_SEALS);

	return seals >= 0 && (seals & F_SEAL_WRITE);
}

/* execveat() called us by the descriptor's number. */
static int selfexec_keep_name(void)
{
	(void)prctl(PR_SET_NAME, "brig-oci");
	return 0;
}

/* Nobody can make it writable again: it is in no mount namespace once its descriptor is closed. */
static int selfexec_open_view(void)
{
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
	_cleanup_close_ int fd =
		open_tree(AT_FDCWD, SELFEXEC_FILE, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &read_only, sizeof(read_only)) < 0)
		return -errno;
	return take_fd(&fd);
}

static int selfexec_memfd(void)
{
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create("brig", flags | MFD_EXEC);

	/* older kernels have but executable ones */
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("brig", flags);
	return fd < 0 ? -errno : fd;
}

static int selfexec_open_copy(int exe)
{
	_cleanup_close_ int fd = selfexec_memfd();
	int r = fd < 0 ? fd : file_copy_sparse(exe, fd);

	if (r < 0)
		return r;
	return fchmod(fd, 0500) < 0 || fcntl(fd, F_ADD_SEALS, SELFEXEC_SEALS) < 0 ? -errno
										  : take_fd(&fd);
}

int selfexec_protect(char **argv, struct err *err)
{
	_cleanup_close_ int exe = -EBADF, fd = -EBADF;

	if (selfexec_is_view()) {
		selfexec_keep_view();
		return selfexec_keep_name();
	}
	exe = open(SELFEXEC_FILE, O_RDONLY | O_CLOEXEC);
	if (exe < 0)
		return err_errno(err, -errno, "cannot open our own program");
	if (selfexec_is_sealed(exe))
		return selfexec_keep_name();
	fd = selfexec_open_view();
	if (fd < 0)
		fd = selfexec_open_copy(exe);
	if (fd < 0)
		return err_errno(err, fd,
				 "cannot make a view of our own program that nobody can "
				 "write to");
	(void)syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
	return err_errno(err, -errno, "cannot execute our own program again");
}
