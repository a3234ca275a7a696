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
	struct driver_device device = { .kind = MESSAGE_DEVICE_DISK };
	int r;

	if (record->kind != INSTANCE_VM || record->disk_size == before)
		return 0;
	r = keeper_device_ready(keeper, "its disk grows at its next start", err);
	if (r == 0)
		r = keeper_disk_grow_file(keeper, &device.disk_size, err);
	if (r < 0)
		return r;
	*change = (struct keeper_change){ .active = 1, .comes = 1 };
	device.setup = change->setup = mem_printf("%ju", (uintmax_t)device.disk_size);
	return keeper_device_begin(keeper, &device, 0, err);
}
