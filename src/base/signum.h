/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_SIGNUM_H
#define BASE_SIGNUM_H

#include "base/err.h"

/* Signal number of "TERM", "SIGTERM", "15", "RTMIN+3"; -EINVAL if there is none. */
int signum_parse(const char *s, int *ret, struct err *err);

#endif
