// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/layer_scratch.h"
#include "base/mem.h"
#include "base/strv.h"
#include "sys/confine.h"
#include "sys/memory_room.h"
#include "sys/mnt.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

/*
 * An inode with its name takes up to 1.5 KiB of the kernel's memory, which tmpfs does not count among its blocks. With one
 * for each 4 KiB that is 3/8 of them, so that all together take up to 11/20 of the room.
 */
#define LAYER_SCRATCH_PER_INODE 4096
#define LAYER_SCRATCH_SHARE	10 /* of the room, for each */
#define LAYER_SCRATCH_LEAST	((int64_t)4 << 20)
/* By so much a blob grows, at a guess: Debian's grow to 2.5 times of their size. */
#define LAYER_SCRATCH_GROWTH 3

int64_t layer_scratch_room(void)
{
	return memory_room() / LAYER_SCRATCH_SHARE;
}

int layer_scratch_may_fit(int64_t blob_size, int64_t room)
{
	return room >= LAYER_SCRATCH_LEAST && blob_size <= room / LAYER_SCRATCH_GROWTH;
}

/* What is not the root of a mount, as in a bare chroot(2), cannot be made private: see layer_scratch_attach(). */
static int layer_scratch_can_attach(void)
{
	struct statx stx;

	return statx(AT_FDCWD, "/", 0, STATX_BASIC_STATS, &stx) == 0 &&
	       (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

int layer_scratch_open(int64_t room)
{
	_cleanup_strv_ char **options = NULL;
	struct err ignored = ERR_INIT;
	int fd = -EBADF;

	if (!layer_scratch_can_attach())
		return -EOPNOTSUPP;
	strv_add_printf(&options, "size=%lld", (long long)room);
	strv_add_printf(&options, "nr_inodes=%lld", (long long)room / LAYER_SCRATCH_PER_INODE);
	strv_add(&options, "mode=0755");
	return mnt_new("tmpfs", "brig", options, CONFINE_ATTRIBUTES, &fd, &ignored) < 0
		       ? ignored.code
		       : fd;
}

int layer_scratch_is_at_fault(int code)
{
	switch (code) {
	case -ENOSPC: /* it is full */
	case -ENOMEM:
	case -EIO: /* who worked there died, perhaps of want of memory */
	case -EOPNOTSUPP:
	case -EPERM:
		return 1;
	default:
		return 0;
	}
}

int layer_scratch_attach(int scratch, const char *path, struct err *err)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_set(err, -EOPNOTSUPP, "cannot have mounts of its own");
	if (mnt_attach_path(scratch, path, err) < 0)
		return err->code = -EOPNOTSUPP;
	return 0;
}
