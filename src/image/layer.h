/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_LAYER_H
#define IMAGE_LAYER_H

#include <stdint.h>

#include "base/err.h"
#include "base/progress.h"
#include "image/digest.h"
#include "image/reroot.h"
#include "image/work.h"

/*
 * Making the erofs images of layers from their blobs: unpacked by a confined process
 * (sys/confine.h, image/unpack.h) into a folder, in memory if it fits there (image/layer_scratch.h), which mkfs.erofs packs
 * while the next ones are unpacked (image/layer_pack.h). The first error ends all. The erofs image is not
 * compressed, so that containers and VMs share its pages and an emulated guest has nothing to
 * unpack; but if the layer has holes it is, since mkfs.erofs has no other way to keep them small.
 *
 * A user cannot mount an erofs image. His layers stay unpacked: a folder LAYER_FOLDER with the ids of his user
 * namespace, and LAYER_SIZE, a file with the numbers of its bytes and of those that are holes. The first VM that wants it
 * makes LAYER_DISK beside them, an erofs image with the marks in user.overlay.* as they are.
 */
#define LAYER_FOLDER "fs"
#define LAYER_SIZE   "size"
#define LAYER_DISK   "erofs"

/* Makes LAYER_DISK in a user's layer, whose folder that is, unless it is there. */
int layer_make_disk(const char *folder, const char *diff_id, struct err *err);

/* "HEX.erofs", or for a user "HEX"; caller frees. */
char *layer_name(const char *diff_id);

#define LAYER_PARALLEL	 2		     /* unpacked at a time */
#define LAYER_PACKS	 2		     /* packed meanwhile, if there are as many processors */
#define LAYER_HOLES_MAX	 ((int64_t)1 << 20)  /* of holes that are written out */
#define LAYER_MEMORY_MAX ((uint64_t)1 << 30) /* of the unpacking process; xz -9 wants 65 MiB */

struct layer {
	char blob[DIGEST_HEX_SIZE]; /* in the work folder */
	int64_t blob_size;
	char diff_id[DIGEST_HEX_SIZE]; /* it must have this; "" until it is made if it is not known
					*/
	int is_stored;		       /* nothing has to be made */
	int has_init;		       /* made: it has a /sbin/init */
};

/* Makes WORK/layers/ with the layer_name() of all layers that are not stored. */
int layer_make_all(const struct work *work, struct layer *layers, size_t n, progress_fn progress,
		   void *ctx, struct err *err);

enum layer_archive { LAYER_ARCHIVE_IMAGES, LAYER_ARCHIVE_ROOT, LAYER_ARCHIVE_EXPORT };

/*
 * Unpacks an archive of images as plain files to WORK/archive. fd is read from where it stands.
 * Where it is not one but, presumably, a root file system or an export (image/reroot.h), nothing was unpacked.
 */
int layer_extract_archive(const struct work *work, int fd, int64_t size, progress_fn progress,
			  void *ctx, enum layer_archive *ret, struct err *err);

/*
 * Makes *ret_fd, the caller's: a nameless file with the tar of the root in an export. Its settings are in the folder
 * *ret_settings, the caller's too. ret->has_root is 0 if it is none.
 */
int layer_reroot(const struct work *work, int fd, int64_t size, progress_fn progress, void *ctx,
		 int *ret_fd, int *ret_settings, struct reroot_found *ret, struct err *err);

/*
 * Makes a zstd blob of the tar that fd, read from where it stands, has in whatever compression.
 * Fills in blob and diff_id of the layer.
 */
int layer_compress(const struct work *work, int fd, int64_t size, progress_fn progress, void *ctx,
		   struct layer *ret, struct err *err);

#endif
