/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_FOLDER_H
#define GUEST_FOLDER_H

#include "guest/cell.h"

/*
 * Folders of the host's that come and go while the machine runs; for a child of the agent's, which is the instance's
 * afterwards. text: as MESSAGE_DEVICE_SHARE has it.
 */

/* Before the bus is looked through anew: which devices are whose. */
int folder_prepare(const struct cell *cell, struct err *err);
/* The root of a machine without disks, at `path`, which is made; the module is there. Waits for its device. */
int folder_mount_root(const struct guest_config *config, const char *path, int uevents,
		      int64_t timeout_ms, struct err *err);
/* Waits for the device, which is new, and mounts it. What is not mounted has been let go of. */
int folder_attach(const struct cell *cell, const char *text, int uevents, int64_t timeout_ms,
		  struct err *err);
/* Unmounts it, and has the kernel let go of the device. -EBUSY: it is in use. What is not there has gone. */
int folder_detach(const struct cell *cell, const char *text, struct err *err);

#endif
