/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_BOOT_H
#define GUEST_BOOT_H

#include "base/err.h"
#include "proto/guest.h"

/* The way from the kernel's start of us to a machine that an instance can run in. */
struct boot {
	int uevents;
	int port; /* the agent's port, once it was found */
	struct guest_config config;
};

#define BOOT_INIT ((struct boot){ .uevents = -EBADF, .port = -EBADF })

/* All steps up to a mounted root file system. On failure boot->port says whether the host can hear why. */
int boot_machine(struct boot *boot, struct err *err);

/*
 * Loads what the start had no use for, in a process of its own that gets what the others leave of the CPUs. The
 * agent reaps it.
 */
void boot_load_later(void);

/* What a network card needs, unless it is there already. */
int boot_load_nets(struct err *err);
/* The same for shared folders. */
int boot_load_folders(struct err *err);

/* Unmounts, and ends the machine. Every process but ours is killed. */
_noreturn_ void boot_power_off(void);

#endif
