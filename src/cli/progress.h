/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "base/progress.h"

/*
 * Progress of long work, on stderr: one line redrawn in place on a terminal, at most ten times a second;
 * nothing otherwise. Rooms below report through base/progress.h and know no terminal.
 */

/* A progress_fn; ctx is not used. total <= 0: unknown. */
void progress_show(void *ctx, const char *what, int64_t done, int64_t total);
/* Clears the line; call before printing anything else and at the end. */
void progress_end(void);

#endif
