/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_TSC_H
#define SYS_TSC_H

#include <stdint.h>

/*
 * The frequency of the CPU's time stamp counter, in kHz, or 0 if it has none of a constant rate. Busy
 * for 4 ms; agrees with the kernel's own figure to about 10 parts in a million.
 */
int64_t tsc_khz(void);

#endif
