/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_BUS_MSIX_H
#define VMM_BUS_MSIX_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/bus/msi.h"
#include "vmm/bus/pci.h"

/*
 * The MSI-X capability of a PCI device: PCI Local Bus Specification 3.0, 6.8.2. All vectors start masked,
 * and MSI-X off.
 */
struct msix;

#define MSIX_ENTRY_SIZE	 16
#define MSIX_VECTORS_MAX 2048

/* With table and pending bits at these offsets of BAR 0, multiples of 8; the device comes with free slots
 * for a capability. */
int msix_new(struct msi *msi, struct pci_device *device, unsigned int vectors, uint32_t table,
	     uint32_t pba, struct msix **ret, struct err *err);
/* After the device is gone, or its BAR and capability are out of the guest's reach. Returns NULL. */
struct msix *msix_free(struct msix *msix);

unsigned int msix_vectors(const struct msix *msix);
/* Nothing while MSI-X is off or there is no such vector; pending while it is masked. */
void msix_raise(struct msix *msix, unsigned int vector);
/* What raises the vector when written to; stays the msix's. -EBADF if there is no such vector. */
int msix_fd(const struct msix *msix, unsigned int vector);

/* Accesses of the guest, as those of struct bus_ops; offset: from the start of the table, of the PBA. */
void msix_table_read(const struct msix *msix, uint64_t offset, void *data, size_t len);
void msix_table_write(struct msix *msix, uint64_t offset, const void *data, size_t len);
void msix_pba_read(const struct msix *msix, uint64_t offset, void *data, size_t len);

#endif
