// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/rlimit.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/units.h"

#include <string.h>
#include <strings.h>
#include <sys/resource.h>

static const struct {
	const char *name;
	int resource;
} rlimit_names[] = {
	{ "as", RLIMIT_AS },
	{ "core", RLIMIT_CORE },
	{ "cpu", RLIMIT_CPU },
	{ "data", RLIMIT_DATA },
	{ "fsize", RLIMIT_FSIZE },
	{ "locks", RLIMIT_LOCKS },
	{ "memlock", RLIMIT_MEMLOCK },
	{ "msgqueue", RLIMIT_MSGQUEUE },
	{ "nice", RLIMIT_NICE },
	{ "nofile", RLIMIT_NOFILE },
	{ "nproc", RLIMIT_NPROC },
	{ "rss", RLIMIT_RSS },
	{ "rtprio", RLIMIT_RTPRIO },
	{ "rttime", RLIMIT_RTTIME },
	{ "sigpending", RLIMIT_SIGPENDING },
	{ "stack", RLIMIT_STACK },
};

static int rlimit_resource(const char *name)
{
	if (!strncasecmp(name, "rlimit_", 7))
		name += 7;
	for (size_t i = 0; i < ARRAY_SIZE(rlimit_names); i++) {
		if (!strcasecmp(name, rlimit_names[i].name))
			return rlimit_names[i].resource;
	}
	return -EINVAL;
}

static int rlimit_number(const char *text, uint64_t *ret, struct err *err)
{
	int64_t value = 0;
	int r;

	if (!strcmp(text, "unlimited") || !strcmp(text, "-1")) {
		*ret = RLIM_INFINITY;
		return 0;
	}
	r = units_parse_int(text, 0, INT64_MAX, &value, err);
	if (r == 0)
		*ret = (uint64_t)value;
	return r;
}

int rlimit_parse(const char *text, struct rlimit_value *ret, struct err *err)
{
	_cleanup_free_ char *copy = mem_strdup(text);
	char *soft = strchr(copy, '='), *hard = soft ? strchr(soft, ':') : NULL;
	int r;

	if (!soft)
		return err_set(err, -EINVAL, "'%.60s' is no limit: say NAME=SOFT[:HARD]", text);
	*soft++ = '\0';
	if (hard)
		*hard++ = '\0';
	ret->resource = rlimit_resource(copy);
	if (ret->resource < 0)
		return err_set(err, -EINVAL, "there is no limit '%.60s'; see getrlimit(2)", copy);
	r = rlimit_number(soft, &ret->soft, err);
	if (r == 0)
		r = rlimit_number(hard ? hard : soft, &ret->hard, err);
	if (r < 0)
		return err_wrap(err, "limit %s", copy);
	if (ret->soft > ret->hard)
		return err_set(err, -EINVAL, "limit %s: %s is more than the hard limit %s", copy,
			       soft, hard);
	return 0;
}

int rlimit_apply(const struct rlimit_value *limit, struct err *err)
{
	struct rlimit value = { .rlim_cur = limit->soft, .rlim_max = limit->hard }, ours;
	__rlimit_resource_t resource = (__rlimit_resource_t)limit->resource;

	if (setrlimit(resource, &value) == 0)
		return 0;
	if (errno != EPERM || getrlimit(resource, &ours) < 0)
		return err_errno(err, -errno, "cannot set a limit");
	log_debug("limit %d: %llu is more than this host lets us give; it stays at %llu",
		  limit->resource, (unsigned long long)limit->hard,
		  (unsigned long long)ours.rlim_max);
	if (value.rlim_max > ours.rlim_max)
		value.rlim_max = ours.rlim_max;
	if (value.rlim_cur > value.rlim_max)
		value.rlim_cur = value.rlim_max;
	return setrlimit(resource, &value) < 0 ? err_errno(err, -errno, "cannot set a limit") : 0;
}
