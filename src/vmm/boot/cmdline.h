/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_BOOT_CMDLINE_H
#define VMM_BOOT_CMDLINE_H

#include "base/err.h"

/* COMMAND_LINE_SIZE of Linux on x86 less its NUL: what is longer is cut there, so it is refused here. */
#define CMDLINE_MAX 2047

/* Our own words, then those added, which so win. Caller frees. -E2BIG if that is too long. */
int cmdline_make(const char *added, char **ret, struct err *err);

/* Is the word there, by itself? */
int cmdline_has(const char *cmdline, const char *word);

#endif
