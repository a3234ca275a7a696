// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/mnt.h"
#include "base/buf.h"
#include "base/mem.h"
#include "sys/caps.h"
#include "sys/loopdev.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr 467 /* the same on every architecture */
#endif

/* What the kernel said about a refused option, if it said something. */
static int mnt_fail(int fs, int code, const char *what, struct err *err)
{
	char text[300];
	ssize_t n = read(fs, text, sizeof(text) - 1);

	if (n <= 2)
		return err_errno(err, code, "%s", what);
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return err_errno(err, code, "%s: %s", what, text + 2);
}

/* fsconfig() takes no longer value. */
#define MNT_VALUE_MAX 255

/* Folders that an option names by their descriptors, until the file system is made. */
struct mnt_folders {
	int fds[16];
	size_t n;
};

static void mnt_folders_release(struct mnt_folders *folders)
{
	for (size_t i = 0; i < folders->n; i++)
		fd_close(folders->fds[i]);
}

/* The next folder of an overlay's list, in which a backslash takes the meaning from a colon. */
static const char *mnt_next_folder(const char *list, struct buf *ret)
{
	while (*list && *list != ':') {
		if (*list == '\\' && list[1])
			list++;
		buf_add(ret, list++, 1);
	}
	return list;
}

/* The value that names the folders of an overlay's list by descriptors. */
static int mnt_shorten(const char *list, struct mnt_folders *folders, struct buf *ret)
{
	for (;; list++, buf_add_str(ret, ":")) {
		_cleanup_buf_ struct buf folder = BUF_INIT;
		int fd;

		list = mnt_next_folder(list, &folder);
		if (folders->n == ARRAY_SIZE(folders->fds))
			return -ENAMETOOLONG;
		fd = open(folder.len ? folder.data : "", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		folders->fds[folders->n++] = fd;
		buf_printf(ret, "/proc/self/fd/%d", fd);
		if (!*list)
			return ret->len <= MNT_VALUE_MAX ? 0 : -ENAMETOOLONG;
	}
}

static int mnt_is_folders(const char *key)
{
	return !strcmp(key, "lowerdir") || !strcmp(key, "upperdir") || !strcmp(key, "workdir");
}

static int mnt_set_option(int fs, const char *option, struct mnt_folders *folders)
{
	_cleanup_buf_ struct buf shorter = BUF_INIT;
	_cleanup_free_ char *key = mem_strdup(option);
	char *value = strchr(key, '=');
	int r;

	if (value)
		*value++ = '\0';
	if (value && strlen(value) > MNT_VALUE_MAX) {
		r = mnt_is_folders(key) ? mnt_shorten(value, folders, &shorter) : -ENAMETOOLONG;
		if (r < 0)
			return r;
		value = shorter.data;
	}
	if (fsconfig(fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value, 0) < 0)
		return -errno;
	return 0;
}

static int mnt_finish(int fs, const char *what, uint64_t attributes, int *ret_fd, struct err *err)
{
	int fd;

	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return mnt_fail(fs, -errno, what, err);
	fd = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned int)attributes);
	if (fd < 0)
		return mnt_fail(fs, -errno, what, err);
	*ret_fd = fd;
	return 0;
}

int mnt_new(const char *type, const char *source, char *const *options, uint64_t attributes,
	    int *ret_fd, struct err *err)
{
	_cleanup_fds_ struct fds done = FDS_INIT;

	return mnt_new_later(type, source, options, attributes, &done, ret_fd, err);
}

int mnt_new_later(const char *type, const char *source, char *const *options, uint64_t attributes,
		  struct fds *done, int *ret_fd, struct err *err)
{
	_cleanup_(mnt_folders_release) struct mnt_folders folders = { .n = 0 };
	int fs = fds_add(done, fsopen(type, FSOPEN_CLOEXEC));
	char what[64];

	snprintf(what, sizeof(what), "cannot mount %s", type);
	if (fs < 0)
		return err_errno(err, -errno, "%s", what);
	if (source && fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0) < 0)
		return mnt_fail(fs, -errno, what, err);
	for (; options && *options; options++) {
		int r = mnt_set_option(fs, *options, &folders);

		if (r < 0)
			return mnt_fail(fs, r, what, err);
	}
	return mnt_finish(fs, what, attributes, ret_fd, err);
}

int mnt_set_propagation(int mnt, uint64_t propagation, int recursive)
{
	struct mount_attr attr = { .propagation = propagation };
	unsigned int flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);

	return mount_setattr(mnt, "", flags, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

int mnt_clone_peer(int dirfd, const char *path, int recursive, int *ret_fd, struct err *err)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;
	int fd = open_tree(dirfd, path, flags | (recursive ? AT_RECURSIVE : 0));

	if (fd < 0)
		return err_errno(err, -errno, "cannot bind %s", *path ? path : "a file");
	*ret_fd = fd;
	return 0;
}

/* open_tree() and mount_setattr() in one call (Linux 6.15). */
static int mnt_open_tree_attr(int dirfd, const char *path, unsigned int flags,
			      struct mount_attr *attr)
{
	static int missing; /* from this kernel */
	int fd = -1;

	if (!missing) {
		fd = (int)syscall(SYS_open_tree_attr, dirfd, path,
				  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags, attr, sizeof(*attr));
		missing = fd < 0 && errno == ENOSYS;
	}
	return fd;
}

int mnt_clone_with(int dirfd, const char *path, int recursive, uint64_t set, uint64_t clear,
		   int *ret_fd, struct err *err)
{
	struct mount_attr attr = { .attr_set = set, .attr_clr = clear, .propagation = MS_PRIVATE };
	unsigned int flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
	_cleanup_close_ int fd = mnt_open_tree_attr(dirfd, path, flags, &attr);
	int r;

	if (fd >= 0) {
		*ret_fd = take_fd(&fd);
		return 0;
	}
	/* which of the two it was that failed, if not for that */
	r = mnt_clone_peer(dirfd, path, recursive, &fd, err);

	if (r < 0)
		return r;
	if (mount_setattr(fd, "", flags, &attr, sizeof(attr)) < 0)
		return err_errno(err, -errno, "cannot bind %s", *path ? path : "a file");
	*ret_fd = take_fd(&fd);
	return 0;
}

int mnt_clone(int dirfd, const char *path, int recursive, int *ret_fd, struct err *err)
{
	return mnt_clone_with(dirfd, path, recursive, 0, 0, ret_fd, err);
}

int mnt_set_idmap(int mnt, int userns, int recursive)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns };
	unsigned int flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);

	return mount_setattr(mnt, "", flags, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

int mnt_set_attributes(int mnt, uint64_t set, uint64_t clear, int recursive)
{
	struct mount_attr attr = { .attr_set = set, .attr_clr = clear };
	unsigned int flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);

	return mount_setattr(mnt, "", flags, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

int mnt_set_all(int mnt, uint64_t set, uint64_t clear, uint64_t propagation)
{
	struct mount_attr attr = { .attr_set = set, .attr_clr = clear, .propagation = propagation };

	return mount_setattr(mnt, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0
		       ? -errno
		       : 0;
}

static int mnt_move(int mnt, int dir, const char *name, unsigned int flags, struct err *err)
{
	if (move_mount(mnt, "", dir, name, MOVE_MOUNT_F_EMPTY_PATH | flags) < 0)
		return err_errno(err, -errno, "cannot attach a mount");
	return 0;
}

int mnt_attach(int mnt, int target, struct err *err)
{
	return mnt_move(mnt, target, "", MOVE_MOUNT_T_EMPTY_PATH, err);
}

int mnt_attach_path(int mnt, const char *path, struct err *err)
{
	int r = mnt_move(mnt, AT_FDCWD, path, MOVE_MOUNT_T_SYMLINKS, err);

	return r < 0 ? err_wrap(err, "%s", path) : 0;
}

int mnt_attach_at(int mnt, int dir, const char *name, struct err *err)
{
	return mnt_move(mnt, dir, name, 0, err);
}

/* The old root ends up on top of the new one, in ".", where it is let go. */
int mnt_enter_root(int root, struct err *err)
{
	if (fchdir(root) < 0)
		return err_errno(err, -errno, "cannot enter the root file system");
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return err_errno(err, -errno, "cannot change the root file system");
	if (umount2(".", MNT_DETACH) < 0)
		return err_errno(err, -errno, "cannot let go of the host's file systems");
	if (chdir("/") < 0)
		return err_errno(err, -errno, "cannot enter the new root");
	return 0;
}

static int mnt_erofs_loop(const char *path, int *ret_fd, struct err *err)
{
	static char *const read_only[] = { (char *)(uintptr_t) "ro", NULL };
	_cleanup_close_ int device = -EBADF;
	char name[32];
	int r = loopdev_attach(path, 0, &device, name, err);

	return r < 0 ? r : mnt_new("erofs", name, read_only, MOUNT_ATTR_RDONLY, ret_fd, err);
}

int mnt_erofs(const char *path, int *ret_fd, struct err *err)
{
	struct err by_file = ERR_INIT;
	int r = mnt_new("erofs", path, NULL, MOUNT_ATTR_RDONLY, ret_fd, &by_file);

	/* "block device required": this kernel mounts no files */
	if (r == -ENOTBLK)
		return mnt_erofs_loop(path, ret_fd, err);
	if (r == -ENODEV)
		return err_set(err, r,
			       "this kernel has no erofs: load the module with `modprobe erofs`");
	if (r < 0)
		return err_set(err, r, "the layer %.300s cannot be mounted: %.150s", path,
			       by_file.msg);
	return 0;
}

/* Layers by descriptor, where the kernel can (6.13). */
static int mnt_overlay_layers(int fs, const struct mnt_overlay *overlay)
{
	for (size_t i = 0; i < overlay->n_lowers; i++) {
		if (fsconfig(fs, FSCONFIG_SET_FD, "lowerdir+", NULL, overlay->lowers[i]) < 0)
			return -errno;
	}
	if (overlay->upper < 0)
		return 0;
	if (fsconfig(fs, FSCONFIG_SET_FD, "upperdir", NULL, overlay->upper) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_FD, "workdir", NULL, overlay->work) < 0)
		return -errno;
	return 0;
}

static int mnt_overlay_path(int fs, const char *key, int fd)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return fsconfig(fs, FSCONFIG_SET_STRING, key, path, 0) < 0 ? -errno : 0;
}

/* The same in the words that older kernels understand. */
static int mnt_overlay_layers_by_path(int fs, const struct mnt_overlay *overlay)
{
	_cleanup_buf_ struct buf lowers = BUF_INIT;
	int r = 0;

	for (size_t i = 0; i < overlay->n_lowers; i++)
		buf_printf(&lowers, "%s/proc/self/fd/%d", i ? ":" : "", overlay->lowers[i]);
	if (fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir", lowers.data, 0) < 0)
		return -errno;
	if (overlay->upper < 0)
		return 0;
	r = mnt_overlay_path(fs, "upperdir", overlay->upper);
	return r < 0 ? r : mnt_overlay_path(fs, "workdir", overlay->work);
}

static int mnt_overlay_options(int fs, const struct mnt_overlay *overlay)
{
	if (fsconfig(fs, FSCONFIG_SET_STRING, "source", "overlay", 0) < 0)
		return -errno;
	if (overlay->upper < 0)
		return 0;
	/* Hard links into lower layers are rare; an index would refuse a second mount of the same upper. */
	if (fsconfig(fs, FSCONFIG_SET_STRING, "index", "off", 0) < 0)
		return -errno;
	/* Linux 5.11 */
	if (overlay->by_user && fsconfig(fs, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) < 0)
		return -errno;
	if (overlay->temporary && fsconfig(fs, FSCONFIG_SET_FLAG, "volatile", NULL, 0) < 0)
		return -errno;
	return 0;
}

static int mnt_overlay_open(const struct mnt_overlay *overlay, struct err *err)
{
	_cleanup_close_ int fs = fsopen("overlay", FSOPEN_CLOEXEC);
	int r;

	if (fs < 0)
		return err_set(err, -errno,
			       "this kernel has no overlayfs: load it with `modprobe overlay`");
	r = overlay->attached ? mnt_overlay_layers_by_path(fs, overlay)
			      : mnt_overlay_layers(fs, overlay);
	if (r == 0)
		r = mnt_overlay_options(fs, overlay);
	return r < 0 ? mnt_fail(fs, r, "cannot join the layers", err) : take_fd(&fs);
}

/*
 * The overlay works on its layers as whoever mounts it. On idmapped layers our uid 0 is nobody, and
 * could make no files there; so we mount as the instance's root, yet with our capabilities.
 */
static int mnt_overlay_create(int fs, const struct mnt_overlay *overlay, int *ret_fd,
			      struct err *err)
{
	int as_other = overlay->owner_uid || overlay->owner_gid;
	int r;

	if (as_other)
		caps_set_fs_ids(overlay->owner_uid, overlay->owner_gid);
	r = mnt_finish(fs, "cannot join the layers", overlay->attributes, ret_fd, err);
	if (as_other)
		caps_set_fs_ids(0, 0);
	return r;
}

int mnt_overlay(const struct mnt_overlay *overlay, int *ret_fd, struct err *err)
{
	_cleanup_close_ int fs = mnt_overlay_open(overlay, err);

	return fs < 0 ? fs : mnt_overlay_create(fs, overlay, ret_fd, err);
}
