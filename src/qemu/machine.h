/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef QEMU_MACHINE_H
#define QEMU_MACHINE_H

#include "proto/driver.h"
#include "sys/sandbox.h"

/* A QEMU process with its disks and its control group. What to do with it is the driver's affair. */
struct machine;

/* Who QEMU runs as: nobody and nogroup of the Linux Standard Base, who own no file. All machines share
 * the user, but each has namespaces of its own and can neither see nor signal another one. */
#define MACHINE_UID 65534
#define MACHINE_GID 65534

/* Our ends of its streams; a taken one is -EBADF. */
enum { MACHINE_QMP, MACHINE_SERIAL, MACHINE_AGENT, MACHINE_ERRORS, MACHINE_STREAMS };

/* Starts QEMU for the instance: its kernel begins to boot at once. */
int machine_start(const struct driver_host *host, struct machine **ret, struct err *err);
/* Kills what still runs, removes the control group. Returns NULL. */
struct machine *machine_free(struct machine *machine);

int machine_take_stream(struct machine *machine, int stream);
pid_t machine_pid(const struct machine *machine);
/* Readable once QEMU has ended. */
int machine_pidfd(const struct machine *machine);
void machine_kill(struct machine *machine);

/*
 * After QEMU's end: reaps it and removes its control group. Returns 0 if it ended by itself as it
 * should; else err says what happened (its sandbox could not be made, it failed, it was killed).
 */
int machine_reap(struct machine *machine, struct err *err);

#endif
