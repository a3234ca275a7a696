/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_PLUG_H
#define GUEST_PLUG_H

#include "base/err.h"
#include "guest/launch.h"

/* Devices that come and go while the machine runs (MESSAGE_PLUG, MESSAGE_UNPLUG): a child of the agent's does it. */
struct plug {
	int plugged;
	int device;	  /* enum message_device */
	const char *text; /* as enum message_device has it */
};

struct cell;

/* cell: where drives are shown; it outlives the launch. */
int plug_start(const struct plug *plug, const struct cell *cell, struct launch *ret,
	       struct err *err);

#endif
