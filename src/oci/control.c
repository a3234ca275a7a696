// SPDX-License-Identifier: GPL-2.0-or-later
/* What is done to a running container: pause, resume, update, events. */
#include "oci/verb.h"

const struct verb oci_control_verbs[] = {
	{ .name = NULL },
};
