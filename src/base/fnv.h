/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_FNV_H
#define BASE_FNV_H

#include <stddef.h>
#include <stdint.h>

/*
 * FNV-1a (draft-eastlake-fnv): tells names apart, and sees what was damaged; whoever wants to finds two inputs with one
 * hash. A hash begins with FNV_32 or FNV_64, and goes on over what else is mixed in.
 */
#define FNV_32 UINT32_C(2166136261)
#define FNV_64 UINT64_C(14695981039346656037)

uint32_t fnv_mix32(uint32_t hash, const void *data, size_t len);
uint64_t fnv_mix64(uint64_t hash, const void *data, size_t len);

#endif
