// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: machine_steps[] makes the parts in the order that costs least (memory slots before anything
 * that KVM would have to synchronize with); machine_free() undoes what there is in the reverse order.
 *
 *   halted --start, resume--> running --pause--> halted
 *        \---------- a vCPU, a device or the keeper ends it ----------> ended
 *
 * Invariants:
 *  1. The device thread holds the lock from machine_new() on, but for its waits in the loop and for the
 *     vCPUs. A vCPU's thread takes it for one access of its guest, or to park.
 *  2. A vCPU runs only while the machine is running. Who makes it stop changes the state, kicks every vCPU,
 *     and, if it is the device thread, waits until all are parked.
 *  3. The first cause of an end is the one that is told, once, from the device thread.
 *  4. A vCPU that is not in may_run is parked as well: a debugger's halt, apart from the state.
 */
#include "vmm/machine.h"
#include "base/mem.h"
#include "sys/shed.h"
#include "sys/trail.h"
#include "vmm/acpi/acpi.h"
#include "vmm/acpi/ged.h"
#include "vmm/acpi/power.h"
#include "vmm/boot/boot.h"
#include "vmm/boot/smbios.h"
#include "vmm/bus/bus.h"
#include "vmm/bus/msi.h"
#include "vmm/bus/pci.h"
#include "vmm/cpu/cpuid.h"
#include "vmm/cpu/gdb.h"
#include "vmm/cpu/gdb_kvm.h"
#include "vmm/cpu/regs.h"
#include "vmm/cpu/vcpu.h"
#include "vmm/cpu/vm.h"
#include "vmm/dev/i8042.h"
#include "vmm/dev/ioapic.h"
#include "vmm/dev/pvpanic.h"
#include "vmm/dev/rtc.h"
#include "vmm/dev/uart.h"
#include "vmm/devices.h"
#include "vmm/layout.h"
#include "vmm/mem/ram.h"

#include <linux/kvm.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/random.h>

/* A kernel's last words over a serial port are some KiB. */
#define MACHINE_LAST_WORDS_MS 2000
/* From the agent's first word the root is mounted, and the workload started, in some hundred milliseconds. */
#define MACHINE_SETTLE_MS 2000

enum machine_state { MACHINE_HALTED, MACHINE_RUNNING, MACHINE_ENDED, MACHINE_GONE };

struct machine {
	const struct vmm_config *config;
	const struct machine_ops *ops;
	void *ctx;
	struct loop *loop;

	pthread_mutex_t lock;
	pthread_cond_t parked, changed;
	enum machine_state state;
	unsigned int n_parked;
	uint64_t may_run; /* bit n is vCPU n */
	int end_fd;	  /* tells the device thread of an end */
	struct loop_source *end_source;
	int panicked; /* the guest has until last_words is due to go by itself */
	struct loop_source *last_words;
	struct loop_source *settle; /* unless it has: what the start took goes */
	enum vmm_end end;
	struct err end_err;

	int kvm;
	struct trail trail; /* the VM, its CPUs, vhosts and taps */
	struct ram *ram;
	struct vm *vm;
	struct bus *ports, *memory;
	struct ioapic *ioapic;
	struct uart *uart;
	struct rtc *rtc;
	struct i8042 i8042;
	struct pvpanic pvpanic;
	struct power power;
	struct ged *ged;
	struct msi *msi;
	struct pci *pci;
	struct devices *devices;
	int next_fd; /* of proto/vmm.h's, after those of the devices */
	struct gdb *gdb;
	struct vcpu **vcpus;
	unsigned int n_vcpus, n_started;
};

/* The lock. */

static void machine_unlock(void *ctx)
{
	struct machine *machine = ctx;

	(void)pthread_mutex_unlock(&machine->lock);
}

static void machine_lock(void *ctx)
{
	struct machine *machine = ctx;

	(void)pthread_mutex_lock(&machine->lock);
}

/* States. */

static void machine_set_state(struct machine *machine, enum machine_state state)
{
	machine->state = state;
	(void)pthread_cond_broadcast(&machine->changed);
	for (unsigned int i = 0; i < machine->n_started; i++)
		vcpu_kick(machine->vcpus[i]);
}

/* In the device thread. */
static void machine_wait_parked(struct machine *machine)
{
	while (machine->n_parked < machine->n_started)
		(void)pthread_cond_wait(&machine->parked, &machine->lock);
}

/* In any thread, with the lock held. */
static void machine_end(struct machine *machine, enum vmm_end end, const struct err *err)
{
	if (machine->state >= MACHINE_ENDED)
		return;
	machine->end = machine->panicked && end != VMM_END_ERROR ? VMM_END_PANIC : end;
	if (err)
		machine->end_err = *err;
	machine_set_state(machine, MACHINE_ENDED);
	(void)eventfd_write(machine->end_fd, 1);
}

static void machine_on_end(void *ctx, uint32_t events _unused_)
{
	struct machine *machine = ctx;

	machine->end_source = loop_source_free(machine->end_source);
	machine_wait_parked(machine);
	machine->ops->ended(machine->ctx, machine->end,
			    err_is_set(&machine->end_err) ? &machine->end_err : NULL);
}

/* What vCPUs do, in their threads. */

static int machine_thread_begins(void *ctx, struct err *err)
{
	const struct machine *machine = ctx;

	return machine->ops->thread_begins ? machine->ops->thread_begins(machine->ctx, err) : 0;
}

static void machine_port_read(void *ctx, uint16_t port, void *data, size_t len)
{
	struct machine *machine = ctx;

	machine_lock(machine);
	bus_read(machine->ports, port, data, len);
	machine_unlock(machine);
}

static void machine_port_write(void *ctx, uint16_t port, const void *data, size_t len)
{
	struct machine *machine = ctx;

	machine_lock(machine);
	bus_write(machine->ports, port, data, len);
	machine_unlock(machine);
}

static void machine_memory_read(void *ctx, uint64_t gpa, void *data, size_t len)
{
	struct machine *machine = ctx;

	machine_lock(machine);
	bus_read(machine->memory, gpa, data, len);
	machine_unlock(machine);
}

static void machine_memory_write(void *ctx, uint64_t gpa, const void *data, size_t len)
{
	struct machine *machine = ctx;

	machine_lock(machine);
	bus_write(machine->memory, gpa, data, len);
	machine_unlock(machine);
}

static void machine_eoi(void *ctx, uint8_t vector)
{
	struct machine *machine = ctx;

	machine_lock(machine);
	ioapic_eoi(machine->ioapic, vector);
	machine_unlock(machine);
}

static int machine_runs(const struct machine *machine, unsigned int id)
{
	return machine->state == MACHINE_RUNNING && machine->may_run >> id & 1;
}

/* Invariants 2 and 4. After a pause in which it did not run, a guest must not take that for a hang of its own. */
static int machine_park(void *ctx, unsigned int id)
{
	struct machine *machine = ctx;
	int goes_on, waited = 0;

	machine_lock(machine);
	while (!machine_runs(machine, id) && machine->state != MACHINE_GONE) {
		waited = 1;
		machine->n_parked++;
		(void)pthread_cond_signal(&machine->parked);
		(void)pthread_cond_wait(&machine->changed, &machine->lock);
		machine->n_parked--;
	}
	goes_on = machine->state != MACHINE_GONE;
	machine_unlock(machine);
	/* refused where the guest has no such clock yet */
	if (waited && goes_on)
		(void)ioctl(vcpu_fd(machine->vcpus[id]), KVM_KVMCLOCK_CTRL, 0);
	return goes_on;
}

/* With the lock held. 1 if that is the debugger's to deal with. */
static int machine_tell_debugger(struct machine *machine, unsigned int id, enum vcpu_stop why)
{
	struct vcpu_debug debug;

	if (!machine->gdb || why != VCPU_STOP_DEBUG)
		return 0;
	machine->may_run &= ~(1ULL << id);
	vcpu_debug(machine->vcpus[id], &debug);
	gdb_stopped(machine->gdb, id, &debug);
	return 1;
}

static void machine_stopped(void *ctx, unsigned int id, enum vcpu_stop why, const struct err *err)
{
	static const enum vmm_end ends[] = {
		[VCPU_STOP_FAULT] = VMM_END_FAULT,
		[VCPU_STOP_ERROR] = VMM_END_ERROR,
		[VCPU_STOP_DEBUG] = VMM_END_FAULT,
	};
	struct machine *machine = ctx;

	machine_lock(machine);
	if (!machine_tell_debugger(machine, id, why))
		machine_end(machine, ends[why], err);
	machine_unlock(machine);
}

static const struct vcpu_ops machine_vcpu_ops = {
	.begin = machine_thread_begins,
	.port_read = machine_port_read,
	.port_write = machine_port_write,
	.memory_read = machine_memory_read,
	.memory_write = machine_memory_write,
	.eoi = machine_eoi,
	.park = machine_park,
	.stopped = machine_stopped,
};

/* What devices do to the machine; the lock is held. */

static void machine_on_power_off(void *ctx)
{
	machine_end(ctx, VMM_END_POWER_OFF, NULL);
}

static void machine_on_reset(void *ctx)
{
	machine_end(ctx, VMM_END_RESET, NULL);
}

static const struct power_ops machine_power_ops = { machine_on_power_off, machine_on_reset };

/*
 * Linux tells of a panic before all of why is on its console (what an NMI's handler prints comes last); then it
 * resets the machine or stays. The first end after this, or the deadline, is the panic's.
 */
static void machine_on_panic(void *ctx)
{
	struct machine *machine = ctx;

	if (machine->panicked)
		return;
	machine->panicked = 1;
	loop_timer_set(machine->last_words, MACHINE_LAST_WORDS_MS);
}

static void machine_on_last_words(void *ctx)
{
	machine_end(ctx, VMM_END_PANIC, NULL);
}

static void machine_set_com1(void *ctx, int level)
{
	const struct machine *machine = ctx;

	ioapic_set(machine->ioapic, LAYOUT_IRQ_COM1, level);
}

static void machine_set_ged(void *ctx, int level)
{
	const struct machine *machine = ctx;

	ioapic_set(machine->ioapic, LAYOUT_IRQ_GED, level);
}

/* What a debugger does to the machine, in the device thread. */

static void machine_debug_halt(void *ctx)
{
	struct machine *machine = ctx;

	machine->may_run = 0;
	machine_set_state(machine, machine->state);
	machine_wait_parked(machine);
}

static void machine_debug_resume(void *ctx, uint64_t cpus)
{
	struct machine *machine = ctx;

	machine->may_run |= cpus;
	(void)pthread_cond_broadcast(&machine->changed);
}

static void machine_debug_kill(void *ctx)
{
	machine_end(ctx, VMM_END_QUIT, NULL);
}

static int machine_debug_vcpu(void *ctx, unsigned int id)
{
	const struct machine *machine = ctx;

	return vcpu_fd(machine->vcpus[id]);
}

static const struct gdb_ops machine_gdb_ops = { machine_debug_halt, machine_debug_resume,
						machine_debug_kill, machine_debug_vcpu };

/* Steps. */

static int machine_check(struct machine *machine, struct err *err)
{
	unsigned int cpus = machine->config->cpus;

	if (!cpus || cpus > VM_CPUS_MAX)
		return err_set(err, -EINVAL, "a VM has 1 to %d CPUs", VM_CPUS_MAX);
	return vcpu_prepare_signals(err);
}

static int machine_make_memory(struct machine *machine, struct err *err)
{
	const struct vmm_config *config = machine->config;
	struct ram_options options = {
		.size = config->memory,
		.pages = config->huge_pages ? RAM_PAGES_HUGE : RAM_PAGES_DEFAULT,
		.shared = config->shared_memory,
	};

	return ram_new(&options, &machine->ram, err);
}

static int machine_make_buses(struct machine *machine, struct err *err)
{
	machine->ports = bus_new();
	machine->memory = bus_new();
	return pci_new(machine->memory, devices_count(machine->config) + DEVICES_SPARE,
		       &machine->pci, err);
}

static int machine_make_vm(struct machine *machine, struct err *err)
{
	struct vm_window window = { .gpa = LAYOUT_ECAM };
	struct hv hv;
	int r;

	window.host = pci_pages(machine->pci, &window.size);
	r = vm_new(machine->kvm, machine->ram, &window, &machine->vm, err);
	if (r < 0)
		return r;
	trail_open(&machine->trail);
	trail_add(&machine->trail, vm_fd(machine->vm));
	hv = vm_hv(machine->vm);
	machine->msi = msi_new(&hv);
	return 0;
}

/* A row of the table of devices with addresses of their own. */
struct machine_fixed {
	struct bus *bus;
	uint64_t base, size;
	const struct bus_ops *ops;
	void *ctx;
};

static int machine_add_fixed(struct machine *machine, struct err *err)
{
	struct bus *ports = machine->ports;
	const struct machine_fixed fixed[] = {
		{ machine->memory, LAYOUT_IOAPIC, LAYOUT_IOAPIC_SIZE, &ioapic_bus_ops,
		  machine->ioapic },
		{ ports, LAYOUT_PORT_COM1, UART_PORTS, &uart_bus_ops, machine->uart },
		{ ports, LAYOUT_PORT_RTC, RTC_PORTS, &rtc_bus_ops, machine->rtc },
		{ ports, LAYOUT_PORT_I8042, I8042_PORTS, &i8042_bus_ops, &machine->i8042 },
		{ ports, LAYOUT_PORT_PVPANIC, PVPANIC_PORTS, &pvpanic_bus_ops, &machine->pvpanic },
		{ ports, LAYOUT_PORT_ACPI, POWER_LEN, &power_bus_ops, &machine->power },
		{ ports, GED_PORT, GED_LEN, &ged_bus_ops, machine->ged },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
		int r = bus_add(fixed[i].bus, fixed[i].base, fixed[i].size, fixed[i].ops,
				fixed[i].ctx);

		if (r < 0)
			return err_errno(err, r, "two devices at %#jx", (uintmax_t)fixed[i].base);
	}
	return 0;
}

static int machine_make_fixed(struct machine *machine, struct err *err)
{
	struct hv hv = vm_hv(machine->vm);
	int r;

	machine->ioapic = ioapic_new(&hv);
	machine->rtc = rtc_new();
	machine->i8042 = (struct i8042){ machine_on_reset, machine };
	machine->pvpanic = (struct pvpanic){ machine_on_panic, machine };
	machine->power = (struct power){ &machine_power_ops, machine };
	machine->ged = ged_new(machine_set_ged, machine);
	r = uart_new(machine->loop, VMM_FD_SERIAL, machine_set_com1, machine, &machine->uart, err);
	return r < 0 ? r : machine_add_fixed(machine, err);
}

static void machine_on_up(void *ctx)
{
	struct machine *machine = ctx;

	if (machine->settle)
		loop_timer_set(machine->settle, MACHINE_SETTLE_MS);
}

static void machine_on_settled(void *ctx)
{
	struct machine *machine = ctx;

	machine->settle = loop_source_free(machine->settle);
	shed();
}

static struct devices_site machine_site(struct machine *machine)
{
	return (struct devices_site){
		.config = machine->config,
		.host = { .loop = machine->loop, .ram = machine->ram },
		.pci = machine->pci,
		.msi = machine->msi,
		.hv = vm_hv(machine->vm),
		.next_fd = VMM_FD_FIRST,
		.trail = &machine->trail,
		.came_up = machine_on_up,
		.ctx = machine,
	};
}

static int machine_make_devices(struct machine *machine, struct err *err)
{
	struct devices_site site = machine_site(machine);
	int r = devices_new(&site, &machine->devices, err);

	machine->next_fd = site.next_fd;
	return r;
}

static int machine_make_vcpus(struct machine *machine, struct err *err)
{
	unsigned int cpus = machine->config->cpus;

	machine->vcpus = mem_zalloc(cpus * sizeof(struct vcpu *));
	for (; machine->n_vcpus < cpus; machine->n_vcpus++) {
		int r = vcpu_new(machine->vm, machine->n_vcpus, &machine_vcpu_ops, machine,
				 &machine->vcpus[machine->n_vcpus], err);

		if (r < 0)
			return r;
		trail_add(&machine->trail, vcpu_fd(machine->vcpus[machine->n_vcpus]));
	}
	return 0;
}

/* CPUID goes first: what MSRs a vCPU has depends on it. */
static int machine_set_up_vcpus(struct machine *machine, struct err *err)
{
	_cleanup_free_ struct kvm_cpuid2 *cpuid = NULL;
	int khz = ioctl(vcpu_fd(machine->vcpus[0]), KVM_GET_TSC_KHZ, 0);
	struct cpuid_machine describes = {
		.cpus = machine->config->cpus,
		.tsc_khz = khz > 0 ? (uint32_t)khz : 0,
		.tsc_deadline =
			ioctl(machine->kvm, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0,
	};
	int r = cpuid_read_host(machine->kvm, &cpuid, err);

	if (r < 0)
		return r;
	cpuid_adapt(&cpuid, &describes);
	for (unsigned int i = 0; r == 0 && i < machine->n_vcpus; i++) {
		cpuid_number(cpuid, i);
		if (ioctl(vcpu_fd(machine->vcpus[i]), KVM_SET_CPUID2, cpuid) < 0)
			return err_errno(err, -errno, "KVM refuses the CPU's description");
		r = regs_init(vcpu_fd(machine->vcpus[i]), err);
	}
	return r;
}

static int machine_write_tables(struct machine *machine, uint64_t *ret_rsdp, struct err *err)
{
	const struct acpi_machine acpi = { .cpus = machine->config->cpus };
	const struct smbios_machine smbios = { .uuid = machine->config->uuid,
					       .serial = machine->config->name };
	int r = acpi_write(machine->ram, &acpi, ret_rsdp, err);

	return r < 0 ? r : smbios_write(machine->ram, &smbios, err);
}

static int machine_load_kernel(struct machine *machine, struct err *err)
{
	struct boot_input input = { .kernel_fd = VMM_FD_KERNEL,
				    .initramfs_fd = VMM_FD_INITRAMFS,
				    .cmdline = machine->config->cmdline,
				    .kaslr = !machine->config->gdb };
	struct boot_entry entry;
	struct regs_start start;
	int r = machine_write_tables(machine, &input.acpi_rsdp, err);

	if (r < 0)
		return r;
	if (getrandom(&input.random, sizeof(input.random), 0) != sizeof(input.random))
		return err_errno(err, -errno, "the host gives no random numbers");
	r = boot_load(machine->ram, &input, &entry, err);
	explicit_bzero(&input.random, sizeof(input.random));
	if (r < 0)
		return r;
	start = (struct regs_start){
		.mode = entry.mode == BOOT_LONG ? REGS_LONG : REGS_PROTECTED,
		.ip = entry.rip,
		.sp = entry.rsp,
		.si = entry.rsi,
		.bx = entry.rbx,
		.cr3 = entry.cr3,
		.gdt = entry.gdt,
		.gdt_limit = entry.gdt_limit,
		.code = entry.code,
		.data = entry.data,
		.task = entry.task,
	};
	return regs_set_start(vcpu_fd(machine->vcpus[0]), &start, err);
}

/* After the kernel: what the debugger finds at first is the entry. */
static int machine_make_debugger(struct machine *machine, struct err *err)
{
	struct gdb_site site = { .loop = machine->loop,
				 .ram = machine->ram,
				 .cpus = machine->n_vcpus,
				 .cpu_ops = &gdb_kvm_ops,
				 .ops = &machine_gdb_ops,
				 .ctx = machine };

	return machine->config->gdb ? gdb_new(&site, machine->next_fd, &machine->gdb, err) : 0;
}

static int machine_watch_end(struct machine *machine, struct err *err)
{
	machine->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (machine->end_fd >= 0)
		machine->end_source = loop_watch_fd(machine->loop, machine->end_fd, EPOLLIN,
						    machine_on_end, machine);
	machine->last_words = loop_add_timer(machine->loop, machine_on_last_words, machine);
	machine->settle = loop_add_timer(machine->loop, machine_on_settled, machine);
	if (!machine->end_source || !machine->last_words || !machine->settle)
		return err_errno(err, -errno, "cannot watch for the machine's end");
	return 0;
}

static int (*const machine_steps[])(struct machine *machine, struct err *err) = {
	machine_check,	     machine_make_memory,   machine_make_buses, machine_make_vm,
	machine_make_fixed,  machine_make_devices,  machine_make_vcpus, machine_set_up_vcpus,
	machine_load_kernel, machine_make_debugger, machine_watch_end,
};

int machine_new(struct loop *loop, const struct vmm_config *config, const struct machine_ops *ops,
		void *ctx, struct machine **ret, struct err *err)
{
	struct machine *machine = mem_zalloc(sizeof(*machine));
	int r = 0;

	*machine = (struct machine){ .config = config,
				     .ops = ops,
				     .ctx = ctx,
				     .loop = loop,
				     .lock = PTHREAD_MUTEX_INITIALIZER,
				     .parked = PTHREAD_COND_INITIALIZER,
				     .changed = PTHREAD_COND_INITIALIZER,
				     .may_run = UINT64_MAX,
				     .kvm = VMM_FD_KVM,
				     .end_fd = -EBADF,
				     .trail = TRAIL_INIT };
	machine_lock(machine);
	loop_set_wait_hooks(loop, machine_unlock, machine_lock, machine);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(machine_steps); i++)
		r = machine_steps[i](machine, err);
	if (r < 0) {
		machine_free(machine);
		return r;
	}
	*ret = machine;
	return 0;
}

static void machine_end_vcpus(struct machine *machine)
{
	machine_set_state(machine, MACHINE_GONE);
	machine_unlock(machine);
	for (unsigned int i = 0; i < machine->n_started; i++)
		vcpu_join(machine->vcpus[i]);
	machine_lock(machine);
	for (unsigned int i = 0; i < machine->n_vcpus; i++)
		vcpu_free(machine->vcpus[i]);
	free(machine->vcpus);
}

/*
 * The VM's descriptor goes before what devices have given it: KVM would wait for a grace period for each of
 * their interrupts, and takes them all away at once with the VM.
 */
struct machine *machine_free(struct machine *machine)
{
	if (!machine)
		return NULL;
	machine_end_vcpus(machine);
	vm_close(machine->vm);
	gdb_free(machine->gdb);
	machine->end_source = loop_source_free(machine->end_source);
	machine->last_words = loop_source_free(machine->last_words);
	machine->settle = loop_source_free(machine->settle);
	fd_close(machine->end_fd);
	devices_free(machine->devices);
	uart_free(machine->uart);
	ged_free(machine->ged);
	rtc_free(machine->rtc);
	ioapic_free(machine->ioapic);
	msi_free(machine->msi);
	vm_free(machine->vm);
	pci_free(machine->pci);
	bus_free(machine->ports);
	bus_free(machine->memory);
	ram_free(machine->ram);
	trail_close(&machine->trail);
	loop_set_wait_hooks(machine->loop, NULL, NULL, NULL);
	machine_unlock(machine);
	free(machine);
	return NULL;
}

int machine_start(struct machine *machine, struct err *err)
{
	machine->state = MACHINE_RUNNING;
	for (; machine->n_started < machine->n_vcpus; machine->n_started++) {
		int r = vcpu_start(machine->vcpus[machine->n_started], err);

		if (r < 0)
			return r;
	}
	return 0;
}

int machine_pause(struct machine *machine, struct err *err)
{
	if (machine->state != MACHINE_RUNNING)
		return err_set(err, -EBUSY, "the machine does not run");
	machine_set_state(machine, MACHINE_HALTED);
	machine_wait_parked(machine);
	return 0;
}

int machine_resume(struct machine *machine, struct err *err)
{
	if (machine->state != MACHINE_HALTED)
		return err_set(err, -EBUSY, "the machine is not paused");
	machine_set_state(machine, MACHINE_RUNNING);
	return 0;
}

void machine_power_button(struct machine *machine)
{
	ged_raise(machine->ged, GED_POWER_BUTTON);
}

/*
 * As messages to the local APICs: KVM_NMI waits for the vCPU's turn in KVM_RUN to end, which one that halts may
 * never do. Intel SDM volume 3, 11.11 (message format) and 11.5.1 (delivery mode NMI).
 */
#define MACHINE_MSI_NMI 0x400

void machine_nmi(struct machine *machine)
{
	const struct hv hv = vm_hv(machine->vm);

	for (unsigned int i = 0; i < machine->n_vcpus; i++)
		(void)hv.ops->signal(hv.ctx, LAYOUT_LAPIC | (uint64_t)i << 12, MACHINE_MSI_NMI);
}

int machine_plug(struct machine *machine, const struct vmm_plug *plug, const int *fds,
		 struct err *err)
{
	struct devices_site site = machine_site(machine);

	site.fds = fds;
	return devices_plug(machine->devices, &site, plug, err);
}

int machine_unplug(struct machine *machine, const struct vmm_plug *plug, struct err *err)
{
	int r = devices_unplug(machine->devices, plug, err);

	trail_sweep(&machine->trail);
	return r;
}

int machine_grow(struct machine *machine, const struct vmm_grow *grow, struct err *err)
{
	return devices_grow(machine->devices, grow, err);
}

void machine_tune(struct machine *machine, const struct vmm_tune *tune)
{
	devices_tune(machine->devices, tune);
}
