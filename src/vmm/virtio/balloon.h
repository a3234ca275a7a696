/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_VIRTIO_BALLOON_H
#define VMM_VIRTIO_BALLOON_H

#include <stdint.h>

#include "vmm/virtio/virtio.h"

/*
 * A memory balloon (virtio 1.2 section 5.5): takes pages from the guest up to a target and gives them to
 * the host, and takes what the guest reports as free by itself. The guest gets pages back from the balloon
 * when the target falls, and when it is out of memory. Pages are of 4 KiB.
 *
 * A guest whose memory is huge pages of the host's pool gives back only whole ones: the others are kept.
 */
struct balloon;

/* What the guest says of its memory, by VIRTIO_BALLOON_S_* of linux/virtio_balloon.h. */
#define BALLOON_STATS 16

struct balloon_stats {
	uint64_t answers;		/* times that the guest has told since it was started */
	uint32_t known;			/* bit TAG: values[TAG] was in the last answer */
	uint64_t values[BALLOON_STATS]; /* bytes, or counts */
};

/* The balloon lives as long as the device, which owns it. */
int balloon_new(const struct virtio_host *host, struct virtio **ret, struct balloon **ret_balloon,
		struct err *err);

/* How many pages the guest is to give; it does when and as far as it can. */
void balloon_set_target(struct balloon *balloon, uint32_t pages);
uint32_t balloon_target(const struct balloon *balloon);
/* How many it says that it has given. */
uint32_t balloon_pages(const struct balloon *balloon);

/* Asks for an answer anew, if none is under way. */
void balloon_ask(struct balloon *balloon);
const struct balloon_stats *balloon_last(const struct balloon *balloon);

/* Bytes that came back to the host since the start, by ballooning and by reports together. */
uint64_t balloon_returned(const struct balloon *balloon);

#endif
