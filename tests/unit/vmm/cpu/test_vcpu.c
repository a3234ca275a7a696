// SPDX-License-Identifier: GPL-2.0-or-later
/* Guests of a few instructions in real mode, which every KVM runs. */
#include "vmm/cpu/vcpu.h"
#include "base/take.h"
#include "vmm/mem/ram.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <cmocka.h>

#define CODE	   0x1000
#define PORT	   0xf4
#define DEADLINE_S 20

struct stage {
	int kvm;
	struct ram *ram;
	struct vm *vm;
	struct vcpu *vcpu;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int running, gone, parked, parks;
	int stopped;
	enum vcpu_stop why;
	uint8_t out[8];
	size_t n_out;
	uint64_t wrote_at, wrote, read_at;
};

static void stage_port_read(void *ctx _unused_, uint16_t port, void *data, size_t len)
{
	memset(data, port == PORT ? 0x21 : 0xff, len);
}

static void stage_port_write(void *ctx, uint16_t port, const void *data, size_t len)
{
	struct stage *stage = ctx;

	pthread_mutex_lock(&stage->lock);
	if (port == PORT && len == 1 && stage->n_out < sizeof(stage->out))
		stage->out[stage->n_out++] = *(const uint8_t *)data;
	pthread_cond_broadcast(&stage->changed);
	pthread_mutex_unlock(&stage->lock);
}

static void stage_memory_read(void *ctx, uint64_t gpa, void *data, size_t len)
{
	((struct stage *)ctx)->read_at = gpa;
	memset(data, 0x17, len);
}

static void stage_memory_write(void *ctx, uint64_t gpa, const void *data, size_t len _unused_)
{
	struct stage *stage = ctx;

	stage->wrote_at = gpa;
	stage->wrote = *(const uint8_t *)data;
}

static void stage_eoi(void *ctx _unused_, uint8_t vector _unused_)
{
}

static int stage_park(void *ctx, unsigned int id _unused_)
{
	struct stage *stage = ctx;
	int goes_on;

	pthread_mutex_lock(&stage->lock);
	stage->parks++;
	while (!stage->running && !stage->gone) {
		stage->parked = 1;
		pthread_cond_broadcast(&stage->changed);
		pthread_cond_wait(&stage->changed, &stage->lock);
	}
	stage->parked = 0;
	goes_on = !stage->gone;
	pthread_cond_broadcast(&stage->changed);
	pthread_mutex_unlock(&stage->lock);
	return goes_on;
}

static void stage_stopped(void *ctx, unsigned int id _unused_, enum vcpu_stop why,
			  const struct err *err _unused_)
{
	struct stage *stage = ctx;

	pthread_mutex_lock(&stage->lock);
	stage->stopped = 1;
	stage->why = why;
	stage->running = 0;
	pthread_cond_broadcast(&stage->changed);
	pthread_mutex_unlock(&stage->lock);
}

static const struct vcpu_ops stage_ops = {
	.port_read = stage_port_read,
	.port_write = stage_port_write,
	.memory_read = stage_memory_read,
	.memory_write = stage_memory_write,
	.eoi = stage_eoi,
	.park = stage_park,
	.stopped = stage_stopped,
};

static void stage_load(struct stage *stage, const void *code, size_t len)
{
	struct kvm_regs regs = { .rip = CODE, .rflags = 2, .rsp = 0x8000 };
	struct kvm_sregs sregs;

	assert_int_equal(ram_write(stage->ram, CODE, code, len), 0);
	assert_int_equal(ioctl(vcpu_fd(stage->vcpu), KVM_GET_SREGS, &sregs), 0);
	sregs.cs.base = sregs.cs.selector = 0;
	assert_int_equal(ioctl(vcpu_fd(stage->vcpu), KVM_SET_SREGS, &sregs), 0);
	assert_int_equal(ioctl(vcpu_fd(stage->vcpu), KVM_SET_REGS, &regs), 0);
}

/* Skips the test where there is no KVM. */
static void stage_open(struct stage *stage, const void *code, size_t len)
{
	struct ram_options options = { .size = 2 << 20 };
	struct err err = ERR_INIT;

	*stage = (struct stage){ .lock = PTHREAD_MUTEX_INITIALIZER,
				 .changed = PTHREAD_COND_INITIALIZER };
	stage->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (stage->kvm < 0)
		skip();
	assert_int_equal(vcpu_prepare_signals(&err), 0);
	assert_int_equal(ram_new(&options, &stage->ram, &err), 0);
	assert_int_equal(vm_new(stage->kvm, stage->ram, NULL, &stage->vm, &err), 0);
	assert_int_equal(vcpu_new(stage->vm, 0, &stage_ops, stage, &stage->vcpu, &err), 0);
	stage_load(stage, code, len);
	assert_int_equal(vcpu_start(stage->vcpu, &err), 0);
}

static void stage_set(struct stage *stage, int *what, int value)
{
	pthread_mutex_lock(&stage->lock);
	*what = value;
	pthread_cond_broadcast(&stage->changed);
	pthread_mutex_unlock(&stage->lock);
}

static void stage_close(struct stage *stage)
{
	stage_set(stage, &stage->gone, 1);
	vcpu_kick(stage->vcpu);
	vcpu_join(stage->vcpu);
	vcpu_free(stage->vcpu);
	vm_free(stage->vm);
	ram_free(stage->ram);
	fd_close(stage->kvm);
}

/* Until *what has the value, or the deadline. */
static int stage_wait(struct stage *stage, const int *what, int value)
{
	struct timespec until;
	int is, r = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += DEADLINE_S;
	pthread_mutex_lock(&stage->lock);
	while (*what != value && r == 0)
		r = pthread_cond_timedwait(&stage->changed, &stage->lock, &until);
	is = *what == value;
	pthread_mutex_unlock(&stage->lock);
	return is;
}

static void a_guest_reaches_ports(void **state _unused_)
{
	static const uint8_t code[] = {
		0xe4, PORT, /* in al, PORT */
		0xfe, 0xc0, /* inc al */
		0xe6, PORT, /* out PORT, al */
		0xeb, 0xfe, /* jmp to itself */
	};
	struct stage stage;

	stage_open(&stage, code, sizeof(code));
	assert_true(stage_wait(&stage, &stage.parked, 1));
	stage_set(&stage, &stage.running, 1);
	pthread_mutex_lock(&stage.lock);
	while (!stage.n_out)
		pthread_cond_wait(&stage.changed, &stage.lock);
	pthread_mutex_unlock(&stage.lock);
	assert_int_equal(stage.out[0], 0x22);
	stage_close(&stage);
}

static void an_endless_guest_can_be_parked_and_goes_on(void **state _unused_)
{
	static const uint8_t code[] = { 0xeb, 0xfe }; /* jmp to itself */
	struct stage stage;

	stage_open(&stage, code, sizeof(code));
	for (int round = 0; round < 20; round++) {
		assert_true(stage_wait(&stage, &stage.parked, 1));
		stage_set(&stage, &stage.running, 1);
		assert_true(stage_wait(&stage, &stage.parked, 0));
		stage_set(&stage, &stage.running, 0);
		vcpu_kick(stage.vcpu);
	}
	assert_true(stage_wait(&stage, &stage.parked, 1));
	assert_false(stage.stopped);
	stage_close(&stage);
}

static void kicks_that_come_at_any_moment_lose_nothing(void **state _unused_)
{
	static const uint8_t code[] = {
		0xe4, PORT, /* in al, PORT */
		0xeb, 0xfc, /* jmp back */
	};
	struct stage stage;

	stage_open(&stage, code, sizeof(code));
	stage_set(&stage, &stage.running, 1);
	for (int i = 0; i < 2000; i++)
		vcpu_kick(stage.vcpu);
	stage_set(&stage, &stage.running, 0);
	vcpu_kick(stage.vcpu);
	assert_true(stage_wait(&stage, &stage.parked, 1));
	stage_close(&stage);
}

static void a_halted_guest_ends_when_it_is_told_to(void **state _unused_)
{
	static const uint8_t code[] = { 0xfa, 0xf4 }; /* cli, hlt */
	struct stage stage;

	stage_open(&stage, code, sizeof(code));
	stage_set(&stage, &stage.running, 1);
	stage_close(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_reaches_ports),
		cmocka_unit_test(an_endless_guest_can_be_parked_and_goes_on),
		cmocka_unit_test(kicks_that_come_at_any_moment_lose_nothing),
		cmocka_unit_test(a_halted_guest_ends_when_it_is_told_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
