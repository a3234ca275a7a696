// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/procs.h"
#include "base/file.h"
#include "base/mem.h"
#include "proto/wire.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>

/* A status file has about 60 short lines; one stat line; command lines are cut by us. */
#define PROCS_FILE_MAX 8192

/* Fields of /proc/PID/stat behind the name in brackets, counted from 0 (proc(5) counts from 3). */
enum { PROCS_STATE = 0, PROCS_PPID = 1, PROCS_UTIME = 11, PROCS_STIME = 12, PROCS_RSS = 21 };
#define PROCS_FIELDS 22

/* Bytes of an entry on the wire without its command's. */
#define PROCS_ENTRY_SIZE 33

/* A file of the process; a longer one is cut. */
static int procs_file(int procfd, uint32_t pid, const char *name, char text[PROCS_FILE_MAX],
		      size_t *ret_len)
{
	char path[64];
	_cleanup_close_ int fd = -EBADF;
	size_t len = 0;
	ssize_t n = 1;

	snprintf(path, sizeof(path), "%u/%s", pid, name);
	fd = openat(procfd, path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && n > 0 && len < PROCS_FILE_MAX - 1) {
		n = read(fd, text + len, PROCS_FILE_MAX - 1 - len);
		if (n > 0)
			len += (size_t)n;
	}
	if (fd < 0 || n < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	text[len] = '\0';
	*ret_len = len;
	return 0;
}

static uint64_t procs_number(const char *s)
{
	uint64_t value = 0;

	while (isdigit((unsigned char)*s) && value < UINT64_MAX / 10 - 1)
		value = value * 10 + (uint64_t)(*s++ - '0');
	return value;
}

/* "PID (NAME) S PPID ...": the name may hold anything, brackets and blanks too. */
static int procs_parse_stat(char *text, struct procs_entry *ret)
{
	const char *fields[PROCS_FIELDS] = { 0 };
	char *name = strchr(text, '('), *end = strrchr(text, ')'), *at;
	uint64_t tick_ns = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);

	if (!name || !end || end < name)
		return -EBADMSG;
	*end = '\0';
	at = end + 1;
	for (size_t i = 0; i < PROCS_FIELDS; i++) {
		at += strspn(at, " ");
		if (!*at)
			return -EBADMSG;
		fields[i] = at;
		at += strcspn(at, " ");
	}
	ret->state = *fields[PROCS_STATE];
	ret->ppid = (uint32_t)procs_number(fields[PROCS_PPID]);
	ret->cpu_ns =
		(procs_number(fields[PROCS_UTIME]) + procs_number(fields[PROCS_STIME])) * tick_ns;
	ret->rss = procs_number(fields[PROCS_RSS]) * (uint64_t)sysconf(_SC_PAGESIZE);
	snprintf(ret->command, sizeof(ret->command), "[%.253s]", name + 1);
	return 0;
}

/* The value of a line "Key:\tvalue" */
static const char *procs_line(const char *text, const char *key)
{
	size_t len = strlen(key);

	while (text && *text) {
		if (!strncmp(text, key, len) && text[len] == ':')
			return text + len + 1 + strspn(text + len + 1, " \t");
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return "";
}

/* The index-th of a line's numbers; the last one if there are fewer. Returns its index. */
static uint32_t procs_column(const char *line, uint32_t index, uint32_t *ret)
{
	uint32_t at = 0;

	for (;;) {
		const char *next = line + strspn(line, "0123456789");

		*ret = (uint32_t)procs_number(line);
		next += strspn(next, " \t");
		if (at == index || !isdigit((unsigned char)*next))
			return at;
		line = next;
		at++;
	}
}

/* The parent as the namespace one below sees it: 0 if it is not in there. */
static uint32_t procs_inner_parent(int procfd, uint32_t ppid)
{
	char text[PROCS_FILE_MAX];
	uint32_t inner = 0;
	size_t len;

	if (!ppid || procs_file(procfd, ppid, "status", text, &len) < 0)
		return 0;
	return procs_column(procs_line(text, "NSpid"), 1, &inner) == 1 ? inner : 0;
}

static void procs_make_printable(char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!isprint((unsigned char)s[i]))
			s[i] = s[i] ? '?' : ' ';
	}
}

/* A process without a command line (a zombie, a kernel thread) keeps its name in brackets. */
static void procs_read_command(int procfd, uint32_t pid, struct procs_entry *entry)
{
	char text[PROCS_FILE_MAX];
	size_t len = 0;

	if (procs_file(procfd, pid, "cmdline", text, &len) == 0 && len && *text) {
		if (len > sizeof(entry->command) - 1)
			len = sizeof(entry->command) - 1;
		procs_make_printable(text, len);
		while (len && text[len - 1] == ' ')
			len--;
		memcpy(entry->command, text, len);
		entry->command[len] = '\0';
	}
	procs_make_printable(entry->command, strlen(entry->command));
}

int procs_read(int procfd, uint32_t pid, struct procs_entry *ret)
{
	struct procs_entry entry = { .pid = pid };
	char text[PROCS_FILE_MAX] = "";
	uint32_t deepest;
	const char *line;
	size_t len;
	int r;

	r = procs_file(procfd, pid, "stat", text, &len);
	if (r == 0)
		r = procs_parse_stat(text, &entry);
	if (r == 0)
		r = procs_file(procfd, pid, "status", text, &len);
	if (r < 0)
		return r;
	procs_column(procs_line(text, "Uid"), 1, &entry.uid);
	line = procs_line(text, "NSpid");
	entry.depth = *line ? procs_column(line, UINT32_MAX, &deepest) : 0;
	if (entry.depth) {
		procs_column(line, 1, &entry.pid);
		entry.ppid = procs_inner_parent(procfd, entry.ppid);
	}
	procs_read_command(procfd, pid, &entry);
	*ret = entry;
	return 0;
}

void procs_put(struct buf *payload, const struct procs_entry *entries, size_t n)
{
	size_t room;

	if (n > PROCS_MAX)
		n = PROCS_MAX;
	if (n > FRAME_PAYLOAD_MAX / (PROCS_ENTRY_SIZE + 1))
		n = FRAME_PAYLOAD_MAX / (PROCS_ENTRY_SIZE + 1);
	room = n ? FRAME_PAYLOAD_MAX / n - PROCS_ENTRY_SIZE : 0;
	for (size_t i = 0; i < n; i++) {
		const struct procs_entry *entry = &entries[i];
		size_t len = strlen(entry->command);

		wire_put_u32(payload, entry->pid);
		wire_put_u32(payload, entry->ppid);
		wire_put_u32(payload, entry->uid);
		wire_put_u64(payload, entry->cpu_ns);
		wire_put_u64(payload, entry->rss);
		wire_put_u8(payload, (uint8_t)entry->state);
		wire_put_bytes(payload, entry->command, len < room ? len : room);
	}
}

static void procs_get_entry(struct wire_reader *r, struct procs_entry *ret)
{
	_cleanup_free_ char *command = NULL;

	ret->pid = wire_get_u32(r);
	ret->ppid = wire_get_u32(r);
	ret->uid = wire_get_u32(r);
	ret->cpu_ns = wire_get_u64(r);
	ret->rss = wire_get_u64(r);
	ret->state = (char)wire_get_u8(r);
	if (!isprint((unsigned char)ret->state))
		ret->state = '?';
	command = wire_get_str(r);
	snprintf(ret->command, sizeof(ret->command), "%s", command);
	procs_make_printable(ret->command, strlen(ret->command));
}

int procs_get(const struct frame *frame, struct procs_entry **ret, size_t *ret_n)
{
	struct wire_reader r = wire_read(frame->payload, frame->len);
	size_t max = frame->len / PROCS_ENTRY_SIZE, n = 0;
	_cleanup_free_ struct procs_entry *entries = mem_zalloc(max * sizeof(*entries));

	while (r.left && !r.bad && n < max && n < PROCS_MAX)
		procs_get_entry(&r, &entries[n++]);
	if (wire_end(&r) < 0)
		return -EBADMSG;
	*ret = take_ptr(entries);
	*ret_n = n;
	return 0;
}
