/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_RLIMIT_H
#define SYS_RLIMIT_H

#include "base/privilege.h"

/* Sets it for the calling process. What we may not raise is -EPERM, and nothing is set. */
int rlimit_apply(const struct privilege_rlimit *limit, struct err *err);

/*
 * Raises the caller's own hard limit to the limit's where it is below and may be: a child that gets a user namespace
 * of its own can then set it, and could not raise it any more.
 */
void rlimit_raise(const struct privilege_rlimit *limit);

#endif
