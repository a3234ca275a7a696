// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/data.h"
#include "base/file.h"
#include "sys/clone.h"
#include "sys/idmap.h"
#include "sys/mnt.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <string.h>

struct data_work {
	const struct instance_home *home;
	int from, to, with_scratch;
};

struct data_running {
	int (*fn)(void *ctx, struct err *err);
	void *ctx;
};

static int64_t data_child(void *ctx, struct err *err)
{
	const struct data_running *running = ctx;

	return running->fn(running->ctx, err);
}

int data_run(int (*fn)(void *ctx, struct err *err), void *ctx, struct err *err)
{
	struct data_running running = { .fn = fn, .ctx = ctx };

	return geteuid() ? (int)userns_run(data_child, &running, err) : fn(ctx, err);
}

const char *const data_owners_names[] = { [DATA_OWNERS_INSIDE] = "inside",
					  [DATA_OWNERS_SHIFTED] = "shifted",
					  [DATA_OWNERS_USER] = "user",
					  NULL };

int data_owners(const char *path, struct err *why)
{
	_cleanup_close_ int mount = -EBADF, userns = -EBADF;
	struct idmap map;
	int r;

	if (!idmap_is_host_root())
		return DATA_OWNERS_USER;
	r = mnt_clone(AT_FDCWD, path, 0, &mount, why);
	if (r < 0)
		return r;
	idmap_of_host(&map, 0);
	userns = idmap_make_userns(&map, why);
	idmap_release(&map);
	if (userns < 0)
		return userns;
	r = mnt_set_idmap(mount, userns, 0);
	if (r == 0)
		return DATA_OWNERS_INSIDE;
	(void)err_set(why, -EOPNOTSUPP,
		      "the file system of %s has no idmapped mounts (%s), so a container's files "
		      "have other owners on it than a VM's",
		      path, strerror(-r));
	return DATA_OWNERS_SHIFTED;
}

int data_is_name(const struct instance_home *home, int kind, const char *name)
{
	for (const struct driver_ops *const *driver = home->drivers; *driver; driver++) {
		for (const char *const *at = (*driver)->data; at && *at; at++) {
			if ((*driver)->kind == kind && !strcmp(*at, name))
				return strcmp(name, INSTANCE_DISK) ? 2 : 1;
		}
	}
	return 0;
}

static int data_exists(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Engines of one kind share their data, and so name the same. */
static int data_clone_work(void *ctx, struct err *err)
{
	const struct data_work *work = ctx;
	int r = 0;

	for (const struct driver_ops *const *driver = work->home->drivers; *driver; driver++) {
		for (const char *const *name = (*driver)->data; name && *name && r == 0; name++) {
			if (data_exists(work->from, *name) && !data_exists(work->to, *name))
				r = clone_tree(work->from, *name, work->to, *name, err);
		}
	}
	return r;
}

int data_clone(const struct instance_home *home, int from, int to, struct err *err)
{
	struct data_work work = { .home = home, .from = from, .to = to };

	return data_run(data_clone_work, &work, err);
}

static int data_move_one(const struct data_work *work, const char *name)
{
	int r;

	if (!data_exists(work->from, name))
		return 0;
	r = file_remove_tree(work->to, name);
	return r == 0 && renameat(work->from, name, work->to, name) < 0 ? -errno : r;
}

static int data_move_all(const struct data_work *work, const char *const *names, struct err *err)
{
	for (const char *const *name = names; name && *name; name++) {
		int r = data_move_one(work, *name);

		if (r < 0)
			return err_errno(err, r, "cannot move '%s'", *name);
	}
	return 0;
}

static int data_move_work(void *ctx, struct err *err)
{
	const struct data_work *work = ctx;
	int r = 0;

	for (const struct driver_ops *const *driver = work->home->drivers; *driver && r == 0;
	     driver++) {
		r = data_move_all(work, (*driver)->data, err);
		if (r == 0 && work->with_scratch)
			r = data_move_all(work, (*driver)->scratch, err);
	}
	return r;
}

int data_move(const struct instance_home *home, int from, int to, int with_scratch, struct err *err)
{
	struct data_work work = {
		.home = home, .from = from, .to = to, .with_scratch = with_scratch
	};

	return data_run(data_move_work, &work, err);
}
