// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/strv.h"
#include "image/difference.h"
#include "instance/snapshot-internal.h"

#include <fcntl.h>
#include <string.h>

/* A snapshot's folder, or (snap NULL) what the instance is now, which stands still while it runs. */
static int snapshot_diff_open(const struct snapshot_place *place, const char *snap,
			      struct instance *record, int *ret_fd, int *ret_hold, struct err *err)
{
	const char *name = place->view.record.name;
	int r;

	if (snap)
		return snapshot_load(place, snap, ret_fd, record, err);
	r = instance_load(place->home, name, record, err);
	if (r == 0 && place->view.alive && place->view.state == INSTANCE_RUNNING)
		r = record->kind == INSTANCE_VM ? instance_freeze(place->home, name, ret_hold, err)
						: instance_hold(place->home, name, ret_hold, err);
	if (r < 0)
		return r;
	*ret_fd = openat(place->lock, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret_fd < 0 ? err_errno(err, -errno, "cannot open the files of '%s'", name) : 0;
}

static int snapshot_diff_same_image(const struct instance *a, const struct instance *b)
{
	size_t n = strv_len(a->layers);

	if (n != strv_len(b->layers))
		return 0;
	while (n-- > 0) {
		if (strcmp(a->layers[n], b->layers[n]) != 0)
			return 0;
	}
	return 1;
}

int snapshot_diff(const struct instance_home *home, const char *name, const char *from,
		  const char *to, int (*each)(char change, const char *path, void *ctx), void *ctx,
		  struct err *err)
{
	_cleanup_snapshot_place_ struct snapshot_place place;
	_cleanup_instance_ struct instance old = { 0 }, new = { 0 };
	_cleanup_close_ int before = -EBADF, after = -EBADF, hold = -EBADF;
	struct difference difference = { .root = home->root };
	int r = snapshot_open(home, name, &place, err);

	if (r == 0 && from)
		r = snapshot_diff_open(&place, from, &old, &before, &hold, err);
	if (r == 0)
		r = snapshot_diff_open(&place, to, &new, &after, &hold, err);
	if (r < 0)
		return r;
	if (from && !snapshot_diff_same_image(&old, &new))
		return err_set(err, -EINVAL, "'%s' was then made of another image than '%s' of %s",
			       from, name, to ? to : "now");
	difference.layers = new.layers;
	difference.before = before;
	difference.after = after;
	r = difference_each(&difference, each, ctx, err);
	if (r == 0 && hold >= 0 && new.kind == INSTANCE_VM)
		r = instance_thaw(hold, name, err);
	if (r == -EUCLEAN)
		return err_set(err, r,
			       "a disk of '%s' was not unmounted, as after a crash; start and stop "
			       "it, or a 'brig copy' of the snapshot, and compare then",
			       name);
	return r;
}
