// SPDX-License-Identifier: GPL-2.0-or-later
/* Processes in a container: exec, ps. */
#include "oci/verb.h"

const struct verb oci_process_verbs[] = {
	{ .name = NULL },
};
