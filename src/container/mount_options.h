/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_MOUNT_OPTIONS_H
#define CONTAINER_MOUNT_OPTIONS_H

#include <stdint.h>

/*
 * What the words of mounts[].options mean: those of the OCI runtime specification (config.md, "Linux mount
 * options"); all others are the file system's own, among them "sync" and its like, which fsconfig(2) takes by
 * name. Of words that contradict one another the last one counts.
 */
struct mount_options {
	/* MOUNT_ATTR_* of <linux/mount.h>, for mount_setattr(2): of this mount, and of it with all below */
	uint64_t set, clear;
	uint64_t set_all, clear_all;
	uint64_t propagation, propagation_all; /* MS_SHARED and its like; 0: as it is */
	int bind, recursive;		       /* "bind"; "rbind" is both */
	int idmap;			       /* 1: ids of the container's; 2: below it, too */
	int copy_up;			       /* a tmpfs begins with what was there */
	char **data;
};

/* Release it. options may be NULL. */
void mount_options_parse(char *const *options, struct mount_options *ret);
void mount_options_release(struct mount_options *options);
#define _cleanup_mount_options_ _cleanup_(mount_options_release)

/* The words that have a meaning, one after the other; NULL past the end. */
const char *mount_options_name(unsigned int i);

#endif
