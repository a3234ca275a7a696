/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_CONVERT_H
#define INSTANCE_CONVERT_H

#include "base/progress.h"
#include "instance/instance.h"

/*
 * Gives an instance that does not run the other kind, with all that it has written; everything else of its record stays
 * as it is. Refused by name if its record has an option that the other kind does not know. If it is broken off at any
 * moment the instance is whole in one of its two kinds, and the next verb that changes it removes what is left of the
 * other. Takes root. *ret_changed: 0 if it had the kind already. progress may be NULL.
 */
int convert_instance(const struct instance_home *home, const char *name, int kind,
		     progress_fn progress, void *ctx, int *ret_changed, struct err *err);

/* Whether the record has nothing that the kind does not know; else -EOPNOTSUPP, or -ERANGE, with the option's name. */
int convert_check(const struct instance *record, int kind, struct err *err);

#endif
