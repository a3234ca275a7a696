/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_FREEZE_H
#define GUEST_FREEZE_H

#include "base/err.h"
#include "guest/launch.h"

/* The longest that the file system stands still. */
#define FREEZE_MS 300000

/*
 * Starts a child that brings what was written to the data disk and has its file system stand still. Then there is a byte on
 * its stdout, and at the end of its stdin the file system goes on, as it does after FREEZE_MS, which is -ETIMEDOUT.
 */
int freeze_start(struct launch *ret, struct err *err);

/* The file system goes on, if it stands still: should such a child have been killed. */
void freeze_end(void);

#endif
