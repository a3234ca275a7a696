/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_RLIMIT_H
#define SYS_RLIMIT_H

#include "base/privilege.h"

/* Sets it for the calling process. What we may not raise is set as high as we may (a debug line says so). */
int rlimit_apply(const struct privilege_rlimit *limit, struct err *err);

#endif
