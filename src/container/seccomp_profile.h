/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_SECCOMP_PROFILE_H
#define CONTAINER_SECCOMP_PROFILE_H

#include <stdint.h>

#include "sys/filter.h"

/* In the place of a capability: containers are run inside. */
#define SECCOMP_PROFILE_NESTING (UINT64_C(1) << 63)

/*
 * The filter for processes with these capabilities (container/seccomp_table.h). Compiling looks up hundreds of
 * names in two tables, so what was compiled is kept in cache_dir under a name that says everything that it
 * depends on.
 */
void seccomp_profile_get(const char *cache_dir, uint64_t caps, struct filter *ret);

/* The same without the cache. */
void seccomp_profile_compile(uint64_t caps, struct filter *ret);

#endif
