// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/bound.h"
#include "base/file.h"
#include "sys/quota.h"

int bound_check(const struct instance *record, int dir, struct err *err)
{
	int is_bounded = record->kind == INSTANCE_CONTAINER && record->bounded;
	int r = is_bounded ? quota_check(dir, err) : 0;

	return r < 0 ? err_wrap(err, "cannot bound what it writes (--disk-size)") : 0;
}

int bound_change(const struct instance_home *home, const struct instance *record, struct err *err)
{
	_cleanup_close_ int dir = -EBADF;
	int r = instance_open(home, record->name, &dir, err);

	if (r == 0)
		r = bound_check(record, dir, err);
	if (r < 0)
		return r;
	r = quota_change(dir, INSTANCE_UPPER, record->disk_size, err);
	if (r == -ENOENT)
		return err_set(
			err, -EBUSY,
			"'%s' runs, and what it has written so far has not been counted; stop "
			"it first",
			record->name);
	return r;
}

void bound_release(int dir)
{
	quota_release(dir, INSTANCE_UPPER);
}

int bound_read(const struct instance_home *home, const char *name, int64_t *ret_used,
	       int64_t *ret_limit)
{
	_cleanup_close_ int dir = -EBADF;
	struct err ignored = ERR_INIT;
	int r = instance_open(home, name, &dir, &ignored);

	return r < 0 ? r : quota_read(dir, INSTANCE_UPPER, ret_used, ret_limit);
}
