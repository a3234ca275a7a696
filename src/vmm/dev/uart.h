/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_DEV_UART_H
#define VMM_DEV_UART_H

#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "vmm/bus/bus.h"

/*
 * A serial port, a 16550A (National Semiconductor PC16550D data sheet), between the guest and a stream
 * descriptor. What the guest writes goes into a ring that the device thread empties; if nobody reads, the
 * oldest of it is lost, never the guest's time. Its transmitter is always ready.
 */
struct uart;

#define UART_RING  (16U << 10)
#define UART_PORTS 8

/* Takes over fd, made non-blocking. set_line: the level of the interrupt. */
int uart_new(struct loop *loop, int fd, void (*set_line)(void *ctx, int level), void *ctx,
	     struct uart **ret, struct err *err);
/* Writes what the ring still holds, as far as fd takes it. Returns NULL. */
struct uart *uart_free(struct uart *uart);

/* For the bus of ports: a range of UART_PORTS. */
extern const struct bus_ops uart_bus_ops;

#endif
