/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_KEEPER_H
#define INSTANCE_KEEPER_H

#include "proto/driver.h"

/*
 * The role `keep`: one process per running instance. Called as
 *   keep ROOT RUN NAME none|out|in [CHECKPOINT]
 * with descriptor 3 its first client's session, which hears STARTED or ERROR, and with out or in is
 * attached from the first byte (with stdin: in). CHECKPOINT: a folder that its first start goes on from. Started by instance_start(), never by a user.
 */
#define KEEPER_ROLE	  "keep"
#define KEEPER_SESSION_FD 3

int keeper_main(int argc, char **argv, const struct driver_ops *const *drivers);

#endif
