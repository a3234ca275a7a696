/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_DEVICES_H
#define VMM_DEVICES_H

#include "base/err.h"
#include "proto/vmm.h"
#include "vmm/bus/hv.h"
#include "vmm/bus/msi.h"
#include "vmm/bus/pci.h"
#include "vmm/virtio/virtio.h"

/* Where a machine's virtio devices are made: all of them, in the order of one table. */
struct devices_site {
	const struct vmm_config *config;
	struct virtio_host host;
	struct pci *pci;
	struct msi *msi;
	struct hv hv;
	int next_fd; /* of proto/vmm.h's, at first VMM_FD_FIRST */
};

struct devices;

/* How many there will be. */
unsigned int devices_count(const struct vmm_config *config);

int devices_new(struct devices_site *site, struct devices **ret, struct err *err);
struct devices *devices_free(struct devices *devices); /* returns NULL */

#endif
