// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/take.h"
#include "image/kernel-internal.h"
#include "image/modules.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* The fullest distribution kernels have 6500 modules, 600 MiB when not compressed, 10 deep. */
#define KERNEL_MODULES_FILES_MAX 65536
#define KERNEL_MODULES_BYTES_MAX (INT64_C(4) << 30)
#define KERNEL_MODULES_DEPTH_MAX 24

struct kernel_modules_copy {
	int files;
	int64_t bytes;
	struct err *err;
};

int kernel_modules_create(const struct kernel_work *work, struct err *err)
{
	int fd;

	if (mkdirat(work->fd, "new/modules", 0755) < 0)
		return err_errno(err, -errno, "cannot make %s/new/modules", work->path);
	fd = openat(work->fd, "new/modules", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_errno(err, -errno, "cannot open %s/new/modules", work->path) : fd;
}

static int kernel_modules_copy_file(int from, int to, const char *name,
				    struct kernel_modules_copy *copy)
{
	_cleanup_close_ int in = modules_open(from, name), out = -EBADF;
	struct stat st;
	int r;

	if (in < 0 || fstat(in, &st) < 0)
		return err_errno(copy->err, in < 0 ? in : -errno, "cannot open the module %s",
				 name);
	copy->bytes += st.st_size;
	if (++copy->files > KERNEL_MODULES_FILES_MAX || st.st_size > KERNEL_MODULES_BYTES_MAX ||
	    copy->bytes > KERNEL_MODULES_BYTES_MAX)
		return err_set(copy->err, -EFBIG,
			       "the folder of modules is larger than any kernel's");
	out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	r = out < 0 ? -errno : file_copy_sparse(in, out);
	return r < 0 ? err_errno(copy->err, r, "cannot copy the module %s", name) : 0;
}

static int kernel_modules_copy_folder(int from, int to, int depth,
				      struct kernel_modules_copy *copy);

static int kernel_modules_copy_entry(int from, int to, const char *name, int depth,
				     struct kernel_modules_copy *copy)
{
	_cleanup_close_ int in = -EBADF, out = -EBADF;
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(copy->err, -errno, "cannot look at %s", name);
	if (S_ISREG(st.st_mode))
		return kernel_modules_copy_file(from, to, name, copy);
	if (!S_ISDIR(st.st_mode)) /* "build" and "source" are symlinks to headers */
		return 0;
	if (depth == KERNEL_MODULES_DEPTH_MAX || ++copy->files > KERNEL_MODULES_FILES_MAX)
		return err_set(copy->err, -ELOOP,
			       "the folder of modules is deeper than any kernel's");
	in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (in < 0 || mkdirat(to, name, 0755) < 0)
		return err_errno(copy->err, -errno, "cannot copy the folder %s", name);
	out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out < 0)
		return err_errno(copy->err, -errno, "cannot copy the folder %s", name);
	return kernel_modules_copy_folder(in, out, depth + 1, copy);
}

static int kernel_modules_copy_folder(int from, int to, int depth, struct kernel_modules_copy *copy)
{
	int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return err_errno(copy->err, -errno, "cannot read the folder of modules");
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (kernel_modules_copy_entry(from, to, entry->d_name, depth, copy) < 0)
			return copy->err->code;
	}
	return 0;
}

int kernel_modules_copy(int from, int to, struct err *err)
{
	struct kernel_modules_copy copy = { .err = err };

	return kernel_modules_copy_folder(from, to, 0, &copy);
}

/* The folders on the way to path; the path was checked by modules_select(). */
static int kernel_modules_make_parents(int to, const char *path)
{
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		_cleanup_free_ char *folder = mem_strndup(path, (size_t)(slash - path));

		if (mkdirat(to, folder, 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

int kernel_modules_copy_needed(int from, int to, char *const *modules, struct err *err)
{
	struct kernel_modules_copy copy = { .err = err };

	strv_for_each(path, modules) {
		int r = kernel_modules_make_parents(to, *path);

		if (r < 0)
			return err_errno(err, r, "cannot copy the module %s", *path);
		if (kernel_modules_copy_file(from, to, *path, &copy) < 0)
			return err->code;
	}
	return 0;
}
