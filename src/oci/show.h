/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OCI_SHOW_H
#define OCI_SHOW_H

#include "oci/store.h"

/*
 * A container as `state` and `list` show it: as hooks get it on stdin (container/hooks.h), with what engines in Go
 * read besides (rootfs, created, owner). Annotations come from the container's config.json. Caller
 * frees.
 */
struct json *show_state(const struct store_container *container, enum store_status status);

#endif
