/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_MNT_H
#define SYS_MNT_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/fds.h"

/*
 * Mounts as descriptors (the mount API of Linux 5.2 and later): made detached, seen by nobody, and
 * attached where wanted, or gone when closed. Attributes are MOUNT_ATTR_* of <linux/mount.h>.
 */

/*
 * A new file system. options: "KEY=VALUE" or "KEY", ended by NULL; source may be NULL. A value has at most
 * 255 bytes, but for an overlay's folders, of which there may be 15: else -ENAMETOOLONG.
 */
int mnt_new(const char *type, const char *source, char *const *options, uint64_t attributes,
	    int *ret_fd, struct err *err);
/* The same, which leaves a descriptor for the caller to close, of no use, among those that are done with. */
int mnt_new_later(const char *type, const char *source, char *const *options, uint64_t attributes,
		  struct fds *done, int *ret_fd, struct err *err);

/* A second view of what is at path; recursive: with the mounts below it. What is mounted in one of the two
 * later is not seen in the other. */
int mnt_clone(int dirfd, const char *path, int recursive, int *ret_fd, struct err *err);
/* The same, with attributes as mnt_set_attributes() has them, of all of it. */
int mnt_clone_with(int dirfd, const char *path, int recursive, uint64_t set, uint64_t clear,
		   int *ret_fd, struct err *err);
/* mnt_clone(), but where the mount at path is shared, what is mounted in one of the two is mounted in the other. */
int mnt_clone_peer(int dirfd, const char *path, int recursive, int *ret_fd, struct err *err);

/* Shows files of the detached mount with the ids that they have in the user namespace; -EINVAL if the
 * file system cannot. No message. */
int mnt_set_idmap(int mnt, int userns, int recursive);

int mnt_set_attributes(int mnt, uint64_t set, uint64_t clear, int recursive);

/* Attributes and propagation of a mount and all below it. */
int mnt_set_all(int mnt, uint64_t set, uint64_t clear, uint64_t propagation);

/* propagation: MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE. No message. */
int mnt_set_propagation(int mnt, uint64_t propagation, int recursive);

/* Puts the mount on what the descriptor `target` is. */
int mnt_attach(int mnt, int target, struct err *err);
/* The same on a path of the caller's, which may lead through symlinks. */
int mnt_attach_path(int mnt, const char *path, struct err *err);
/* The same on `name` in the folder dir, which must be no symlink. */
int mnt_attach_at(int mnt, int dir, const char *name, struct err *err);

/* Makes the root of the calling process the mount `root`, which is attached somewhere, and lets go of
 * everything else in its mount namespace. */
int mnt_enter_root(int root, struct err *err);

/*
 * An erofs image, by file where the kernel can (6.12), else through a loop device that goes with the
 * mount.
 */
int mnt_erofs(const char *path, int *ret_fd, struct err *err);

/* An overlay. All but the result are descriptors of folders. */
struct mnt_overlay {
	const int *lowers; /* the topmost first */
	size_t n_lowers;
	int upper, work; /* -EBADF: none, read-only */
	int temporary;	 /* nothing of it needs to survive a crash: no syncing */
	uid_t owner_uid; /* who makes what the overlay makes for itself */
	gid_t owner_gid;
	uint64_t attributes;
	int attached; /* in the mount namespace of the caller */
	int by_user;  /* who is root of a user namespace alone: marks are in user.overlay.* */
};

/*
 * Kernels before 6.15 join attached folders only, and fail otherwise. Those before 6.13 are found out without a
 * line of theirs in the kernel's log.
 */
int mnt_overlay(const struct mnt_overlay *overlay, int *ret_fd, struct err *err);

#endif
