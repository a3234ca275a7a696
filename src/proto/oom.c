// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/oom.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

/* The last one, since names that stand before it may hold anything. */
static const char *oom_find_last(const char *text, const char *key)
{
	const char *found = NULL;

	for (const char *at = text; (at = strstr(at, key)); at += strlen(key))
		found = at + strlen(key);
	return found;
}

static int64_t oom_number(const char *at)
{
	int64_t value = 0;

	for (; isdigit((unsigned char)*at) && value < INT32_MAX; at++)
		value = value * 10 + (*at - '0');
	return value;
}

static void oom_copy(const char *from, const char *to, char *ret, size_t size)
{
	size_t len = (size_t)(to - from);

	if (len > size - 1)
		len = size - 1;
	for (size_t i = 0; i < len; i++)
		ret[i] = isprint((unsigned char)from[i]) ? from[i] : '?';
	ret[len] = '\0';
}

/* From the end: what is behind the task's name is the kernel's own, and so on to the left. */
int oom_parse(const char *text, struct oom_kill *ret)
{
	const char *line = strstr(text, "oom-kill:constraint="), *task, *pid, *uid, *group, *limit;

	memset(ret, 0, sizeof(*ret));
	if (!line)
		return 0;
	pid = oom_find_last(line, ",pid=");
	uid = oom_find_last(line, ",uid=");
	group = strstr(line, ",task_memcg=");
	task = group ? strstr(group, ",task=") : NULL;
	if (!pid || !uid || !task || pid < task + strlen(",task=,pid=") || uid < pid)
		return 0;
	limit = strstr(line, ",oom_memcg=");
	ret->pid = oom_number(pid);
	ret->uid = oom_number(uid);
	oom_copy(task + strlen(",task="), pid - strlen(",pid="), ret->name, sizeof(ret->name));
	oom_copy(group + strlen(",task_memcg="), task, ret->group, sizeof(ret->group));
	ret->global = !limit || limit > group;
	if (!ret->global)
		oom_copy(limit + strlen(",oom_memcg="), group, ret->limit, sizeof(ret->limit));
	return 1;
}

enum oom_place oom_place(const char *group, const char *path)
{
	size_t len = strlen(path);

	for (const char *at = group; (at = strstr(at, path)); at++) {
		if (at == group || at[-1] != '/')
			continue;
		if (!at[len])
			return OOM_AT;
		if (at[len] == '/')
			return OOM_BELOW;
	}
	return OOM_ELSEWHERE;
}
