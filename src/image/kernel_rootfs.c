// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "image/initramfs.h"
#include "image/kernel-internal.h"
#include "image/kernel.h"
#include "image/modules.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>

/*
 * The kernel of an image. Everything in it was made by whoever made the image:
 *
 * 1. Its symlinks are followed inside the image only, and only regular files are read.
 * 2. A kernel is shared between images by the digest of its file and of all the modules that are
 *    loaded from it, so that no image can put its modules under another one's kernel.
 * 3. Nothing of it runs on the host: without a modules.dep it is refused, since making one would
 *    have depmod read it.
 */
#define KERNEL_ROOTFS_RELEASES_MAX 64
#define KERNEL_ROOTFS_DIGEST_LEN   32 /* of the 64 digits; the rest of a name is for the release */

static int kernel_rootfs_open(int rootfs, const char *path, int flags)
{
	return file_open_scoped(rootfs, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

/* Opening for reading what may be a device would wake it up, so it is looked at first. */
static int kernel_rootfs_open_file(int rootfs, const char *path)
{
	_cleanup_close_ int fd = kernel_rootfs_open(rootfs, path, O_PATH);
	char self[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
	struct stat st;
	int file;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fd < 0 ? fd : -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	file = open(self, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	return file < 0 ? -errno : file;
}

static int kernel_rootfs_compare(const void *a, const void *b)
{
	return -strverscmp(*(char *const *)a, *(char *const *)b);
}

/* The releases that /lib/modules has a folder for, newest first. */
static char **kernel_rootfs_releases(int rootfs)
{
	int fd = kernel_rootfs_open(rootfs, "lib/modules", O_RDONLY | O_DIRECTORY);
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char release[BZIMAGE_RELEASE_MAX + 1], **releases = NULL;
	struct dirent *entry;
	size_t n = 0;

	while (dir && n < KERNEL_ROOTFS_RELEASES_MAX && (entry = readdir(dir))) {
		if (bzimage_parse_release(entry->d_name, strlen(entry->d_name), release) < 0)
			continue;
		strv_add(&releases, release);
		n++;
	}
	if (n)
		qsort(releases, n, sizeof(*releases), kernel_rootfs_compare);
	return releases;
}

/* The kernel file for the release: where Debian and most others, then where Fedora puts it. */
static int kernel_rootfs_open_release(int rootfs, const char *release)
{
	static const char *const forms[] = { "boot/vmlinuz-%s", "lib/modules/%s/vmlinuz" };
	int fd = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(forms) && fd < 0; i++) {
		_cleanup_free_ char *path = mem_printf(forms[i], release);

		fd = kernel_rootfs_open_file(rootfs, path);
	}
	return fd;
}

static int kernel_rootfs_find(int rootfs, struct kernel_image *ret, struct err *err)
{
	static const char *const others[] = { "vmlinuz", "boot/vmlinuz" };
	_cleanup_strv_ char **releases = kernel_rootfs_releases(rootfs);
	_cleanup_close_ int fd = -ENOENT;

	for (size_t i = 0; releases && releases[i] && fd < 0; i++)
		fd = kernel_rootfs_open_release(rootfs, releases[i]);
	for (size_t i = 0; i < ARRAY_SIZE(others) && fd < 0; i++)
		fd = kernel_rootfs_open_file(rootfs, others[i]);
	if (fd < 0)
		return err_set(err, -ENOENT,
			       "the image has no kernel in /boot: install one in it, or use one of "
			       "'brig kernel ls'");
	return kernel_image_read(fd, "of the image", ret, err);
}

/* A kernel of an image, with what root needs of its modules. */
struct kernel_rootfs {
	struct kernel_image image;
	struct modules_index index;
	struct modules_list modules;
	int modules_fd;
};

static void kernel_rootfs_release(struct kernel_rootfs *found)
{
	kernel_image_release(&found->image);
	modules_index_release(&found->index);
	modules_list_release(&found->modules);
	found->modules_fd = fd_close(found->modules_fd);
}

static int kernel_rootfs_read(int rootfs, struct kernel_rootfs *found, struct err *err)
{
	_cleanup_free_ char *path = NULL;

	if (kernel_rootfs_find(rootfs, &found->image, err) < 0)
		return err->code;
	path = mem_printf("lib/modules/%s", found->image.release);
	found->modules_fd = kernel_rootfs_open(rootfs, path, O_RDONLY | O_DIRECTORY);
	if (found->modules_fd < 0)
		return err_errno(err, found->modules_fd, "the image has a kernel but no /%s", path);
	if (modules_read(found->modules_fd, &found->index, err) < 0)
		return err->code;
	if (!*found->index.text[MODULES_DEP])
		return err_set(err, -ENOENT,
			       "the image has no /%s/modules.dep: run 'depmod %s' in it", path,
			       found->image.release);
	return modules_select(&found->index, &found->modules, err);
}

/* "image-RELEASE-HEX", by all that is loaded of it. */
static int kernel_rootfs_name(const struct kernel_rootfs *found, char **ret, struct err *err)
{
	const struct initramfs_input input = { .release = found->image.release,
					       .modules_fd = found->modules_fd,
					       .modules = found->modules };
	_cleanup_digest_ struct digest *digest = digest_new();
	_cleanup_buf_ struct buf cpio = BUF_INIT;
	_cleanup_free_ char *start = NULL;
	char hex[DIGEST_HEX_SIZE];

	if (initramfs_build(&input, &cpio, err) < 0)
		return err->code;
	digest_add(digest, found->image.digest, sizeof(found->image.digest));
	digest_add(digest, cpio.data, cpio.len);
	digest_hex(digest, hex);
	start = kernel_name(KERNEL_IMAGE_PREFIX, found->image.release);
	*ret = mem_printf("%.30s-%.*s", start, KERNEL_ROOTFS_DIGEST_LEN, hex);
	return 0;
}

static int kernel_rootfs_install(const char *root, const char *name,
				 const struct kernel_rootfs *found, struct err *err)
{
	_cleanup_kernel_work_ struct kernel_work work = KERNEL_WORK_INIT;
	_cleanup_close_ int modules = -EBADF;
	const struct kernel_install install = { .name = name,
						.source = "an image",
						.image = &found->image };
	char *const *const lists[] = { found->modules.first, found->modules.later,
				       found->modules.shares, found->modules.nets };

	if (kernel_work_open(root, &work, err) < 0)
		return err->code;
	if (faccessat(work.kernels_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0; /* another process was quicker */
	modules = kernel_modules_create(&work, err);
	if (modules < 0)
		return modules;
	if (modules_write(modules, &found->index, err) < 0)
		return err->code;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		if (kernel_modules_copy_needed(found->modules_fd, modules, lists[i], err) < 0)
			return err->code;
	}
	return kernel_install(&work, &install, err);
}

int kernel_from_rootfs(const char *root, const char *rootfs, struct kernel_files *ret,
		       struct err *err)
{
	_cleanup_(kernel_rootfs_release) struct kernel_rootfs found = { .modules_fd = -EBADF };
	_cleanup_close_ int fd = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *name = NULL, *path = NULL;

	if (fd < 0)
		return err_errno(err, -errno, "cannot open the image's root file system %s",
				 rootfs);
	if (kernel_rootfs_read(fd, &found, err) < 0 || kernel_rootfs_name(&found, &name, err) < 0)
		return err->code;
	path = mem_printf("%s/kernels/%s", root, name);
	if (access(path, F_OK) < 0 && kernel_rootfs_install(root, name, &found, err) < 0)
		return err->code;
	return kernel_get(root, name, ret, err);
}
