// SPDX-License-Identifier: GPL-2.0-or-later
#include "oci/verb.h"

const struct verb oci_spec_verbs[] = {
	{ .name = NULL },
};
