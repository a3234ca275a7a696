/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef QEMU_COMMAND_H
#define QEMU_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "proto/drive.h"
#include "proto/driver.h"

/*
 * QEMU's command line for one machine. QEMU opens nothing by name but its own firmware, the kernel and
 * the initramfs: everything else comes to it as numbered descriptors.
 */
enum {
	COMMAND_FD_QMP = 3, /* sockets */
	COMMAND_FD_SERIAL,
	COMMAND_FD_AGENT,
	COMMAND_FD_DATA, /* the writable disk */
	COMMAND_FD_LAYERS, /* and those after it: read-only disks, lowest layer first; drives; sockets of virtiofsd;
			      of each card its taps, and then as many vhosts, or its stream */
};

/* Where the sandbox shows QEMU the two files that it can only open by name. */
#define COMMAND_KERNEL	  "boot/vmlinux"
#define COMMAND_INITRAMFS "boot/initramfs.img"

/* Code that TCG has translated, in MiB: what an idle Debian needs several times over, where QEMU's own
 * default of up to 1 GiB would count against the VM's memory. */
#define COMMAND_TCG_CACHE 128

struct command {
	const char *program; /* full path */
	const char *name;    /* of the instance */
	int kvm;	     /* else TCG */
	int64_t tsc_khz;     /* of the host; 0: unknown */
	int64_t memory;	     /* bytes */
	int64_t cpus;
	size_t layers, shares;
	int diskless; /* it has no writable disk */
	const struct drive *drives;
	size_t n_drives;
	const struct driver_nic *nics; /* their descriptors count for nothing here */
	size_t n_nics;
	const char *kernel_args; /* added to the kernel's command line; NULL: nothing */
};

/* How many descriptors a card takes. */
size_t command_nic_fds(const struct driver_nic *nic);
/* Caller frees. */
char **command_build(const struct command *command);

#endif
