/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_VIRTIO_TRANSPORT_PCI_H
#define VMM_VIRTIO_TRANSPORT_PCI_H

#include "base/err.h"
#include "base/loop.h"
#include "vmm/bus/hv.h"
#include "vmm/bus/msi.h"
#include "vmm/bus/pci.h"
#include "vmm/virtio/virtio.h"

/*
 * A virtio device as a modern PCI device (virtio 1.2, section 4.1): all registers in BAR 0, one MSI-X vector
 * for each queue and one for the configuration. Kicks come by ioeventfd once the driver is ready; one
 * that comes as an access of a vCPU, before that or by the capability's window, is as good.
 */
struct transport_pci;

/*
 * Takes the next free slot of the bus. Takes over the virtio device in any case: on failure it is freed.
 * The rest must outlive the transport. All descriptors that it will need are opened here.
 */
int transport_pci_new(struct pci *pci, struct msi *msi, const struct hv *hv, struct loop *loop,
		      struct virtio *virtio, struct transport_pci **ret, struct err *err);
/* And the virtio device. Returns NULL. */
struct transport_pci *transport_pci_free(struct transport_pci *transport);

#endif
