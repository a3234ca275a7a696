// SPDX-License-Identifier: GPL-2.0-or-later
/* What is shown of containers: state, list. */
#include "oci/verb.h"

const struct verb oci_show_verbs[] = {
	{ .name = NULL },
};
