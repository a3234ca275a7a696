// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: every part is a detached mount, seen by nobody, and joined by descriptor. Kernels before
 * 6.15 join only what is attached somewhere: then we take a mount namespace of our own, attach all parts
 * one over the other on the work folder (their descriptors still tell them apart), join, and detach them.
 * Either way nothing appears in the host's mount table, and all of it goes with its last user.
 */
#include "container/rootfs.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strv.h"
#include "container/dev.h"
#include "container/layer_share.h"
#include "sys/mnt.h"
#include "sys/quota.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

struct rootfs {
	const struct spec *spec;
	int userns;
	int *lowers; /* topmost first */
	size_t n_lowers;
	struct stat root; /* of the topmost layer's root, ids unshifted */
	int state;	  /* state_dir */
	int data;	  /* the same as a mount with shifted ids */
	int upper, work;
};

static void rootfs_release(struct rootfs *rootfs)
{
	for (size_t i = 0; i < rootfs->n_lowers; i++)
		fd_close(rootfs->lowers[i]);
	free(rootfs->lowers);
	fd_close(rootfs->state);
	fd_close(rootfs->data);
	fd_close(rootfs->upper);
	fd_close(rootfs->work);
}

/* A mount that somebody has already, as is usual: its root is of root. */
static int rootfs_share_layer(struct rootfs *rootfs, const char *path)
{
	const struct idmap *map = &rootfs->spec->idmap;
	_cleanup_close_ int fd = -EBADF;

	if (layer_share_take(rootfs->spec->layer_share, path, map, &fd) < 0)
		return 0;
	if (!rootfs->n_lowers) {
		if (fstat(fd, &rootfs->root) < 0 || rootfs->root.st_uid != idmap_uid(map, 0) ||
		    rootfs->root.st_gid != idmap_gid(map, 0))
			return 0;
		rootfs->root.st_uid = rootfs->root.st_gid = 0;
	}
	layer_share_hold(rootfs->spec->layer_share, path, map, fd);
	rootfs->lowers[rootfs->n_lowers++] = take_fd(&fd);
	return 1;
}

static int rootfs_open_layer(struct rootfs *rootfs, const char *path, struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	int r = mnt_erofs(path, &fd, err);

	if (r < 0)
		return r;
	if (!rootfs->n_lowers && fstat(fd, &rootfs->root) < 0)
		return err_errno(err, -errno, "cannot read the layer %s", path);
	if (rootfs->userns >= 0) {
		r = mnt_set_idmap(fd, rootfs->userns, 0);
		if (r < 0)
			return err_errno(err, r,
					 "this kernel cannot shift the ids of an erofs layer "
					 "(Linux 5.19 and later can)");
	}
	layer_share_hold(rootfs->spec->layer_share, path, &rootfs->spec->idmap, fd);
	rootfs->lowers[rootfs->n_lowers++] = take_fd(&fd);
	return 0;
}

static int rootfs_open_layers(struct rootfs *rootfs, struct err *err)
{
	size_t n = strv_len(rootfs->spec->layers);

	if (!n)
		return err_set(err, -EINVAL, "the image has no layers, so there is nothing to run");
	rootfs->lowers = mem_zalloc(n * sizeof(*rootfs->lowers));
	for (size_t i = n; i-- > 0;) {
		const char *path = rootfs->spec->layers[i];
		int r = rootfs_share_layer(rootfs, path);

		if (!r)
			r = rootfs_open_layer(rootfs, path, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The writable layer's root is the container's, so it begins as the image's; whole or not at all. */
static int rootfs_make_upper(struct rootfs *rootfs)
{
	static const char *const fresh = ROOTFS_UPPER ".new";
	const struct stat *root = &rootfs->root;

	if (faccessat(rootfs->state, ROOTFS_UPPER, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if ((mkdirat(rootfs->state, fresh, 0700) < 0 && errno != EEXIST) ||
	    fchownat(rootfs->state, fresh, root->st_uid, root->st_gid, 0) < 0 ||
	    fchmodat(rootfs->state, fresh, root->st_mode & 07777, 0) < 0 ||
	    renameat(rootfs->state, fresh, rootfs->state, ROOTFS_UPPER) < 0)
		return -errno;
	return 0;
}

static int rootfs_make_work(struct rootfs *rootfs)
{
	int r;

	if (mkdirat(rootfs->state, ROOTFS_WORK, 0700) == 0)
		return 0;
	if (errno != EEXIST || !rootfs->spec->temporary)
		return errno == EEXIST ? 0 : -errno;
	/* An unsynced overlay leaves a mark that refuses a second use; after a clean end there is none. */
	r = file_remove_tree(rootfs->state, ROOTFS_WORK);
	if (r == 0 && mkdirat(rootfs->state, ROOTFS_WORK, 0700) < 0)
		r = -errno;
	return r;
}

/*
 * What the container makes is on disk with its own, low ids: setuid-root programs among them. Nobody but
 * root may come near.
 */
static int rootfs_protect_state(int state)
{
	struct stat st;

	if (fstat(state, &st) < 0)
		return -errno;
	if (st.st_mode & 077)
		return fchmod(state, st.st_mode & 07700) < 0 ? -errno : 0;
	return 0;
}

/* The folder of the overlay's work has to be the last, since that is never there without the others. */
static int rootfs_bound(const struct rootfs *rootfs, struct err *err)
{
	static const char *const names[] = { ROOTFS_UPPER, INSTANCE_STORAGE, ROOTFS_WORK, NULL };
	int r = quota_bound(rootfs->state, names, rootfs->spec->disk_bound, err);

	return r < 0 ? err_wrap(err, "cannot bound what it writes (--disk-size)") : 0;
}

static int rootfs_open_state(struct rootfs *rootfs, struct err *err)
{
	const char *path = rootfs->spec->state_dir;
	int r;

	rootfs->state = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rootfs->state < 0)
		return err_errno(err, -errno, "cannot open %s", path);
	r = rootfs_protect_state(rootfs->state);
	if (r == 0)
		r = rootfs_make_upper(rootfs);
	if (r == 0)
		r = rootfs_make_work(rootfs);
	if (r < 0)
		return err_errno(err, r, "cannot make the writable layer in %s", path);
	return rootfs->spec->disk_bound ? rootfs_bound(rootfs, err) : 0;
}

/* A file system without idmapped mounts (NFS, some older ones) gets shifted ids on disk instead. */
static int rootfs_shift_upper(struct rootfs *rootfs)
{
	const struct idmap *map = &rootfs->spec->idmap;
	int r = mnt_set_idmap(rootfs->data, rootfs->userns, 0);

	if (r == 0)
		return 0;
	log_debug("%s: no idmapped mounts there (%s); ids are shifted on disk",
		  rootfs->spec->state_dir, strerror(-r));
	if (fchownat(rootfs->state, ROOTFS_UPPER, idmap_uid(map, rootfs->root.st_uid),
		     idmap_gid(map, rootfs->root.st_gid), 0) < 0 ||
	    fchownat(rootfs->state, ROOTFS_WORK, idmap_uid(map, 0), idmap_gid(map, 0), 0) < 0)
		return -errno;
	return 0;
}

static int rootfs_open_upper(struct rootfs *rootfs, struct err *err)
{
	int r = rootfs_open_state(rootfs, err);

	if (r == 0)
		r = mnt_clone(rootfs->state, "", 0, &rootfs->data, err);
	if (r < 0)
		return r;
	if (rootfs->userns >= 0) {
		r = rootfs_shift_upper(rootfs);
		if (r < 0)
			return err_errno(err, r, "cannot give the writable layer to the container");
	}
	rootfs->upper = openat(rootfs->data, ROOTFS_UPPER, O_PATH | O_DIRECTORY | O_CLOEXEC);
	rootfs->work = openat(rootfs->data, ROOTFS_WORK, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (rootfs->upper < 0 || rootfs->work < 0)
		return err_errno(err, -errno, "cannot open the writable layer");
	return 0;
}

static int rootfs_join(struct rootfs *rootfs, int attached, int *ret_fd, struct err *err)
{
	struct mnt_overlay overlay = {
		.lowers = rootfs->lowers,
		.n_lowers = rootfs->n_lowers,
		.upper = rootfs->upper,
		.work = rootfs->work,
		.temporary = rootfs->spec->temporary,
		.attached = attached,
		.by_user = rootfs->spec->unprivileged,
	};

	if (overlay.by_user)
		overlay.attributes = MOUNT_ATTR_NODEV;

	if (rootfs->userns >= 0) {
		overlay.owner_uid = idmap_uid(&rootfs->spec->idmap, 0);
		overlay.owner_gid = idmap_gid(&rootfs->spec->idmap, 0);
		/* an image's device nodes open nothing of the host's */
		overlay.attributes = MOUNT_ATTR_NODEV;
	}
	return mnt_overlay(&overlay, ret_fd, err);
}

static int rootfs_attach_parts(struct rootfs *rootfs, const char *path, size_t *ret_attached,
			       struct err *err)
{
	/* by path, since our descriptors are of the namespace that we came from; and before anything
	 * lies over it */
	_cleanup_close_ int at = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	if (at < 0)
		return err_errno(err, -errno, "cannot open %s", path);
	for (size_t i = 0; i < rootfs->n_lowers && r == 0; i++) {
		r = mnt_attach(rootfs->lowers[i], at, err);
		*ret_attached += r == 0;
	}
	if (r == 0)
		r = mnt_attach(rootfs->data, at, err);
	*ret_attached += r == 0;
	return r;
}

static int rootfs_join_attached(struct rootfs *rootfs, int *ret_fd, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/" ROOTFS_WORK, rootfs->spec->state_dir);
	size_t attached = 0;
	int r;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_errno(err, -errno, "cannot get a mount namespace");
	r = rootfs_attach_parts(rootfs, path, &attached, err);
	if (r == 0)
		r = rootfs_join(rootfs, 1, ret_fd, err);
	while (attached-- > 0)
		(void)umount2(path, MNT_DETACH);
	return r;
}

/*
 * In the user namespace: layers are folders with the ids that they have in it, and so is the writable one. All are
 * attached in the mount namespace, though not before it was the caller's; newer kernels take them by descriptor.
 */
static int rootfs_open_folders(struct rootfs *rootfs, struct err *err)
{
	size_t n = strv_len(rootfs->spec->layers);
	int r;

	if (!n)
		return err_set(err, -EINVAL, "the image has no layers, so there is nothing to run");
	rootfs->lowers = mem_zalloc(n * sizeof(*rootfs->lowers));
	for (size_t i = n; i-- > 0;) {
		const char *path = rootfs->spec->layers[i];
		int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0)
			return err_errno(err, -errno, "cannot open the layer %s", path);
		rootfs->lowers[rootfs->n_lowers++] = fd;
	}
	if (fstat(rootfs->lowers[0], &rootfs->root) < 0)
		return err_errno(err, -errno, "cannot read the topmost layer");
	r = rootfs_open_state(rootfs, err);
	if (r < 0)
		return r;
	rootfs->upper = openat(rootfs->state, ROOTFS_UPPER, O_PATH | O_DIRECTORY | O_CLOEXEC);
	rootfs->work = openat(rootfs->state, ROOTFS_WORK, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (rootfs->upper < 0 || rootfs->work < 0)
		return err_errno(err, -errno, "cannot open the writable layer");
	return 0;
}

static int rootfs_join_folders(struct rootfs *rootfs, int *ret_fd, struct err *err)
{
	struct err first = ERR_INIT;
	int r = rootfs_open_folders(rootfs, err);

	if (r < 0 || rootfs_join(rootfs, 0, ret_fd, &first) == 0)
		return r;
	log_debug("joining layers by descriptor: %s; trying by path", first.msg);
	r = rootfs_join(rootfs, 1, ret_fd, err);
	return r < 0 ? err_wrap(err, "overlayfs for users needs Linux 5.11, and a disk that takes "
				     "user.* attributes")
		     : 0;
}

int rootfs_mount(const struct spec *spec, int userns, int *ret_fd, struct err *err)
{
	_cleanup_(rootfs_release) struct rootfs rootfs = {
		.spec = spec,
		.userns = userns,
		.state = -EBADF,
		.data = -EBADF,
		.upper = -EBADF,
		.work = -EBADF,
	};
	struct err first = ERR_INIT;
	int r;

	if (spec->root_path) {
		r = mnt_clone(AT_FDCWD, spec->root_path, 1, ret_fd, err);
		if (r == 0)
			dev_prepare(spec, *ret_fd);
		return r;
	}
	if (spec->unprivileged)
		return rootfs_join_folders(&rootfs, ret_fd, err);
	r = rootfs_open_layers(&rootfs, err);
	if (r == 0)
		r = rootfs_open_upper(&rootfs, err);
	if (r < 0)
		return r;
	if (rootfs_join(&rootfs, 0, ret_fd, &first) == 0)
		return 0;
	log_debug("joining detached layers: %s; trying with attached ones", first.msg);
	return rootfs_join_attached(&rootfs, ret_fd, err);
}
