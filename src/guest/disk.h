/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_DISK_H
#define GUEST_DISK_H

#include <stdint.h>

#include "base/err.h"

/* The machine's disks and the root file system that is made of them. */

/* overlayfs takes up to 500; the host refuses images with more than this. */
#define DISK_LAYERS_MAX 128

/* Where the parts are mounted in the agent's own root. */
#define DISK_DATA "/data"
#define DISK_ROOT "/root"

/*
 * Waits for the disks "layer0".. and "data" (by serial number, at most timeout_ms), mounts them, and
 * mounts their overlay at DISK_ROOT. uevents: see guest/uevent.h.
 */
int disk_mount(uint32_t layers, int user_marks, int uevents, int64_t timeout_ms, struct err *err);

/* Undoes disk_mount(), whatever of it is there: afterwards the data disk is clean. */
void disk_unmount(void);

/*
 * In the root that a workload has, with its /sys: each disk that is none of the above as /dev/disk/by-id/virtio-SERIAL,
 * and as a node in /dev where there is none.
 */
int disk_show(struct err *err);

/* A disk that comes while the machine runs, by its serial number: waits until it is there. */
int disk_await(const char *serial, int uevents, int64_t timeout_ms, struct err *err);
/* Its name in /dev; caller frees. -ENOENT: there is none (no message). */
int disk_name(const char *serial, char **ret);
/*
 * The kernel gives it up, with all that was written to it on it. -EBUSY: it is mounted or otherwise claimed, as its
 * partitions may be; forced: it goes all the same. One that is not there has been let go of.
 */
int disk_let_go(const char *serial, int forced, struct err *err);
/* Undoes disk_show() for one that is gone. */
void disk_hide(const char *serial, const char *name);

/* For tests: how many blocks a file system with that superblock (1024 bytes) could have on so large a disk; 0: no more. */
uint64_t disk_blocks_more(const uint8_t *super, uint64_t bytes);

/* For tests: the place of a disk with that serial number (layers: "data"), or -1. */
int disk_place(const char *serial, uint32_t layers);

/* The disk that DISK_DATA is on becomes that large, in bytes as digits: waits until it has, then its file system does, too. */
int disk_grow_mounted(const char *size, int64_t timeout_ms, struct err *err);

#endif
