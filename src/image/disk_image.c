// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/disk_image.h"
#include "base/mem.h"
#include "disk/qcow2.h"
#include "image/disk_layer.h"
#include "image/ext4_layer.h"
#include "image/ext4_reader.h"
#include "image/unpack.h"
#include "sys/confine.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define DISK_IMAGE_MEMORY_MAX (UINT64_C(1) << 30)
#define DISK_IMAGE_CHUNK      ((size_t)1 << 20)
#define DISK_IMAGE_HOLE	      4096
#define DISK_IMAGE_STEP	      ((int64_t)16 << 20)
#define DISK_IMAGE_RAW	      "qcow2.raw"

_Static_assert(sizeof(struct partition_table) <= CONFINE_RESULT_MAX, "a table is a result");

struct disk_image_task {
	int in, out, report;
	int64_t size;	   /* of in */
	int64_t bytes_max; /* of out */
};

static const char *const disk_image_syscalls[] = {
	"read",	 "pread64", "preadv",	  "write",	"pwrite64",	"ftruncate",
	"lseek", "close",   "fstat",	  "newfstatat", "fcntl",	"brk",
	"mmap",	 "munmap",  "mremap",	  "futex",	"madvise",	"ioctl",
	"statx", "exit",    "exit_group", "getrandom",	"rt_sigreturn", NULL,
};

static int disk_image_run(const struct work *work, confine_fn fn, struct disk_image_task *task,
			  const char *const *syscalls, progress_fn progress, void *ctx,
			  void *result, size_t size, struct err *err)
{
	_cleanup_close_ int jail = disk_layer_jail(work, err);
	_cleanup_confine_ struct confine_child child = CONFINE_CHILD_INIT;
	const struct confine_spec spec = {
		.fn = fn,
		.ctx = task,
		.root_fd = jail,
		.keep_fds = { task->in, task->out },
		.syscalls = syscalls,
		.memory_max = DISK_IMAGE_MEMORY_MAX,
		.result_size = size,
	};
	int64_t done = 0;
	int r;

	if (jail < 0 || confine_start(&spec, &child, err) < 0)
		return err->code;
	while ((r = confine_read(&child, &done, result, size, err)) > 0) {
		if (progress)
			progress(ctx, "reading the disk image", done, 0);
	}
	return r;
}

/* --- qcow2 --- */

/* What is not zeroes. */
static int disk_image_put(struct disk_image_task *task, const char *data, size_t len,
			  uint64_t offset, struct err *err)
{
	static const char zeroes[DISK_IMAGE_HOLE];

	for (size_t at = 0; at < len; at += DISK_IMAGE_HOLE) {
		size_t n = len - at < DISK_IMAGE_HOLE ? len - at : DISK_IMAGE_HOLE;
		ssize_t written;

		if (!memcmp(data + at, zeroes, n))
			continue;
		task->bytes_max -= DISK_IMAGE_HOLE;
		if (task->bytes_max < 0)
			return err_set(err, -ENOSPC,
				       "there is no room for what is in the disk image");
		written = pwrite(task->out, data + at, n, (off_t)(offset + at));
		if (written != (ssize_t)n)
			return err_errno(err, written < 0 ? -errno : -ENOSPC,
					 "cannot write what is in the disk image");
	}
	return 0;
}

static int disk_image_copy(struct disk_image_task *task, struct format *format, struct err *err)
{
	_cleanup_free_ char *chunk = mem_zalloc(DISK_IMAGE_CHUNK);
	int64_t told = 0;

	if (format->size > (uint64_t)DISK_IMAGE_SIZE_MAX)
		return err_set(err, -EFBIG, "the disk is larger than %lld GiB",
			       (long long)(DISK_IMAGE_SIZE_MAX >> 30));
	for (uint64_t at = 0; at < format->size; at += DISK_IMAGE_CHUNK) {
		uint64_t left = format->size - at;
		size_t n = left < DISK_IMAGE_CHUNK ? (size_t)left : DISK_IMAGE_CHUNK;
		struct iovec iov;
		struct vector v = vector_of(&iov, chunk, n);
		int r = format->ops->read(format, &v, at);

		if (r < 0)
			return err_errno(err, r, "the qcow2 image is damaged or cut short");
		if (disk_image_put(task, chunk, n, at, err) < 0)
			return err->code;
		if ((int64_t)at >= told + DISK_IMAGE_STEP) {
			told = (int64_t)at;
			confine_progress(task->report, told);
		}
	}
	return ftruncate(task->out, (off_t)format->size) < 0
		       ? err_errno(err, -errno, "cannot write what is in the disk image")
		       : 0;
}

static int disk_image_task_unpack(void *ctx, int report_fd, void *result _unused_, struct err *err)
{
	struct disk_image_task *task = ctx;
	struct blockfile file;
	struct format *format;
	int r;

	task->report = report_fd;
	/* the descriptor becomes the file's */
	if (blockfile_open(&file, task->in, 0, 0, err) < 0 ||
	    qcow2_open(&file, 0, NULL, &format, err) < 0)
		return err->code;
	r = disk_image_copy(task, format, err);
	format->ops->free(format);
	return r;
}

int disk_image_unpack(const struct work *work, int fd, progress_fn progress, void *ctx, int *ret_fd,
		      struct err *err)
{
	_cleanup_close_ int out =
		openat(work->fd, DISK_IMAGE_RAW, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct disk_image_task task = { .in = fd, .out = out };
	struct unpack_options limits = { .bytes_max = 0 };
	char unused = 0;

	if (out < 0 || unlinkat(work->fd, DISK_IMAGE_RAW, 0) < 0)
		return err_errno(err, -errno, "cannot make a file in %s", work->path);
	if (unpack_limits(work->fd, &limits, err) < 0)
		return err->code;
	task.bytes_max = limits.bytes_max;
	if (disk_image_run(work, disk_image_task_unpack, &task, disk_image_syscalls, progress, ctx,
			   &unused, sizeof(unused), err) < 0)
		return err_wrap(err, "it is a qcow2 image that cannot be read ('qemu-img convert' "
				     "makes one whole)");
	*ret_fd = take_fd(&out);
	return 0;
}

/* --- partitions --- */

static int disk_image_task_find(void *ctx, int report_fd _unused_, void *result, struct err *err)
{
	const struct disk_image_task *task = ctx;
	struct partition_table *table = result;

	if (partition_read(task->in, task->size, table, err) < 0)
		return err->code;
	for (uint32_t i = 0; i < table->n; i++) {
		struct partition *partition = &table->partitions[i];
		const struct ext4_layer_source source = { .image = task->in,
							  .start = partition->start,
							  .len = partition->len };

		if (partition->system == PARTITION_EXT)
			partition->has_root = (uint8_t)ext4_layer_has_system(&source);
	}
	return 0;
}

int disk_image_find(const struct work *work, int fd, struct partition_table *ret, struct err *err)
{
	struct disk_image_task task = { .in = fd, .out = -EBADF };
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_errno(err, -errno, "cannot look at the disk");
	task.size = st.st_size;
	if (disk_image_run(work, disk_image_task_find, &task, ext4_reader_syscalls, NULL, NULL, ret,
			   sizeof(*ret), err) < 0)
		return err->code;
	if (ret->n > PARTITION_MAX)
		return err_set(err, -EIO, "the process that reads the disk found nonsense");
	for (uint32_t i = 0; i < ret->n; i++) {
		const struct partition *partition = &ret->partitions[i];

		if (partition->start < 0 || partition->len <= 0 || partition->start > st.st_size ||
		    partition->len > st.st_size - partition->start)
			return err_set(err, -EIO, "the process that reads the disk found nonsense");
	}
	return 0;
}
