// SPDX-License-Identifier: GPL-2.0-or-later
#include "oci/store.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/record.h"
#include "base/units.h"
#include "oci/vm_net.h"
#include "sys/procstat.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define STORE_VERSION 1

const char *const store_status_names[] = { "creating", "created", "running",
					   "paused",   "stopped", NULL };

#define STORE_FIELD(kind, member) RECORD_FIELD(kind, struct store_container, member)

static const struct record_field store_fields[] = {
	{ .key = "oci_version",
	  .type = RECORD_STRING,
	  .offset = offsetof(struct store_container, oci_version),
	  .required = 1 },
	{ .key = "bundle",
	  .type = RECORD_STRING,
	  .offset = offsetof(struct store_container, bundle),
	  .required = 1 },
	STORE_FIELD(RECORD_STRING, rootfs),
	{ .key = "pid",
	  .type = RECORD_INT,
	  .offset = offsetof(struct store_container, pid),
	  .max = INT_MAX },
	STORE_FIELD(RECORD_UINT, start_time),
	{ .key = "created",
	  .type = RECORD_STRING,
	  .offset = offsetof(struct store_container, created),
	  .required = 1 },
	{ .key = "owner",
	  .type = RECORD_UINT,
	  .offset = offsetof(struct store_container, owner),
	  .max = UINT32_MAX },
	STORE_FIELD(RECORD_STRING, cgroup),
	STORE_FIELD(RECORD_STRING, unit),
	STORE_FIELD(RECORD_STRV, rdt),
	STORE_FIELD(RECORD_BOOL, vm),
	STORE_FIELD(RECORD_BOOL, started),
	RECORD_END,
};

static const struct record_table store_table = { "container's record", STORE_VERSION,
						 store_fields };

#define STORE_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-"

int store_check_id(const char *id, struct err *err)
{
	size_t len = strlen(id);

	if (len >= 1 && len <= STORE_ID_MAX && id[0] != '.' && strspn(id, STORE_LETTERS ".") == len)
		return 0;
	return err_set(err, -EINVAL,
		       "'%.80s' is not a valid container ID: 1 to %d letters, digits, '_', '+', "
		       "'-', '.', not starting with '.'",
		       id, STORE_ID_MAX);
}

static int store_missing(const char *id, struct err *err)
{
	return err_set(err, -ENOENT, "container '%s' does not exist", id);
}

static int store_exists(const char *id, struct err *err)
{
	return err_set(err, -EEXIST, "container with that ID exists already: %s", id);
}

static int store_open_root(const char *root)
{
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int store_open_folder(int root, const char *id)
{
	int fd = openat(root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int store_has_state(int dir)
{
	return faccessat(dir, STORE_STATE, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* True if the ID's folder still is the one that dir was opened of: who waited may have got one removed. */
static int store_is_folder(int root, const char *id, int dir)
{
	struct stat opened, named;

	return fstat(dir, &opened) == 0 && fstatat(root, id, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

/* Takes both descriptors over. */
static void store_set_id(struct store_container *container, const char *id, int root, int dir,
			 int locked)
{
	container->id = mem_strdup(id);
	container->root = root;
	container->dir = dir;
	container->locked = locked;
}

/* Removes what a killed `create` left in the folder, which stays. */
static int store_empty(int dir)
{
	static const char *const names[] = { STORE_STATE, STORE_CONFIG, STORE_START_SOCKET };
	_cleanup_closedir_ DIR *folder = NULL;
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	struct dirent *entry;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)unlinkat(dir, names[i], 0);
	folder = fd < 0 ? NULL : fdopendir(fd);
	if (!folder) {
		r = -errno;
		fd_close(fd);
		return r;
	}
	while (r == 0 && (entry = readdir(folder))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = file_remove_tree(dir, entry->d_name);
	}
	return r;
}

/*
 * The folder, locked and empty. -EAGAIN: it was removed under our hands; -EEXIST: somebody works on it, or it
 * is a container's.
 */
static int store_claim(int root, const char *id, int *ret_dir)
{
	_cleanup_close_ int dir = -EBADF;
	int made = mkdirat(root, id, 0700) == 0, r;

	if (!made && errno != EEXIST)
		return -errno;
	dir = store_open_folder(root, id);
	if (dir < 0)
		return dir == -ENOENT ? -EAGAIN : dir;
	r = file_lock(dir, LOCK_EX | LOCK_NB);
	if (r < 0)
		return r == -EWOULDBLOCK ? -EEXIST : r;
	if (!store_is_folder(root, id, dir))
		return -EAGAIN;
	if (store_has_state(dir))
		return -EEXIST;
	r = made ? 0 : store_empty(dir);
	if (r < 0)
		return r;
	*ret_dir = take_fd(&dir);
	return 0;
}

int store_create(const char *root, const char *id, struct store_container *ret, struct err *err)
{
	_cleanup_close_ int root_fd = -EBADF;
	char created[UNITS_TEXT_MAX];
	int dir = -EBADF, r;

	*ret = STORE_CONTAINER_INIT;
	r = store_check_id(id, err);
	if (r < 0)
		return r;
	root_fd = store_open_root(root);
	if (root_fd == -ENOENT) {
		r = file_mkdir_p(root, 0700);
		root_fd = r < 0 ? r : store_open_root(root);
	}
	if (root_fd < 0)
		return err_errno(err, root_fd, "cannot make the folder %s", root);
	do
		r = store_claim(root_fd, id, &dir);
	while (r == -EAGAIN);
	if (r == -EEXIST)
		return store_exists(id, err);
	if (r < 0)
		return err_errno(err, r, "cannot make the folder %s/%s", root, id);
	store_set_id(ret, id, take_fd(&root_fd), dir, 1);
	ret->created = mem_strdup(units_format_time(units_now(), created));
	ret->owner = getuid();
	return 0;
}

/* The folder of what exists, locked if asked for; -ENOENT, or -EAGAIN: it was removed under our hands. */
static int store_find(int root, const char *id, int lock, int *ret_dir)
{
	_cleanup_close_ int dir = store_open_folder(root, id);
	int r;

	if (dir < 0)
		return dir == -ELOOP || dir == -ENOTDIR ? -ENOENT : dir;
	if (!store_has_state(dir))
		return -ENOENT;
	if (lock) {
		r = file_lock(dir, LOCK_EX);
		if (r < 0)
			return r;
		if (!store_is_folder(root, id, dir) || !store_has_state(dir))
			return -EAGAIN;
	}
	*ret_dir = take_fd(&dir);
	return 0;
}

int store_open(const char *root, const char *id, int lock, struct store_container *ret,
	       struct err *err)
{
	_cleanup_close_ int root_fd = -EBADF;
	int dir = -EBADF, r;

	*ret = STORE_CONTAINER_INIT;
	r = store_check_id(id, err);
	if (r < 0)
		return r;
	root_fd = store_open_root(root);
	r = root_fd;
	while (root_fd >= 0) {
		r = store_find(root_fd, id, lock, &dir);
		if (r != -EAGAIN)
			break;
	}
	if (r == -ENOENT)
		return store_missing(id, err);
	if (r < 0)
		return err_errno(err, r, "cannot open the folder %s/%s", root, id);
	store_set_id(ret, id, take_fd(&root_fd), dir, lock);
	r = record_load(&store_table, dir, STORE_STATE, ret, err);
	if (r == -ENOENT) /* removed since; only who has no lock can see that */
		return store_missing(id, err);
	return r < 0 ? err_wrap(err, "container '%s'", id) : 0;
}

void store_unlock(struct store_container *container)
{
	(void)flock(container->dir, LOCK_UN);
	container->locked = 0;
}

int store_relock(struct store_container *container)
{
	int r = file_lock(container->dir, LOCK_EX);

	if (r < 0)
		return r;
	container->locked = 1;
	return store_is_folder(container->root, container->id, container->dir) &&
			       store_has_state(container->dir)
		       ? 0
		       : -ENOENT;
}

int store_save(struct store_container *container, struct err *err)
{
	return record_save(&store_table, container, container->dir, STORE_STATE, 0, err);
}

int store_delete(struct store_container *container, struct err *err)
{
	int r = 0;

	vm_net_clean(container->dir);
	/* the record first: who is killed in between leaves what the next one clears away */
	if (unlinkat(container->dir, STORE_STATE, 0) < 0 && errno != ENOENT)
		r = -errno;
	(void)unlinkat(container->dir, STORE_CONFIG, 0);
	/* mostly that was all */
	if (r == 0 && unlinkat(container->root, container->id, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = file_remove_tree(container->root, container->id);
	return r < 0 ? err_errno(err, r, "cannot remove the container's folder '%s'", container->id)
		     : 0;
}

int store_remove_broken(const char *root, const char *id, struct err *err)
{
	_cleanup_store_ struct store_container container = STORE_CONTAINER_INIT;
	_cleanup_close_ int root_fd = -EBADF;
	int dir, r;

	r = store_check_id(id, err);
	if (r < 0)
		return r;
	root_fd = store_open_root(root);
	dir = root_fd < 0 ? root_fd : store_open_folder(root_fd, id);
	if (dir == -ENOENT)
		return store_missing(id, err);
	if (dir < 0)
		return err_errno(err, dir, "cannot open the folder %s/%s", root, id);
	store_set_id(&container, id, take_fd(&root_fd), dir, 1);
	r = file_lock(dir, LOCK_EX | LOCK_NB);
	if (r == 0 && !store_is_folder(container.root, id, dir))
		return store_missing(id, err);
	if (r < 0 || store_has_state(dir))
		return err_set(err, -EBUSY, "container '%s' is being created", id);
	return store_delete(&container, err);
}

int store_list(const char *root, char ***ret_ids, struct err *err)
{
	_cleanup_strv_ char **ids = NULL;
	_cleanup_closedir_ DIR *folder = opendir(root);
	struct dirent *entry;

	*ret_ids = NULL;
	if (!folder && errno == ENOENT)
		return 0;
	if (!folder)
		return err_errno(err, -errno, "cannot read the folder %s", root);
	while ((entry = readdir(folder))) {
		_cleanup_free_ char *state = mem_printf("%s/" STORE_STATE, entry->d_name);
		struct err unused = ERR_INIT;

		if (store_check_id(entry->d_name, &unused) == 0 &&
		    faccessat(dirfd(folder), state, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			strv_add(&ids, entry->d_name);
	}
	strv_sort(ids);
	*ret_ids = take_ptr(ids);
	return 0;
}

int store_save_config(struct store_container *container, const char *text, size_t len,
		      struct err *err)
{
	/* nobody reads it before there is a record */
	_cleanup_close_ int fd = openat(container->dir, STORE_CONFIG,
					O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r = fd < 0 ? -errno : file_write_all(fd, text, len);

	return r < 0 ? err_errno(err, r, "cannot keep the configuration") : 0;
}

int store_read_config(const struct store_container *container, struct json **ret, struct err *err)
{
	int r = json_read_file(container->dir, STORE_CONFIG, STORE_CONFIG_MAX, ret, err);

	return r < 0 ? err_wrap(err, "container '%s'", container->id) : 0;
}

int store_load_config(const struct store_container *container, struct config *ret, struct err *err)
{
	_cleanup_json_ struct json *json = NULL;
	int r = store_read_config(container, &json, err);

	*ret = (struct config){ 0 };
	if (r < 0)
		return r;
	r = config_read(json, ret, err);
	return r < 0 ? err_wrap(err, "container '%s': " STORE_CONFIG, container->id) : 0;
}

int store_set_pid(struct store_container *container, pid_t pid)
{
	uint64_t start_time = 0;
	int r = procstat_fields(pid, PROCSTAT_START_TIME, &start_time, 1);

	if (r < 0)
		return r;
	container->pid = pid;
	container->start_time = start_time;
	return 0;
}

/*
 * The descriptor first, then the time: if the number went to another process in between, the descriptor is
 * of the dead one, or the time is not ours.
 */
int store_pidfd(const struct store_container *container)
{
	_cleanup_close_ int fd = -EBADF;
	struct pollfd ended = { .events = POLLIN };
	uint64_t start_time = 0;
	int r;

	if (container->pid <= 0)
		return -ESRCH;
	fd = (int)syscall(SYS_pidfd_open, (pid_t)container->pid, 0);
	if (fd < 0)
		return -errno;
	r = procstat_fields((pid_t)container->pid, PROCSTAT_START_TIME, &start_time, 1);
	if (r < 0)
		return r;
	ended.fd = fd;
	if (start_time != container->start_time || poll(&ended, 1, 0) != 0)
		return -ESRCH;
	return take_fd(&fd);
}

/* Without a process: a `create` that is at work holds the lock. */
static enum store_status store_status_without_pid(const struct store_container *container)
{
	if (container->locked)
		return STORE_CREATING;
	if (file_lock(container->dir, LOCK_SH | LOCK_NB) < 0)
		return STORE_CREATING;
	(void)flock(container->dir, LOCK_UN);
	return STORE_STOPPED;
}

enum store_status store_status(const struct store_container *container, int pidfd, int frozen)
{
	if (!container->pid)
		return store_status_without_pid(container);
	if (pidfd < 0)
		return STORE_STOPPED;
	if (frozen)
		return STORE_PAUSED;
	if (faccessat(container->dir, STORE_START_SOCKET, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return STORE_CREATED;
	return container->started ? STORE_RUNNING : STORE_CREATING;
}

void store_release(struct store_container *container)
{
	record_release(&store_table, container);
	free(take_ptr(container->id));
	container->dir = fd_close(container->dir);
	container->root = fd_close(container->root);
	container->locked = 0;
}
