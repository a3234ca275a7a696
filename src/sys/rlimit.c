// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/rlimit.h"
#include "base/log.h"

#include <sys/resource.h>

int rlimit_apply(const struct privilege_rlimit *limit, struct err *err)
{
	struct rlimit value = { .rlim_cur = limit->soft, .rlim_max = limit->hard }, ours;
	__rlimit_resource_t resource = (__rlimit_resource_t)limit->resource;

	if (setrlimit(resource, &value) == 0)
		return 0;
	if (errno != EPERM || getrlimit(resource, &ours) < 0)
		return err_errno(err, -errno, "cannot set the limit %s", limit->name);
	return err_set(
		err, -EPERM,
		"limit %s: a hard limit of %llu is more than can be given here, which is %llu",
		limit->name, (unsigned long long)limit->hard, (unsigned long long)ours.rlim_max);
}

void rlimit_raise(const struct privilege_rlimit *limit)
{
	__rlimit_resource_t resource = (__rlimit_resource_t)limit->resource;
	struct rlimit ours;

	if (getrlimit(resource, &ours) < 0 || limit->hard <= ours.rlim_max)
		return;
	ours.rlim_max = limit->hard;
	if (setrlimit(resource, &ours) < 0)
		log_debug("limit %d: cannot be raised to %llu", limit->resource,
			  (unsigned long long)limit->hard);
}
