/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_JAIL_H
#define VMM_JAIL_H

#include "base/err.h"

/*
 * How the vmm role gives up its privilege, in stages; jail.c says which. Each function is for one stage, and
 * comes once in the process but for jail_enter(), which comes once in each thread.
 */

/* What a thread does, and so what it may ask of the kernel (vmm/jail_calls.c). */
enum jail_thread {
	JAIL_DEVICE, /* the loop's: devices and the keeper's requests */
	JAIL_VCPU,   /* runs the guest, and devices when the guest touches them */
	JAIL_WORKER, /* does a disk's blocking work */
	JAIL_THREADS,
};

extern const char *const jail_thread_names[JAIL_THREADS + 1]; /* "device", "vcpu", "worker" */

/* What not every machine has, and what is not allowed without it; and what only a build for tests has. */
enum { JAIL_WITH_VSOCK = 1 << 0, JAIL_WITH_SANITIZER = 1 << 1, JAIL_WITH_GDB = 1 << 2 };

/* Builds the filters, while there is memory and time. with: of JAIL_WITH_VSOCK and GDB. */
int jail_prepare(unsigned int with, struct err *err);

/* The process sees no file system any more, and has no capability in the calling thread. */
int jail_close(struct err *err);

/*
 * The calling thread has no capability any more, and a system call that is not on the list for its kind ends the
 * process (SIGSYS). The filter passes on to the threads that it starts; those that are to have one of their own
 * are started before.
 * In a process without jail_prepare(), as a test of the machine is, nothing happens.
 */
int jail_enter(enum jail_thread kind, struct err *err);

#endif
