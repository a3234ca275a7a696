/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_KERNEL_H
#define IMAGE_KERNEL_H

#include <stdint.h>

#include "base/err.h"
#include "base/progress.h"
#include "base/strv.h"

/*
 * Kernels that VMs run: ROOT/kernels/NAME/ with
 *   vmlinux       the ELF file unpacked from the bzImage's payload, what both VM engines boot by its
 *                 PVH note; a hard link to ROOT/kernels/cache/HEX.vmlinux (by digest of the bzImage)
 *   vmlinuz       as the distribution ships it
 *   initramfs.img brig-guest as /init and the modules that root needs; see image/initramfs.h
 *   modules/      the whole lib/modules/RELEASE tree; of an image's kernel what root needs of it
 *   kernel.json   versioned record: release, source, added, ...
 * and ROOT/kernels/default, a symlink to the default one's name.
 */
struct kernel {
	char *name;    /* "debian-6.1.0-44-cloud-amd64" */
	char *release; /* as uname -r says */
	char *source;  /* where it came from, for people */
	int64_t added; /* ns since the epoch */
	int64_t size;  /* bytes on disk */
	int is_default;
};

void kernel_release(struct kernel *kernel);
#define _cleanup_kernel_ _cleanup_(kernel_release)

/* The files that a VM boots. Paths are owned. */
struct kernel_files {
	char *vmlinux, *initramfs, *release;
};

void kernel_files_release(struct kernel_files *files);
#define _cleanup_kernel_files_ _cleanup_(kernel_files_release)

/* name NULL: the default one. No kernel at all is -ENOENT with "brig kernel add debian" as the advice.
 * An initramfs older than this brig's brig-guest is made anew. */
int kernel_get(const char *root, const char *name, struct kernel_files *ret, struct err *err);

/*
 * The newest kernel that an image brings with its modules: rootfs is a folder where its layers are
 * mounted (read-only), and hostile. It is kept under ROOT/kernels by content like any other, named
 * "image-RELEASE-HEX", but never becomes the default one.
 */
int kernel_from_rootfs(const char *root, const char *rootfs, struct kernel_files *ret,
		       struct err *err);

/* -ENOENT if brig-guest, the program that every initramfs is made with, is not there. */
int kernel_guest_check(struct err *err);

/* In the order of their names. One whose record cannot be read has no release, and its source says
 * why. */
int kernel_each(const char *root, int (*each)(const struct kernel *kernel, void *ctx), void *ctx,
		struct err *err);

/*
 * These print nothing and give the name, which the caller frees. The first kernel becomes the default.
 * One writer at a time holds ROOT/kernels/.lock; what a killed one left goes with the next.
 */

/* Fetches linux-image-cloud-amd64 with apt (the machine's own sources, nothing installed), unpacks
 * it as "debian-RELEASE". One that is there already is replaced if apt has a newer build of it. */
int kernel_add_debian(const char *root, progress_fn progress, void *ctx, char **ret_name,
		      struct err *err);
/* modules: a lib/modules/RELEASE folder, or one that holds exactly one such; NULL: none (everything
 * that root needs must then be built in). name NULL: from the release. */
int kernel_import(const char *root, const char *name, const char *vmlinuz, const char *modules,
		  char **ret_name, struct err *err);

/* The default kernel's successor is the one added last. */
int kernel_remove(const char *root, const char *name, struct err *err);
int kernel_set_default(const char *root, const char *name, struct err *err);

#endif
