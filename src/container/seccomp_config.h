/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_SECCOMP_CONFIG_H
#define CONTAINER_SECCOMP_CONFIG_H

#include "base/err.h"
#include "container/config.h"
#include "sys/filter.h"

/*
 * linux.seccomp of an OCI configuration, as a filter that decides as libseccomp's does (config-linux.md,
 * "Seccomp"): of a call's rules one without arguments decides alone, else the first that holds; a call that the
 * architecture does not have is passed over. Two things are as runc has them: a rule that names one argument
 * several times holds where any of them does, and a call that is newer than all that the rules name does not
 * exist (ENOSYS) where it would be denied, so that programs use what they used before.
 */
struct seccomp_config {
	struct filter filter;
	unsigned int flags; /* SECCOMP_FILTER_FLAG_* */
	int notifies;	    /* it has SCMP_ACT_NOTIFY, so somebody has to listen */
};

/* Errors name the member: "linux.seccomp.syscalls[3].action ...". Release it in any case. */
int seccomp_config_compile(const struct config_seccomp *config, struct seccomp_config *ret,
			   struct err *err);
void seccomp_config_release(struct seccomp_config *seccomp);
#define _cleanup_seccomp_config_ _cleanup_(seccomp_config_release)

/* Whether it has SCMP_ACT_NOTIFY, without compiling it. */
int seccomp_config_notifies(const struct config_seccomp *config);

/* What the specification knows and so do we, for `features`; each ends with NULL. */
extern const char *const seccomp_config_actions[], *const seccomp_config_operators[],
							   *const seccomp_config_flags[],
								   *const seccomp_config_archs[];
/* Whether the kernel has the flag of that name, too. */
int seccomp_config_has_flag(const char *name);

#endif
