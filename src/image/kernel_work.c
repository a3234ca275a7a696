// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "base/mem.h"
#include "base/take.h"
#include "image/kernel-internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/*
 * 1. Only the holder of the lock on ROOT/kernels/.lock has anything named .tmp-*, so whoever gets it
 *    removes all that there is: it is a killed writer's.
 * 2. A kernel appears by one rename, whole, or not at all.
 * 3. A file in cache/ with one link belongs to no kernel and goes with the next writer.
 */
#define KERNEL_WORK_PREFIX ".tmp-"

static int kernel_work_lock(struct kernel_work *work, struct err *err)
{
	int r = file_mkdir_p(work->kernels, 0755);

	if (r < 0)
		return err_errno(err, r, "cannot make the folder %s", work->kernels);
	work->kernels_fd = open(work->kernels, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (work->kernels_fd < 0)
		return err_errno(err, -errno, "cannot open %s", work->kernels);
	work->lock =
		openat(work->kernels_fd, ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (work->lock < 0)
		return err_errno(err, -errno, "cannot open %s/.lock", work->kernels);
	r = file_lock(work->lock, LOCK_EX);
	return r < 0 ? err_errno(err, r, "cannot lock %s", work->kernels) : 0;
}

static void kernel_work_clean(int kernels_fd)
{
	int fd = openat(kernels_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (!strncmp(entry->d_name, KERNEL_WORK_PREFIX, strlen(KERNEL_WORK_PREFIX)))
			file_remove_tree(kernels_fd, entry->d_name);
	}
}

static void kernel_work_clean_cache(int kernels_fd)
{
	int fd = openat(kernels_fd, KERNEL_NAME_CACHE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	struct stat st;

	while (dir && (entry = readdir(dir))) {
		if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) && st.st_nlink == 1)
			unlinkat(fd, entry->d_name, 0);
	}
}

int kernel_work_open(const char *root, struct kernel_work *ret, struct err *err)
{
	_cleanup_kernel_work_ struct kernel_work work = KERNEL_WORK_INIT;
	_cleanup_free_ char *path = NULL;

	work.kernels = mem_printf("%s/kernels", root);
	if (kernel_work_lock(&work, err) < 0)
		return err->code;
	kernel_work_clean(work.kernels_fd);
	kernel_work_clean_cache(work.kernels_fd);
	path = mem_printf("%s/" KERNEL_WORK_PREFIX "XXXXXX", work.kernels);
	if (!mkdtemp(path))
		return err_errno(err, -errno, "cannot make a folder in %s", work.kernels);
	work.path = take_ptr(path);
	work.fd = open(work.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (work.fd < 0 || mkdirat(work.fd, "new", 0755) < 0)
		return err_errno(err, -errno, "cannot work in %s", work.path);
	*ret = work;
	work = KERNEL_WORK_INIT;
	return 0;
}

void kernel_work_close(struct kernel_work *work)
{
	if (work->path) { /* so it holds the lock */
		file_remove_tree(AT_FDCWD, work->path);
		kernel_work_clean_cache(work->kernels_fd);
	}
	work->fd = fd_close(work->fd);
	work->kernels_fd = fd_close(work->kernels_fd);
	work->lock = fd_close(work->lock);
	free(take_ptr(work->path));
	free(take_ptr(work->kernels));
}
