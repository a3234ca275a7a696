// SPDX-License-Identifier: GPL-2.0-or-later
/* What a container goes through: create, start, run, kill, delete. */
#include "oci/verb.h"

const struct verb oci_life_verbs[] = {
	{ .name = NULL },
};
