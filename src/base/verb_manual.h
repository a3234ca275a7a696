/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_VERB_MANUAL_H
#define BASE_VERB_MANUAL_H

#include "base/verb.h"

/* The manual page as man(7) source, made from the tables of verbs and options. */
void verb_manual_put(struct buf *out, const struct verb_program *program);
void verb_manual_show(const struct verb_program *program); /* on stdout */

#endif
