// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: a hierarchy is a folder whose file system is cgroup or cgroup2; `struct cgroup` is
 * a group's folders in those hierarchies that it is in, which cgroup_host.c finds. Invariant: nothing waits
 * without a deadline, since a container may hold processes that do not die.
 */
#include "sys/cgroup.h"
#include "base/fds.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/units.h"
#include "sys/cgroup-internal.h"
#include "sys/idmap.h"
#include "sys/cgroup_bpf.h"
#include "sys/procstat.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

/* What cgroup_delegate() allows below a group, so that cgroup_destroy() can go through all of it.
 */
#define CGROUP_DEPTH_MAX       16
#define CGROUP_DESCENDANTS_MAX 4096
#define CGROUP_ROUNDS_MAX      64
/* include/linux/sched.h: PF_KTHREAD */
#define CGROUP_PF_KTHREAD 0x00200000
/* The kernel takes no quota below 1 ms per period of 100 ms. */
#define CGROUP_CPUS_MILLI_MIN 10
#define CGROUP_CPUS_MILLI_MAX 1000000000

int cgroup_read_number(int fd, const char *file, uint64_t *ret)
{
	_cleanup_free_ char *text = NULL;
	struct err ignored = ERR_INIT;
	int64_t value = 0;
	int r = file_read(fd, file, CGROUP_FILE_MAX, &text, NULL);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	if (!strcmp(text, "max")) {
		*ret = UINT64_MAX;
		return 0;
	}
	r = units_parse_int(text, 0, INT64_MAX, &value, &ignored);
	if (r == 0)
		*ret = (uint64_t)value;
	return r;
}

int cgroup_read_key(int fd, const char *file, const char *key, uint64_t *ret)
{
	_cleanup_free_ char *text = NULL;
	struct err ignored = ERR_INIT;
	size_t len = strlen(key);
	int64_t value = 0;
	char *save = NULL;
	int r = file_read(fd, file, CGROUP_FILE_MAX, &text, NULL);

	if (r < 0)
		return r;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, key, len) || line[len] != ' ')
			continue;
		r = units_parse_int(line + len + 1, 0, INT64_MAX, &value, &ignored);
		if (r == 0)
			*ret = (uint64_t)value;
		return r;
	}
	return -ENOENT;
}

int cgroup_write_number(int fd, const char *file, int64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	return file_write_value(fd, file, text);
}

struct cgroup *cgroup_free(struct cgroup *cgroup)
{
	_cleanup_fds_ struct fds fds = FDS_INIT;

	if (!cgroup)
		return NULL;
	for (size_t i = 0; i < cgroup->n; i++) {
		fds_add(&fds, cgroup->dirs[i].root);
		fds_add(&fds, cgroup->dirs[i].fd);
	}
	free(cgroup->dirs);
	free(cgroup->path);
	free(cgroup);
	return NULL;
}

char *cgroup_dir_path(const struct cgroup_dir *dir, const char *group, const char *file)
{
	return mem_printf("%s%s%s%s", dir->top, group, *group && *file ? "/" : "", file);
}

int cgroup_dir_open(const struct cgroup *cgroup, struct cgroup_dir *dir)
{
	_cleanup_free_ char *path = NULL;

	if (dir->fd >= 0)
		return dir->fd;
	path = cgroup_dir_path(dir, cgroup->path, "");
	dir->fd = openat(dir->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir->fd < 0 ? -errno : dir->fd;
}

struct cgroup_dir *cgroup_dir_find(const struct cgroup *cgroup, unsigned int controller)
{
	for (size_t i = 0; cgroup && i < cgroup->n; i++) {
		if (cgroup->dirs[i].controllers & controller)
			return &cgroup->dirs[i];
	}
	return NULL;
}

struct cgroup_dir *cgroup_dir_of(const struct cgroup *cgroup, unsigned int controller)
{
	struct cgroup_dir *dir = cgroup_dir_find(cgroup, controller);

	return dir && cgroup_dir_open(cgroup, dir) >= 0 ? dir : NULL;
}

static int cgroup_move_into(const struct cgroup *cgroup, const struct cgroup_dir *dir, pid_t pid)
{
	_cleanup_free_ char *file = cgroup_dir_path(dir, cgroup->path, "cgroup.procs");
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return file_write_value(dir->root, file, text);
}

int cgroup_move(const struct cgroup *cgroup, pid_t pid)
{
	for (size_t i = 0; i < cgroup->n; i++) {
		int r = cgroup_move_into(cgroup, &cgroup->dirs[i], pid);

		if (r < 0)
			return r;
	}
	return 0;
}

static DIR *cgroup_open_dir(int parent, const char *name)
{
	_cleanup_close_ int fd =
		openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir)
		(void)take_fd(&fd);
	return dir;
}

/* Removes a group and those below it, all without processes; -EBUSY if one has some. */
static int cgroup_prune(int parent, const char *name, int depth)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;

	if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY || depth > CGROUP_DEPTH_MAX)
		return -errno;
	dir = cgroup_open_dir(parent, name);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			(void)cgroup_prune(dirfd(dir), entry->d_name, depth + 1);
	}
	return unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static int cgroup_mkdir_parents(const struct cgroup_dir *dir, const char *path)
{
	_cleanup_free_ char *copy = mem_strdup(path);

	for (char *p = copy + strlen(dir->top); (p = strchr(p, '/')); p++) {
		*p = '\0';
		if (mkdirat(dir->root, copy, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return 0;
}

/* Another instance's end may take away a parent that we have just made or found: then once more. */
static int cgroup_mkdir(const struct cgroup_dir *dir, const char *path)
{
	int r = -ENOENT, above;

	for (int round = 0; r == -ENOENT && round < CGROUP_ROUNDS_MAX; round++) {
		if (mkdirat(dir->root, path, 0755) == 0)
			return 0;
		r = -errno;
		above = r == -ENOENT ? cgroup_mkdir_parents(dir, path) : 0;
		if (above < 0 && above != -ENOENT)
			r = above;
		else if (r == -EEXIST && cgroup_prune(dir->root, path, 0) == 0)
			r = -ENOENT;
		else if (r == -EEXIST)
			r = -EBUSY;
	}
	return r;
}

static int cgroup_make(struct cgroup_dir *dir, const char *path, int adopt, struct err *err)
{
	unsigned int wanted = dir->controllers & ~(unsigned int)CGROUP_CORE;
	_cleanup_free_ char *whole = cgroup_dir_path(dir, path, "");
	int there = adopt && faccessat(dir->root, whole, F_OK, 0) == 0;
	int r = there ? 0 : cgroup_mkdir(dir, whole);

	dir->made = r == 0 && !there;
	if (r == -EBUSY)
		return err_set(err, r, "the cgroup %s still has processes of an earlier run", path);
	if (r < 0)
		return err_errno(err, r, "cannot make the cgroup %s", path);
	if (dir->ops->version == 2 && cgroup_host_available(dir, path, wanted) != wanted)
		cgroup_host_enable(dir, path, wanted);
	if (dir->ops->version == 1 && (wanted & CGROUP_CPUSET))
		r = cgroup_v1_fill_cpuset(dir, path);
	return r < 0 ? err_errno(err, r, "cannot give processors to the cgroup %s", path) : 0;
}

/* A path that leaves the hierarchies' tops, or is one, would make and remove what is not ours. */
static int cgroup_check_path(const char *path, struct err *err)
{
	const char *at = path;

	for (;;) {
		size_t len = strcspn(at, "/");

		if (!len || (len == 1 && at[0] == '.') || (len == 2 && !strncmp(at, "..", 2)))
			return err_set(err, -EINVAL, "\"%s\" cannot be the name of a cgroup", path);
		if (!at[len])
			return 0;
		at += len + 1;
	}
}

static int cgroup_make_all(struct cgroup *cgroup, const char *path, unsigned int need, int adopt,
			   struct err *err)
{
	int r = cgroup_check_path(path, err);

	if (r < 0)
		return r;
	cgroup->path = mem_strdup(path);
	if (cgroup_host_scan(cgroup, need, NULL) == CGROUP_LAYOUT_NONE)
		return err_set(err, -ENOENT,
			       "no control groups at " CGROUP_ROOT ": mount them there");
	for (size_t i = 0; i < cgroup->n && r == 0; i++)
		r = cgroup_make(&cgroup->dirs[i], path, adopt, err);
	return r;
}

int cgroup_create(const char *path, unsigned int also, struct cgroup **ret, struct err *err)
{
	_cleanup_cgroup_ struct cgroup *cgroup = mem_zalloc(sizeof(*cgroup));
	unsigned int need = CGROUP_CORE | CGROUP_MEMORY | also;
	int r;

	/* for their figures: one folder has them all */
	if (cgroup_host_layout() == CGROUP_LAYOUT_UNIFIED)
		need |= CGROUP_PIDS | CGROUP_BLKIO;
	r = cgroup_make_all(cgroup, path, need, 0, err);
	if (r < 0) {
		for (size_t i = 0; i < cgroup->n; i++) {
			struct cgroup_dir *dir = &cgroup->dirs[i];
			_cleanup_free_ char *whole = cgroup_dir_path(dir, path, "");

			if (dir->made)
				(void)cgroup_prune(dir->root, whole, 0);
		}
		return r;
	}
	*ret = take_ptr(cgroup);
	return 0;
}

int cgroup_try(const char *path, unsigned int also, struct cgroup **ret, struct err *err)
{
	struct err why = ERR_INIT;
	int r = cgroup_create(path, also, ret, geteuid() ? &why : err);

	if (!geteuid())
		return r;
	if (r == 0)
		cgroup_keep_parents(*ret);
	else
		log_debug("no cgroup: %s", why.msg);
	return 0;
}

/* On failure what was made is left to whom the group belongs. */
int cgroup_adopt(const char *path, unsigned int also, struct cgroup **ret, struct err *err)
{
	_cleanup_cgroup_ struct cgroup *cgroup = mem_zalloc(sizeof(*cgroup));
	int r = cgroup_make_all(cgroup, path, CGROUP_CORE | CGROUP_MEMORY | also, 1, err);

	if (r == 0)
		*ret = take_ptr(cgroup);
	return r;
}

/* A process that forks meanwhile leaves a child behind, so until a round finds nobody new. */
static int cgroup_gather(const struct cgroup *from, const struct cgroup *cgroup)
{
	_cleanup_free_ pid_t *before = NULL;
	size_t n_before = 0;

	for (int round = 0; round < CGROUP_ROUNDS_MAX; round++) {
		_cleanup_free_ pid_t *pids = NULL;
		size_t n = 0;
		int r = cgroup_pids(from, &pids, &n);

		if (r < 0)
			return r;
		if (round && n == n_before && !memcmp(pids, before, n * sizeof(*pids)))
			return 0;
		for (size_t i = 0; i < cgroup->n; i++) {
			for (size_t j = 0; j < n && cgroup->dirs[i].made; j++) {
				r = cgroup_move_into(cgroup, &cgroup->dirs[i], pids[j]);
				if (r < 0 && r != -ESRCH)
					return r;
			}
		}
		free(before);
		before = take_ptr(pids);
		n_before = n;
	}
	return 0;
}

int cgroup_extend(const char *path, unsigned int also, struct cgroup **ret, struct err *err)
{
	_cleanup_cgroup_ struct cgroup *now = NULL, *cgroup = NULL;
	int r = cgroup_open(path, &now);

	if (r < 0)
		return err_errno(err, r, "cannot open the cgroup %s", path);
	if (cgroup_adopt(path, also, &cgroup, err) < 0)
		return err->code;
	r = cgroup_gather(now, cgroup);
	if (r < 0)
		return err_errno(err, r, "cannot move processes in the cgroup %s", path);
	*ret = take_ptr(cgroup);
	return 0;
}

int cgroup_open(const char *path, struct cgroup **ret)
{
	return cgroup_open_for(path, UINT32_MAX, ret);
}

int cgroup_open_for(const char *path, unsigned int need, struct cgroup **ret)
{
	_cleanup_cgroup_ struct cgroup *cgroup = mem_zalloc(sizeof(*cgroup));
	struct err ignored = ERR_INIT;
	size_t kept = 0;

	if (cgroup_check_path(path, &ignored) < 0)
		return -ENOENT;
	cgroup->path = mem_strdup(path);
	(void)cgroup_host_scan(cgroup, need, path);
	for (size_t i = 0; i < cgroup->n; i++) {
		struct cgroup_dir dir = cgroup->dirs[i];
		_cleanup_free_ char *whole = cgroup_dir_path(&dir, path, "");

		/* of version 1 it is known */
		if (dir.ops->version == 2 && faccessat(dir.root, whole, F_OK, 0) < 0)
			fd_close(dir.root);
		else
			cgroup->dirs[kept++] = dir;
	}
	cgroup->n = kept;
	if (!kept)
		return -ENOENT;
	*ret = take_ptr(cgroup);
	return 0;
}

void cgroup_keep_parents(struct cgroup *cgroup)
{
	cgroup->keep_parents = 1;
}

int cgroup_version(const struct cgroup *cgroup, unsigned int controller)
{
	const struct cgroup_dir *dir = cgroup_dir_find(cgroup, controller);

	if (!dir)
		return -ENOENT;
	/* what the root could hand out may have been lost on the way down */
	if (dir->ops->version == 2 && controller != CGROUP_CORE &&
	    !cgroup_host_available(dir, cgroup->path, controller))
		return -ENOENT;
	return dir->ops->version;
}

int cgroup_write(const struct cgroup *cgroup, unsigned int controller, const char *file,
		 const char *value)
{
	const struct cgroup_dir *dir = cgroup_dir_of(cgroup, controller);

	if (strchr(file, '/'))
		return -EINVAL;
	return dir ? file_write_value(dir->fd, file, value) : -ENOENT;
}

int cgroup_reclaim(const char *path, uint64_t bytes, uint64_t idle_files)
{
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;
	char text[64];
	int r = cgroup_open_for(path, CGROUP_MEMORY, &cgroup);

	if (r < 0)
		return r;
	if (cgroup_version(cgroup, CGROUP_MEMORY) != 2)
		return -EOPNOTSUPP;
	(void)snprintf(text, sizeof(text), "%" PRIu64 " swappiness=200", bytes);
	r = cgroup_write(cgroup, CGROUP_MEMORY, "memory.reclaim", text);
	if (r == -EINVAL) {
		(void)snprintf(text, sizeof(text), "%" PRIu64, bytes + idle_files);
		r = cgroup_write(cgroup, CGROUP_MEMORY, "memory.reclaim", text);
	}
	return r == -ENOENT ? -EOPNOTSUPP : r;
}

int cgroup_read(const struct cgroup *cgroup, unsigned int controller, const char *file, char **ret)
{
	const struct cgroup_dir *dir = cgroup_dir_of(cgroup, controller);
	size_t len = 0;
	int r;

	if (strchr(file, '/'))
		return -EINVAL;
	r = dir ? file_read(dir->fd, file, CGROUP_FILE_MAX, ret, &len) : -ENOENT;
	if (r == 0 && len && (*ret)[len - 1] == '\n')
		(*ret)[len - 1] = '\0';
	return r;
}

/* One limit: 0 is none, and then there is nothing to do in a fresh group. */
static int cgroup_limit(struct cgroup *cgroup, unsigned int controller, int64_t value,
			const char *what, struct err *err)
{
	const struct cgroup_dir *dir = value ? cgroup_dir_of(cgroup, controller) : NULL;
	int r;

	if (!value)
		return 0;
	if (!dir)
		return err_set(err, -EOPNOTSUPP,
			       "this host cannot limit %s: the kernel has no cgroup controller for "
			       "it (see `brig doctor`)",
			       what);
	if (controller == CGROUP_MEMORY)
		r = dir->ops->set_memory(dir->fd, value);
	else if (controller == CGROUP_CPU)
		r = dir->ops->set_cpus(dir->fd, value);
	else
		r = dir->ops->set_pids(dir->fd, value);
	return r < 0 ? err_errno(err, r, "cannot limit %s to %lld", what, (long long)value) : 0;
}

int cgroup_set_limits(struct cgroup *cgroup, const struct cgroup_limits *limits, struct err *err)
{
	int r;

	if (limits->cpus_milli && (limits->cpus_milli < CGROUP_CPUS_MILLI_MIN ||
				   limits->cpus_milli > CGROUP_CPUS_MILLI_MAX))
		return err_set(err, -ERANGE, "a limit of CPUs is at least 0.01");
	r = cgroup_limit(cgroup, CGROUP_MEMORY, limits->memory, "memory", err);
	if (r == 0)
		r = cgroup_limit(cgroup, CGROUP_CPU, limits->cpus_milli, "CPU time", err);
	if (r == 0)
		r = cgroup_limit(cgroup, CGROUP_PIDS, limits->pids, "processes", err);
	return r;
}

int cgroup_set_devices(struct cgroup *cgroup, const struct cgroup_device *rules, size_t n,
		       struct err *err)
{
	const struct cgroup_dir *dir = cgroup_dir_of(cgroup, CGROUP_DEVICES);
	int r;

	if (!dir)
		dir = cgroup_dir_of(cgroup, CGROUP_CORE);
	if (n > CGROUP_DEVICES_MAX)
		return err_set(err, -E2BIG, "more than %d rules about devices", CGROUP_DEVICES_MAX);
	if (!dir)
		return err_set(
			err, -EOPNOTSUPP,
			"this host cannot limit devices: the kernel has no cgroup controller "
			"for it");
	r = dir->ops->set_devices(dir->fd, rules, n);
	if (r == -EPERM && !idmap_is_host_root()) {
		log_debug("the devices of the cgroup %s: those that the user namespace has",
			  cgroup->path);
		return 0;
	}
	return r < 0 ? err_errno(err, r, "cannot limit the devices of the cgroup %s", cgroup->path)
		     : 0;
}

int cgroup_has_device_program(const struct cgroup *cgroup)
{
	const struct cgroup_dir *dir = cgroup_dir_of(cgroup, CGROUP_CORE);

	return dir ? cgroup_bpf_is_attached(dir->fd) : 0;
}

static int cgroup_chown(int fd, const char *const *files, uid_t uid, gid_t gid)
{
	if (fchown(fd, uid, gid) < 0)
		return -errno;
	for (; *files; files++) {
		if (fchownat(fd, *files, uid, gid, 0) < 0 && errno != ENOENT)
			return -errno;
	}
	return 0;
}

int cgroup_delegate(struct cgroup *cgroup, uid_t uid, gid_t gid, struct err *err)
{
	static const char *const v1_files[] = { "cgroup.procs", "tasks", NULL };
	static const char *const v2_files[] = { "cgroup.procs", "cgroup.threads",
						"cgroup.subtree_control", NULL };
	const struct cgroup_dir *dir = cgroup_dir_of(cgroup, CGROUP_CORE);
	int r = 0;

	if (dir) {
		(void)cgroup_write_number(dir->fd, "cgroup.max.depth", CGROUP_DEPTH_MAX);
		(void)cgroup_write_number(dir->fd, "cgroup.max.descendants",
					  CGROUP_DESCENDANTS_MAX);
		r = cgroup_chown(dir->fd, v2_files, uid, gid);
	} else {
		dir = cgroup_dir_of(cgroup, CGROUP_SYSTEMD);
		if (dir)
			r = cgroup_chown(dir->fd, v1_files, uid, gid);
	}
	return r < 0 ? err_errno(err, r, "cannot give the cgroup %s away", cgroup->path) : 0;
}

void cgroup_entry_release(struct cgroup_entry *entry)
{
	entry->into = fd_close(entry->into);
	fds_close(entry->fds, entry->n);
	entry->n = 0;
}

/* Opens the way into one hierarchy; group: the group, or one below it. */
static int cgroup_entry_add(struct cgroup_entry *entry, const struct cgroup_dir *dir,
			    const char *group)
{
	_cleanup_free_ char *file = cgroup_dir_path(dir, group, dir->ops->join_file);
	_cleanup_free_ char *whole = NULL;
	int fd = openat(dir->root, file, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	entry->fds[entry->n++] = fd;
	if (dir->ops->version == 1)
		return 0;
	whole = cgroup_dir_path(dir, group, "");
	entry->into = openat(dir->root, whole, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return entry->into < 0 ? -errno : 0;
}

/* The process's group in version 2, if that is the group or below it, or NULL. */
static char *cgroup_find_beside(const char *path, pid_t pid)
{
	_cleanup_free_ char *text = NULL;
	size_t len = strlen(path);
	char file[64], *save = NULL;

	snprintf(file, sizeof(file), "/proc/%d/cgroup", pid);
	if (file_read(AT_FDCWD, file, CGROUP_FILE_MAX, &text, NULL) < 0)
		return NULL;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *at = line + 4;

		if (!strncmp(line, "0::/", 4) && !strncmp(at, path, len) &&
		    (!at[len] || at[len] == '/'))
			return mem_strdup(at);
	}
	return NULL;
}

int cgroup_entry_open_beside(const struct cgroup *cgroup, pid_t pid, struct cgroup_entry *ret,
			     struct err *err)
{
	*ret = CGROUP_ENTRY_INIT;
	for (size_t i = 0; i < cgroup->n; i++) {
		const struct cgroup_dir *dir = &cgroup->dirs[i];
		_cleanup_free_ char *beside = NULL;
		int r;

		if (pid && dir->ops->version == 2)
			beside = cgroup_find_beside(cgroup->path, pid);
		r = cgroup_entry_add(ret, dir, beside ? beside : cgroup->path);
		if (r < 0) {
			cgroup_entry_release(ret);
			return err_errno(err, r, "cannot enter the cgroup %s", cgroup->path);
		}
	}
	return 0;
}

/* fds[0] is version 2's, if there is one. */
int cgroup_entry_open(const struct cgroup *cgroup, struct cgroup_entry *ret, struct err *err)
{
	return cgroup_entry_open_beside(cgroup, 0, ret, err);
}

int cgroup_join(const struct cgroup_entry *entry, int born_in)
{
	for (size_t i = entry->into >= 0 && born_in; i < entry->n; i++) {
		if (write(entry->fds[i], "0", 1) < 0)
			return -errno;
	}
	return 0;
}

struct cgroup_pid_list {
	pid_t *pids;
	size_t n, size;
};

static void cgroup_list_file(int fd, struct cgroup_pid_list *list)
{
	_cleanup_free_ char *text = NULL;
	char *save = NULL;
	int64_t pid = 0;

	if (file_read(fd, "cgroup.procs", CGROUP_FILE_MAX, &text, NULL) < 0)
		return;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct err ignored = ERR_INIT;

		if (units_parse_int(line, 1, INT32_MAX, &pid, &ignored) < 0)
			continue;
		if (list->n == list->size) {
			list->size = list->size ? list->size * 2 : 64;
			list->pids = mem_realloc(list->pids, list->size, sizeof(*list->pids));
		}
		list->pids[list->n++] = (pid_t)pid;
	}
}

static void cgroup_list_tree(int fd, struct cgroup_pid_list *list, int depth)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;

	cgroup_list_file(fd, list);
	if (depth > CGROUP_DEPTH_MAX)
		return;
	dir = cgroup_open_dir(fd, ".");
	while (dir && (entry = readdir(dir))) {
		_cleanup_close_ int child = -EBADF;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		child = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (child >= 0)
			cgroup_list_tree(child, list, depth + 1);
	}
}

/* A process of the group is in each of its hierarchies, so the first one knows all. */
int cgroup_pids(const struct cgroup *cgroup, pid_t **ret, size_t *ret_n)
{
	struct cgroup_pid_list list = { 0 };

	int fd = cgroup->n ? cgroup_dir_open(cgroup, &cgroup->dirs[0]) : -ENOENT;

	if (fd < 0)
		return fd;
	cgroup_list_tree(fd, &list, 0);
	*ret = list.pids;
	*ret_n = list.n;
	return 0;
}

int cgroup_has_process(const char *path, pid_t pid)
{
	_cleanup_free_ char *text = NULL;
	size_t len = strlen(path);
	char file[64], *save = NULL;
	int r;

	snprintf(file, sizeof(file), "/proc/%d/cgroup", pid);
	r = file_read(AT_FDCWD, file, CGROUP_FILE_MAX, &text, NULL);
	if (r < 0)
		return r;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *at = strstr(line, ":/");

		if (at && !strncmp(at + 2, path, len) && (!at[2 + len] || at[2 + len] == '/'))
			return 1;
	}
	return 0;
}

static const struct cgroup_dir *cgroup_dir_of_freezer(const struct cgroup *cgroup)
{
	const struct cgroup_dir *dir = cgroup_dir_of(cgroup, CGROUP_CORE);

	return dir ? dir : cgroup_dir_of(cgroup, CGROUP_FREEZER);
}

char *cgroup_freezer(const struct cgroup *cgroup)
{
	const struct cgroup_dir *dir = cgroup_dir_of_freezer(cgroup);
	_cleanup_free_ char *link = dir ? mem_printf("/proc/self/fd/%d", dir->fd) : NULL;

	return link ? realpath(link, NULL) : NULL;
}

int cgroup_freeze(struct cgroup *cgroup, int frozen, struct err *err)
{
	const struct cgroup_dir *dir = cgroup_dir_of_freezer(cgroup);
	int r;

	if (!dir)
		return err_set(err, -EOPNOTSUPP,
			       "this host cannot pause: the kernel has no freezer for cgroups");
	r = dir->ops->freeze(dir->fd, frozen);
	return r < 0 ? err_errno(err, r, "cannot %s the cgroup %s", frozen ? "freeze" : "thaw",
				 cgroup->path)
		     : 0;
}

/* Either may have been asked: version 2's by us, the freezer by whom finds the group in /proc. */
int cgroup_is_frozen(const struct cgroup *cgroup)
{
	static const unsigned int kinds[] = { CGROUP_CORE, CGROUP_FREEZER };
	int result = -EOPNOTSUPP;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct cgroup_dir *dir = cgroup_dir_of(cgroup, kinds[i]);
		int r = dir ? dir->ops->is_frozen(dir->fd) : -EOPNOTSUPP;

		if (r > 0)
			return r;
		if (result < 0)
			result = r;
	}
	return result;
}

/* Frozen while we go through the list, so that nothing forks away and no pid is used anew. */
static void cgroup_kill_each(struct cgroup *cgroup)
{
	_cleanup_free_ pid_t *pids = NULL;
	struct err ignored = ERR_INIT;
	size_t n = 0;

	(void)cgroup_freeze(cgroup, 1, &ignored);
	(void)cgroup_pids(cgroup, &pids, &n);
	for (size_t i = 0; i < n; i++) {
		_cleanup_close_ int pidfd = pidfd_open(pids[i], 0);

		if (pidfd >= 0 && cgroup_has_process(cgroup->path, pids[i]) > 0)
			(void)pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
	}
	(void)cgroup_freeze(cgroup, 0, &ignored);
}

int cgroup_kill(struct cgroup *cgroup)
{
	const struct cgroup_dir *dir = cgroup_dir_of(cgroup, CGROUP_CORE);

	if (!dir || dir->ops->kill(dir->fd) < 0)
		cgroup_kill_each(cgroup);
	return 0;
}

/* Waits until the group holds something else than it does now, or not at all if it is empty. */
static void cgroup_wait_event(int fd, int64_t timeout_ms)
{
	_cleanup_close_ int events = openat(fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	struct pollfd poller = { .fd = events, .events = POLLPRI };
	char text[256] = "";

	/* Reading arms the poll. */
	if (events < 0 || read(events, text, sizeof(text) - 1) <= 0 || !strstr(text, "populated 1"))
		return;
	(void)poll(&poller, 1, (int)timeout_ms);
}

/* Waits for something in the group to be gone, at most until the deadline. */
static void cgroup_wait_one(struct cgroup *cgroup, int64_t deadline_ns)
{
	const struct cgroup_dir *dir = cgroup_dir_of(cgroup, CGROUP_CORE);
	_cleanup_close_ int fd = -EBADF;
	_cleanup_free_ pid_t *pids = NULL;
	struct pollfd poller = { .events = POLLIN };
	int64_t left_ms = (deadline_ns - units_monotonic()) / 1000000;
	size_t n = 0;

	if (left_ms <= 0)
		return;
	(void)cgroup_pids(cgroup, &pids, &n);
	if (n)
		fd = pidfd_open(pids[0], 0);
	poller.fd = fd;
	if (fd >= 0)
		(void)poll(&poller, 1, (int)left_ms);
	else if (dir)
		cgroup_wait_event(dir->fd, left_ms);
}

/* Parents that have become empty go too, but for the topmost: the next start wants it. */
static void cgroup_prune_parents(const struct cgroup_dir *dir, const char *group)
{
	_cleanup_free_ char *copy = mem_strdup(group);
	char *slash;

	while ((slash = strrchr(copy, '/'))) {
		_cleanup_free_ char *path = NULL;

		*slash = '\0';
		path = cgroup_dir_path(dir, copy, "");
		if (!strchr(copy, '/') || unlinkat(dir->root, path, AT_REMOVEDIR) < 0)
			return;
	}
}

static int cgroup_prune_all(struct cgroup *cgroup)
{
	int result = 0;

	for (size_t i = 0; i < cgroup->n; i++) {
		const struct cgroup_dir *dir = &cgroup->dirs[i];
		_cleanup_free_ char *path = cgroup_dir_path(dir, cgroup->path, "");
		int r = cgroup_prune(dir->root, path, 0);

		if (r < 0)
			result = r;
		else if (!cgroup->keep_parents)
			cgroup_prune_parents(dir, cgroup->path);
	}
	return result;
}

static int cgroup_is_kernels(pid_t pid)
{
	uint64_t flags;

	return procstat_fields(pid, PROCSTAT_FLAGS, &flags, 1) == 0 && flags & CGROUP_PF_KTHREAD;
}

/*
 * KVM's and vhost's threads of a machine were born in its group (before Linux 6.4 vhost's, before 6.14 KVM's), no signal
 * ends them, and they last until the kernel has taken the machine apart. The top is where other threads of the
 * kernel's are. One who may not move them waits for them.
 */
static void cgroup_let_go_of_kernels(const struct cgroup *cgroup)
{
	_cleanup_free_ pid_t *pids = NULL;
	size_t n = 0;

	(void)cgroup_pids(cgroup, &pids, &n);
	for (size_t i = 0; i < n; i++) {
		if (!cgroup_is_kernels(pids[i]))
			continue;
		for (size_t j = 0; j < cgroup->n; j++) {
			const struct cgroup_dir *dir = &cgroup->dirs[j];
			_cleanup_free_ char *path = cgroup_dir_path(dir, "", "cgroup.procs");

			(void)cgroup_write_number(dir->root, path, pids[i]);
		}
	}
}

int cgroup_destroy(struct cgroup *cgroup, int timeout_ms, struct err *err)
{
	int64_t deadline = units_monotonic() + (int64_t)timeout_ms * 1000000;
	int r = cgroup_prune_all(cgroup);

	if (r == -EBUSY) {
		cgroup_let_go_of_kernels(cgroup);
		r = cgroup_prune_all(cgroup);
	}
	for (int round = 0; r == -EBUSY && round < CGROUP_ROUNDS_MAX; round++) {
		(void)cgroup_kill(cgroup);
		cgroup_wait_one(cgroup, deadline);
		r = cgroup_prune_all(cgroup);
		if (units_monotonic() > deadline)
			break;
	}
	if (r == -EBUSY)
		return err_set(err, r,
			       "the cgroup %s has processes that do not end: they wait for the "
			       "kernel, perhaps for a disk or network file system",
			       cgroup->path);
	return r < 0 ? err_errno(err, r, "cannot remove the cgroup %s", cgroup->path) : 0;
}

int cgroup_remove(const char *path, int timeout_ms, struct err *err)
{
	_cleanup_cgroup_ struct cgroup *cgroup = NULL;
	int r = cgroup_open(path, &cgroup);

	return r == -ENOENT ? 0 : cgroup_destroy(cgroup, timeout_ms, err);
}
