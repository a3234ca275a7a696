// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: an instance's data are several files and folders, so they are not replaced in one step. The new ones,
 * and the new record, are put together in a folder of the instance's, whose name then says how far we are:
 *
 *   .restore --rename--> .restore-out --rename--> .restore-in --empty, removed
 *   is made              the old data are         the new data are moved to their places,
 *                        moved to .restore-old    at last the record; then .restore-old goes
 *
 *  1. Up to the first rename the instance is as it was, and the folder is only to be removed. From then on every step
 *     is one rename(2), needs no space, and can be done again: rollback_finish() goes on wherever it ended.
 *  2. While the name is .restore-out, all data in the instance's folder are old ones; while it is .restore-in, new ones.
 *  3. The record is the last to go, so one that is there belongs to data that are complete or will be.
 *  4. Before each rename of the folder, what it stands for is on the disk.
 */
#include "instance/rollback.h"
#include "base/file.h"
#include "instance/bound.h"
#include "instance/data.h"
#include "instance/paths.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <sys/stat.h>

#define ROLLBACK_MAKING ".restore"
#define ROLLBACK_OUT	".restore-out"
#define ROLLBACK_IN	".restore-in"
#define ROLLBACK_OLD	".restore-old"

static int rollback_has(int state, const char *name)
{
	return faccessat(state, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int rollback_open(int state, const char *name, struct err *err)
{
	int fd = openat(state, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? err_errno(err, -errno, "cannot open %s", name) : fd;
}

static int rollback_make_dir(int state, const char *name, struct err *err)
{
	if (mkdirat(state, name, 0700) < 0 && errno != EEXIST)
		return err_errno(err, -errno, "cannot make %s", name);
	return 0;
}

static int rollback_remove(int state, const char *name, struct err *err)
{
	int r = userns_remove_tree(state, name);

	return r < 0 ? err_errno(err, r, "cannot remove %s", name) : 0;
}

static int rollback_advance(int state, const char *from, const char *to, struct err *err)
{
	if (fsync(state) < 0 || renameat(state, from, state, to) < 0 || fsync(state) < 0)
		return err_errno(err, -errno, "cannot rename %s to %s", from, to);
	return 0;
}

static int rollback_move_out(const struct instance_home *home, int state, struct err *err)
{
	_cleanup_close_ int old = -EBADF;
	int r = rollback_make_dir(state, ROLLBACK_OLD, err);

	if (r == 0)
		r = old = rollback_open(state, ROLLBACK_OLD, err);
	if (r >= 0)
		r = data_move(home, state, old, 1, err);
	return r < 0 ? r : rollback_advance(state, ROLLBACK_OUT, ROLLBACK_IN, err);
}

static int rollback_move_in(const struct instance_home *home, int state, struct err *err)
{
	_cleanup_close_ int in = rollback_open(state, ROLLBACK_IN, err);
	int r = in < 0 ? in : data_move(home, in, state, 0, err);

	if (r < 0)
		return r;
	if (renameat(in, PATHS_RECORD, state, PATHS_RECORD) < 0 && errno != ENOENT)
		return err_errno(err, -errno, "cannot replace the record");
	if (fsync(state) < 0)
		return err_errno(err, -errno, "cannot write the instance's folder");
	return rollback_remove(state, ROLLBACK_IN, err);
}

int rollback_is_unfinished(int state)
{
	return rollback_has(state, ROLLBACK_MAKING) || rollback_has(state, ROLLBACK_OUT) ||
	       rollback_has(state, ROLLBACK_IN) || rollback_has(state, ROLLBACK_OLD);
}

int rollback_finish(const struct instance_home *home, int state, struct err *err)
{
	int r = rollback_remove(state, ROLLBACK_MAKING, err);

	if (r == 0 && rollback_has(state, ROLLBACK_OUT))
		r = rollback_move_out(home, state, err);
	if (r == 0 && rollback_has(state, ROLLBACK_IN))
		r = rollback_move_in(home, state, err);
	if (r == 0)
		r = rollback_remove(state, ROLLBACK_OLD, err);
	return r < 0 ? err_wrap(err, "cannot end the restoring of an instance") : 0;
}

static int rollback_prepare(const struct instance_home *home, int state, int from,
			    const struct instance *record, struct err *err)
{
	_cleanup_close_ int making = -EBADF;
	int r = rollback_make_dir(state, ROLLBACK_MAKING, err);

	if (r == 0)
		r = making = rollback_open(state, ROLLBACK_MAKING, err);
	if (r >= 0)
		r = data_clone(home, from, making, err);
	if (r == 0)
		r = record_save(&instance_table, record, making, PATHS_RECORD, 0, err);
	if (r == 0)
		r = rollback_make_dir(state, ROLLBACK_OLD, err);
	if (r == 0 && syncfs(making) < 0)
		r = err_errno(err, -errno, "cannot write the data");
	return r < 0 ? r : rollback_advance(state, ROLLBACK_MAKING, ROLLBACK_OUT, err);
}

int rollback_to(const struct instance_home *home, int state, int from,
		const struct instance *record, struct err *err)
{
	struct err ignored = ERR_INIT;
	int r = rollback_prepare(home, state, from, record, err);

	if (r == 0)
		bound_release(state);
	if (r == 0)
		return rollback_finish(home, state, err);
	(void)rollback_finish(home, state, &ignored);
	return r;
}
