/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_BUS_PCI_H
#define VMM_BUS_PCI_H

#include <stdint.h>

#include "base/err.h"
#include "vmm/bus/bus.h"
#include "vmm/bus/msi.h"

/*
 * A PCI Express root bus: bus 0, devices as functions one after the other, eight to a slot, their
 * configuration space by ECAM (PCI Express Base Specification 7.2.2). BARs have addresses from the start, in the window of vmm/layout.h,
 * and move where the guest writes. No INTx: all of our devices have MSI-X.
 */
struct pci;
struct pci_device;

#define PCI_FUNCTIONS	8   /* of a slot */
#define PCI_DEVICES_MAX 255 /* beside the host bridge */

struct pci_identity {
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint32_t class_code; /* 24 bits: class, subclass, programming interface */
	uint8_t revision;
};

/* The BAR is at base now (0: memory decoding is off); the bus knows already. */
typedef void (*pci_moved_fn)(void *ctx, uint64_t base);

/* Adds the ECAM to the bus of memory, and the host bridge as the first function. There is room for that many
 * devices at least. */
int pci_new(struct bus *memory, unsigned int devices, struct pci **ret, struct err *err);
struct pci *pci_free(struct pci *pci); /* after its devices; returns NULL */

/* The first part of the ECAM, as a guest may read it without us; its writes have to come to the bus. They
 * live as long as the bus does. */
const void *pci_pages(const struct pci *pci, size_t *ret_size);

/* The first free function; -ENOSPC with err set if there is none. */
int pci_device_new(struct pci *pci, const struct pci_identity *identity, struct pci_device **ret,
		   struct err *err);
struct pci_device *pci_device_free(struct pci_device *device); /* returns NULL */

/* BAR 0: 32-bit memory of size bytes, a power of two from 4 KiB up. */
int pci_device_set_bar(struct pci_device *device, uint32_t size, const struct bus_ops *ops,
		       pci_moved_fn moved, void *ctx, struct err *err);

/*
 * Adds a capability: its body after id and next, len bytes. Accesses of the guest go to the ops, NULL for
 * plain read-only bytes. Returns its offset in configuration space, or -ENOSPC.
 */
int pci_device_add_capability(struct pci_device *device, uint8_t id, const void *body, uint8_t len,
			      const struct bus_ops *ops, void *ctx);

#endif
