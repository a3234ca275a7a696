/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_ROLLBACK_H
#define INSTANCE_ROLLBACK_H

#include "instance/instance.h"

/*
 * Gives a stopped instance, whose folder is state and whose lock the caller holds, the given record and a clone of the
 * data in the folder from. A failure leaves it as it was; a kill as it was or, from some point on, for
 * rollback_finish().
 */
int rollback_to(const struct instance_home *home, int state, int from,
		const struct instance *record, struct err *err);

/* Of an instance that does not run, under its lock: ends or undoes what a killed process has begun. */
int rollback_finish(const struct instance_home *home, int state, struct err *err);
/* Whether there is such a thing. */
int rollback_is_unfinished(int state);

#endif
