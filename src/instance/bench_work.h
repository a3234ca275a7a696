/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_BENCH_WORK_H
#define INSTANCE_BENCH_WORK_H

#include "proto/driver.h"

/*
 * The role `bench-work`: what `brig bench` has done on the host and inside of instances, where a copy of this program is
 * brought. Called as
 *   bench-work WORK [MILLISECONDS]
 * it does that over and over for so long (BENCH_WORK_MS), and prints how often in a second.
 */
#define BENCH_WORK_ROLE "bench-work"
#define BENCH_WORK_MS	200

int bench_work_main(int argc, char **argv, const struct driver_ops *const *drivers);

#endif
