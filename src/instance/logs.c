// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The ring: `log` grows to LOGS_SEGMENT_MAX, is then renamed to `log.1` (replacing it), and a new `log`
 * begins. A reader opens log.1 and then log; when following, it goes on with the next `log` after the
 * one it reads was renamed. Invariants:
 *  1. A record lies in one segment whole, or is cut by a crash at that segment's very end.
 *  2. Only the keeper writes; a new keeper appends to what is there.
 */
#include "instance/logs.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/units.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define LOGS_HEADER_SIZE 28 /* "%016x %c %08x\n" */
#define LOGS_RECORD_MAX	 (1U << 20)

struct logs_writer {
	int dir, fd;
	size_t size;
};

static int logs_writer_open(struct logs_writer *writer)
{
	struct stat st;

	writer->fd = openat(writer->dir, "log", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (writer->fd < 0 || fstat(writer->fd, &st) < 0)
		return -errno;
	writer->size = (size_t)st.st_size;
	return 0;
}

int logs_writer_new(const char *state_dir, struct logs_writer **ret, struct err *err)
{
	struct logs_writer *writer = mem_zalloc(sizeof(*writer));
	int r;

	writer->fd = -EBADF;
	writer->dir = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = writer->dir < 0 ? -errno : logs_writer_open(writer);
	if (r < 0) {
		logs_writer_free(writer);
		return err_errno(err, r, "cannot open the log in %s", state_dir);
	}
	*ret = writer;
	return 0;
}

void logs_writer_free(struct logs_writer *writer)
{
	if (!writer)
		return;
	fd_close(writer->fd);
	fd_close(writer->dir);
	free(writer);
}

static void logs_rotate(struct logs_writer *writer)
{
	if (renameat(writer->dir, "log", writer->dir, "log.1") < 0)
		return;
	writer->fd = fd_close(writer->fd);
	(void)logs_writer_open(writer);
}

void logs_write(struct logs_writer *writer, char stream, const void *data, size_t len)
{
	char header[LOGS_HEADER_SIZE + 1];
	struct iovec iov[2];

	if (writer->size >= LOGS_SEGMENT_MAX)
		logs_rotate(writer);
	if (writer->fd < 0 || !len)
		return;
	snprintf(header, sizeof(header), "%016llx %c %08x\n", (unsigned long long)units_now(),
		 stream, (unsigned int)len);
	iov[0] = (struct iovec){ header, LOGS_HEADER_SIZE };
	iov[1] = (struct iovec){ (void *)(uintptr_t)data, len };
	if (writev(writer->fd, iov, 2) == (ssize_t)(LOGS_HEADER_SIZE + len)) {
		writer->size += LOGS_HEADER_SIZE + len;
		return;
	}
	/* the disk is full: take a partly written record back, so that the next one can be found */
	(void)!ftruncate(writer->fd, (off_t)writer->size);
}

/* A reader's place: the open segment, and what of it was read but makes no whole record yet. */
struct logs_reader {
	const struct logs_options *options;
	int dir, fd, notify;
	struct buf pending;
	int64_t skip_lines[2]; /* by stream: lines before the tail, not printed */
	int line_open[2];      /* by stream: the last byte was no newline */
	int count_only;
	int64_t counted;
};

struct logs_record {
	int64_t time;
	int stream; /* 0 stdout, 1 stderr */
	const char *data;
	size_t len;
};

/* The hexadecimal number of exactly n digits at p, or -1. */
static int64_t logs_parse_hex(const char *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++) {
		const char *digit = p[i] ? strchr(digits, p[i]) : NULL;

		if (!digit)
			return -1;
		value = value << 4 | (uint64_t)(digit - digits);
	}
	return value > INT64_MAX ? -1 : (int64_t)value;
}

/* 1 and the record, 0 if it is not whole, -EBADMSG if it is none. */
static int logs_record_parse(const char *data, size_t size, struct logs_record *ret)
{
	int64_t time, len;

	if (size < LOGS_HEADER_SIZE)
		return 0;
	time = logs_parse_hex(data, 16);
	len = logs_parse_hex(data + 19, 8);
	if (time < 0 || len < 0 || len > LOGS_RECORD_MAX || data[16] != ' ' || data[18] != ' ' ||
	    data[LOGS_HEADER_SIZE - 1] != '\n')
		return -EBADMSG;
	if (size - LOGS_HEADER_SIZE < (size_t)len)
		return 0;
	*ret = (struct logs_record){ .time = time,
				     .stream = data[17] == 'e',
				     .data = data + LOGS_HEADER_SIZE,
				     .len = (size_t)len };
	return 1;
}

static int logs_print_line(struct logs_reader *reader, const struct logs_record *record,
			   const char *line, size_t len)
{
	int out = record->stream ? reader->options->err : reader->options->out;
	char stamp[UNITS_TEXT_MAX + 1];
	size_t len_stamp;
	int r;

	if (reader->options->timestamps && !reader->line_open[record->stream]) {
		units_format_time(record->time, stamp);
		len_stamp = strlen(stamp);
		stamp[len_stamp++] = ' ';
		r = file_write_all(out, stamp, len_stamp);
		if (r < 0)
			return r;
	}
	reader->line_open[record->stream] = line[len - 1] != '\n';
	return file_write_all(out, line, len);
}

static int logs_print_record(struct logs_reader *reader, const struct logs_record *record)
{
	const struct logs_options *o = reader->options;
	const char *p = record->data, *end = p + record->len;
	int r;

	if (record->time < o->since_ns || (o->until_ns && record->time > o->until_ns))
		return 0;
	while (p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((newline ? newline + 1 : end) - p);

		if (reader->count_only) {
			reader->counted += newline != NULL;
		} else if (reader->skip_lines[0] > 0) {
			reader->skip_lines[0] -= newline != NULL;
		} else {
			r = logs_print_line(reader, record, p, len);
			if (r < 0)
				return r;
		}
		p += len;
	}
	return 0;
}

/* Reads to the present end of the open segment and prints whole records. */
static int logs_read_segment(struct logs_reader *reader)
{
	struct logs_record record;
	size_t done = 0;
	ssize_t n;
	int r = 0;

	if (reader->fd < 0)
		return 0;
	for (;;) {
		buf_reserve(&reader->pending, 65536);
		n = read(reader->fd, reader->pending.data + reader->pending.len, 65536);
		if (n < 0)
			return -errno;
		if (!n)
			return 0;
		reader->pending.len += (size_t)n;
		for (done = 0;;) {
			r = logs_record_parse(reader->pending.data + done,
					      reader->pending.len - done, &record);
			if (r <= 0)
				break;
			r = logs_print_record(reader, &record);
			if (r < 0)
				return r;
			done += LOGS_HEADER_SIZE + record.len;
		}
		if (r < 0)
			return r;
		buf_consume(&reader->pending, done);
	}
}

static int logs_open_segment(struct logs_reader *reader, const char *name)
{
	fd_close(reader->fd);
	reader->pending.len = 0;
	reader->fd = openat(reader->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return reader->fd < 0 && errno != ENOENT ? -errno : 0;
}

static int logs_read_ring(struct logs_reader *reader)
{
	int r = logs_open_segment(reader, "log.1");

	if (r == 0)
		r = logs_read_segment(reader);
	if (r == 0)
		r = logs_open_segment(reader, "log");
	return r < 0 ? r : logs_read_segment(reader);
}

/* True if `log` is not the file that is open: it was rotated, or made for the first time. */
static int logs_is_rotated(const struct logs_reader *reader)
{
	struct stat a, b;

	if (fstatat(reader->dir, "log", &a, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return reader->fd < 0 || fstat(reader->fd, &b) < 0 || a.st_ino != b.st_ino;
}

static int logs_read_news(struct logs_reader *reader)
{
	int r = logs_read_segment(reader);

	if (r == 0 && logs_is_rotated(reader)) {
		r = logs_open_segment(reader, "log");
		if (r == 0)
			r = logs_read_segment(reader);
	}
	return r;
}

int logs_keeper(const char *run_lock)
{
	_cleanup_close_ int fd = open(run_lock, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return -ESRCH;
	return (int)syscall(SYS_pidfd_open, lock.l_pid, 0);
}

static int logs_follow(struct logs_reader *reader, const char *run_lock)
{
	_cleanup_close_ int keeper = logs_keeper(run_lock);
	char events[4096];
	int r;

	for (;;) {
		struct pollfd fds[2] = { { .fd = reader->notify, .events = POLLIN },
					 { .fd = keeper, .events = POLLIN } };

		r = logs_read_news(reader);
		if (r < 0 || keeper < 0)
			return r;
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return -errno;
		if (fds[0].revents && read(reader->notify, events, sizeof(events)) < 0)
			return -errno;
		if (fds[1].revents)
			return logs_read_news(reader);
	}
}

static int logs_run(struct logs_reader *reader, const char *state_dir, const char *run_lock)
{
	int r;

	if (reader->options->tail >= 0) {
		reader->count_only = 1;
		r = logs_read_ring(reader);
		if (r < 0)
			return r;
		reader->count_only = 0;
		reader->skip_lines[0] = reader->counted - reader->options->tail;
	}
	if (reader->options->follow) {
		reader->notify = inotify_init1(IN_CLOEXEC);
		if (reader->notify < 0 || inotify_add_watch(reader->notify, state_dir,
							    IN_MODIFY | IN_CREATE | IN_MOVE) < 0)
			return -errno;
	}
	r = logs_read_ring(reader);
	if (r == 0 && reader->options->follow)
		r = logs_follow(reader, run_lock);
	return r;
}

int logs_print(const char *state_dir, const char *run_lock, const struct logs_options *options,
	       struct err *err)
{
	struct logs_reader reader = { .options = options, .fd = -EBADF, .notify = -EBADF };
	int r;

	reader.dir = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = reader.dir < 0 ? -errno : logs_run(&reader, state_dir, run_lock);
	buf_release(&reader.pending);
	fd_close(reader.fd);
	fd_close(reader.notify);
	fd_close(reader.dir);
	if (r == -EPIPE)
		return err_set(err, r, "the reader of the log went away");
	return r < 0 ? err_errno(err, r, "cannot read the log in %s", state_dir) : 0;
}
