// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/limits.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>

/* By number, as linux/capability.h has them. */
static const char *const limits_capabilities[] = {
	"CHOWN",
	"DAC_OVERRIDE",
	"DAC_READ_SEARCH",
	"FOWNER",
	"FSETID",
	"KILL",
	"SETGID",
	"SETUID",
	"SETPCAP",
	"LINUX_IMMUTABLE",
	"NET_BIND_SERVICE",
	"NET_BROADCAST",
	"NET_ADMIN",
	"NET_RAW",
	"IPC_LOCK",
	"IPC_OWNER",
	"SYS_MODULE",
	"SYS_RAWIO",
	"SYS_CHROOT",
	"SYS_PTRACE",
	"SYS_PACCT",
	"SYS_ADMIN",
	"SYS_BOOT",
	"SYS_NICE",
	"SYS_RESOURCE",
	"SYS_TIME",
	"SYS_TTY_CONFIG",
	"MKNOD",
	"LEASE",
	"AUDIT_WRITE",
	"AUDIT_CONTROL",
	"SETFCAP",
	"MAC_OVERRIDE",
	"MAC_ADMIN",
	"SYSLOG",
	"WAKE_ALARM",
	"BLOCK_SUSPEND",
	"AUDIT_READ",
	"PERFMON",
	"BPF",
	"CHECKPOINT_RESTORE",
};

struct limits_resource {
	const char *name;
	int resource;
};

static const struct limits_resource limits_resources[] = {
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

static_assert(ARRAY_SIZE(limits_resources) == LIMITS_RLIMITS_MAX, "one place per resource");

/* The mask of a name with or without CAP_; 0 if there is none such. */
static uint64_t limits_capability(const char *name)
{
	if (!strncasecmp(name, "CAP_", 4))
		name += 4;
	if (!strcasecmp(name, "ALL"))
		return UINT64_MAX;
	for (size_t i = 0; i < ARRAY_SIZE(limits_capabilities); i++) {
		if (!strcasecmp(name, limits_capabilities[i]))
			return UINT64_C(1) << i;
	}
	return 0;
}

static int limits_mask(char *const *names, uint64_t *ret, struct err *err)
{
	strv_for_each(name, names) {
		uint64_t mask = limits_capability(*name);

		if (!mask)
			return err_set(err, -EINVAL, "there is no capability '%.64s'", *name);
		*ret |= mask;
	}
	return 0;
}

/* Digits, or -1 or "unlimited"; *s moves behind them. */
static int limits_value(const char **s, rlim_t *ret)
{
	rlim_t value = 0;
	const char *p = *s;

	if (!strncmp(p, "-1", 2) || !strncmp(p, "unlimited", 9)) {
		*s += *p == '-' ? 2 : 9;
		*ret = RLIM_INFINITY;
		return 0;
	}
	for (; isdigit((unsigned char)*p); p++) {
		if (value > (RLIM_INFINITY - 9) / 10)
			return -ERANGE;
		value = value * 10 + (rlim_t)(*p - '0');
	}
	if (p == *s)
		return -EINVAL;
	*s = p;
	*ret = value;
	return 0;
}

/* NAME=SOFT[:HARD] */
static int limits_rlimit(const char *text, struct limits_rlimit *ret)
{
	size_t len = strcspn(text, "=");
	const char *p = text + len;

	ret->resource = -1;
	for (size_t i = 0; i < ARRAY_SIZE(limits_resources); i++) {
		if (strlen(limits_resources[i].name) == len &&
		    !strncasecmp(text, limits_resources[i].name, len))
			ret->resource = limits_resources[i].resource;
	}
	if (ret->resource < 0 || *p++ != '=' || limits_value(&p, &ret->value.rlim_cur) < 0)
		return -EINVAL;
	ret->value.rlim_max = ret->value.rlim_cur;
	if (*p == ':') {
		p++;
		if (limits_value(&p, &ret->value.rlim_max) < 0)
			return -EINVAL;
	}
	return *p || ret->value.rlim_cur > ret->value.rlim_max ? -EINVAL : 0;
}

static void limits_set_rlimit(struct limits *limits, const struct limits_rlimit *rlimit)
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
	r = limits_mask(config->cap_add, &add, err);
	if (r == 0)
		r = limits_mask(config->cap_drop, &drop, err);
	if (r < 0)
		return r;
	/* as docker: what is dropped by name stays dropped, what is added survives dropping ALL */
	ret->capabilities = drop == UINT64_MAX ? add : ~drop;
	strv_for_each(text, config->rlimits) {
		struct limits_rlimit rlimit = { 0 };

		if (limits_rlimit(*text, &rlimit) < 0)
			return err_set(err, -EINVAL, "'%.64s' is not a resource limit", *text);
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
		const struct limits_rlimit *rlimit = &limits->rlimits[i];

		/* glibc's enum of resources is no int */
		if (setrlimit((unsigned int)rlimit->resource, &rlimit->value) < 0)
			return err_errno(err, -errno, "cannot set the resource limit %d",
					 rlimit->resource);
	}
	return privileged ? 0 : limits_drop(limits->capabilities, err);
}
