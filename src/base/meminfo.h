/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_MEMINFO_H
#define BASE_MEMINFO_H

#include <stdint.h>

/*
 * The bytes of a line "Key:   N kB" of /proc/meminfo or /proc/PID/smaps_rollup, or of a NUMA node's, whose lines begin
 * with "Node N" (proc(5)).
 * -1: it has no such line.
 */
int64_t meminfo_bytes(const char *text, const char *key);

#endif
