/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include "base/err.h"
#include "base/loop.h"
#include "proto/vmm.h"

/*
 * The whole machine, assembled from its parts. It has one thread for each vCPU; everything else is done by
 * the thread that runs the loop, the device thread.
 *
 * There is one lock, the device lock. Who runs a device's code holds it: the device thread whenever it is
 * not waiting in the loop, a vCPU's thread while it handles an access of its guest. The hot path needs
 * neither: kicks and interrupts are eventfds, and disks work in the kernel or in threads of their own.
 */
struct machine;

struct machine_ops {
	/* Called in each vCPU's thread before anything else: its part of the jail. NULL: nothing. */
	int (*thread_begins)(void *ctx, struct err *err);
	/* The machine has come to its end; its vCPUs stand still. err: set with VMM_END_ERROR and where there
	 * is more to say. Called once, in the device thread. */
	void (*ended)(void *ctx, enum vmm_end end, const struct err *err);
};

/*
 * Makes the machine from the configuration and the descriptors of proto/vmm.h, which become the machine's,
 * loads the kernel; its vCPUs wait. After this nothing is opened any more: the caller goes into its jail.
 */
int machine_new(struct loop *loop, const struct vmm_config *config, const struct machine_ops *ops,
		void *ctx, struct machine **ret, struct err *err);
/* Ends the vCPUs' threads, whatever they do. Returns NULL. */
struct machine *machine_free(struct machine *machine);

/* Starts the vCPUs' threads. */
int machine_start(struct machine *machine, struct err *err);

/* All wait until it is done. */
int machine_pause(struct machine *machine, struct err *err);
int machine_resume(struct machine *machine, struct err *err);
/* Presses the power button: the guest's to act on. */
void machine_power_button(struct machine *machine);
void machine_nmi(struct machine *machine);

/* As devices_plug() and devices_unplug(), of a machine that runs or is paused; fds: vmm_plug_fds() of them. */
int machine_plug(struct machine *machine, const struct vmm_plug *plug, const int *fds,
		 struct err *err);
int machine_unplug(struct machine *machine, const struct vmm_plug *plug, struct err *err);
/* As devices_grow(). */
int machine_grow(struct machine *machine, const struct vmm_grow *grow, struct err *err);
/* As devices_tune(). */
void machine_tune(struct machine *machine, const struct vmm_tune *tune);

#endif
