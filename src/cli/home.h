/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_HOME_H
#define CLI_HOME_H

#include "cli/verb.h"
#include "instance/instance.h"

/* What the instance room wants to know of the command line's context. */
static inline struct instance_home home_of(const struct cli_context *cli)
{
	return (struct instance_home){ .root = cli->root,
				       .run = cli->run,
				       .drivers = cli->drivers };
}

#endif
