/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_CHECK_H
#define INSTANCE_CHECK_H

#include "image/store_check.h"
#include "instance/instance.h"

/*
 * Looks through all that is below ROOT: the images (image/store_check.h), kernels, volumes, instances with their snapshots,
 * and what killed processes have left. how->found hears of each thing that is not as it should be. A repair also ends
 * what was begun, and removes leftovers, under the locks that they have; it removes nothing that has a name, and nothing
 * of an instance that another process is changing, which is not looked through for leftovers either.
 */
int check_all(const struct instance_home *home, const struct store_check *how, struct err *err);

#endif
