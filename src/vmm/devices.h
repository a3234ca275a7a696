/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_DEVICES_H
#define VMM_DEVICES_H

#include "base/err.h"
#include "proto/vmm.h"
#include "sys/trail.h"
#include "vmm/bus/hv.h"
#include "vmm/bus/msi.h"
#include "vmm/bus/pci.h"
#include "vmm/virtio/virtio.h"

/* Where a machine's virtio devices are made: all that it starts with in the order of one table, and later ones. */
struct devices_site {
	const struct vmm_config *config;
	struct virtio_host host;
	struct pci *pci;
	struct msi *msi;
	struct hv hv;
	struct balloon *balloon;    /* filled by devices_new() */
	const char *tag;	    /* of a share that comes later; NULL: by its number */
	const int *fds;		    /* what the devices take, in their order; or NULL and */
	int next_fd;		    /* of proto/vmm.h's, at first VMM_FD_FIRST */
	struct trail *trail;	    /* sys/trail.h; or NULL */
	void (*came_up)(void *ctx); /* the guest's agent has opened its port */
	void *ctx;
};

/* How many devices more than at its start a machine has room for. */
#define DEVICES_SPARE 16

struct devices;

/* How many there will be. */
unsigned int devices_count(const struct vmm_config *config);

int devices_new(struct devices_site *site, struct devices **ret, struct err *err);
struct devices *devices_free(struct devices *devices); /* returns NULL */

/*
 * One more, with site->fds (vmm_plug_fds()), which are the machine's from then on, also on failure. site->config counts
 * for its CPUs alone. -EEXIST: there is one of that name. The guest finds it when it looks at its bus.
 */
int devices_plug(struct devices *devices, const struct devices_site *site,
		 const struct vmm_plug *plug, struct err *err);
/*
 * It is gone when this returns: nothing signals its queues or its interrupts, nothing of it is at any address, and
 * what the guest asks of it from then on is an access to nothing. -ENOENT: there is none of that name.
 */
int devices_unplug(struct devices *devices, const struct vmm_plug *plug, struct err *err);
/* Tells the guest that a disk is larger, as disk_grow() has it. -ENOENT: there is none with that serial number. */
int devices_grow(struct devices *devices, const struct vmm_grow *grow, struct err *err);
/* How much memory the guest is to do without, and the rates of all its disks, from now on. */
void devices_tune(struct devices *devices, const struct vmm_tune *tune);

#endif
