/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_VM_PLUG_H
#define PROTO_VM_PLUG_H

#include "proto/agent_host.h"
#include "proto/vm_driver.h"

/* A device that comes to a VM that runs, or goes: what engine and guest have to do for it, in turn. */
struct vm_plug;

/* How long a guest has to find and set up a device, or to let go of it. */
#define VM_PLUG_GUEST_MS 20000

/* The channel to the agent that is not the keeper's to give out. */
#define VM_PLUG_CHANNEL UINT32_MAX

/* changed: as in struct driver_host_ops, never from inside vm_plug_start(). All outlives it. */
int vm_plug_new(struct loop *loop, const struct vm_engine_ops *ops, struct vm_engine *engine,
		void (*changed)(void *ctx, const struct err *err), void *ctx, struct vm_plug **ret,
		struct err *err);
struct vm_plug *vm_plug_free(struct vm_plug *plug); /* returns NULL */

/* plugged: it comes; else it goes, forced as in struct driver_ops. -EBUSY: another one is under way. */
int vm_plug_start(struct vm_plug *plug, struct agent_host *agent,
		  const struct driver_device *device, int plugged, int forced, struct err *err);
/* What the agent says on the channel. */
void vm_plug_take(struct vm_plug *plug, uint16_t type, const void *payload, size_t len);
/* The machine has ended: so has what was under way. */
void vm_plug_end(struct vm_plug *plug);

#endif
