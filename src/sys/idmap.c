// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/idmap.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "sys/child.h"
#include "sys/login.h"
#include "sys/spawn.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>

#define IDMAP_FILE_MAX (1U << 20)
/* (uid_t)-1 is no id */
#define IDMAP_LAST (UINT32_MAX - 1)
/* The first user namespace's map, for who cannot read its own. */
#define IDMAP_WHOLE "0 0 4294967295"

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

/* The line of our own user namespace's map that has the id: how many are there from it on. */
static uint32_t idmap_mapped_from(const char *map, uint32_t id)
{
	_cleanup_strv_ char **lines = strv_split(map, "\n");

	strv_for_each(line, lines) {
		_cleanup_strv_ char **words = strv_split(*line, " \t");
		struct err ignored = ERR_INIT;
		int64_t inside = 0, count = 0;

		if (strv_len(words) == 3 &&
		    units_parse_int(words[0], 0, UINT32_MAX, &inside, &ignored) == 0 &&
		    units_parse_int(words[2], 1, UINT32_MAX, &count, &ignored) == 0 &&
		    id >= inside && id - inside < count)
			return (uint32_t)(inside + count - id);
	}
	return 0;
}

static int idmap_find_host(const char *sub, uint32_t count, uint32_t *ret_first)
{
	return idmap_find(sub, "brig", count, ret_first) == 0 ||
	       idmap_find(sub, "root", count, ret_first) == 0;
}

size_t idmap_choose(const char *sub, const char *map, int more, struct idmap_range ret[2])
{
	uint32_t first = IDMAP_BUILT_IN, next, count;
	size_t n = 1;

	if (!idmap_find_host(sub, IDMAP_COUNT, &first) &&
	    idmap_mapped_from(map, first) < IDMAP_COUNT)
		first = IDMAP_COUNT;
	ret[0] = (struct idmap_range){ .outside = first, .count = IDMAP_COUNT };
	if (!more)
		return n;
	next = first == IDMAP_COUNT ? first : IDMAP_BUILT_IN;
	(void)idmap_find_host(sub, IDMAP_COUNT + IDMAP_MORE, &next);
	next += IDMAP_COUNT;
	count = idmap_mapped_from(map, next);
	if (count > IDMAP_MORE)
		count = IDMAP_MORE;
	if (count >= IDMAP_COUNT)
		ret[n++] = (struct idmap_range){ .inside = IDMAP_COUNT,
						 .outside = next,
						 .count = count };
	return n;
}

static size_t idmap_host_ranges(const char *sub_file, const char *map_file, int more,
				struct idmap_range **ret)
{
	_cleanup_free_ char *sub = NULL, *map = NULL;

	*ret = mem_zalloc(2 * sizeof(**ret));
	(void)file_read(AT_FDCWD, sub_file, IDMAP_FILE_MAX, &sub, NULL);
	(void)file_read(AT_FDCWD, map_file, IDMAP_FILE_MAX, &map, NULL);
	return idmap_choose(sub ? sub : "", map ? map : IDMAP_WHOLE, more, *ret);
}

void idmap_of_host(struct idmap *ret, int more)
{
	*ret = (struct idmap){ 0 };
	ret->n_uids = idmap_host_ranges("/etc/subuid", "/proc/self/uid_map", more, &ret->uids);
	ret->n_gids = idmap_host_ranges("/etc/subgid", "/proc/self/gid_map", more, &ret->gids);
}

/* Of the ids that the user has beside his own; not found: first stays. */
static int idmap_user_first(const char *path, const char *name, uint32_t *first)
{
	_cleanup_free_ char *text = NULL;
	char number[16];

	snprintf(number, sizeof(number), "%u", getuid());
	if (file_read(AT_FDCWD, path, IDMAP_FILE_MAX, &text, NULL) < 0)
		return -ENOENT;
	if (idmap_find(text, name, IDMAP_COUNT - 1, first) == 0)
		return 0;
	return idmap_find(text, number, IDMAP_COUNT - 1, first);
}

static struct idmap_range *idmap_user_ranges(uint32_t own, uint32_t first, size_t n)
{
	struct idmap_range *ranges = mem_zalloc(2 * sizeof(*ranges));

	ranges[0] = (struct idmap_range){ .outside = own, .count = 1 };
	if (n > 1)
		ranges[1] = (struct idmap_range){ 1, first, IDMAP_COUNT - 1 };
	return ranges;
}

static int idmap_can_map_more(void)
{
	_cleanup_free_ char *uids = child_find("newuidmap"), *gids = child_find("newgidmap");

	return uids && gids;
}

void idmap_of_user(struct idmap *ret)
{
	_cleanup_login_ struct login login = { NULL };
	uint32_t uid = 0, gid = 0;
	size_t n = 1;

	if (idmap_can_map_more() && login_find(getuid(), &login) == 0 &&
	    idmap_user_first("/etc/subuid", login.name, &uid) == 0 &&
	    idmap_user_first("/etc/subgid", login.name, &gid) == 0)
		n = 2;
	*ret = (struct idmap){
		.uids = idmap_user_ranges(getuid(), uid, n),
		.gids = idmap_user_ranges(getgid(), gid, n),
		.n_uids = n,
		.n_gids = n,
	};
}

/* Root of a container: his own ids stay what they are, as a user's do. */
static void idmap_of_nest(struct idmap *ret)
{
	idmap_of_host(ret, 0);
	ret->uids[1] = (struct idmap_range){ 1, ret->uids[0].outside, IDMAP_COUNT - 1 };
	ret->gids[1] = (struct idmap_range){ 1, ret->gids[0].outside, IDMAP_COUNT - 1 };
	ret->uids[0] = ret->gids[0] = (struct idmap_range){ .count = 1 };
	ret->n_uids = ret->n_gids = 2;
}

/* PROC_USER_INIT_INO, include/uapi/linux/nsfs.h */
#define IDMAP_FIRST_USERNS "user:[4026531837]"

/* It has all ids. */
static int idmap_is_first_userns(void)
{
	char text[sizeof(IDMAP_FIRST_USERNS) + 1];
	ssize_t n = readlink("/proc/self/ns/user", text, sizeof(text));

	return n == (ssize_t)strlen(IDMAP_FIRST_USERNS) &&
	       !memcmp(text, IDMAP_FIRST_USERNS, (size_t)n);
}

int idmap_is_host_root(void)
{
	_cleanup_free_ char *map = NULL;
	_cleanup_strv_ char **words = NULL;

	if (geteuid())
		return 0;
	if (idmap_is_first_userns())
		return 1;
	if (file_read(AT_FDCWD, "/proc/self/uid_map", IDMAP_FILE_MAX, &map, NULL) < 0)
		return 1;
	words = strv_split(map, " \t\n");
	return strv_len(words) == 3 && !strcmp(words[1], "0") && !strcmp(words[2], "4294967295");
}

void idmap_of_caller(struct idmap *ret, int more)
{
	if (geteuid())
		idmap_of_user(ret);
	else if (!idmap_is_host_root())
		idmap_of_nest(ret);
	else
		idmap_of_host(ret, more);
}

int idmap_is_single(const struct idmap *map)
{
	return map->n_uids == 1 && map->uids[0].count == 1 && map->n_gids == 1 &&
	       map->gids[0].count == 1;
}

void idmap_release(struct idmap *map)
{
	free(map->uids);
	free(map->gids);
	*map = (struct idmap){ 0 };
}

static uint32_t idmap_find_outside(const struct idmap_range *ranges, size_t n, uint32_t inside)
{
	for (size_t i = 0; i < n; i++) {
		if (inside >= ranges[i].inside && inside - ranges[i].inside < ranges[i].count)
			return ranges[i].outside + (inside - ranges[i].inside);
	}
	return n ? IDMAP_NONE : inside;
}

uid_t idmap_uid(const struct idmap *map, uint32_t inside)
{
	return idmap_find_outside(map->uids, map->n_uids, inside);
}

gid_t idmap_gid(const struct idmap *map, uint32_t inside)
{
	return idmap_find_outside(map->gids, map->n_gids, inside);
}

static int idmap_write_one(pid_t pid, const char *file, const struct idmap_range *ranges, size_t n,
			   struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	for (size_t i = 0; i < n; i++)
		buf_printf(&text, "%u %u %u\n", ranges[i].inside, ranges[i].outside,
			   ranges[i].count);
	r = n ? file_write_value(AT_FDCWD, path, text.data) : 0;
	return r < 0 ? err_errno(err, r, "cannot map the ids of a user namespace (%s of %u and up)",
				 file, ranges[0].outside)
		     : 0;
}

/* Nothing but the caller's own id: that needs no help. */
static int idmap_is_own(const struct idmap_range *ranges, size_t n, uint32_t id)
{
	return n == 1 && ranges[0].count == 1 && ranges[0].outside == id;
}

static int idmap_run_tool(const char *tool, pid_t pid, const struct idmap_range *ranges, size_t n,
			  struct err *err)
{
	_cleanup_strv_ char **argv = NULL;
	struct child_spec child = CHILD_SPEC_INIT;

	strv_add(&argv, tool);
	strv_add_printf(&argv, "%d", pid);
	for (size_t i = 0; i < n; i++) {
		strv_add_printf(&argv, "%u", ranges[i].inside);
		strv_add_printf(&argv, "%u", ranges[i].outside);
		strv_add_printf(&argv, "%u", ranges[i].count);
	}
	child.argv = argv;
	child.hint = "install uidmap";
	return child_run(&child, err);
}

static int idmap_write_unprivileged(pid_t pid, const struct idmap *map, struct err *err)
{
	char path[64];
	int r;

	if (idmap_is_own(map->uids, map->n_uids, geteuid()) &&
	    idmap_is_own(map->gids, map->n_gids, getegid())) {
		/* user_namespaces(7): a group could have been kept from something */
		snprintf(path, sizeof(path), "/proc/%d/setgroups", pid);
		r = file_write_value(AT_FDCWD, path, "deny");
		if (r < 0)
			return err_errno(err, r, "cannot give up the change of groups");
		r = idmap_write_one(pid, "uid_map", map->uids, map->n_uids, err);
		return r < 0 ? r : idmap_write_one(pid, "gid_map", map->gids, map->n_gids, err);
	}
	r = idmap_run_tool("newuidmap", pid, map->uids, map->n_uids, err);
	return r < 0 ? r : idmap_run_tool("newgidmap", pid, map->gids, map->n_gids, err);
}

int idmap_write(pid_t pid, const struct idmap *map, struct err *err)
{
	int r;

	if (geteuid())
		return idmap_write_unprivileged(pid, map, err);
	r = idmap_write_one(pid, "uid_map", map->uids, map->n_uids, err);
	return r < 0 ? r : idmap_write_one(pid, "gid_map", map->gids, map->n_gids, err);
}

/* Stays until we let go of `ends`, or are gone. */
static _noreturn_ void idmap_hold(int ends)
{
	char byte;

	while (read(ends, &byte, 1) < 0 && errno == EINTR)
		continue;
	_exit(0);
}

int idmap_make_userns(const struct idmap *map, struct err *err)
{
	_cleanup_close_ int pidfd = -EBADF, hold = -EBADF, held = -EBADF, userns = -EBADF;
	char path[64];
	int ends[2];
	pid_t pid;
	int r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(err, -errno, "cannot make a pipe");
	hold = ends[1];
	held = ends[0];
	pid = spawn_clone(CLONE_NEWUSER, -EBADF, &pidfd);
	if (pid < 0)
		return err_errno(err, pid, "cannot make a user namespace");
	if (!pid) {
		hold = fd_close(hold);
		idmap_hold(held);
	}
	r = idmap_write(pid, map, err);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	if (r == 0) {
		userns = open(path, O_RDONLY | O_CLOEXEC);
		r = userns < 0 ? err_errno(err, -errno, "cannot open a user namespace") : 0;
	}
	hold = fd_close(hold);
	(void)spawn_wait(pidfd);
	return r < 0 ? r : take_fd(&userns);
}
