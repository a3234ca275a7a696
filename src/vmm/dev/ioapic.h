/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_DEV_IOAPIC_H
#define VMM_DEV_IOAPIC_H

#include <stdint.h>

#include "vmm/bus/bus.h"
#include "vmm/bus/hv.h"

/*
 * The I/O APIC of the few devices that have a pin (Intel 82093AA data sheet). Its messages go to KVM's
 * local APICs. A level-triggered pin that is open also has a route, from which KVM knows that its end of
 * interrupt is to be told to us.
 */
struct ioapic;

struct ioapic *ioapic_new(const struct hv *hv);
struct ioapic *ioapic_free(struct ioapic *ioapic); /* returns NULL */

/* For the bus: a range of LAYOUT_IOAPIC_SIZE. */
extern const struct bus_ops ioapic_bus_ops;

/* The level of a pin, below LAYOUT_PINS. */
void ioapic_set(struct ioapic *ioapic, unsigned int pin, int level);
/* A guest's CPU has ended the interrupt with this vector. */
void ioapic_eoi(struct ioapic *ioapic, uint8_t vector);

#endif
