/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_HULL_H
#define VMM_HULL_H

#include "proto/driver.h"
#include "proto/vmm.h"

/*
 * The process that a VM lives in, as its keeper holds it: made with all that it will ever have, which are
 * descriptors (proto/vmm.h), namespaces and a control group; reaped at its end. What is said to it is the
 * driver's affair (vmm/driver.c), what it does the role's (vmm/role.h).
 */
struct hull;

/* Who it is outside of its user namespace: nobody of the Linux Standard Base, who owns no file. All VMs share
 * the user, but each has namespaces of its own and can neither see nor signal another one. */
#define HULL_UID 65534
#define HULL_GID 65534

/* Our ends of its streams; a taken one is -EBADF. */
enum { HULL_CONTROL, HULL_SERIAL, HULL_AGENT, HULL_ERRORS, HULL_STREAMS };

/* The rates that an instance has its own disks limited to. */
struct vmm_rates hull_rates(const struct instance *instance);

/* Starts the process, which waits to be configured. */
int hull_start(const struct driver_host *host, struct hull **ret, struct err *err);
/* Kills what still runs, removes the control group. Returns NULL. */
struct hull *hull_free(struct hull *hull);

/*
 * One more folder, of the record's `volumes`, that the process is to be told of by *ret_tag, with *ret_socket, the
 * caller's. -EBUSY: the machine was started with none, so its memory is its own.
 */
int hull_show(struct hull *hull, const struct driver_host *host, const char *share,
	      const char **ret_tag, int *ret_socket, struct err *err);
/* The tag of the one at that path inside, or NULL. */
const char *hull_shown(const struct hull *hull, const char *target);
/* It is over, and its server with it. */
void hull_hide(struct hull *hull, const char *target);

/* What it is to be configured with; of the hull. */
const struct vmm_config *hull_config(const struct hull *hull);
int hull_take_stream(struct hull *hull, int stream);
pid_t hull_pid(const struct hull *hull);
/* Readable once the process has ended. */
int hull_pidfd(const struct hull *hull);
void hull_kill(struct hull *hull);

/*
 * After its end: reaps it and removes its control group. Returns 0 if the process ended by itself with
 * status 0; else err says what happened (it could not be made, it failed, it was killed).
 */
int hull_reap(struct hull *hull, struct err *err);

#endif
