/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DISK_DISK_H
#define DISK_DISK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"
#include "base/loop.h"

/*
 * The disk of a machine: an image that is open already, in a format that is said and never guessed, with
 * requests that are done in the background.
 *
 * All calls come with the device lock held (or from the one thread there is), and none but disk_open() and
 * disk_free() blocks. done() and completed() are called by the loop, in the thread that runs it.
 *
 * System calls after disk_open(), for the filter of a jail:
 *   io_uring:     io_uring_enter; read and write on an eventfd
 *   its threads:  preadv pwritev fdatasync fallocate; read and write on an eventfd; futex, madvise, mmap,
 *                 munmap, mprotect (their memory); to start one, with the first request that needs it: clone3 (or
 *                 clone), set_robust_list, rseq, rt_sigprocmask, sched_getaffinity; exit
 *   limits:       timerfd_settime
 */
struct disk;

enum disk_format { DISK_RAW, DISK_QCOW2 };

struct disk_file {
	int fd;
	enum disk_format format;
};

/* Files of one disk: itself, and its backing chain. */
#define DISK_FILES_MAX 64

/* A second; 0: no limit. A flush, and what empties blocks, is an operation that writes. */
struct disk_rates {
	uint64_t read_bytes, write_bytes, read_operations, write_operations;
};

struct disk_options {
	/* The image, then what it is backed by, nearest first. Descriptors become the disk's, also where
	 * disk_open() fails. What is backed is a qcow2 image that says so; the name that it says is ignored. */
	const struct disk_file *files;
	size_t n_files;
	int read_only;
	int direct;   /* past the host's page cache (O_DIRECT), all of the files */
	int no_uring; /* do not try io_uring: for tests, and for who wants it so */
	struct disk_rates rates;
};

enum disk_operation { DISK_READ, DISK_WRITE, DISK_FLUSH, DISK_DISCARD, DISK_WRITE_ZEROES };

/*
 * The caller's, who fills it down to ctx and leaves it and the memory alone until done(). offset and len
 * are multiples of disk_block(). iov: of reads and writes, at least len bytes in at most VECTOR_MAX
 * (disk/vector.h) segments.
 *
 * Requests that are under way together are done in any order. A flush covers what was done before it.
 */
struct disk_request {
	enum disk_operation operation;
	int unmap;	      /* write zeroes: the room may go back to the host */
	uint64_t offset, len; /* bytes */
	const struct iovec *iov;
	size_t n_iov;
	/* Once, with 0 or -errno: -EIO, -ENOSPC and their like, -ECANCELED after disk_cancel(). May submit. */
	void (*done)(struct disk_request *request, int result);
	void *ctx;

	/* The disk's own. */
	struct disk_request *next;
	int result;
};

/* In the thread that runs the loop. -EBUSY: in use by somebody else. */
int disk_open(struct loop *loop, const struct disk_options *options, struct disk **ret,
	      struct err *err);
/* Waits for what is under way; no done() comes any more. Not from inside one. Returns NULL. */
struct disk *disk_free(struct disk *disk);

uint64_t disk_size(const struct disk *disk); /* bytes, a multiple of disk_block() */
/*
 * Its file has become that large, in bytes, which disk_size() says from then on. -EOPNOTSUPP: its format says itself how large it
 * is; -EINVAL: it is smaller than before, or no multiple of disk_block(). In the loop's thread.
 */
int disk_grow(struct disk *disk, uint64_t size, struct err *err);
/* Other rates from now on, also for what waits. In the loop's thread. */
void disk_limit(struct disk *disk, const struct disk_rates *rates);
uint32_t disk_block(
	const struct disk *disk); /* bytes, at least 512: the least that can be written */
uint32_t disk_physical(const struct disk *disk); /* bytes: what is written best, a hint */
int disk_read_only(const struct disk *disk);
/* "io_uring" or "threads", and "raw" or "qcow2": for people. */
const char *disk_engine(const struct disk *disk);
const char *disk_format_name(const struct disk *disk);

/* completed comes after each run of done() calls: the place to raise an interrupt. */
void disk_attach(struct disk *disk, void (*completed)(void *ctx), void *ctx);

/*
 * Hands in a request; it may not start before disk_submit_flush(), which gets many of them under way with
 * one system call. -EINVAL (beyond the end, not aligned) or -EROFS: it was not taken, and there is no done().
 */
int disk_submit(struct disk *disk, struct disk_request *request);
void disk_submit_flush(struct disk *disk);

/* Requests that were handed in and not done. */
size_t disk_busy(const struct disk *disk);
/* Those that wait for the disk's limits are done with -ECANCELED, now; others go on. */
void disk_cancel(struct disk *disk);

#endif
