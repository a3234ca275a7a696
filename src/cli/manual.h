/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_MANUAL_H
#define CLI_MANUAL_H

#include "base/buf.h"

/* The manual page brig(1) as man(7) source, made from the tables of verbs and options. */
void manual_put(struct buf *out);
void manual_show(void); /* on stdout */

#endif
