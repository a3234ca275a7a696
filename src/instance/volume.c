// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/volume.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/units.h"
#include "base/word.h"
#include "instance/uses.h"
#include "proto/drive.h"
#include "proto/share.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define VOLUME_VERSION 1
#define VOLUME_RECORD  "volume.json"
#define VOLUME_MAKING  ".making"

static const struct record_field volume_fields[] = {
	RECORD_FIELD(RECORD_STRING, struct volume, name),
	RECORD_FIELD(RECORD_INT, struct volume, created),
	RECORD_FIELD(RECORD_STRV, struct volume, labels),
	RECORD_END,
};

static const struct record_table volume_table = {
	.what = "volume record",
	.version = VOLUME_VERSION,
	.fields = volume_fields,
};

void volume_release(struct volume *volume)
{
	record_release(&volume_table, volume);
}

void volume_view_release(struct volume_view *view)
{
	volume_release(&view->record);
	strv_free(view->users);
	*view = (struct volume_view){ .damaged = 0 };
}

static char *volume_path(const struct instance_home *home, const char *name)
{
	return mem_printf("%s/volumes/%s", home->root, name);
}

char *volume_data(const struct instance_home *home, const char *name)
{
	return share_volume_path(home->root, name);
}

/* What killed processes left: nobody else works here, since the lock is ours. */
static void volume_sweep(int parent)
{
	_cleanup_closedir_ DIR *dir = fdopendir(fcntl(parent, F_DUPFD_CLOEXEC, 0));
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (name[0] == '.' && name[1] && strcmp(name, "..") != 0)
			(void)userns_remove_tree(parent, name);
	}
}

int volume_lock(const struct instance_home *home, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/volumes", home->root);
	_cleanup_close_ int fd = -EBADF;
	int r = file_mkdir_p(path, 0700);

	if (r < 0)
		return err_errno(err, r, "cannot make %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, -errno, "cannot open %s", path);
	r = file_lock(fd, LOCK_EX);
	if (r < 0)
		return err_errno(err, r, "cannot lock %s", path);
	volume_sweep(fd);
	return take_fd(&fd);
}

/* Of the disk that it is; 0: a folder, or not there. */
static int64_t volume_disk_size(const struct instance_home *home, const char *name)
{
	_cleanup_free_ char *path = volume_data(home, name);
	struct stat st;

	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) ? (int64_t)st.st_size : 0;
}

static int volume_exists(const struct instance_home *home, const char *name)
{
	_cleanup_free_ char *path = volume_path(home, name);

	return access(path, F_OK) == 0;
}

/* Sparse: it takes what is written to it. */
static int volume_make_disk(const char *path, int64_t size)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd < 0 || ftruncate(fd, size) < 0 ? -errno : 0;
}

static int volume_make_data(const char *path, int64_t size)
{
	if (size)
		return volume_make_disk(path, size);
	return mkdir(path, 0755) < 0 || chmod(path, 0755) < 0 ? -errno : 0;
}

/* In the folder `making` of volumes/, which gets its name at the end. */
static int volume_write(const struct instance_home *home, const char *making, const char *name,
			char *const *labels, int64_t size, struct err *err)
{
	_cleanup_free_ char *path = volume_path(home, making), *data = volume_data(home, making);
	_cleanup_volume_ struct volume volume = { .name = mem_strdup(name),
						  .created = units_now(),
						  .labels = strv_dup(labels) };
	_cleanup_close_ int dir = -EBADF;
	int r;

	if (mkdir(path, 0700) < 0)
		return err_errno(err, -errno, "cannot make %s", path);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = dir < 0 ? -errno : volume_make_data(data, size);
	if (r < 0)
		return err_errno(err, r, "cannot make %s", data);
	return record_save(&volume_table, &volume, dir, VOLUME_RECORD, 1, err);
}

static int volume_check_size(int64_t *size, struct err *err)
{
	if (*size && *size < VOLUME_DISK_MIN)
		return err_set(err, -ERANGE, "a disk has at least 1m");
	if (*size > INT64_MAX - VOLUME_DISK_ALIGN)
		return err_set(err, -EFBIG, "no disk is that large");
	*size = (*size + VOLUME_DISK_ALIGN - 1) / VOLUME_DISK_ALIGN * VOLUME_DISK_ALIGN;
	return 0;
}

/* That it is what is asked for. */
static int volume_check_same(const struct instance_home *home, const char *name, int64_t size,
			     struct err *err)
{
	int64_t has = volume_disk_size(home, name);
	char text[UNITS_TEXT_MAX];

	if (has == size)
		return 0;
	if (!has)
		return err_set(err, -EEXIST, "the volume '%s' is there already, and a folder",
			       name);
	return err_set(err, -EEXIST, "the volume '%s' is there already, and a disk of %s%s", name,
		       units_format_size(has, text), size ? "" : ": --disk gives it to a VM");
}

int volume_make(const struct instance_home *home, const char *name, char *const *labels,
		int64_t size, struct err *err)
{
	_cleanup_free_ char *making = volume_path(home, VOLUME_MAKING);
	_cleanup_free_ char *path = volume_path(home, name);
	int r = name_check("volume", name, err);

	if (r == 0)
		r = volume_check_size(&size, err);
	if (r == 0 && volume_exists(home, name))
		return volume_check_same(home, name, size, err);
	if (r < 0)
		return r;
	r = volume_write(home, VOLUME_MAKING, name, labels, size, err);
	if (r == 0 && rename(making, path) < 0)
		r = err_errno(err, -errno, "cannot make %s", path);
	if (r < 0)
		(void)file_remove_tree(AT_FDCWD, making);
	return r;
}

/* How large it is to be nobody but its user can say. */
static int volume_need_disk(const struct instance_home *home, const char *name, struct err *err)
{
	if (!volume_exists(home, name))
		return err_set(err, -ENOENT,
			       "there is no volume '%s': 'brig volume create --size 10g %s' makes "
			       "it a disk of that size; a file here is ./%s",
			       name, name, name);
	return volume_disk_size(home, name) ? 0
					    : err_set(err, -EINVAL,
						      "the volume '%s' is a folder, which -v "
						      "shares; a disk is made with a --size",
						      name);
}

int volume_make_all(const struct instance_home *home, const struct instance *record,
		    struct err *err)
{
	strv_for_each(text, record->volumes) {
		_cleanup_share_ struct share share = { 0 };
		int r = share_parse(*text, &share, err);

		if (r == 0 && share.is_volume)
			r = volume_make(home, share.source, NULL, 0, err);
		if (r < 0)
			return r;
	}
	strv_for_each(text, record->drives) {
		_cleanup_drive_ struct drive drive = { 0 };
		int r = drive_parse(*text, 0, &drive, err);

		if (r == 0 && drive.is_volume)
			r = volume_need_disk(home, drive.source, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int volume_hold_all(const struct instance_home *home, const struct instance *record, int *ret_lock,
		    struct err *err)
{
	_cleanup_close_ int lock = -EBADF;
	int r;

	if (!record->volumes && !record->drives)
		return 0;
	lock = volume_lock(home, err);
	r = lock < 0 ? lock : volume_make_all(home, record, err);
	if (r == 0)
		*ret_lock = take_fd(&lock);
	return r;
}

/* Sorted. An absent folder is none. */
static int volume_names(const struct instance_home *home, char ***ret, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/volumes", home->root);
	_cleanup_closedir_ DIR *dir = opendir(path);
	char **names = NULL;
	struct dirent *entry;

	if (!dir && errno != ENOENT)
		return err_errno(err, -errno, "cannot read %s", path);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			strv_add(&names, entry->d_name);
	}
	strv_sort(names);
	*ret = names;
	return 0;
}

static int volume_unknown(const struct instance_home *home, const char *name, struct err *err)
{
	_cleanup_strv_ char **names = NULL;
	struct err ignored = ERR_INIT;
	const char *near = NULL;

	if (volume_names(home, &names, &ignored) == 0 && names)
		near = word_nearest(name, (const char *const *)names);
	return err_set(err, -ENOENT, "there is no volume '%.64s'%s%s%s; see 'brig volume ls'", name,
		       near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int volume_load(const struct instance_home *home, const char *name, struct volume *ret,
		       struct err *err)
{
	_cleanup_free_ char *path = volume_path(home, name);
	_cleanup_free_ char *record = mem_printf("%s/" VOLUME_RECORD, path);
	int r;

	if (!volume_exists(home, name))
		return volume_unknown(home, name, err);
	r = record_load(&volume_table, AT_FDCWD, record, ret, err);
	if (r < 0)
		volume_release(ret);
	/* the folder's name is the truth */
	mem_replace(&ret->name, name);
	return r < 0 ? err_wrap(err, "volume '%s'", name) : 0;
}

static int volume_names_of(const struct instance *record, char ***ret)
{
	int r = 0;

	strv_for_each(text, record->volumes) {
		_cleanup_share_ struct share share = { 0 };
		struct err ignored = ERR_INIT;

		if (share_parse(*text, &share, &ignored) < 0)
			r = -EINVAL;
		else if (share.is_volume)
			strv_add(ret, share.source);
	}
	strv_for_each(text, record->drives) {
		_cleanup_drive_ struct drive drive = { 0 };
		struct err ignored = ERR_INIT;

		if (drive_parse(*text, 0, &drive, &ignored) < 0)
			r = -EINVAL;
		else if (drive.is_volume)
			strv_add(ret, drive.source);
	}
	return r;
}

int volume_view(const struct instance_home *home, const char *name, struct volume_view *ret,
		struct err *err)
{
	_cleanup_uses_ struct uses uses = { 0 };
	int r = name_check("volume", name, err);

	*ret = (struct volume_view){ .damaged = 0 };
	if (r == 0)
		r = volume_load(home, name, &ret->record, err);
	if (r == 0)
		r = uses_collect(home, volume_names_of, &uses, err);
	if (r < 0) {
		volume_view_release(ret);
		return r;
	}
	ret->users = uses_of(&uses, name);
	ret->disk_size = volume_disk_size(home, name);
	return 0;
}

int volume_each(const struct instance_home *home,
		int (*each)(const struct volume_view *view, void *ctx), void *ctx, struct err *err)
{
	_cleanup_uses_ struct uses uses = { 0 };
	_cleanup_strv_ char **names = NULL;
	int r = volume_names(home, &names, err);

	if (r == 0)
		r = uses_collect(home, volume_names_of, &uses, err);
	strv_for_each(name, names) {
		_cleanup_volume_view_ struct volume_view view = { 0 };
		struct err problem = ERR_INIT;
		int loaded;

		if (r)
			break;
		loaded = volume_load(home, *name, &view.record, &problem);
		if (loaded == -ENOENT)
			continue; /* removed meanwhile */
		view.damaged = loaded < 0;
		view.users = uses_of(&uses, *name);
		view.disk_size = volume_disk_size(home, *name);
		r = each(&view, ctx);
	}
	return r;
}

static int volume_check_unused(const struct instance_home *home, const char *name, struct err *err)
{
	_cleanup_uses_ struct uses uses = { 0 };
	_cleanup_strv_ char **users = NULL;
	_cleanup_free_ char *list = NULL;
	int r = uses_collect(home, volume_names_of, &uses, err);

	if (r < 0)
		return r;
	users = uses_of(&uses, name);
	list = strv_join(users, ", ");
	return users ? err_set(err, -EBUSY, "the volume '%s' is used by %.200s; remove that first",
			       name, list)
		     : 0;
}

int volume_remove(const struct instance_home *home, const char *name, struct err *err)
{
	_cleanup_free_ char *path = volume_path(home, name);
	_cleanup_free_ char *aside = mem_printf("%s/volumes/.removed-%s", home->root, name);
	_cleanup_close_ int lock = -EBADF;
	int r = name_check("volume", name, err);

	if (r == 0)
		r = lock = volume_lock(home, err);
	if (r < 0)
		return r;
	if (!volume_exists(home, name))
		return volume_unknown(home, name, err);
	r = volume_check_unused(home, name, err);
	if (r < 0)
		return r;
	if (rename(path, aside) < 0)
		return err_errno(err, -errno, "cannot remove %s", path);
	r = userns_remove_tree(AT_FDCWD, aside);
	return r < 0 ? err_errno(err, r, "cannot remove all of %s", aside) : 0;
}
