// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The root is hostile: whoever made the image has put symlinks where mounts are to go, so each place is found by
 * sys/inroot.h. The mounts are taken from where the host has them before the tmpfs of VM_VIEW covers anything.
 */
#include "oci/vm_view.h"
#include "base/fds.h"
#include "base/mem.h"
#include "sys/inroot.h"
#include "sys/mnt.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

static int vm_view_clone_bind(const struct vm_bind *bind, int *ret_fd, struct err *err)
{
	uint64_t set =
		(bind->attributes & (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)) |
		MOUNT_ATTR_NODEV;
	struct stat st;

	if (stat(bind->source, &st) < 0)
		return err_errno(err, -errno, "mounts[%zu].source: %.200s", bind->index,
				 bind->source);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return err_set(err, -EOPNOTSUPP,
			       "mounts[%zu].source: %.200s is neither a folder nor a file, and a "
			       "VM can be shown nothing else",
			       bind->index, bind->source);
	if (mnt_clone_with(AT_FDCWD, bind->source, bind->recursive, set, 0, ret_fd, err) < 0)
		return err_wrap(err, "mounts[%zu].source", bind->index);
	return 0;
}

static int vm_view_make_folders(struct err *err)
{
	static const char *const folders[] = { VM_VIEW_ROOT, VM_VIEW_SHARES, VM_VIEW_STATE };

	if (mkdir(VM_VIEW, 0700) < 0 && errno != EEXIST)
		return err_errno(err, -errno, "cannot make " VM_VIEW);
	if (mount("tmpfs", VM_VIEW, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  "mode=700,size=16m") < 0)
		return err_errno(err, -errno, "cannot mount a tmpfs at " VM_VIEW);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		if (mkdir(folders[i], 0700) < 0)
			return err_errno(err, -errno, "cannot make %s", folders[i]);
	}
	return 0;
}

static int vm_view_is_folder(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

static int vm_view_attach_share(const struct vm_bind *bind, int mnt, struct err *err)
{
	_cleanup_free_ char *path = mem_printf(VM_VIEW_SHARES "/%d", bind->share);
	int r = vm_view_is_folder(mnt) ? mkdir(path, 0700) : mknod(path, S_IFREG | 0600, 0);

	if (r < 0)
		return err_errno(err, -errno, "cannot make %s", path);
	return mnt_attach_path(mnt, path, err);
}

static int vm_view_attach(const struct vm_bind *bind, int mnt, int root, struct err *err)
{
	_cleanup_close_ int target = -EBADF;
	int r;

	if (bind->share >= 0) {
		r = vm_view_attach_share(bind, mnt, err);
	} else {
		target = vm_view_is_folder(mnt) ? inroot_make_dir(root, bind->destination, 0755)
						: inroot_make_file(root, bind->destination, 0644);
		r = target < 0 ? err_errno(err, target, "cannot make %.200s in the root",
					   bind->destination)
			       : mnt_attach(mnt, target, err);
	}
	return r < 0 ? err_wrap(err, "mounts[%zu].destination", bind->index) : 0;
}

/* What the guest mounts needs a place, which it could not make in a root that is read-only. */
static int vm_view_make_places(const struct vm_plan *plan, int root, struct err *err)
{
	strv_for_each(place, plan->places) {
		_cleanup_close_ int fd = inroot_make_dir(root, *place, 0755);

		if (fd < 0)
			return err_errno(err, fd, "cannot make %.200s in the root", *place);
	}
	return 0;
}

static int vm_view_fill(const struct vm_plan *plan, int *mounts, int root_mount, struct err *err)
{
	_cleanup_close_ int root = -EBADF;
	int r = mnt_attach_path(root_mount, VM_VIEW_ROOT, err);

	if (r < 0)
		return r;
	root = open(VM_VIEW_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_errno(err, -errno, "cannot open the root");
	r = vm_view_make_places(plan, root, err);
	for (size_t i = 0; r == 0 && i < plan->n_binds; i++)
		r = vm_view_attach(&plan->binds[i], mounts[i], root, err);
	if (r == 0 && plan->instance.read_only) {
		r = mnt_set_attributes(root_mount, MOUNT_ATTR_RDONLY, 0, 0);
		r = r < 0 ? err_errno(err, r, "root.readonly") : 0;
	}
	return r;
}

int vm_view_make(const struct vm_plan *plan, const char *root_path, struct err *err)
{
	int *mounts = mem_zalloc((plan->n_binds + 1) * sizeof(*mounts));
	_cleanup_close_ int root = -EBADF;
	int r = 0;

	for (size_t i = 0; i < plan->n_binds; i++)
		mounts[i] = -EBADF;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		r = err_errno(err, -errno, "cannot make a mount namespace");
	if (r == 0 && mnt_clone_with(AT_FDCWD, root_path, 1, MOUNT_ATTR_NODEV, 0, &root, err) < 0)
		r = err_wrap(err, "root.path");
	for (size_t i = 0; r == 0 && i < plan->n_binds; i++)
		r = vm_view_clone_bind(&plan->binds[i], &mounts[i], err);
	if (r == 0)
		r = vm_view_make_folders(err);
	if (r == 0)
		r = vm_view_fill(plan, mounts, root, err);
	fds_close(mounts, plan->n_binds);
	free(mounts);
	return r;
}
