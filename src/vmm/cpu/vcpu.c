// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: the thread runs the guest until it exits, passes the exit on, and runs it again. A kick sets
 * vcpu->kicked and sends a signal, whose handler makes KVM_RUN return at once, now or when it is called next.
 *
 * Invariants:
 *  1. kicked is set before the signal is sent and cleared before park() is asked, so no kick is lost.
 *  2. An exit's data stays in kvm_run until KVM_RUN is called again, which first completes the access: before
 *     park() it is called once more with immediate_exit, so that a parked vCPU's registers are whole.
 */
#include "vmm/cpu/vcpu.h"
#include "base/mem.h"

#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

/* What a vCPU's thread needs is a few pages; the kernel's own default would count against RLIMIT_AS. */
#define VCPU_STACK ((size_t)128 << 10)

struct vcpu {
	struct vm *vm;
	unsigned int id;
	int fd;
	struct kvm_run *run;
	size_t run_size;
	const struct vcpu_ops *ops;
	void *ctx;
	pthread_t thread;
	int started;
	int pending; /* an access is to be completed */
	atomic_int kicked;
};

/* For the signal handler, which has no other way to it. */
static __thread struct kvm_run *vcpu_running;

static int vcpu_signal(void)
{
	return SIGRTMIN;
}

static void vcpu_on_signal(int number _unused_)
{
	if (vcpu_running)
		__atomic_store_n(&vcpu_running->immediate_exit, 1, __ATOMIC_RELAXED);
}

int vcpu_prepare_signals(struct err *err)
{
	struct sigaction action = { .sa_handler = vcpu_on_signal };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, vcpu_signal());
	if (sigaction(vcpu_signal(), &action, NULL) < 0 ||
	    pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
		return err_errno(err, -errno, "cannot prepare signals");
	return 0;
}

int vcpu_new(struct vm *vm, unsigned int id, const struct vcpu_ops *ops, void *ctx,
	     struct vcpu **ret, struct err *err)
{
	int size = ioctl(vm_kvm(vm), KVM_GET_VCPU_MMAP_SIZE, 0);
	struct vcpu *vcpu = mem_zalloc(sizeof(*vcpu));

	*vcpu = (struct vcpu){ .vm = vm, .id = id, .fd = -EBADF, .ops = ops, .ctx = ctx };
	atomic_init(&vcpu->kicked, 1);
	vcpu->fd = ioctl(vm_fd(vm), KVM_CREATE_VCPU, id);
	if (size < (int)sizeof(*vcpu->run) || vcpu->fd < 0) {
		err_errno(err, -errno, "KVM makes no virtual CPU");
		vcpu_free(vcpu);
		return err->code;
	}
	vcpu->run_size = (size_t)size;
	vcpu->run = mmap(NULL, vcpu->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED) {
		vcpu->run = NULL;
		err_errno(err, -errno, "cannot map a virtual CPU");
		vcpu_free(vcpu);
		return err->code;
	}
	*ret = vcpu;
	return 0;
}

struct vcpu *vcpu_free(struct vcpu *vcpu)
{
	if (!vcpu)
		return NULL;
	if (vcpu->run)
		(void)munmap(vcpu->run, vcpu->run_size);
	fd_close(vcpu->fd);
	free(vcpu);
	return NULL;
}

int vcpu_fd(const struct vcpu *vcpu)
{
	return vcpu->fd;
}

void vcpu_debug(const struct vcpu *vcpu, struct vcpu_debug *ret)
{
	const struct kvm_debug_exit_arch *debug = &vcpu->run->debug.arch;

	*ret = (struct vcpu_debug){ debug->exception, debug->pc, debug->dr6 };
}

/* KVM lets only whole accesses out, in the mapping of kvm_run. */
static void vcpu_on_port(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
		if (run->io.direction == KVM_EXIT_IO_IN)
			vcpu->ops->port_read(vcpu->ctx, run->io.port, data, run->io.size);
		else
			vcpu->ops->port_write(vcpu->ctx, run->io.port, data, run->io.size);
	}
	vcpu->pending = 1;
}

static void vcpu_on_memory(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	if (run->mmio.is_write)
		vcpu->ops->memory_write(vcpu->ctx, run->mmio.phys_addr, run->mmio.data,
					run->mmio.len);
	else
		vcpu->ops->memory_read(vcpu->ctx, run->mmio.phys_addr, run->mmio.data,
				       run->mmio.len);
	vcpu->pending = 1;
}

static void vcpu_on_eoi(struct vcpu *vcpu)
{
	vcpu->ops->eoi(vcpu->ctx, vcpu->run->eoi.vector);
}

static void vcpu_stop(struct vcpu *vcpu, enum vcpu_stop why, const struct err *err)
{
	atomic_store(&vcpu->kicked, 1);
	vcpu->ops->stopped(vcpu->ctx, vcpu->id, why, err);
}

/* Where it stood, for whoever has to find out why. */
static uint64_t vcpu_rip(const struct vcpu *vcpu)
{
	struct kvm_regs regs = { 0 };

	return ioctl(vcpu->fd, KVM_GET_REGS, &regs) < 0 ? 0 : regs.rip;
}

static void vcpu_on_error(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	uintmax_t rip = vcpu_rip(vcpu);
	struct err err = ERR_INIT;

	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		err_set(&err, -EIO,
			"KVM cannot run the guest's CPU %u (internal error %u, at %#jx)", vcpu->id,
			run->internal.suberror, rip);
	else if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		err_set(&err, -EIO,
			"the host's CPU refuses the guest's CPU %u (reason %#jx, at %#jx)",
			vcpu->id, (uintmax_t)run->fail_entry.hardware_entry_failure_reason, rip);
	else
		err_set(&err, -EIO, "KVM stopped the guest's CPU %u (exit reason %u, at %#jx)",
			vcpu->id, run->exit_reason, rip);
	vcpu_stop(vcpu, VCPU_STOP_ERROR, &err);
}

static void vcpu_on_shutdown(struct vcpu *vcpu)
{
	vcpu_stop(vcpu, VCPU_STOP_FAULT, NULL);
}

static void vcpu_on_debug(struct vcpu *vcpu)
{
	vcpu_stop(vcpu, VCPU_STOP_DEBUG, NULL);
}

static void vcpu_on_nothing(struct vcpu *vcpu _unused_)
{
}

static void (*const vcpu_exits[])(struct vcpu *vcpu) = {
	[KVM_EXIT_IO] = vcpu_on_port,
	[KVM_EXIT_MMIO] = vcpu_on_memory,
	[KVM_EXIT_IOAPIC_EOI] = vcpu_on_eoi,
	[KVM_EXIT_SHUTDOWN] = vcpu_on_shutdown,
	[KVM_EXIT_DEBUG] = vcpu_on_debug,
	[KVM_EXIT_INTR] = vcpu_on_nothing,
	[KVM_EXIT_IRQ_WINDOW_OPEN] = vcpu_on_nothing,
};

static void vcpu_handle(struct vcpu *vcpu)
{
	uint32_t reason = vcpu->run->exit_reason;

	if (reason < ARRAY_SIZE(vcpu_exits) && vcpu_exits[reason])
		vcpu_exits[reason](vcpu);
	else
		vcpu_on_error(vcpu);
}

/* EINTR is a kick, perhaps one whose flag was already seen: park() and the flag make a new start. */
static void vcpu_enter(struct vcpu *vcpu)
{
	struct err err = ERR_INIT;

	vcpu->pending = 0;
	if (ioctl(vcpu->fd, KVM_RUN, 0) == 0) {
		vcpu_handle(vcpu);
		return;
	}
	if (errno == EINTR || errno == EAGAIN) {
		atomic_store(&vcpu->kicked, 1);
		return;
	}
	if (errno == EFAULT)
		err_set(&err, -EFAULT, "the host has no memory for the guest's CPU %u (at %#jx)",
			vcpu->id, (uintmax_t)vcpu_rip(vcpu));
	else
		err_errno(&err, -errno, "KVM does not run the guest's CPU %u", vcpu->id);
	vcpu_stop(vcpu, VCPU_STOP_ERROR, &err);
}

/* Invariant 2. */
static void vcpu_complete(struct vcpu *vcpu)
{
	if (!vcpu->pending)
		return;
	vcpu->pending = 0;
	vcpu->run->immediate_exit = 1;
	(void)ioctl(vcpu->fd, KVM_RUN, 0);
}

static void *vcpu_main(void *arg)
{
	struct vcpu *vcpu = arg;
	struct err err = ERR_INIT;
	sigset_t set;

	vcpu_running = vcpu->run;
	sigemptyset(&set);
	sigaddset(&set, vcpu_signal());
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	if (vcpu->ops->begin && vcpu->ops->begin(vcpu->ctx, &err) < 0)
		vcpu_stop(vcpu, VCPU_STOP_ERROR, &err);
	for (;;) {
		if (atomic_exchange(&vcpu->kicked, 0)) {
			vcpu_complete(vcpu);
			if (!vcpu->ops->park(vcpu->ctx, vcpu->id))
				break;
			/* A kick since then has set kicked; its signal may have come before this. */
			vcpu->run->immediate_exit = 0;
			if (atomic_load(&vcpu->kicked))
				continue;
		}
		vcpu_enter(vcpu);
	}
	vcpu_running = NULL;
	return NULL;
}

int vcpu_start(struct vcpu *vcpu, struct err *err)
{
	pthread_attr_t attr;
	char name[16];
	int r = pthread_attr_init(&attr);

	if (r == 0)
		r = pthread_attr_setstacksize(&attr, VCPU_STACK);
	if (r == 0)
		r = pthread_create(&vcpu->thread, &attr, vcpu_main, vcpu);
	(void)pthread_attr_destroy(&attr);
	if (r)
		return err_errno(err, -r, "cannot start a thread for a virtual CPU");
	vcpu->started = 1;
	snprintf(name, sizeof(name), "vcpu%u", vcpu->id);
	(void)pthread_setname_np(vcpu->thread, name);
	return 0;
}

void vcpu_kick(struct vcpu *vcpu)
{
	atomic_store(&vcpu->kicked, 1);
	if (vcpu->started)
		(void)pthread_kill(vcpu->thread, vcpu_signal());
}

void vcpu_join(struct vcpu *vcpu)
{
	if (vcpu->started)
		(void)pthread_join(vcpu->thread, NULL);
	vcpu->started = 0;
}
