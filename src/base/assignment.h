/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_ASSIGNMENT_H
#define BASE_ASSIGNMENT_H

#include "base/err.h"

/* KEY=VALUE, as a user says what is to be set. */

/* The value, in text, if it is an assignment to that key, else NULL. */
const char *assignment_value(const char *text, const char *key);
/* Of one to none of these keys (NULL-terminated): -EINVAL, with what was meant or what there is. */
int assignment_refuse(const char *text, const char *const *keys, struct err *err);

#endif
