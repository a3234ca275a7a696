/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_ADMIT_H
#define INSTANCE_ADMIT_H

#include "instance/instance.h"

/*
 * A promise is what the user has asked to be left to an instance when memory is short: its memory-reservation, in either
 * kind. Nothing else is one: what instances may use at most, and a VM without a reservation, may come to more than
 * there is.
 */
int64_t admit_promise(const struct instance *record);
/*
 * Whether one more promise can be kept beside those that were made: all of them, and what the host itself needs (a
 * sixteenth, at least 256 MiB), are no more than the host's memory. In bytes. -ENOMEM, with the figures, if not.
 */
int admit_check(int64_t total, int64_t promised, const char *name, int64_t promise,
		struct err *err);
/*
 * The same of one that is about to start, among those that run. *ret_lock: until it is closed no other promise is made, so
 * hold it until the instance counts as running; -EBADF: none was needed.
 */
int admit_start(const struct instance_home *home, const struct instance *record, int *ret_lock,
		struct err *err);

#endif
