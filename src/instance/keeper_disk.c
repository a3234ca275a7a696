// SPDX-License-Identifier: GPL-2.0-or-later
/* The disk of a VM that runs: its file grows first, then what the engine says of it, then the guest's file system. */
#include "base/file.h"
#include "base/mem.h"
#include "instance/keeper-internal.h"
#include "sys/ext4.h"

#include <sys/stat.h>

/* Of which each next step makes up for what a killed one has left: a file that is too large is used whole. */
static int keeper_disk_grow_file(const struct keeper *keeper, uint64_t *ret_size, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/" INSTANCE_DISK, keeper->state_dir);
	_cleanup_free_ char *cache = mem_printf("%s/cache", keeper->home.root);
	_cleanup_close_ int fd = -EBADF;
	struct stat st;

	if (ext4_open(cache, path, keeper->record.disk_size, &fd, err) < 0)
		return err->code;
	if (fstat(fd, &st) < 0)
		return err_errno(err, -errno, "cannot tell the disk's size");
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

int keeper_disk_change(struct keeper *keeper, int64_t before, struct err *err)
{
	const struct instance *record = &keeper->record;
	struct keeper_change *change = &keeper->change;
	struct driver_device device = { .nic = NULL };
	int r;

	if (record->kind != INSTANCE_VM || record->disk_size == before)
		return 0;
	if (!keeper->ops->plug)
		return err_set(err, -EBUSY,
			       "'%s' is a VM that runs, and with the engine '%s' its disk grows at "
			       "its next start; stop it first",
			       record->name, keeper->ops->engine);
	if (!keeper->driver)
		return err_set(err, -EBUSY, "'%s' is between two starts; try again", record->name);
	r = keeper_disk_grow_file(keeper, &device.disk_size, err);
	if (r < 0)
		return r;
	*change = (struct keeper_change){ .active = 1 };
	device.setup = change->card.setup = mem_printf("%ju", (uintmax_t)device.disk_size);
	r = keeper->ops->plug(keeper->driver, &device, err);
	if (r < 0) {
		free(change->card.setup);
		*change = (struct keeper_change){ .active = 0 };
	}
	return r < 0 ? r : 1;
}
