// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/blockfile.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* Bounce buffers are of this size at most, whatever the guest asks for. */
#define BLOCKFILE_BOUNCE (256 << 10)
#define BLOCKFILE_ALIGN	 4096
/* The kernel cuts longer reads and writes. */
#define BLOCKFILE_IO_MAX (1 << 30)

static int blockfile_check_mode(int fd, int writable, struct err *err)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return err_errno(err, -errno, "cannot use the disk's descriptor");
	if ((flags & O_PATH) || (flags & O_ACCMODE) == O_WRONLY ||
	    (writable && (flags & O_ACCMODE) != O_RDWR))
		return err_set(err, -EACCES, "the disk's descriptor is not open for %s",
			       writable ? "reading and writing" : "reading");
	if (writable && (flags & O_APPEND))
		return err_set(err, -EINVAL, "the disk's descriptor only appends");
	return 0;
}

static int blockfile_lock_byte(int fd, int command, int type, int byte)
{
	struct flock lock = {
		.l_type = (short)type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1
	};

	if (fcntl(fd, command, &lock) < 0)
		return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
	return command == F_OFD_GETLK && lock.l_type != F_UNLCK ? -EBUSY : 0;
}

/*
 * QEMU's protocol (its block/file-posix.c), so that its tools and machines see us and we them: shared locks
 * on one byte for each thing that one does, and on one for each that others must not do; then a look whether
 * the others' locks contradict. File systems that know no locks are taken as they are.
 */
static int blockfile_lock(int fd, int writable, struct err *err)
{
	enum { READ = 0, WRITE = 1, RESIZE = 3, DOES = 100, FORBIDS = 200 };
	static const struct {
		int lock, contradicts;
		int to_read;
	} locks[] = {
		{ DOES + READ, FORBIDS + READ, 1 },	{ DOES + WRITE, FORBIDS + WRITE, 0 },
		{ DOES + RESIZE, FORBIDS + RESIZE, 0 }, { FORBIDS + WRITE, DOES + WRITE, 1 },
		{ FORBIDS + RESIZE, DOES + RESIZE, 1 },
	};
	int r = 0;

	for (size_t i = 0; r != -EBUSY && i < ARRAY_SIZE(locks); i++)
		if (writable || locks[i].to_read)
			r = blockfile_lock_byte(fd, F_OFD_SETLK, F_RDLCK, locks[i].lock);
	for (size_t i = 0; r != -EBUSY && i < ARRAY_SIZE(locks); i++)
		if (writable || locks[i].to_read)
			r = blockfile_lock_byte(fd, F_OFD_GETLK, F_WRLCK, locks[i].contradicts);
	return r == -EBUSY ? err_set(err, -EBUSY, "the disk is in use by another program") : 0;
}

static int blockfile_measure(struct blockfile *file, struct err *err)
{
	struct stat st;
	off_t end;

	if (fstat(file->fd, &st) < 0)
		return err_errno(err, -errno, "cannot use the disk's descriptor");
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_set(err, -EINVAL, "a disk is a file or a block device");
	end = lseek(file->fd, 0, SEEK_END);
	if (end < 0)
		return err_errno(err, -errno, "cannot tell the disk's size");
	file->size = (uint64_t)end;
	file->block = 1;
	file->memory_align = 1;
	file->physical = 512;
	if (S_ISBLK(st.st_mode)) {
		unsigned int physical = 0;

		if (ioctl(file->fd, BLKPBSZGET, &physical) == 0 && physical >= 512 &&
		    physical <= 65536)
			file->physical = physical;
	} else if (st.st_blksize >= 512 && st.st_blksize <= 65536) {
		file->physical = (uint32_t)st.st_blksize;
	}
	return 0;
}

static int blockfile_is_power(uint64_t value, uint64_t max)
{
	return value > 0 && value <= max && (value & (value - 1)) == 0;
}

/* What O_DIRECT wants: Linux tells since 6.1; before, of block devices alone. */
static void blockfile_measure_direct(struct blockfile *file)
{
	struct statx stx = { 0 };
	int sector = 0;

	file->block = BLOCKFILE_ALIGN;
	file->memory_align = BLOCKFILE_ALIGN;
	if (statx(file->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) == 0 &&
	    (stx.stx_mask & STATX_DIOALIGN) &&
	    blockfile_is_power(stx.stx_dio_mem_align, BLOCKFILE_ALIGN) &&
	    blockfile_is_power(stx.stx_dio_offset_align, BLOCKFILE_ALIGN)) {
		file->memory_align = stx.stx_dio_mem_align;
		file->block = stx.stx_dio_offset_align;
	} else if (ioctl(file->fd, BLKSSZGET, &sector) == 0 &&
		   blockfile_is_power((uint64_t)sector, BLOCKFILE_ALIGN)) {
		file->memory_align = (uint32_t)sector;
		file->block = (uint32_t)sector;
	}
}

static int blockfile_set_direct(struct blockfile *file, struct err *err)
{
	int flags = fcntl(file->fd, F_GETFL);

	if (flags < 0 || fcntl(file->fd, F_SETFL, flags | O_DIRECT) < 0)
		return err_errno(err, -errno, "the disk cannot be used without the page cache");
	file->direct = 1;
	blockfile_measure_direct(file);
	return 0;
}

int blockfile_open(struct blockfile *ret, int fd, int writable, int direct, struct err *err)
{
	int r;

	*ret = (struct blockfile){ .fd = fd };
	r = blockfile_check_mode(fd, writable, err);
	if (r == 0)
		r = blockfile_measure(ret, err);
	if (r == 0)
		r = blockfile_lock(fd, writable, err);
	if (r == 0 && direct)
		r = blockfile_set_direct(ret, err);
	if (r < 0)
		blockfile_close(ret);
	return r;
}

void blockfile_close(struct blockfile *file)
{
	file->fd = fd_close(file->fd);
}

void *blockfile_alloc(size_t len)
{
	void *p = NULL;

	return posix_memalign(&p, BLOCKFILE_ALIGN, len) == 0 ? p : NULL;
}

int blockfile_fits(const struct blockfile *file, const struct vector *v, uint64_t offset)
{
	return !file->direct || (((offset | v->len) & (file->block - 1)) == 0 &&
				 vector_aligned(v, file->memory_align, file->block));
}

/* Reads len bytes at most; less at the end of the file. */
static ssize_t blockfile_read_some(int fd, const struct iovec *list, int n, uint64_t offset)
{
	ssize_t r;

	do {
		r = preadv(fd, list, n, (off_t)offset);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

static ssize_t blockfile_write_some(int fd, const struct iovec *list, int n, uint64_t offset)
{
	ssize_t r;

	do {
		r = pwritev(fd, list, n, (off_t)offset);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r == 0 ? -EIO : r;
}

typedef ssize_t (*blockfile_some_fn)(int fd, const struct iovec *list, int n, uint64_t offset);

/* Goes on until all is done or (reading) the end of the file has come; returns what is left. */
static int blockfile_all(const struct blockfile *file, const struct vector *v, uint64_t offset,
			 blockfile_some_fn some, struct vector *ret_rest)
{
	struct iovec list[VECTOR_MAX];
	struct vector rest = *v;
	uint64_t len;

	while (rest.len > 0) {
		struct vector piece = vector_part(
			&rest, 0, rest.len < BLOCKFILE_IO_MAX ? rest.len : BLOCKFILE_IO_MAX);
		int n = vector_list(&piece, list, VECTOR_MAX, &len);
		ssize_t r = some(file->fd, list, n, offset);

		if (r < 0)
			return (int)r;
		if (r == 0)
			break;
		offset += (uint64_t)r;
		rest = vector_part(&rest, (uint64_t)r, rest.len - (uint64_t)r);
		/* A short direct read that ends within a block has met the end of the file. */
		if ((offset & (file->block - 1)) != 0)
			break;
	}
	*ret_rest = rest;
	return 0;
}

static int blockfile_read_fitting(const struct blockfile *file, const struct vector *v,
				  uint64_t offset)
{
	struct vector rest;
	int r = blockfile_all(file, v, offset, blockfile_read_some, &rest);

	if (r == 0)
		vector_zero(&rest);
	return r;
}

static int blockfile_write_fitting(const struct blockfile *file, const struct vector *v,
				   uint64_t offset)
{
	struct vector rest;
	int r = blockfile_all(file, v, offset, blockfile_write_some, &rest);

	return r < 0 ? r : rest.len > 0 ? -EIO : 0;
}

/* Whole blocks that hold the first of len bytes at offset, as many as a bounce buffer has room for. */
struct blockfile_window {
	uint64_t start, len; /* of the blocks */
	uint64_t skip, used; /* what is wanted of them */
};

static struct blockfile_window blockfile_window(const struct blockfile *file, uint64_t offset,
						uint64_t len)
{
	uint64_t mask = file->block - 1;
	struct blockfile_window w = { .start = offset & ~mask };

	w.skip = offset - w.start;
	w.used = len < BLOCKFILE_BOUNCE - w.skip ? len : BLOCKFILE_BOUNCE - w.skip;
	w.len = (w.skip + w.used + mask) & ~mask;
	return w;
}

static int blockfile_bounce(const struct blockfile *file, const struct vector *v, uint64_t offset,
			    int writing)
{
	_cleanup_free_ char *bounce = blockfile_alloc(BLOCKFILE_BOUNCE);
	struct iovec one;
	uint64_t done = 0;

	if (!bounce)
		return -ENOMEM;
	while (done < v->len) {
		struct blockfile_window w = blockfile_window(file, offset + done, v->len - done);
		struct vector blocks = vector_of(&one, bounce, w.len);
		struct vector part = vector_part(v, done, w.used);
		int r = 0;

		if (!writing || w.used < w.len)
			r = blockfile_read_fitting(file, &blocks, w.start);
		if (r == 0 && writing) {
			vector_get(&part, bounce + w.skip, w.used);
			r = blockfile_write_fitting(file, &blocks, w.start);
		} else if (r == 0) {
			vector_put(&part, bounce + w.skip, w.used);
		}
		if (r < 0)
			return r;
		done += w.used;
	}
	return 0;
}

int blockfile_read(const struct blockfile *file, const struct vector *v, uint64_t offset)
{
	return blockfile_fits(file, v, offset) ? blockfile_read_fitting(file, v, offset)
					       : blockfile_bounce(file, v, offset, 0);
}

int blockfile_write(const struct blockfile *file, const struct vector *v, uint64_t offset)
{
	return blockfile_fits(file, v, offset) ? blockfile_write_fitting(file, v, offset)
					       : blockfile_bounce(file, v, offset, 1);
}

int blockfile_get(const struct blockfile *file, void *data, size_t len, uint64_t offset)
{
	struct iovec one;
	struct vector v = vector_of(&one, data, len);

	return blockfile_read(file, &v, offset);
}

int blockfile_put(const struct blockfile *file, const void *data, size_t len, uint64_t offset)
{
	struct iovec one;
	struct vector v = vector_of(&one, (void *)data, len);

	return blockfile_write(file, &v, offset);
}

int blockfile_sync(const struct blockfile *file)
{
	return fdatasync(file->fd) < 0 ? -errno : 0;
}

static int blockfile_allocate(const struct blockfile *file, int mode, uint64_t offset, uint64_t len)
{
	int r;

	do {
		r = fallocate(file->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)len);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

static int blockfile_write_zeroes(const struct blockfile *file, uint64_t offset, uint64_t len)
{
	size_t room = len < BLOCKFILE_BOUNCE ? len : BLOCKFILE_BOUNCE;
	_cleanup_free_ char *zeroes = blockfile_alloc(room);

	if (!zeroes)
		return -ENOMEM;
	memset(zeroes, 0, room);
	while (len > 0) {
		size_t piece = len < room ? len : room;
		int r = blockfile_put(file, zeroes, piece, offset);

		if (r < 0)
			return r;
		offset += piece;
		len -= piece;
	}
	return 0;
}

int blockfile_zero(const struct blockfile *file, uint64_t offset, uint64_t len, int unmap)
{
	int r = -EOPNOTSUPP;

	if (len == 0)
		return 0;
	if (unmap)
		r = blockfile_allocate(file, FALLOC_FL_PUNCH_HOLE, offset, len);
	if (r < 0)
		r = blockfile_allocate(file, FALLOC_FL_ZERO_RANGE, offset, len);
	/* Not known there, or not at this alignment. */
	if (r == -EOPNOTSUPP || r == -EINVAL || r == -ENODEV)
		r = blockfile_write_zeroes(file, offset, len);
	return r;
}

int blockfile_discard(const struct blockfile *file, uint64_t offset, uint64_t len)
{
	int r = len == 0 ? 0 : blockfile_allocate(file, FALLOC_FL_PUNCH_HOLE, offset, len);

	return r == -EOPNOTSUPP || r == -EINVAL || r == -ENODEV ? 0 : r;
}
