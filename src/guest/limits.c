// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/limits.h"
#include "base/privilege.h"

#include <assert.h>
#include <sys/prctl.h>

static_assert(LIMITS_RLIMITS_MAX == RLIM_NLIMITS, "one place per resource");
static_assert(RLIM_INFINITY == UINT64_MAX, "privilege's unlimited is the kernel's");

static void limits_set_rlimit(struct limits *limits, const struct privilege_rlimit *rlimit)
{
	for (size_t i = 0; i < limits->n_rlimits; i++) {
		if (limits->rlimits[i].resource == rlimit->resource) {
			limits->rlimits[i] = *rlimit;
			return;
		}
	}
	limits->rlimits[limits->n_rlimits++] = *rlimit;
}

int limits_parse(const struct guest_config *config, struct limits *ret, struct err *err)
{
	uint64_t add = 0, drop = 0;
	int r;

	ret->n_rlimits = 0;
	r = privilege_parse_capabilities(config->cap_add, &add, err);
	if (r == 0)
		r = privilege_parse_capabilities(config->cap_drop, &drop, err);
	if (r < 0)
		return r;
	/* as docker: what is dropped by name stays dropped, what is added survives dropping ALL */
	ret->capabilities = drop == UINT64_MAX ? add : ~drop;
	strv_for_each(text, config->rlimits) {
		struct privilege_rlimit rlimit = { 0 };

		r = privilege_parse_rlimit(*text, &rlimit, err);
		if (r < 0)
			return r;
		limits_set_rlimit(ret, &rlimit);
	}
	return 0;
}

/*
 * The bounding set alone is enough: nothing is inheritable in a fresh machine, and execve() computes
 * what root gets from it.
 */
static int limits_drop(uint64_t kept, struct err *err)
{
	for (int i = 0; i < 64; i++) {
		if (kept & (UINT64_C(1) << i))
			continue;
		/* EINVAL: the kernel knows no more */
		if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0 && errno != EINVAL)
			return err_errno(err, -errno, "cannot drop capability %d", i);
	}
	return 0;
}

int limits_apply(const struct limits *limits, int privileged, struct err *err)
{
	for (size_t i = 0; i < limits->n_rlimits; i++) {
		const struct privilege_rlimit *rlimit = &limits->rlimits[i];
		const struct rlimit value = { rlimit->soft, rlimit->hard };

		/* glibc's enum of resources is no int */
		if (setrlimit((unsigned int)rlimit->resource, &value) < 0)
			return err_errno(err, -errno, "cannot set the limit %s", rlimit->name);
	}
	return privileged ? 0 : limits_drop(limits->capabilities, err);
}
