/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_LIMITS_H
#define GUEST_LIMITS_H

#include <stdint.h>
#include <sys/resource.h>

#include "base/err.h"
#include "base/privilege.h"
#include "proto/guest.h"

/* What the workload's processes may: capabilities and resource limits. */
#define LIMITS_RLIMITS_MAX 16

struct limits {
	uint64_t capabilities; /* those kept, as a mask */
	struct privilege_rlimit rlimits[LIMITS_RLIMITS_MAX];
	size_t n_rlimits;
};

/*
 * From cap_add, cap_drop and rlimits of the configuration. A machine's root has every capability, so
 * adding means something only after dropping ALL. What is none of base/privilege.h's
 * names or values is refused.
 */
int limits_parse(const struct guest_config *config, struct limits *ret, struct err *err);

/* Puts the calling process under the limits; privileged: it keeps all capabilities. */
int limits_apply(const struct limits *limits, int privileged, struct err *err);

#endif
