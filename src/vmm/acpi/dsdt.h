/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_ACPI_DSDT_H
#define VMM_ACPI_DSDT_H

#include "base/buf.h"

/*
 * The machine's devices in AML, for the body of the DSDT. The guest interprets this while it starts, so there
 * is nothing in it that the guest can do without: no _PRT, since no device has INTx; no _OSC, since the
 * firmware that it would negotiate with is not there.
 */
void dsdt_write(struct buf *aml);

#endif
