/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_REROOT_H
#define IMAGE_REROOT_H

#include <stdint.h>

#include "base/err.h"

/*
 * The archives in which LXC and Incus (or LXD) bring a root file system in a folder, beside settings: an image of Incus
 * (metadata.yaml, rootfs/), the backup of a container (backup/index.yaml, backup/container/rootfs/), a container's folder
 * of LXC (config, rootfs/). The archive is hostile; to be called where nothing is to be lost.
 */

#define REROOT_METADATA	    "metadata.yaml"
#define REROOT_INDEX	    "index.yaml"
#define REROOT_CONFIG	    "config"
#define REROOT_SETTINGS_MAX ((int64_t)512 << 10) /* bytes of such a file */

struct reroot_found {
	int has_root, has_settings;
	int has_metadata;	 /* settings of Incus */
	int is_vm, is_optimized; /* a backup with its root in a form of its own */
	int has_snapshots, has_templates;
	/* Who owns the root: where containers have no privilege, all owners may be shifted by so much. */
	int64_t uid_base, gid_base;
	int64_t foreign; /* files of owners below that, who are now root */
};

/* Whether one of these may begin with this path, which root file systems seldom have first. */
int reroot_is_name(const char *path);

/*
 * Writes the tar of the root to out, its owners shifted back, and settings to files REROOT_* in the folder. What is not
 * one of these has no root or no settings, and what was written then is for nobody.
 */
int reroot_archive(int in, int out, int folder, void (*progress)(void *ctx, int64_t position),
		   void *ctx, struct reroot_found *ret, struct err *err);

#endif
