// SPDX-License-Identifier: GPL-2.0-or-later
/* What is done to a running container: pause, resume, update, events. */
#include "oci/control.h"
#include "oci/verb.h"

/* Until there is `pause`, nobody freezes a container. */
int control_is_frozen(const struct store_container *container _unused_)
{
	return 0;
}

const struct verb oci_control_verbs[] = {
	{ .name = NULL },
};
