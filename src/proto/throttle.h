/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_THROTTLE_H
#define PROTO_THROTTLE_H

#include <stdint.h>

#include "base/err.h"

/* Rates of disks, as a record's read_bps and the like have them: [DEVICE:]RATE. */
enum throttle_unit { THROTTLE_OPERATIONS, THROTTLE_BYTES };

/* *ret_device: the whole path of a device of the host's, which the caller frees; NULL: none is named. rate: a second, at least 1. */
int throttle_parse(const char *text, enum throttle_unit unit, char **ret_device, int64_t *ret_rate,
		   struct err *err);
/* The last of a list that names no device, which is of each of a VM's own disks; 0: there is none. */
uint64_t throttle_own(char *const *list, enum throttle_unit unit);

#endif
