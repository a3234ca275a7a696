// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/check.h"
#include "base/file.h"
#include "base/mem.h"
#include "image/kernel.h"
#include "instance/clean.h"
#include "instance/data.h"
#include "instance/paths.h"
#include "instance/snapshot-internal.h"
#include "instance/volume.h"
#include "proto/share.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

struct check {
	const struct instance_home *home;
	const struct store_check *how;
};

static void check_tell(const struct check *check, const char *kind, const char *name,
		       const char *what, int mended)
{
	const struct store_problem problem = {
		.kind = kind, .name = name, .what = what, .mended = mended
	};

	check->how->found(check->how->ctx, &problem);
}

static int check_is_dotted(const char *name)
{
	return name[0] == '.' && name[1] && strcmp(name, "..") != 0;
}

/* The names in a folder that begin with a dot (what is being made or removed), or the others; sorted. None is no error. */
static char **check_names(int dirfd, const char *path, int dotted)
{
	_cleanup_closedir_ DIR *dir =
		fdopendir(openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
	struct dirent *entry;
	char **names = NULL;

	while (dir && (entry = readdir(dir))) {
		if (dotted ? check_is_dotted(entry->d_name) : entry->d_name[0] != '.')
			strv_add(&names, entry->d_name);
	}
	if (names)
		strv_sort(names);
	return names;
}

/* --- instances --- */

static void check_volumes_of(const struct check *check, const char *name,
			     const struct instance *record)
{
	_cleanup_share_list_ struct share_list shares = { 0 };
	struct err why = ERR_INIT;

	if (share_list_parse(record->volumes, &shares, &why) < 0) {
		check_tell(check, "instance", name, why.msg, 0);
		return;
	}
	for (size_t i = 0; i < shares.n; i++) {
		const struct share *share = &shares.items[i];
		_cleanup_free_ char *path = NULL, *what = NULL;

		if (!share->is_volume)
			continue;
		path = volume_data(check->home, share->source);
		if (access(path, F_OK) == 0)
			continue;
		what = mem_printf("its volume '%s' is missing: 'brig volume create %s' makes an "
				  "empty one",
				  share->source, share->source);
		check_tell(check, "instance", name, what, 0);
	}
}

/* That what it has is of the type that its driver knows. */
static void check_data(const struct check *check, const char *kind, const char *name, int folder,
		       int instance_kind)
{
	_cleanup_strv_ char **entries = check_names(folder, ".", 0);

	strv_for_each(entry, entries) {
		int is = data_is_name(check->home, instance_kind, *entry);
		_cleanup_free_ char *what = NULL;
		struct stat st;

		if (!is || fstatat(folder, *entry, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    (is == 1 ? S_ISREG(st.st_mode) : S_ISDIR(st.st_mode)))
			continue;
		what = mem_printf("'%s' in it is no %s", *entry, is == 1 ? "file" : "folder");
		check_tell(check, kind, name, what, 0);
	}
}

static void check_snapshot(const struct check *check, const char *name, int folder,
			   const char *snap)
{
	_cleanup_free_ char *full = mem_printf("%s/%s", name, snap);
	_cleanup_instance_ struct instance record;
	struct snapshot snapshot = { 0 };
	_cleanup_close_ int fd =
		openat(folder, snap, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct err why = ERR_INIT;
	int r = fd < 0 ? err_errno(&why, -errno, "cannot open it") : 0;

	instance_init(&record);
	if (r == 0)
		r = record_load(&snapshot_table, fd, SNAPSHOT_RECORD, &snapshot, &why);
	if (r == 0)
		r = record_load(&instance_table, fd, PATHS_RECORD, &record, &why);
	if (r < 0) {
		check_tell(check, "snapshot", full, why.msg, 0);
		return;
	}
	check_data(check, "snapshot", full, fd, record.kind);
}

/* A form of another kind than the record's, see instance/convert.h. */
static int check_has_other_form(const struct check *check, int state)
{
	_cleanup_strv_ char **entries = check_names(state, ".", 0);
	_cleanup_instance_ struct instance record;
	struct err why = ERR_INIT;

	instance_init(&record);
	if (record_load(&instance_table, state, PATHS_RECORD, &record, &why) < 0)
		return 0;
	strv_for_each(entry, entries) {
		int other = record.kind == INSTANCE_VM ? INSTANCE_CONTAINER : INSTANCE_VM;

		if (data_is_name(check->home, other, *entry) &&
		    !data_is_name(check->home, record.kind, *entry))
			return 1;
	}
	return 0;
}

/* What a killed process has left in the instance's folder, of which the caller has the lock. */
static void check_left_in(const struct check *check, const char *name, int state)
{
	_cleanup_strv_ char **own = check_names(state, ".", 1);
	_cleanup_strv_ char **of_snapshots = check_names(state, SNAPSHOT_FOLDER, 1);
	_cleanup_free_ char *run_dir = paths_run(check->home, name);
	_cleanup_instance_view_ struct instance_view view = { 0 };
	struct err why = ERR_INIT;
	int alive = paths_keeper_pid(run_dir) != 0, mended = 0;

	if (!alive && (own || access(run_dir, F_OK) == 0 || check_has_other_form(check, state) ||
		       file_replace_leftovers(state, PATHS_RECORD, 0))) {
		if (check->how->repair)
			mended = clean_view(check->home, name, &view, &why) == 0;
		check_tell(check, "leftover", name,
			   err_is_set(&why) ? why.msg : "something that was begun was not ended",
			   mended);
	}
	strv_for_each(entry, of_snapshots) {
		_cleanup_free_ char *path = mem_printf(SNAPSHOT_FOLDER "/%s", *entry);
		_cleanup_free_ char *full = mem_printf("%s/%s", name, path);

		mended = check->how->repair && userns_remove_tree(state, path) == 0;
		check_tell(check, "leftover", full, "a snapshot was being made or removed", mended);
	}
}

static void check_instance(const struct check *check, int instances, const char *name)
{
	_cleanup_close_ int state =
		openat(instances, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_strv_ char **snapshots = NULL;
	_cleanup_instance_ struct instance record;
	_cleanup_close_ int folder = -EBADF;
	struct err why = ERR_INIT;

	if (state < 0)
		return; /* it has just gone */
	if (flock(state, LOCK_EX | LOCK_NB) == 0)
		check_left_in(check, name, state);
	instance_init(&record);
	if (record_load(&instance_table, state, PATHS_RECORD, &record, &why) < 0) {
		check_tell(check, "instance", name, why.msg, 0);
	} else {
		check_volumes_of(check, name, &record);
		check_data(check, "instance", name, state, record.kind);
	}
	folder = openat(state, SNAPSHOT_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder >= 0)
		snapshots = check_names(folder, ".", 0);
	strv_for_each(snap, snapshots)
		check_snapshot(check, name, folder, *snap);
}

/*
 * Instances that are being made or removed belong to who has their lock. Every verb that lists instances removes the
 * others, and so does this.
 */
static void check_unfinished(const struct check *check, int instances)
{
	_cleanup_strv_ char **names = check_names(instances, ".", 1);

	strv_for_each(name, names) {
		_cleanup_close_ int fd =
			openat(instances, *name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		_cleanup_free_ char *full = mem_printf("instances/%s", *name);
		int mended;

		if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
			continue;
		mended = userns_remove_tree(instances, *name) == 0;
		check_tell(check, "leftover", full, "an instance was being made or removed",
			   mended);
	}
}

static int check_instances(const struct check *check, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/instances", check->home->root);
	_cleanup_close_ int instances = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_strv_ char **names = NULL;
	int r;

	if (instances < 0)
		return errno == ENOENT ? 0 : err_errno(err, -errno, "cannot open %s", path);
	/* a folder that is being made is there a moment before its lock is */
	r = file_lock(instances, LOCK_EX);
	if (r < 0)
		return err_errno(err, r, "cannot lock %s", path);
	check_unfinished(check, instances);
	(void)flock(instances, LOCK_UN);
	names = check_names(instances, ".", 0);
	strv_for_each(name, names)
		check_instance(check, instances, *name);
	return 0;
}

/* --- volumes and kernels --- */

static int check_volume(const struct volume_view *view, void *ctx)
{
	const struct check *check = ctx;
	_cleanup_free_ char *path = volume_data(check->home, view->record.name);
	struct stat st;

	if (view->damaged)
		check_tell(check, "volume", view->record.name, "its record cannot be read", 0);
	if (lstat(path, &st) < 0 || !(S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)))
		check_tell(check, "volume", view->record.name,
			   "the folder of its files, or its disk, is missing", 0);
	return 0;
}

/* What was being made or removed: who takes the lock for it removes that. */
static int check_volumes(const struct check *check, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/volumes", check->home->root);
	_cleanup_close_ int volumes = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_strv_ char **left = NULL;
	int lock, r;

	if (volumes < 0)
		return errno == ENOENT ? 0 : err_errno(err, -errno, "cannot open %s", path);
	r = file_lock(volumes, LOCK_SH);
	if (r < 0)
		return err_errno(err, r, "cannot lock %s", path);
	left = check_names(volumes, ".", 1);
	(void)flock(volumes, LOCK_UN);
	if (left && check->how->repair) {
		lock = volume_lock(check->home, err);
		if (lock < 0)
			return lock;
		fd_close(lock);
	}
	strv_for_each(name, left) {
		_cleanup_free_ char *full = mem_printf("volumes/%s", *name);

		check_tell(check, "leftover", full, "a volume was being made or removed",
			   check->how->repair &&
				   faccessat(volumes, *name, F_OK, AT_SYMLINK_NOFOLLOW) < 0);
	}
	return volume_each(check->home, check_volume, (void *)(uintptr_t)check, err);
}

static int check_kernel(const struct kernel *kernel, void *ctx)
{
	static const char *const files[] = { "vmlinux", "initramfs.img" };
	const struct check *check = ctx;

	if (!kernel->release)
		check_tell(check, "kernel", kernel->name, kernel->source, 0);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *path =
			mem_printf("%s/kernels/%s/%s", check->home->root, kernel->name, files[i]);
		_cleanup_free_ char *what =
			mem_printf("%s is missing: remove it, and add it again", files[i]);

		if (kernel->release && access(path, F_OK) < 0)
			check_tell(check, "kernel", kernel->name, what, 0);
	}
	return 0;
}

int check_all(const struct instance_home *home, const struct store_check *how, struct err *err)
{
	struct check check = { .home = home, .how = how };
	int r = check_instances(&check, err);

	/* what an instance has left may have said that a layer is needed */
	if (r == 0)
		r = store_check(home->root, how, err);
	if (r == 0)
		r = check_volumes(&check, err);
	return r < 0 ? r : kernel_each(home->root, check_kernel, &check, err);
}
