// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/privilege.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "base/word.h"

#include <assert.h>
#include <linux/capability.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

static const char *const privilege_capabilities[] = {
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
	NULL,
};

static_assert(ARRAY_SIZE(privilege_capabilities) == CAP_LAST_CAP + 2, "one name per capability");

const char *privilege_capability_name(unsigned int capability)
{
	return capability <= CAP_LAST_CAP ? privilege_capabilities[capability] : NULL;
}

int privilege_parse_capability(const char *s, uint64_t *ret_mask, struct err *err)
{
	const char *name = strncasecmp(s, "CAP_", 4) ? s : s + 4;
	_cleanup_free_ char *upper = mem_strdup(name);
	const char *near;

	if (!strcasecmp(name, "ALL")) {
		*ret_mask = UINT64_MAX;
		return 0;
	}
	for (size_t i = 0; privilege_capabilities[i]; i++) {
		if (!strcasecmp(name, privilege_capabilities[i])) {
			*ret_mask = UINT64_C(1) << i;
			return 0;
		}
	}
	for (char *p = upper; *p; p++)
		*p = *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
	near = word_nearest(upper, privilege_capabilities);
	return err_set(err, -EINVAL, "there is no capability '%.64s'%s%s%s; see capabilities(7)", s,
		       near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

int privilege_parse_capabilities(char *const *names, uint64_t *ret_mask, struct err *err)
{
	uint64_t all = 0;

	strv_for_each(name, names) {
		uint64_t mask = 0;
		int r = privilege_parse_capability(*name, &mask, err);

		if (r < 0)
			return r;
		all |= mask;
	}
	*ret_mask = all;
	return 0;
}

static const struct privilege_rlimit privilege_rlimits[] = {
	{ "as", RLIMIT_AS, 0, 0 },
	{ "core", RLIMIT_CORE, 0, 0 },
	{ "cpu", RLIMIT_CPU, 0, 0 },
	{ "data", RLIMIT_DATA, 0, 0 },
	{ "fsize", RLIMIT_FSIZE, 0, 0 },
	{ "locks", RLIMIT_LOCKS, 0, 0 },
	{ "memlock", RLIMIT_MEMLOCK, 0, 0 },
	{ "msgqueue", RLIMIT_MSGQUEUE, 0, 0 },
	{ "nice", RLIMIT_NICE, 0, 0 },
	{ "nofile", RLIMIT_NOFILE, 0, 0 },
	{ "nproc", RLIMIT_NPROC, 0, 0 },
	{ "rss", RLIMIT_RSS, 0, 0 },
	{ "rtprio", RLIMIT_RTPRIO, 0, 0 },
	{ "rttime", RLIMIT_RTTIME, 0, 0 },
	{ "sigpending", RLIMIT_SIGPENDING, 0, 0 },
	{ "stack", RLIMIT_STACK, 0, 0 },
};

static int privilege_rlimit_value(const char *s, uint64_t *ret, struct err *err)
{
	int64_t value = 0;
	int r;

	if (!strcmp(s, "unlimited") || !strcmp(s, "-1")) {
		*ret = UINT64_MAX;
		return 0;
	}
	r = units_parse_int(s, 0, INT64_MAX, &value, err);
	if (r == 0)
		*ret = (uint64_t)value;
	return r;
}

int privilege_parse_rlimit(const char *s, struct privilege_rlimit *ret, struct err *err)
{
	_cleanup_free_ char *copy = mem_strdup(s);
	char *soft = strchr(copy, '='), *hard = soft ? strchr(soft, ':') : NULL;
	const struct privilege_rlimit *known = NULL;
	struct privilege_rlimit limit;
	const char *name = strncasecmp(copy, "rlimit_", 7) ? copy : copy + 7;
	int r;

	if (!soft)
		return err_set(err, -EINVAL, "'%.64s' is no limit: say NAME=SOFT[:HARD]", s);
	*soft++ = '\0';
	if (hard)
		*hard++ = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(privilege_rlimits); i++) {
		if (!strcasecmp(privilege_rlimits[i].name, name))
			known = &privilege_rlimits[i];
	}
	if (!known)
		return err_set(err, -EINVAL, "there is no limit '%.64s'; see getrlimit(2)", copy);
	limit = *known;
	r = privilege_rlimit_value(soft, &limit.soft, err);
	if (r == 0)
		r = privilege_rlimit_value(hard ? hard : soft, &limit.hard, err);
	if (r == 0 && limit.soft > limit.hard)
		r = err_set(err, -EINVAL, "%s is more than its hard limit %s", soft, hard);
	if (r < 0)
		return err_wrap(err, "limit %s", limit.name);
	*ret = limit;
	return 0;
}
