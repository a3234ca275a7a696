/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_NAME_H
#define BASE_NAME_H

#include "base/err.h"

/*
 * Names of instances, kernels, tags: [A-Za-z0-9][A-Za-z0-9_.-]{0,62}. They become file, cgroup and
 * host names, so every name from outside passes here and nothing else decides what a name is.
 */
#define NAME_MAX_LEN 63

/* what: "instance", "kernel"... for the message. */
int name_check(const char *what, const char *name, struct err *err);

#endif
