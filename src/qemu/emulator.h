/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef QEMU_EMULATOR_H
#define QEMU_EMULATOR_H

#include "proto/driver.h"
#include "sys/sandbox.h"

/* A QEMU process with its disks and its control group. What to do with it is the driver's affair. */
struct emulator;

/* Who QEMU runs as: nobody and nogroup of the Linux Standard Base, who own no file. All machines share
 * the user, but each has namespaces of its own and can neither see nor signal another one. */
#define EMULATOR_UID 65534
#define EMULATOR_GID 65534

/* Our ends of its streams; a taken one is -EBADF. */
enum { EMULATOR_QMP, EMULATOR_SERIAL, EMULATOR_AGENT, EMULATOR_ERRORS, EMULATOR_STREAMS };

/* Starts QEMU for the instance: its kernel begins to boot at once. */
int emulator_start(const struct driver_host *host, struct emulator **ret, struct err *err);
/* Kills what still runs, removes the control group. Returns NULL. */
struct emulator *emulator_free(struct emulator *emulator);

/* Bytes of memory that the machine was started with. */
int64_t emulator_memory(const struct emulator *emulator);
/* QEMU is not told of rates of its own disks, so an instance may have some only by a best effort. */
int emulator_check_rates(const struct instance *instance, struct err *err);

int emulator_take_stream(struct emulator *emulator, int stream);
pid_t emulator_pid(const struct emulator *emulator);
/* Readable once QEMU has ended. */
int emulator_pidfd(const struct emulator *emulator);
void emulator_kill(struct emulator *emulator);

/*
 * After QEMU's end: reaps it and removes its control group. Returns 0 if it ended by itself as it
 * should; else err says what happened (its sandbox could not be made, it failed, it was killed).
 */
int emulator_reap(struct emulator *emulator, struct err *err);

#endif
