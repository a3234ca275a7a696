/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_CPU_VCPU_H
#define VMM_CPU_VCPU_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/cpu/vm.h"

/*
 * A virtual CPU and its thread. It knows no bus and no device: what its guest does beyond memory goes to
 * the ops, in its own thread.
 */
struct vcpu;

/* Why a vCPU does not go on by itself. */
enum vcpu_stop {
	VCPU_STOP_FAULT, /* triple fault */
	VCPU_STOP_ERROR, /* KVM could not run it; err says more */
	VCPU_STOP_DEBUG, /* a breakpoint or a single step */
};

struct vcpu_ops {
	/* In the new thread, before anything else: its seccomp filter. NULL: nothing. */
	int (*begin)(void *ctx, struct err *err);
	/* An access of len bytes (1, 2, 4; 8 for memory). */
	void (*port_read)(void *ctx, uint16_t port, void *data, size_t len);
	void (*port_write)(void *ctx, uint16_t port, const void *data, size_t len);
	void (*memory_read)(void *ctx, uint64_t gpa, void *data, size_t len);
	void (*memory_write)(void *ctx, uint64_t gpa, const void *data, size_t len);
	/* The guest has acknowledged a level-triggered interrupt. */
	void (*eoi)(void *ctx, uint8_t vector);
	/* Asked after each kick, and at first: waits until the vCPU may run. 0: its thread must end. */
	int (*park)(void *ctx, unsigned int id);
	/* It stands still; the thread goes to park() next. */
	void (*stopped)(void *ctx, unsigned int id, enum vcpu_stop why, const struct err *err);
};

int vcpu_new(struct vm *vm, unsigned int id, const struct vcpu_ops *ops, void *ctx,
	     struct vcpu **ret, struct err *err);
/* The thread has ended, or was never started. Returns NULL. */
struct vcpu *vcpu_free(struct vcpu *vcpu);

int vcpu_fd(const struct vcpu *vcpu); /* stays the vCPU's */

/* Of VCPU_STOP_DEBUG, until it runs again: the exception (1 #DB, 3 #BP), where, and DR6 as it would be. */
struct vcpu_debug {
	uint32_t exception;
	uint64_t pc, dr6;
};

void vcpu_debug(const struct vcpu *vcpu, struct vcpu_debug *ret);

/* Signals that kick use: blocked in all threads but those of vCPUs. Call it once, before any thread. */
int vcpu_prepare_signals(struct err *err);

/* Starts the thread, which asks park() before it first runs. */
int vcpu_start(struct vcpu *vcpu, struct err *err);
/* Gets it out of the guest, or keeps it from going in, once; then it calls park(). From any thread. */
void vcpu_kick(struct vcpu *vcpu);
/* Waits for its thread's end, which park() brings about. */
void vcpu_join(struct vcpu *vcpu);

#endif
