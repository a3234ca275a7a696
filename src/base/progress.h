/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stdint.h>

/* How a room reports long work to whoever shows it. total <= 0: unknown; done 0: just the words. */
typedef void (*progress_fn)(void *ctx, const char *what, int64_t done, int64_t total);

#endif
