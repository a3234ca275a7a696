/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_RATE_H
#define SYS_RATE_H

#include <stdint.h>

#include "base/err.h"

/*
 * How much may pass a network interface, by traffic control over rtnetlink(7), in the namespace of sock as in sys/link.h.
 * Rates are bits a second, 0 is any. Functions replace what was there and return 0 or -errno, with the kernel's words.
 */

/* What leaves by it waits in a queue of 50 ms, then is dropped (tc-tbf(8)). It goes with the interface. */
int rate_limit_out(int sock, int link, uint64_t bits, struct err *err);

/* What comes in by it and is too much is dropped, by a program of tc-bpf(8). */
int rate_limit_in(int sock, int link, uint64_t bits, struct err *err);

#endif
