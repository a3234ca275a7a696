// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/data.h"
#include "base/file.h"
#include "sys/clone.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <string.h>

struct data_work {
	const struct instance_home *home;
	int from, to, with_scratch;
	int (*fn)(const struct data_work *work, struct err *err);
};

static int64_t data_child(void *ctx, struct err *err)
{
	const struct data_work *work = ctx;

	return work->fn(work, err);
}

/* As who may: root, or root of the user's namespace. */
static int data_run(struct data_work *work, struct err *err)
{
	return geteuid() ? (int)userns_run(data_child, work, err) : work->fn(work, err);
}

static int data_exists(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Engines of one kind share their data, and so name the same. */
static int data_clone_work(const struct data_work *work, struct err *err)
{
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
	struct data_work work = { .home = home, .from = from, .to = to, .fn = data_clone_work };

	return data_run(&work, err);
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

static int data_move_work(const struct data_work *work, struct err *err)
{
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
	struct data_work work = { .home = home,
				  .from = from,
				  .to = to,
				  .with_scratch = with_scratch,
				  .fn = data_move_work };

	return data_run(&work, err);
}
