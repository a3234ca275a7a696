/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_ACPI_AML_H
#define VMM_ACPI_AML_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/*
 * Writes ACPI's byte code: ACPI specification 6.5, chapters 20 (AML) and 6.4 (resources). What holds other
 * things returns where it began, and ends with aml_end() or what its comment says. Names are as in ASL,
 * each segment of four characters: "\\_SB_", "COM1".
 */

size_t aml_scope(struct buf *aml, const char *name);
size_t aml_device(struct buf *aml, const char *name);
size_t aml_method(struct buf *aml, const char *name, unsigned int args); /* serialized */
size_t aml_package(struct buf *aml, unsigned int elements);
size_t aml_if(struct buf *aml); /* the predicate comes first */
void aml_end(struct buf *aml, size_t start);

void aml_name(struct buf *aml, const char *name); /* Name(): the value comes next */
void aml_reference(struct buf *aml, const char *name);
void aml_integer(struct buf *aml, uint64_t value);
void aml_string(struct buf *aml, const char *s);
void aml_eisa_id(struct buf *aml, const char *id); /* "PNP0A08" */

/* OperationRegion() of I/O ports, and a Field() of whole bytes in it with one name for each. */
void aml_ports(struct buf *aml, const char *name, uint16_t port, uint8_t len);
size_t aml_field(struct buf *aml, const char *region);
void aml_field_byte(struct buf *aml, const char *name);

void aml_and(struct buf *aml); /* two operands come next, and a target: aml_nothing() */
void aml_nothing(struct buf *aml);
void aml_notify(struct buf *aml, const char *device, uint8_t value);

/* ResourceTemplate(): ends with aml_resources_end(). */
size_t aml_resources(struct buf *aml);
void aml_io(struct buf *aml, uint16_t port, uint8_t len);
void aml_memory(struct buf *aml, uint32_t base, uint32_t len);	      /* Memory32Fixed, writable */
void aml_interrupt(struct buf *aml, uint32_t gsi, int edge);	      /* active high, exclusive */
void aml_window_bus(struct buf *aml, uint8_t first, uint8_t last);    /* WordBusNumber */
void aml_window_memory(struct buf *aml, uint32_t base, uint32_t len); /* DWordMemory, uncached */
void aml_resources_end(struct buf *aml, size_t start);

#endif
