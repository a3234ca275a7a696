// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/idmap.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/units.h"

#include <fcntl.h>
#include <string.h>

#define IDMAP_FILE_MAX (1U << 20)
/* (uid_t)-1 is no id */
#define IDMAP_LAST (UINT32_MAX - 1)

static int idmap_parse_line(char *line, const char *user, uint32_t count, uint32_t *ret_first)
{
	char *first = strchr(line, ':'), *n = first ? strchr(first + 1, ':') : NULL;
	int64_t first_id = 0, ids = 0;
	struct err ignored = ERR_INIT;

	if (!n)
		return -EINVAL;
	*first++ = *n++ = '\0';
	if (strcmp(line, user) || units_parse_int(first, 1, IDMAP_LAST, &first_id, &ignored) < 0 ||
	    units_parse_int(n, count, UINT32_MAX, &ids, &ignored) < 0 ||
	    first_id + count - 1 > IDMAP_LAST)
		return -ENOENT;
	*ret_first = (uint32_t)first_id;
	return 0;
}

int idmap_find(const char *text, const char *user, uint32_t count, uint32_t *ret_first)
{
	_cleanup_free_ char *copy = mem_strdup(text);
	char *save = NULL;

	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (idmap_parse_line(line, user, count, ret_first) == 0)
			return 0;
	}
	return -ENOENT;
}

static uint32_t idmap_host_first(const char *path)
{
	_cleanup_free_ char *text = NULL;
	uint32_t first = IDMAP_BUILT_IN;

	if (file_read(AT_FDCWD, path, IDMAP_FILE_MAX, &text, NULL) == 0 &&
	    idmap_find(text, "brig", IDMAP_COUNT, &first) < 0)
		(void)idmap_find(text, "root", IDMAP_COUNT, &first);
	return first;
}

void idmap_of_host(struct idmap *ret)
{
	*ret = (struct idmap){
		.uid = idmap_host_first("/etc/subuid"),
		.gid = idmap_host_first("/etc/subgid"),
		.count = IDMAP_COUNT,
	};
}

static int idmap_write_one(pid_t pid, const char *file, uint32_t first, uint32_t count,
			   struct err *err)
{
	char path[64], text[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	snprintf(text, sizeof(text), "0 %u %u\n", first, count);
	r = file_write_value(AT_FDCWD, path, text);
	return r < 0 ? err_errno(err, r, "cannot map the ids of a user namespace to %u and up",
				 first)
		     : 0;
}

int idmap_write(pid_t pid, const struct idmap *map, struct err *err)
{
	int r = idmap_write_one(pid, "uid_map", map->uid, map->count, err);

	return r < 0 ? r : idmap_write_one(pid, "gid_map", map->gid, map->count, err);
}
