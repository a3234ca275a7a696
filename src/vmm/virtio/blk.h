/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_VIRTIO_BLK_H
#define VMM_VIRTIO_BLK_H

#include <stdint.h>

#include "base/err.h"
#include "disk/disk.h"
#include "vmm/virtio/virtio.h"

/* A virtio block device (virtio 1.2, section 5.2) on a disk. */

#define BLK_SERIAL_MAX 20 /* bytes: virtio 1.2, 5.2.6 */

struct blk_options {
	const char *serial; /* what the guest sees as the disk's; longer ones are cut. NULL: "" */
	unsigned int n_queues; /* from 1 to VIRTIO_QUEUES_MAX; 0: one */
	uint16_t queue_size;   /* a power of two from 4 to QUEUE_SIZE_MAX; 0: that */
	int read_only;	       /* as it is anyway where the disk is */
};

/* Takes over the disk, also where this fails. All options are ours to get right: -EINVAL. */
int blk_new(const struct virtio_host *host, struct disk *disk, const struct blk_options *options,
	    struct virtio **ret, struct err *err);

/* Of a blk_new(): disk_limit(). */
void blk_limit(struct virtio *virtio, const struct disk_rates *rates);
/* Of a blk_new(): disk_grow(), of which the driver is told. */
int blk_grow(struct virtio *virtio, uint64_t size, struct err *err);

#endif
