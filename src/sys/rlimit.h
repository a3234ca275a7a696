/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_RLIMIT_H
#define SYS_RLIMIT_H

#include <stdint.h>

#include "base/err.h"

struct rlimit_value {
	int resource; /* RLIMIT_* */
	uint64_t soft, hard;
};

/* "NOFILE=1024:4096", also "nofile", "RLIMIT_NOFILE", one number for both, and "unlimited". */
int rlimit_parse(const char *text, struct rlimit_value *ret, struct err *err);

/* Sets it for the calling process. What we may not raise is set as high as we may (a debug line says so). */
int rlimit_apply(const struct rlimit_value *limit, struct err *err);

#endif
