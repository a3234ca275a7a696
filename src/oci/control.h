/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OCI_CONTROL_H
#define OCI_CONTROL_H

#include "oci/store.h"

/* True if the container's cgroup stands still: `pause` was the last word, not `resume`. */
int control_is_frozen(const struct store_container *container);

#endif
