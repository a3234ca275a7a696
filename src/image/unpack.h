/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_UNPACK_H
#define IMAGE_UNPACK_H

#include <stdint.h>

#include "base/err.h"
#include "image/digest.h"

/*
 * Unpacks a tar into a folder: a layer with everything that a root file system has, or an archive
 * of images as plain files. The archive is hostile: nothing is written outside the folder, whatever
 * names and links it holds, and what it may take is bounded.
 *
 * A layer's whiteouts become what overlayfs reads from a lower layer: .wh.NAME a character device
 * 0:0 named NAME, .wh..wh..opq the attribute trusted.overlay.opaque=y on the folder. Of other
 * extended attributes user.* and security.capability are kept (with for_user not user.overlay.*, which is for us to
 * write). Folders that the archive has files
 * in, but no entry for, belong to root with mode 0755.
 */

/* mkfs.erofs takes whole paths, so PATH_MAX less room for the store's own part of them. */
#define UNPACK_PATH_MAX 3584
/* mkfs.erofs 1.5 cuts off a name's 255th byte, and then does not find the file. */
#define UNPACK_NAME_MAX 254
/* Removing a tree holds a descriptor per level, and 1024 are the usual limit. */
#define UNPACK_DEPTH_MAX 512
/* Large images have about 1 000 000; every entry costs an inode. */
#define UNPACK_ENTRIES_MAX ((int64_t)4 << 20)
/* The sum of file sizes with holes: mkfs.erofs reads them as zeroes, at about 2.7 GB/s. */
#define UNPACK_APPARENT_MAX ((int64_t)256 << 30)
/* Names of folders whose times are set at the end; a million folders have about half of it. */
#define UNPACK_NAMES_MAX ((int64_t)128 << 20)
/* Left free on the disk: a twentieth of it, but no more than this. */
#define UNPACK_RESERVE_MAX ((int64_t)256 << 20)

struct unpack_options {
	/*
	 * For a folder that stays, and is mounted by overlayfs in a user namespace: it reads opaque marks from
	 * user.overlay.* there, and nobody can make device nodes, which are left out but for whiteouts.
	 */
	int for_user;
	int one_owner;	 /* for_user: there is but one id, so that every file is its */
	int plain_files; /* for an archive of images: content alone, no owners, modes, devices */
	/* Refuse a stream without the end that a tar has. Where a digest is known it tells as much.
	 */
	int want_end;
	int64_t bytes_max, entries_max;
	void (*progress)(void *ctx, int64_t position); /* bytes of the file read; may be NULL */
	void *progress_ctx;
};

/* Bounds from what the disk with the folder has free, for a tree and an image made of it. */
int unpack_limits(int folder_fd, struct unpack_options *options, struct err *err);

struct unpack_result {
	char digest[DIGEST_HEX_SIZE]; /* of the decompressed archive: the diff id of a layer */
	int64_t entries, bytes;	      /* bytes: of data written, without holes */
	int64_t holes;		      /* bytes of holes */
	int has_init;		      /* there is a /sbin/init */
	int is_root;   /* plain_files: it is no archive of images; nothing was unpacked */
	int is_export; /* ...and begins as image/reroot.h's do */
};

/* Reads fd from where it stands. The folder should be empty. */
int unpack_archive(int fd, int folder_fd, const struct unpack_options *options,
		   struct unpack_result *ret, struct err *err);

/* What a process needs that does this, for sys/confine.h. */
extern const char *const unpack_syscalls[];
extern const uint64_t unpack_capabilities;

#endif
