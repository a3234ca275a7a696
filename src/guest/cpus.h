/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_CPUS_H
#define GUEST_CPUS_H

#include <stdint.h>

#include "base/err.h"

/*
 * The first n of the machine's CPUs, or all if it has fewer, are online, and no other is
 * (Documentation/core-api/cpu_hotplug.rst). The first one always is.
 */
int cpus_set_online(uint32_t n, struct err *err);

#endif
