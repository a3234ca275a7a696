/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_DRIVER_H
#define CONTAINER_DRIVER_H

#include "proto/driver.h"

/* The container engine, as the life cycle sees it. */
extern const struct driver_ops container_driver;

#endif
