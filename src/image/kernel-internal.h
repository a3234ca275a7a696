/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_KERNEL_INTERNAL_H
#define IMAGE_KERNEL_INTERNAL_H

#include <stdint.h>

#include "base/err.h"
#include "base/record.h"
#include "image/bzimage.h"
#include "image/digest.h"

/* What the files kernel*.c share. */

#define KERNEL_NAME_DEFAULT "default" /* symlink to the default kernel's name */
#define KERNEL_NAME_CACHE   "cache"
#define KERNEL_IMAGE_PREFIX "image-"
#define KERNEL_RECORD	    "kernel.json"

/* kernel.json */
struct kernel_record {
	char *release, *source;
	int64_t added, size;
	char *digest;	   /* of the file that vmlinux was unpacked from */
	char *guest;	   /* digest of the brig-guest in initramfs.img */
	char *guest_stamp; /* of that file: the same stamp means the same digest */
};

extern const struct record_table kernel_record_table;

void kernel_record_release(struct kernel_record *record);
#define _cleanup_kernel_record_ _cleanup_(kernel_record_release)

/* ROOT/kernels, locked for one writer, with a folder to work in. */
struct kernel_work {
	char *kernels; /* ROOT/kernels */
	int kernels_fd;
	int lock;
	char *path; /* ROOT/kernels/.tmp-XXXXXX, goes with the work; work/new becomes the kernel's */
	int fd;	    /* of path */
};

#define KERNEL_WORK_INIT \
	((struct kernel_work){ .kernels_fd = -EBADF, .lock = -EBADF, .fd = -EBADF })

int kernel_work_open(const char *root, struct kernel_work *ret, struct err *err);
void kernel_work_close(struct kernel_work *work);
#define _cleanup_kernel_work_ _cleanup_(kernel_work_close)

/* A kernel file in memory: a bzImage, or an ELF file already. */
struct kernel_image {
	char *data;
	size_t len;
	char release[BZIMAGE_RELEASE_MAX + 1];
	char digest[DIGEST_HEX_SIZE];
};

/* what: the file, for messages */
int kernel_image_read(int fd, const char *what, struct kernel_image *ret, struct err *err);
void kernel_image_release(struct kernel_image *image);
#define _cleanup_kernel_image_ _cleanup_(kernel_image_release)

/* What a kernel is made of, besides its modules in work/new/modules (none: all is built in). */
struct kernel_install {
	const char *name;
	const char *source;
	const struct kernel_image *image;
	int replace;	  /* one of the same name */
	int make_default; /* if there is no default kernel */
};

int kernel_install(const struct kernel_work *work, const struct kernel_install *install,
		   struct err *err);

/* Makes the kernel the default one if there is none. */
int kernel_offer_default(const struct kernel_work *work, const char *name, struct err *err);

/* Makes initramfs.img in the kernel's folder behind fd and puts its guest into the record. */
int kernel_pack_initramfs(int fd, struct kernel_record *record, struct err *err);

/* The static program that is /init in a VM (sys/part.h). */
struct kernel_guest {
	char *path, *stamp;
};

int kernel_guest_find(struct kernel_guest *ret, struct err *err);
int kernel_guest_read(const struct kernel_guest *guest, char **ret, size_t *ret_len,
		      char digest[DIGEST_HEX_SIZE], struct err *err);
void kernel_guest_release(struct kernel_guest *guest);
#define _cleanup_kernel_guest_ _cleanup_(kernel_guest_release)

/* Makes the folder work/new/modules; returns its descriptor or -errno. */
int kernel_modules_create(const struct kernel_work *work, struct err *err);
/* Copies regular files and folders, nothing else; bounded in number, size and depth. */
int kernel_modules_copy(int from, int to, struct err *err);
/* Copies single modules and the indexes. */
int kernel_modules_copy_needed(int from, int to, char *const *modules, struct err *err);

/* PREFIX + release as a kernel's name; caller frees. */
char *kernel_name(const char *prefix, const char *release);

/* Reads a whole regular file of at most max bytes; caller frees. -EFBIG if there is more. */
int kernel_read_fd(int fd, size_t max, char **ret, size_t *ret_len);

#endif
