// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/fnv.h"

#define FNV_PRIME32 UINT32_C(16777619)
#define FNV_PRIME64 UINT64_C(1099511628211)

uint32_t fnv_mix32(uint32_t hash, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * FNV_PRIME32;
	return hash;
}

uint64_t fnv_mix64(uint64_t hash, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * FNV_PRIME64;
	return hash;
}
