/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_BOOT_H
#define INSTANCE_BOOT_H

#include "image/kernel.h"
#include "proto/instance.h"

/* What a VM boots: the kernel that its record names, the default one, or with "image" the one that its
 * image brings. layer_paths: its erofs images, lowest first. */
int boot_find_kernel(const char *root, const struct instance *record, char *const *layer_paths,
		     struct kernel_files *ret, struct err *err);

#endif
