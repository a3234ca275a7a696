/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_MONIKER_H
#define INSTANCE_MONIKER_H

/* A made-up name, "calm-heron"; attempt > 0 adds a number. Caller frees. */
char *moniker_make(unsigned int attempt);

#endif
