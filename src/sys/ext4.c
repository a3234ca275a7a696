// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/ext4.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "sys/child.h"
#include "sys/loopdev.h"
#include "sys/mnt.h"
#include "sys/sandbox.h"
#include "sys/spawn.h"

#include <endian.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

/* Part of the cache's file names: a change of the options below takes another number. */
#define EXT4_VERSION 1
#define EXT4_ALIGN   ((int64_t)1 << 20)

/*
 * discard: the file is all holes, so mke2fs writes no zeroes and marks the inode tables as zeroed, which
 * spares the guest's kernel from doing it in the background. Without the resize inode a fresh file
 * system of any usual size takes some 300 KiB; it can be grown all the same.
 */
static int ext4_make(const char *path, int64_t size, const char *folder, struct err *err)
{
	static const char *const options[] = { "mke2fs",
					       "-q",
					       "-F",
					       "-t",
					       "ext4",
					       "-b",
					       "4096",
					       "-m",
					       "0",
					       "-O",
					       "has_journal,^resize_inode",
					       "-E",
					       "discard,lazy_itable_init=1,lazy_journal_init=1",
					       NULL };
	_cleanup_strv_ char **argv = strv_dup((char *const *)options);
	struct child_spec spec = CHILD_SPEC_INIT;
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, size) < 0)
		return err_errno(err, -errno, "cannot make %s", path);
	if (folder) {
		strv_add(&argv, "-d");
		strv_add(&argv, folder);
	}
	strv_add(&argv, path);
	spec.argv = argv;
	spec.hint = "install e2fsprogs";
	return child_run(&spec, err);
}

/* path: the cached one */
static int ext4_make_cached(const char *cache, const char *path, int64_t size, struct err *err)
{
	_cleanup_free_ char *temporary = mem_printf("%s.%d.tmp", path, getpid());
	int r;

	if (access(path, F_OK) == 0)
		return 0;
	r = file_mkdir_p(cache, 0700);
	if (r < 0)
		return err_errno(err, r, "cannot make %s", cache);
	(void)unlink(temporary);
	r = ext4_make(temporary, size, NULL, err);
	if (r == 0 && rename(temporary, path) < 0)
		r = err_errno(err, -errno, "cannot keep %s", path);
	if (r < 0)
		(void)unlink(temporary);
	return r;
}

static int ext4_copy(const char *from, const char *to)
{
	_cleanup_close_ int in = open(from, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int out = -EBADF;

	if (in < 0)
		return -errno;
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0)
		return -errno;
	return ioctl(out, FICLONE, in) == 0 ? 0 : file_copy_sparse(in, out);
}

static int64_t ext4_round(int64_t size)
{
	return (size + EXT4_ALIGN - 1) / EXT4_ALIGN * EXT4_ALIGN;
}

int ext4_create(const char *cache, const char *path, int64_t size, struct err *err)
{
	int64_t bytes = ext4_round(size);
	_cleanup_free_ char *temporary = mem_printf("%s.%d.tmp", path, getpid());
	_cleanup_free_ char *cached =
		mem_printf("%s/ext4-%jd-%d.raw", cache, (intmax_t)bytes, EXT4_VERSION);
	int r = ext4_make_cached(cache, cached, bytes, err);

	if (r < 0)
		return r;
	(void)unlink(temporary);
	r = ext4_copy(cached, temporary);
	if (r == 0 && link(temporary, path) < 0)
		r = -errno;
	(void)unlink(temporary);
	return r < 0 ? err_errno(err, r, "cannot make the disk %s", path) : 0;
}

int ext4_create_from(const char *folder, const char *path, int64_t size, struct err *err)
{
	return ext4_make(path, ext4_round(size), folder, err);
}

static int ext4_grow(int fd, int64_t size)
{
	struct stat st;

	if (fstat(fd, &st) < 0 ||
	    (st.st_size < ext4_round(size) && ftruncate(fd, ext4_round(size)) < 0))
		return -errno;
	return 0;
}

int ext4_open(const char *cache, const char *path, int64_t size, int *ret_fd, struct err *err)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	int r;

	if (fd < 0 && errno == ENOENT) {
		r = ext4_create(cache, path, size, err);
		if (r < 0)
			return r;
		fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	}
	if (fd < 0)
		return err_errno(err, -errno, "cannot open the disk %s", path);
	r = ext4_grow(fd, size);
	if (r < 0) {
		fd_close(fd);
		return err_errno(err, r, "cannot make the disk %s larger", path);
	}
	*ret_fd = fd;
	return 0;
}

/* Where the kernel documents the superblock (filesystems/ext4/super.rst): s_feature_incompat and one bit of it. */
#define EXT4_INCOMPAT	      (1024 + 0x60)
#define EXT4_INCOMPAT_RECOVER 0x4

int ext4_is_unmounted(int fd)
{
	uint32_t features;

	if (pread(fd, &features, sizeof(features), EXT4_INCOMPAT) != (ssize_t)sizeof(features))
		return -EIO;
	return !(le32toh(features) & EXT4_INCOMPAT_RECOVER);
}

/* noinit_itable: nothing writes in the background what the file would grow by. */
int ext4_mount(const char *path, int *ret_fd, struct err *err)
{
	static char *const options[] = { (char *)(uintptr_t) "noinit_itable", NULL };
	_cleanup_close_ int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), device = -EBADF;
	char name[32];
	int r;

	if (file < 0)
		return err_errno(err, -errno, "cannot open the disk %s", path);
	if (ext4_is_unmounted(file) != 1)
		return err_set(err, -EUCLEAN, "the disk %s was not unmounted", path);
	r = loopdev_attach(path, 1, &device, name, err);
	return r < 0 ? r
		     : mnt_new("ext4", name, options,
			       MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
				       MOUNT_ATTR_NOATIME,
			       ret_fd, err);
}

#define EXT4_NOBODY	   65534
#define EXT4_REPAIRED	   1  /* e2fsck(8): errors were corrected; what is more was not */
#define EXT4_REPAIR_CANCEL 32 /* and what is more than this was no answer of its own */

static int ext4_run_repair(char *program, const char *path, int *ret_status, struct err *err)
{
	char *argv[] = { program, (char *)"-f", (char *)"-y", (char *)"/disk", NULL };
	char *env[] = { (char *)"PATH=/usr/bin:/bin", (char *)"LC_ALL=C", NULL };
	/* "a device": it may be written to */
	const struct sandbox_file files[] = { { .path = path, .name = "disk", .device = 1 } };
	const struct sandbox_limit limits[] = { { RLIMIT_CORE, 0 } };
	const struct sandbox_spec spec = {
		.argv = argv,
		.env = env,
		.uid = EXT4_NOBODY,
		.gid = EXT4_NOBODY,
		.group = (gid_t)-1,
		.files = files,
		.n_files = ARRAY_SIZE(files),
		.limits = limits,
		.n_limits = ARRAY_SIZE(limits),
		.into_cgroup = -EBADF,
	};
	struct sandbox sandbox = SANDBOX_INIT;
	int r = sandbox_start(&spec, &sandbox, err);

	if (r < 0)
		return r;
	*ret_status = spawn_wait(sandbox.pidfd);
	sandbox.pid = 0;
	r = sandbox_failure(&sandbox, err);
	sandbox_release(&sandbox);
	return r;
}

int ext4_repair(const char *path, struct err *err)
{
	_cleanup_free_ char *found = child_find("e2fsck"), *program = NULL;
	int status = 0, r;

	/* what is in the sandbox is where the system's symlinks lead */
	program = found ? realpath(found, NULL) : NULL;
	if (!program)
		return err_set(err, -ENOENT, "e2fsck is not installed: install e2fsprogs");
	/* of a user, it is his in there, too */
	if (!geteuid() && chown(path, EXT4_NOBODY, EXT4_NOBODY) < 0)
		return err_errno(err, -errno, "cannot give the disk to e2fsck");
	r = ext4_run_repair(program, path, &status, err);
	if (r < 0)
		return r;
	if (status >= EXT4_REPAIR_CANCEL)
		return err_set(err, -EIO, "e2fsck ended with status %d", status);
	return status > EXT4_REPAIRED
		       ? err_set(err, -EUCLEAN, "e2fsck could not repair the disk's file system")
		       : 0;
}
