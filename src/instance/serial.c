// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: the file is read as it grows. A full one begins again with the last part of what it held, so
 * after that we look for the last bytes that we wrote, and go on behind them.
 */
#include "instance/serial.h"
#include "base/buf.h"
#include "base/file.h"
#include "instance/logs.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#define SERIAL_LOG  "boot.log"
#define SERIAL_MARK 256 /* bytes by which the place is found again */

struct serial {
	int log, notify, out;
	off_t at;
	int is_lost; /* the file began again, and is not read yet */
	char mark[SERIAL_MARK];
	size_t marked;
};

/* Keeps the last bytes of all that was written. */
static void serial_remember(struct serial *serial, const char *data, size_t len)
{
	size_t kept = serial->marked;

	if (len > SERIAL_MARK) {
		data += len - SERIAL_MARK;
		len = SERIAL_MARK;
	}
	if (kept + len > SERIAL_MARK)
		kept = SERIAL_MARK - len;
	memmove(serial->mark, serial->mark + serial->marked - kept, kept);
	memcpy(serial->mark + kept, data, len);
	serial->marked = kept + len;
}

/* Behind the last place where the mark is; the front if it is nowhere. */
static off_t serial_find(const struct serial *serial, const char *data, size_t len)
{
	for (size_t end = len; serial->marked && end >= serial->marked; end--) {
		if (!memcmp(data + end - serial->marked, serial->mark, serial->marked))
			return (off_t)end;
	}
	return 0;
}

static int serial_find_again(struct serial *serial, size_t size)
{
	_cleanup_buf_ struct buf held = BUF_INIT;
	ssize_t n;

	buf_reserve(&held, size);
	n = pread(serial->log, held.data, size, 0);
	if (n < 0)
		return -errno;
	serial->at = serial_find(serial, held.data, (size_t)n);
	serial->is_lost = 0;
	return 0;
}

static int serial_read_news(struct serial *serial)
{
	char block[16384];
	struct stat st;
	ssize_t n;
	int r = 0;

	if (fstat(serial->log, &st) < 0)
		return -errno;
	if (st.st_size < serial->at)
		serial->is_lost = 1;
	if (serial->is_lost && st.st_size)
		r = serial_find_again(serial, (size_t)st.st_size);
	while (r == 0 && !serial->is_lost &&
	       (n = pread(serial->log, block, sizeof(block), serial->at)) > 0) {
		r = file_write_all(serial->out, block, (size_t)n);
		serial->at += n;
		serial_remember(serial, block, (size_t)n);
	}
	return r;
}

static int serial_run(struct serial *serial, const char *run_lock)
{
	_cleanup_close_ int keeper = logs_keeper(run_lock);
	char events[4096];

	for (;;) {
		struct pollfd fds[2] = { { .fd = serial->notify, .events = POLLIN },
					 { .fd = keeper, .events = POLLIN } };
		int r = serial_read_news(serial);

		if (r < 0 || keeper < 0)
			return r;
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return -errno;
		if (fds[0].revents && read(serial->notify, events, sizeof(events)) < 0)
			return -errno;
		if (fds[1].revents)
			return serial_read_news(serial);
	}
}

static int serial_open(struct serial *serial, const char *state_dir)
{
	_cleanup_close_ int dir = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return -errno;
	serial->log = openat(dir, SERIAL_LOG, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (serial->log < 0)
		return -errno;
	serial->notify = inotify_init1(IN_CLOEXEC);
	return serial->notify < 0 || inotify_add_watch(serial->notify, state_dir, IN_MODIFY) < 0
		       ? -errno
		       : 0;
}

int serial_follow(const char *state_dir, const char *run_lock, int out, struct err *err)
{
	struct serial serial = { .log = -EBADF, .notify = -EBADF, .out = out };
	int r = serial_open(&serial, state_dir);

	if (r == 0)
		r = serial_run(&serial, run_lock);
	fd_close(serial.log);
	fd_close(serial.notify);
	if (r == -EPIPE)
		return err_set(err, r, "the reader of the console went away");
	if (r == -ENOENT)
		return err_set(err, r, "the VM was never started");
	return r < 0 ? err_errno(err, r, "cannot read the console in %s", state_dir) : 0;
}
