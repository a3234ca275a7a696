// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: an event is one write of a line to a file that is open for appending, so lines of several keepers do not mix and
 * nobody waits for anybody. Who finds the file long renames it over the old one, and the next one begins it anew.
 *
 * Invariants:
 *  1. A line is whole or, on a disk that was full, not a line of JSON; readers pass over such.
 *  2. A reader that follows reads a file to its end before it goes on with the one that has taken its place.
 */
#include "instance/events.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/units.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>

const char *const events_kind_names[] = { "start", "end",      "restart",    "pause", "resume",
					  "oom",   "throttle", "unthrottle", NULL };

static char *events_path(const struct instance_home *home, const char *file)
{
	return mem_printf("%s/%s", home->root, file);
}

/* Only one process does so; that it was this file is seen under the lock. */
static void events_rotate(const struct instance_home *home, int fd, const char *path)
{
	_cleanup_free_ char *old = events_path(home, EVENTS_OLD_FILE);
	struct stat ours, there;

	if (file_lock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &ours) < 0 ||
	    stat(path, &there) < 0 || ours.st_ino != there.st_ino || ours.st_dev != there.st_dev)
		return;
	(void)rename(path, old);
}

static void events_write(const struct instance_home *home, const char *line, size_t len)
{
	_cleanup_free_ char *path = events_path(home, EVENTS_FILE);
	_cleanup_close_ int fd =
		open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;

	if (fd < 0 || write(fd, line, len) < 0 || fstat(fd, &st) < 0)
		return;
	if (st.st_size > EVENTS_SIZE_MAX)
		events_rotate(home, fd, path);
}

void events_note(const struct instance_home *home, const struct instance *record,
		 enum events_kind kind, const char *text, struct json *details)
{
	_cleanup_json_ struct json *event = json_new_object();
	_cleanup_free_ char *json = NULL, *line = NULL;
	char time[UNITS_TEXT_MAX];

	json_object_add(event, "time", json_new_string(units_format_time(units_now(), time)));
	json_object_add(event, "name", json_new_string(record->name));
	json_object_add(event, "kind", json_new_string(instance_kind_names[record->kind]));
	json_object_add(event, "event", json_new_string(events_kind_names[kind]));
	json_object_add(event, "text", json_new_string(text));
	if (details)
		json_object_add(event, "details", details);
	json = json_text(event, 0);
	line = mem_printf("%s\n", json);
	if (strlen(line) < EVENTS_LINE_MAX)
		events_write(home, line, strlen(line));
}

void events_note_end(const struct instance_home *home, const struct instance *record)
{
	_cleanup_free_ char *text = NULL;
	struct json *details = json_new_object();

	text = record->error ? mem_strdup(record->error)
			     : mem_printf("exit status %lld%s", (long long)record->exit_code,
					  record->oom_killed ? ", for want of memory" : "");
	json_object_add(details, "exit_code", json_new_int(record->exit_code));
	json_object_add(details, "oom_killed", json_new_bool(record->oom_killed));
	json_object_add(details, "stopped_by_user", json_new_bool(record->stopped_by_user));
	events_note(home, record, EVENTS_END, text, details);
}

/* --- reading --- */

struct events_reader {
	const struct events_wanted *wanted;
	int (*each)(const struct json *event, void *ctx);
	void *ctx;
	struct buf rest; /* of a file: a line that has no end yet */
};

static int events_is_wanted(const struct events_wanted *wanted, const struct json *event)
{
	struct err ignored = ERR_INIT;
	int64_t time = 0;

	if (wanted->names && !strv_has(wanted->names, json_get_string(event, "name", "")))
		return 0;
	if (wanted->kinds && !strv_has(wanted->kinds, json_get_string(event, "event", "")))
		return 0;
	if (!wanted->since_ns && !wanted->until_ns)
		return 1;
	if (units_parse_time(json_get_string(event, "time", ""), 0, &time, &ignored) < 0)
		return 0;
	return time >= wanted->since_ns && (!wanted->until_ns || time <= wanted->until_ns);
}

static int events_take_line(struct events_reader *reader, const char *line, size_t len)
{
	_cleanup_json_ struct json *event = NULL;
	struct err ignored = ERR_INIT;

	if (len > EVENTS_LINE_MAX || json_parse(line, len, EVENTS_FILE, &event, &ignored) < 0 ||
	    json_kind(event) != JSON_OBJECT || !events_is_wanted(reader->wanted, event))
		return 0;
	return reader->each(event, reader->ctx);
}

/* What there is to read now. */
static int events_take(struct events_reader *reader, int fd)
{
	char block[16384];
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = read(fd, block, sizeof(block))) > 0) {
		char *end;

		buf_add(&reader->rest, block, (size_t)n);
		while (r == 0 && reader->rest.len &&
		       (end = memchr(reader->rest.data, '\n', reader->rest.len))) {
			size_t len = (size_t)(end - reader->rest.data);

			r = events_take_line(reader, reader->rest.data, len);
			buf_consume(&reader->rest, len + 1);
		}
		if (reader->rest.len > EVENTS_LINE_MAX)
			reader->rest.len = 0;
	}
	return r;
}

static int events_open(const struct instance_home *home, const char *file)
{
	_cleanup_free_ char *path = events_path(home, file);

	return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

/* The file has been renamed, and there may be another one in its place. */
static int events_is_current(const struct instance_home *home, int fd)
{
	_cleanup_free_ char *path = events_path(home, EVENTS_FILE);
	struct stat ours, there;

	return fd >= 0 && fstat(fd, &ours) == 0 && stat(path, &there) == 0 &&
	       ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

static int events_wait(int notify, int64_t until_ns)
{
	struct pollfd poller = { .fd = notify, .events = POLLIN };
	int64_t left = until_ns ? (until_ns - units_now()) / 1000000 : -1;
	char events[4096];
	int r;

	if (until_ns && left <= 0)
		return 0;
	r = poll(&poller, 1, left > INT32_MAX ? INT32_MAX : (int)left);
	if (r > 0 && read(notify, events, sizeof(events)) < 0)
		return -errno;
	return r;
}

static int events_follow(const struct instance_home *home, struct events_reader *reader, int notify,
			 int *fd)
{
	for (;;) {
		int r = *fd < 0 ? 0 : events_take(reader, *fd);

		if (r)
			return r;
		if (!events_is_current(home, *fd)) {
			int next = events_open(home, EVENTS_FILE);

			/* what came between the last look and the renaming */
			r = *fd < 0 ? 0 : events_take(reader, *fd);
			fd_close(*fd);
			*fd = next;
			reader->rest.len = 0;
			if (r || next >= 0)
				continue;
		}
		r = events_wait(notify, reader->wanted->until_ns);
		if (r <= 0)
			return 0;
	}
}

int events_read(const struct instance_home *home, const struct events_wanted *wanted,
		int (*each)(const struct json *event, void *ctx), void *ctx, struct err *err)
{
	_cleanup_close_ int notify = inotify_init1(IN_CLOEXEC), old = -EBADF, fd = -EBADF;
	struct events_reader reader = { .wanted = wanted, .each = each, .ctx = ctx };
	int r = 0;

	if (notify < 0)
		return err_errno(err, -errno, "cannot watch %s", home->root);
	/* before the first look, so that nothing comes unseen after it */
	if (wanted->follow &&
	    inotify_add_watch(notify, home->root, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
		return err_errno(err, -errno, "cannot watch %s", home->root);
	fd = events_open(home, EVENTS_FILE);
	if (wanted->only_new && fd >= 0) {
		(void)lseek(fd, 0, SEEK_END);
	} else if (!wanted->only_new) {
		old = events_open(home, EVENTS_OLD_FILE);
		r = old < 0 ? 0 : events_take(&reader, old);
		reader.rest.len = 0;
	}
	if (r == 0 && wanted->follow)
		r = events_follow(home, &reader, notify, &fd);
	else if (r == 0 && fd >= 0)
		r = events_take(&reader, fd);
	buf_release(&reader.rest);
	return r;
}
