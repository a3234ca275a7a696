// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mem.h"
#include "base/take.h"
#include "image/kernel-internal.h"
#include "image/kernel.h"
#include "sys/part.h"

#include <fcntl.h>
#include <sys/stat.h>

#define KERNEL_GUEST_MAX (64U << 20)

void kernel_guest_release(struct kernel_guest *guest)
{
	free(take_ptr(guest->path));
	free(take_ptr(guest->stamp));
}

/* A file that was written or replaced has another stamp. */
static char *kernel_guest_stamp(const struct stat *st)
{
	return mem_printf("%llu:%lld:%lld.%09ld:%lld.%09ld", (unsigned long long)st->st_ino,
			  (long long)st->st_size, (long long)st->st_mtim.tv_sec,
			  st->st_mtim.tv_nsec, (long long)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
}

int kernel_guest_find(struct kernel_guest *ret, struct err *err)
{
	struct stat st;
	int r = part_find(PART_GUEST, &ret->path, err);

	if (r < 0)
		return r;
	if (stat(ret->path, &st) < 0)
		return err_errno(err, -errno, "cannot find %s", ret->path);
	ret->stamp = kernel_guest_stamp(&st);
	return 0;
}

int kernel_guest_check(struct err *err)
{
	_cleanup_kernel_guest_ struct kernel_guest guest = { NULL };

	return kernel_guest_find(&guest, err);
}

int kernel_guest_read(const struct kernel_guest *guest, char **ret, size_t *ret_len,
		      char digest[DIGEST_HEX_SIZE], struct err *err)
{
	_cleanup_close_ int fd = open(guest->path, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : kernel_read_fd(fd, KERNEL_GUEST_MAX, ret, ret_len);

	if (r < 0)
		return err_errno(err, r, "cannot read %s", guest->path);
	digest_of(*ret, *ret_len, digest);
	return 0;
}
