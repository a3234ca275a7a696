// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/memory_room.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/units.h"

#include <fcntl.h>
#include <string.h>

#define MEMORY_ROOM_FILE_MAX ((size_t)256 << 10)

/* The files of one version. Version 1 counts what is below a group under names of its own. */
struct memory_room_version {
	const char *line; /* how the group's begins in /proc/self/cgroup, behind its number */
	const char *top;
	const char *limits[2]; /* the second one: where processes are held up, NULL: nowhere */
	const char *usage, *idle;
};

static const struct memory_room_version memory_room_versions[] = {
	{ "::/",
	  "/sys/fs/cgroup",
	  { "memory.max", "memory.high" },
	  "memory.current",
	  "inactive_file" },
	{ ":memory:/",
	  "/sys/fs/cgroup/memory",
	  { "memory.limit_in_bytes", NULL },
	  "memory.usage_in_bytes",
	  "total_inactive_file" },
};

/* The number at the beginning of the text, which blanks may precede; -1: there is none. */
static int64_t memory_room_parse(const char *text)
{
	const char *digits = text + strspn(text, " \t");
	_cleanup_free_ char *word = mem_strndup(digits, strspn(digits, "0123456789"));
	struct err ignored = ERR_INIT;
	int64_t number = -1;

	return units_parse_int(word, 0, INT64_MAX, &number, &ignored) < 0 ? -1 : number;
}

/* The number behind the key at the beginning of a line; -1: there is none. */
static int64_t memory_room_key(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, len) && strchr(" :", line[len]) && line[len])
			return memory_room_parse(line + len + 1);
	}
	return -1;
}

static char *memory_room_read(const char *folder, const char *name)
{
	_cleanup_free_ char *path = mem_printf("%s/%s", folder, name);
	char *text = NULL;

	return file_read(AT_FDCWD, path, MEMORY_ROOM_FILE_MAX, &text, NULL) < 0 ? NULL : text;
}

/* "max" is INT64_MAX, and so is what is not there. */
static int64_t memory_room_number(const char *folder, const char *name)
{
	_cleanup_free_ char *text = memory_room_read(folder, name);
	int64_t number = text ? memory_room_parse(text) : -1;

	return number < 0 ? INT64_MAX : number;
}

static int64_t memory_room_of_group(const char *folder, const struct memory_room_version *version)
{
	_cleanup_free_ char *stat = NULL;
	int64_t limit = INT64_MAX, usage, idle;

	for (size_t i = 0; i < ARRAY_SIZE(version->limits) && version->limits[i]; i++) {
		int64_t one = memory_room_number(folder, version->limits[i]);

		limit = one < limit ? one : limit;
	}
	usage = memory_room_number(folder, version->usage);
	if (limit == INT64_MAX || usage == INT64_MAX)
		return INT64_MAX;
	stat = memory_room_read(folder, "memory.stat");
	idle = stat ? memory_room_key(stat, version->idle) : 0;
	if (idle > 0)
		usage -= idle < usage ? idle : usage;
	return limit > usage ? limit - usage : 0;
}

/* Our group's path in the version, with a slash in front; NULL: it is nowhere. */
static char *memory_room_path(const char *groups, const char *line)
{
	for (const char *at = groups; at && *at; at = strchr(at, '\n')) {
		at += *at == '\n';
		at += strspn(at, "0123456789");
		if (!strncmp(at, line, strlen(line))) {
			at += strlen(line) - 1;
			return mem_strndup(at, strcspn(at, "\n"));
		}
	}
	return NULL;
}

/* Of the group and all above it. Those that are not seen from here are passed over. */
static int64_t memory_room_of_groups(const char *host, const struct memory_room_version *version,
				     const char *groups)
{
	_cleanup_free_ char *path = memory_room_path(groups, version->line);
	int64_t room = INT64_MAX;

	while (path) {
		_cleanup_free_ char *folder = mem_printf("%s%s%s", host, version->top, path);
		int64_t one = memory_room_of_group(folder, version);
		char *slash = strrchr(path, '/');

		room = one < room ? one : room;
		if (!slash)
			break;
		*slash = '\0';
	}
	return room;
}

int64_t memory_room_in(const char *host)
{
	_cleanup_free_ char *folder = mem_printf("%s/proc", host);
	_cleanup_free_ char *info = memory_room_read(folder, "meminfo");
	_cleanup_free_ char *groups = memory_room_read(folder, "self/cgroup");
	int64_t room = info ? memory_room_key(info, "MemAvailable") : -1;

	if (room <= 0)
		return 0;
	room *= 1024;
	for (size_t i = 0; groups && i < ARRAY_SIZE(memory_room_versions); i++) {
		int64_t one = memory_room_of_groups(host, &memory_room_versions[i], groups);

		room = one < room ? one : room;
	}
	return room;
}

int64_t memory_room(void)
{
	return memory_room_in("");
}
