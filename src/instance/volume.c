// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/volume.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/units.h"
#include "base/word.h"
#include "proto/share.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define VOLUME_VERSION 1
#define VOLUME_RECORD  "volume.json"
#define VOLUME_DATA    "data"

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

static char *volume_parent(const struct instance_home *home)
{
	return mem_printf("%s/volumes", home->root);
}

static char *volume_path(const struct instance_home *home, const char *name)
{
	return mem_printf("%s/volumes/%s", home->root, name);
}

char *volume_data(const struct instance_home *home, const char *name)
{
	return mem_printf("%s/volumes/%s/" VOLUME_DATA, home->root, name);
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
	_cleanup_free_ char *path = volume_parent(home);
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

static int volume_exists(const struct instance_home *home, const char *name)
{
	_cleanup_free_ char *path = volume_path(home, name);

	return access(path, F_OK) == 0;
}

/* In the folder at making, which gets its name at the end. */
static int volume_write(const char *making, const char *name, char *const *labels, struct err *err)
{
	_cleanup_volume_ struct volume volume = { .name = mem_strdup(name),
						  .created = units_now(),
						  .labels = strv_dup(labels) };
	_cleanup_close_ int dir = -EBADF;

	if (mkdir(making, 0700) < 0)
		return err_errno(err, -errno, "cannot make %s", making);
	dir = open(making, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || mkdirat(dir, VOLUME_DATA, 0755) < 0 ||
	    fchmodat(dir, VOLUME_DATA, 0755, 0) < 0)
		return err_errno(err, -errno, "cannot make %s", making);
	return record_save(&volume_table, &volume, dir, VOLUME_RECORD, 1, err);
}

int volume_make(const struct instance_home *home, const char *name, char *const *labels,
		struct err *err)
{
	_cleanup_free_ char *making = mem_printf("%s/volumes/.making", home->root);
	_cleanup_free_ char *path = volume_path(home, name);
	int r = name_check("volume", name, err);

	if (r < 0 || volume_exists(home, name))
		return r;
	r = volume_write(making, name, labels, err);
	if (r == 0 && rename(making, path) < 0)
		r = err_errno(err, -errno, "cannot make %s", path);
	if (r < 0)
		(void)file_remove_tree(AT_FDCWD, making);
	return r;
}

int volume_make_all(const struct instance_home *home, const struct instance *record,
		    struct err *err)
{
	strv_for_each(text, record->volumes) {
		_cleanup_share_ struct share share = { 0 };
		int r = share_parse(*text, &share, err);

		if (r == 0 && share.is_volume)
			r = volume_make(home, share.source, NULL, err);
		if (r < 0)
			return r;
	}
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

int volume_get(const struct instance_home *home, const char *name, struct volume *ret,
	       struct err *err)
{
	_cleanup_free_ char *path = volume_path(home, name);
	_cleanup_free_ char *record = mem_printf("%s/" VOLUME_RECORD, path);
	int r = name_check("volume", name, err);

	*ret = (struct volume){ .created = 0 };
	if (r < 0)
		return r;
	if (!volume_exists(home, name))
		return volume_unknown(home, name, err);
	r = record_load(&volume_table, AT_FDCWD, record, ret, err);
	mem_replace(&ret->name, name);
	if (r < 0)
		volume_release(ret);
	return r < 0 ? err_wrap(err, "volume '%s'", name) : 0;
}

int volume_names(const struct instance_home *home, char ***ret, struct err *err)
{
	_cleanup_free_ char *path = volume_parent(home);
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

struct volume_search {
	const char *name;
	char **users;
};

static int volume_search_each(struct instance_view *view, void *ctx)
{
	struct volume_search *search = ctx;

	/* one whose record cannot be read, which may name any */
	if (!view->record.image) {
		strv_add(&search->users, view->record.name);
		return 0;
	}
	strv_for_each(text, view->record.volumes) {
		_cleanup_share_ struct share share = { 0 };
		struct err ignored = ERR_INIT;

		if (share_parse(*text, &share, &ignored) == 0 && share.is_volume &&
		    !strcmp(share.source, search->name)) {
			strv_add(&search->users, view->record.name);
			return 0;
		}
	}
	return 0;
}

int volume_users(const struct instance_home *home, const char *name, char ***ret, struct err *err)
{
	struct volume_search search = { .name = name };
	int r = instance_each(home, volume_search_each, &search, err);

	*ret = search.users;
	return r;
}

int volume_remove(const struct instance_home *home, const char *name, struct err *err)
{
	_cleanup_free_ char *path = volume_path(home, name);
	_cleanup_free_ char *aside = mem_printf("%s/volumes/.removed", home->root);
	_cleanup_strv_ char **users = NULL;
	_cleanup_free_ char *list = NULL;
	_cleanup_close_ int lock = -EBADF;
	int r = name_check("volume", name, err);

	if (r == 0)
		r = lock = volume_lock(home, err);
	if (r < 0)
		return r;
	if (!volume_exists(home, name))
		return volume_unknown(home, name, err);
	r = volume_users(home, name, &users, err);
	if (r < 0)
		return r;
	list = strv_join(users, ", ");
	if (users)
		return err_set(err, -EBUSY, "the volume '%s' is used by %.200s; remove that first",
			       name, list);
	if (rename(path, aside) < 0)
		return err_errno(err, -errno, "cannot remove %s", path);
	r = userns_remove_tree(AT_FDCWD, aside);
	return r < 0 ? err_errno(err, r, "cannot remove all of %s", aside) : 0;
}
