// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/mountinfo.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"

#include <fcntl.h>
#include <string.h>

/* The kernel allows 100000 mounts (fs.mount-max). */
#define MOUNTINFO_MAX ((size_t)64 << 20)

enum { MOUNTINFO_ID = 0, MOUNTINFO_PLACE = 4, MOUNTINFO_FIELDS = 5 };

static int mountinfo_octal(const char *s)
{
	int value = 0;

	for (int i = 0; i < 3; i++) {
		if (s[i] < '0' || s[i] > '7')
			return -1;
		value = value * 8 + (s[i] - '0');
	}
	return value > 0 && value < 256 ? value : -1;
}

/* Blanks and backslashes are written as \\040 and the like. */
static char *mountinfo_unescape(const char *s)
{
	char *result = mem_strdup(s), *to = result;

	while (*s) {
		int value = *s == '\\' ? mountinfo_octal(s + 1) : -1;

		*to++ = value < 0 ? *s : (char)value;
		s += value < 0 ? 1 : 4;
	}
	*to = '\0';
	return result;
}

static void mountinfo_add(struct mountinfo *info, const char *line)
{
	_cleanup_strv_ char **fields = strv_split(line, " ");
	struct err ignored = ERR_INIT;
	struct mountinfo_mount *mount;
	int64_t id = 0;

	if (strv_len(fields) < MOUNTINFO_FIELDS || fields[MOUNTINFO_PLACE][0] != '/' ||
	    units_parse_int(fields[MOUNTINFO_ID], 0, INT64_MAX, &id, &ignored) < 0)
		return;
	info->mounts = mem_realloc(info->mounts, info->n + 1, sizeof(*info->mounts));
	mount = &info->mounts[info->n++];
	mount->id = (uint64_t)id;
	mount->place = mountinfo_unescape(fields[MOUNTINFO_PLACE]);
}

void mountinfo_parse(const char *text, struct mountinfo *ret)
{
	_cleanup_strv_ char **lines = strv_split(text, "\n");

	*ret = (struct mountinfo){ 0 };
	strv_for_each(line, lines)
		mountinfo_add(ret, *line);
}

int mountinfo_read(pid_t pid, struct mountinfo *ret, struct err *err)
{
	_cleanup_free_ char *path =
		pid ? mem_printf("/proc/%d/mountinfo", pid) : mem_strdup("/proc/self/mountinfo");
	_cleanup_free_ char *text = NULL;
	int r = file_read(AT_FDCWD, path, MOUNTINFO_MAX, &text, NULL);

	*ret = (struct mountinfo){ 0 };
	if (r < 0)
		return err_errno(err, r, "cannot read %s", path);
	mountinfo_parse(text, ret);
	return 0;
}

void mountinfo_release(struct mountinfo *info)
{
	for (size_t i = 0; i < info->n; i++)
		free(info->mounts[i].place);
	free(info->mounts);
	*info = (struct mountinfo){ 0 };
}

const char *mountinfo_place(const struct mountinfo *info, uint64_t id)
{
	for (size_t i = 0; i < info->n; i++) {
		if (info->mounts[i].id == id)
			return info->mounts[i].place;
	}
	return NULL;
}

const char *mountinfo_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	if (len == 1 && *folder == '/')
		return path[0] == '/' && path[1] ? path : NULL;
	return !strncmp(path, folder, len) && path[len] == '/' ? path + len : NULL;
}
