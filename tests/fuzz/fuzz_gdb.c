// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/cpu/gdb.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/*
 * The input: what a debugger sends. A byte of all ones, which no packet of its own has, is a debug exit of a
 * vCPU that runs, told by the byte after it; then the loop goes once around.
 */
#define FUZZ_CPUS 2
#define FUZZ_RAM  ((uint64_t)2 << 20)

static struct {
	struct loop *loop;
	struct loop_source *timer;
	struct ram *ram;
	struct gdb *gdb;
	struct gdb_regs regs[FUZZ_CPUS];
	uint64_t running;
	int turned;
} fuzz;

static void fuzz_halt(void *ctx)
{
	(void)ctx;
	fuzz.running = 0;
}

static void fuzz_resume(void *ctx, uint64_t cpus)
{
	(void)ctx;
	if (!cpus || cpus >> FUZZ_CPUS)
		abort();
	fuzz.running |= cpus;
}

static void fuzz_kill(void *ctx)
{
	(void)ctx;
}

static int fuzz_vcpu(void *ctx, unsigned int cpu)
{
	(void)ctx;
	return (int)cpu;
}

/* Of a vCPU that is there and stands still. */
static struct gdb_regs *fuzz_cpu(int cpu)
{
	if (cpu < 0 || cpu >= FUZZ_CPUS || fuzz.running >> cpu & 1)
		abort();
	return &fuzz.regs[cpu];
}

static int fuzz_read(int cpu, struct gdb_regs *regs)
{
	*regs = *fuzz_cpu(cpu);
	return 0;
}

static int fuzz_write(int cpu, const struct gdb_regs *regs, int parts)
{
	if (!parts)
		abort();
	*fuzz_cpu(cpu) = *regs;
	return 0;
}

/* Every fourth page is missing; what is past the end of memory is mapped all the same. */
static int fuzz_translate(int cpu, uint64_t gva, uint64_t *gpa)
{
	(void)fuzz_cpu(cpu);
	*gpa = gva;
	return (gva >> 12 & 3) == 3 ? -EFAULT : 0;
}

static int fuzz_debug(int cpu, const struct kvm_guest_debug *debug, uint64_t dr6)
{
	(void)fuzz_cpu(cpu), (void)debug, (void)dr6;
	return 0;
}

static const struct gdb_ops fuzz_ops = { fuzz_halt, fuzz_resume, fuzz_kill, fuzz_vcpu };
static const struct gdb_cpu_ops fuzz_cpu_ops = { fuzz_read, fuzz_write, fuzz_translate,
						 fuzz_debug };

/* Twice, since what is ready beside the timer is served only after its first time. */
static void fuzz_on_timer(void *ctx)
{
	(void)ctx;
	if (fuzz.turned++)
		loop_exit(fuzz.loop, 0);
	else
		loop_timer_set(fuzz.timer, 0);
}

static void fuzz_turn(void)
{
	fuzz.turned = 0;
	loop_timer_set(fuzz.timer, 0);
	(void)loop_run(fuzz.loop);
}

static void fuzz_stop(uint8_t how)
{
	unsigned int cpu = how & 1;
	struct vcpu_debug debug = { how & 2 ? 3 : 1, how & 0xfc, how >> 2 & 15 };

	if (fuzz.running >> cpu & 1) {
		fuzz.running &= ~(1ULL << cpu);
		gdb_stopped(fuzz.gdb, cpu, &debug);
	}
	if (how & 0x80)
		fuzz_turn();
}

static void fuzz_play(const uint8_t *data, size_t size)
{
	const uint8_t *stop;

	while ((stop = memchr(data, 0xff, size)) && stop + 1 < data + size) {
		gdb_feed(fuzz.gdb, (const char *)data, (size_t)(stop - data));
		fuzz_stop(stop[1]);
		size -= (size_t)(stop + 2 - data);
		data = stop + 2;
	}
	gdb_feed(fuzz.gdb, (const char *)data, size);
	fuzz_turn();
}

/* What stays from one input to the next, since making it takes longer than most of them do. */
static void fuzz_prepare(void)
{
	struct ram_options options = { .size = FUZZ_RAM };
	struct err err = ERR_INIT;

	if (!fuzz.loop) {
		if (loop_new(&fuzz.loop, &err) < 0 || ram_new(&options, &fuzz.ram, &err) < 0)
			abort();
		fuzz.timer = loop_add_timer(fuzz.loop, fuzz_on_timer, NULL);
		if (!fuzz.timer)
			abort();
	}
	if (ram_discard(fuzz.ram, 0, FUZZ_RAM) < 0)
		abort();
	memset(fuzz.regs, 0, sizeof(fuzz.regs));
	fuzz.running = 3;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gdb_site site = { .cpus = FUZZ_CPUS, .cpu_ops = &fuzz_cpu_ops, .ops = &fuzz_ops };
	struct err err = ERR_INIT;
	int pair[2];

	fuzz_prepare();
	site.loop = fuzz.loop;
	site.ram = fuzz.ram;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 ||
	    gdb_new(&site, pair[0], &fuzz.gdb, &err) < 0)
		abort();
	fuzz_play(data, size);
	close(pair[1]);
	fuzz_turn();
	if (fuzz.running != 3) /* what it left behind is to be taken away */
		abort();
	gdb_free(fuzz.gdb);
	return 0;
}
