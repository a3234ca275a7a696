/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_BUS_MSI_H
#define VMM_BUS_MSI_H

#include <stdint.h>

#include "base/err.h"
#include "vmm/bus/hv.h"

/*
 * Message-signalled interrupts: each vector has an eventfd, which a device (or vhost) writes to, and, from
 * its first unmasking on, a GSI with a route and an irqfd. A masked vector's eventfd is in nobody's
 * hands and so keeps count: that is its pending bit. Route before irqfd, and the irqfd goes first.
 */
struct msi; /* the machine's GSIs */
struct msi_vector;

struct msi *msi_new(const struct hv *hv);
struct msi *msi_free(struct msi *msi); /* after its vectors; returns NULL */

int msi_vector_new(struct msi *msi, struct msi_vector **ret);
struct msi_vector *msi_vector_free(struct msi_vector *vector); /* returns NULL */

/* From now on the eventfd raises this message; what is pending is raised at once. */
int msi_vector_unmask(struct msi_vector *vector, uint64_t address, uint32_t data);
void msi_vector_mask(struct msi_vector *vector);
int msi_vector_pending(const struct msi_vector *vector);

void msi_vector_raise(struct msi_vector *vector);
int msi_vector_fd(const struct msi_vector *vector); /* stays the vector's */

#endif
