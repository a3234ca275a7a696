/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_VIRTIO_RNG_H
#define VMM_VIRTIO_RNG_H

#include "vmm/virtio/virtio.h"

/* An entropy device (virtio 1.2 section 5.4): the host's getrandom(2), at most RNG_REQUEST_MAX bytes for a
 * request, whatever room it has. It never waits. */
#define RNG_REQUEST_MAX (64U << 10)

struct virtio *rng_new(const struct virtio_host *host);

#endif
