// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/disk_layer.h"
#include "base/mem.h"
#include "image/ext4_layer.h"
#include "image/ext4_reader.h"
#include "proto/instance.h"
#include "sys/confine.h"
#include "sys/ext4.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define DISK_LAYER_MEMORY_MAX (UINT64_C(1) << 30)
#define DISK_LAYER_STEP	      ((int64_t)4 << 20)
#define DISK_LAYER_JAIL	      "jail"
#define DISK_LAYER_TAR	      "disk.tar"
#define DISK_LAYER_CHUNK      ((size_t)256 << 10)

/* What the process that reads is to do. */
struct disk_layer_task {
	struct ext4_layer_source source;
	int out, report;
	int64_t told;
};

static void disk_layer_tell(void *ctx, int64_t bytes)
{
	struct disk_layer_task *task = ctx;

	if (bytes < task->told + DISK_LAYER_STEP)
		return;
	task->told = bytes;
	confine_progress(task->report, bytes);
}

static int disk_layer_task_read(void *ctx, int report_fd, void *result, struct err *err)
{
	struct disk_layer_task *task = ctx;

	task->report = report_fd;
	task->source.progress = disk_layer_tell;
	task->source.ctx = task;
	return ext4_layer_write(&task->source, task->out, result, err);
}

int disk_layer_jail(const struct work *work, struct err *err)
{
	int fd;

	if (mkdirat(work->fd, DISK_LAYER_JAIL, 0755) < 0 && errno != EEXIST)
		return err_errno(err, -errno, "cannot make a folder in %s", work->path);
	fd = openat(work->fd, DISK_LAYER_JAIL, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_errno(err, -errno, "cannot open a folder in %s", work->path) : fd;
}

static int disk_layer_run(const struct work *work, struct disk_layer_task *task,
			  progress_fn progress, void *ctx, struct ext4_layer_found *ret,
			  struct err *err)
{
	_cleanup_close_ int jail = disk_layer_jail(work, err);
	_cleanup_confine_ struct confine_child child = CONFINE_CHILD_INIT;
	const struct confine_spec spec = {
		.fn = disk_layer_task_read,
		.ctx = task,
		.root_fd = jail,
		.keep_fds = { task->source.image, task->out },
		.syscalls = ext4_reader_syscalls,
		.memory_max = DISK_LAYER_MEMORY_MAX,
		.result_size = sizeof(struct ext4_layer_found),
	};
	int64_t done = 0;
	int r;

	if (jail < 0 || confine_start(&spec, &child, err) < 0)
		return err->code;
	while ((r = confine_read(&child, &done, ret, sizeof(*ret), err)) > 0) {
		if (progress)
			progress(ctx, "reading the disk", done, 0);
	}
	return r;
}

/* --- repair --- */

static int disk_layer_copy_range(int in, int out, int64_t from, int64_t to, int64_t start,
				 char *chunk)
{
	while (from < to) {
		size_t want = to - from < (int64_t)DISK_LAYER_CHUNK ? (size_t)(to - from)
								    : DISK_LAYER_CHUNK;
		ssize_t n = pread(in, chunk, want, from), written;

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		written = pwrite(out, chunk, (size_t)n, from - start);
		if (written != n)
			return written < 0 ? -errno : -ENOSPC;
		from += n;
	}
	return 0;
}

/* With its holes. */
static int disk_layer_copy(int in, int out, int64_t start, int64_t len)
{
	_cleanup_free_ char *chunk = mem_zalloc(DISK_LAYER_CHUNK);
	int64_t end = start + len, at = start;
	struct stat st;

	if (fstat(in, &st) < 0)
		return -errno;
	if (!len || end > st.st_size)
		end = st.st_size;
	if (!start && end == st.st_size && ioctl(out, FICLONE, in) == 0)
		return 0;
	while (at < end) {
		int64_t data = lseek(in, at, SEEK_DATA), hole;
		int r;

		if (data < 0 || data >= end)
			break;
		hole = lseek(in, data, SEEK_HOLE);
		if (hole < 0 || hole > end)
			hole = end;
		r = disk_layer_copy_range(in, out, data, hole, start, chunk);
		if (r < 0)
			return r;
		at = hole;
	}
	return ftruncate(out, end - start) < 0 ? -errno : 0;
}

int disk_layer_repair(int *image, int64_t start, int64_t len, const char *work, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/" INSTANCE_DISK, work);
	_cleanup_close_ int copy =
		open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (copy < 0)
		return err_errno(err, -errno, "cannot make %s", path);
	r = disk_layer_copy(*image, copy, start, len);
	if (r < 0)
		return err_errno(err, r, "cannot copy the disk to repair it");
	r = ext4_repair(path, err);
	if (r < 0)
		return r;
	fd_close(*image);
	*image = take_fd(&copy);
	return 0;
}

/* --- the whole --- */

static int disk_layer_read_repaired(const struct work *work, struct disk_layer_task *task,
				    progress_fn progress, void *ctx, struct ext4_layer_found *ret,
				    struct err *err)
{
	_cleanup_close_ int image = fcntl(task->source.image, F_DUPFD_CLOEXEC, 0);
	int r;

	if (image < 0)
		return err_errno(err, -errno, "cannot use the disk");
	if (progress)
		progress(ctx, "repairing a copy of the disk", 0, 0);
	r = disk_layer_repair(&image, task->source.start, task->source.len, work->path, err);
	if (r < 0)
		return r;
	task->source.image = image;
	task->source.start = task->source.len = 0;
	task->told = 0;
	if (ftruncate(task->out, 0) < 0 || lseek(task->out, 0, SEEK_SET) < 0)
		return err_errno(err, -errno, "cannot start again");
	return disk_layer_run(work, task, progress, ctx, ret, err);
}

int disk_layer_read(const struct work *work, int image, int64_t start, int64_t len,
		    const char *folder, progress_fn progress, void *ctx, int *ret_fd,
		    struct ext4_layer_found *ret, struct err *err)
{
	_cleanup_close_ int out =
		openat(work->fd, DISK_LAYER_TAR, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct disk_layer_task task = {
		.source = { .image = image, .start = start, .len = len, .folder = folder },
		.out = out,
	};
	struct err unclean = ERR_INIT;
	int r;

	if (out < 0)
		return err_errno(err, -errno, "cannot make a file in %s", work->path);
	r = disk_layer_run(work, &task, progress, ctx, ret, &unclean);
	if (r == -EUCLEAN)
		r = disk_layer_read_repaired(work, &task, progress, ctx, ret, err);
	else if (r < 0)
		*err = unclean;
	if (r < 0)
		return r;
	if (lseek(out, 0, SEEK_SET) < 0 || unlinkat(work->fd, DISK_LAYER_TAR, 0) < 0)
		return err_errno(err, -errno, "cannot read the layer");
	*ret_fd = take_fd(&out);
	return 0;
}
