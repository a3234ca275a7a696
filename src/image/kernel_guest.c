// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mem.h"
#include "base/take.h"
#include "image/kernel-internal.h"
#include "image/kernel.h"

#include <fcntl.h>
#include <string.h>
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

static int kernel_guest_try(char *path, struct kernel_guest *ret)
{
	struct stat st;

	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode)) {
		free(path);
		return 0;
	}
	ret->path = path;
	ret->stamp = kernel_guest_stamp(&st);
	return 1;
}

/* The folder of the running program; caller frees. */
static char *kernel_guest_folder(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	if (n < 0)
		return mem_strdup("/usr/bin");
	path[n] = '\0';
	slash = strrchr(path, '/');
	*(slash ? slash : path) = '\0';
	return mem_strdup(path);
}

int kernel_guest_find(struct kernel_guest *ret, struct err *err)
{
	const char *given = getenv("BRIG_GUEST");
	_cleanup_free_ char *folder = NULL;

	if (given && *given) {
		if (kernel_guest_try(mem_strdup(given), ret))
			return 0;
		return err_set(err, -ENOENT, "there is no file %.200s, which $BRIG_GUEST names",
			       given);
	}
	folder = kernel_guest_folder();
	if (kernel_guest_try(mem_printf("%s/brig-guest", folder), ret) ||
	    kernel_guest_try(mem_printf("%s/../libexec/brig/brig-guest", folder), ret) ||
	    kernel_guest_try(mem_strdup("/usr/libexec/brig/brig-guest"), ret))
		return 0;
	return err_set(err, -ENOENT,
		       "brig-guest, the part of brig that runs inside a VM, is neither beside brig "
		       "nor in /usr/libexec/brig: install brig again, or say where it is in "
		       "$BRIG_GUEST");
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
