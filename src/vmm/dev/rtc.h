/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_DEV_RTC_H
#define VMM_DEV_RTC_H

#include "vmm/bus/bus.h"

/*
 * The clock of a PC with its 128 bytes of memory (Motorola MC146818A data sheet): the host's time in UTC,
 * in binary coded decimals. It cannot be set, has no alarm and no interrupts. A guest on KVM has a better
 * clock; this one is for those that look for nothing else.
 */
struct rtc;

#define RTC_PORTS 2

struct rtc *rtc_new(void);
struct rtc *rtc_free(struct rtc *rtc); /* returns NULL */

extern const struct bus_ops rtc_bus_ops;

#endif
