// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: a child makes the VM and runs it (kvm_probe_steps[]), and tells its verdict through a pipe.
 * Three deadlines stand one behind the other: a timer in the child that makes KVM_RUN return, the
 * parent's wait for the verdict, and its wait for the killed child, which it leaves behind if even
 * SIGKILL does not get it out of the kernel.
 *
 * The guest's memory, identity mapped by one page of 2 MiB:
 *   0x1000 page tables (3 pages)   0x4000 GDT   0x5000 IDT   0x6000 code   0x7000 handler   0x9000 stack
 */
#include "sys/kvm_probe.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/record.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>

const char *const kvm_probe_names[] = { "none", "forbidden", "cannot", "ok", NULL };

#define KVM_PROBE_API		12 /* the one there has been since Linux 2.6.22 */
#define KVM_PROBE_GUEST_MS	5000
#define KVM_PROBE_CHILD_MS	8000
#define KVM_PROBE_REAP_MS	1000
#define KVM_PROBE_IRQCHIP_PINS	24
#define KVM_PROBE_CPUID_ENTRIES 256
#define KVM_PROBE_CACHE		"kvm-probe.json"

/* The guest: what it says on the port, and where things are; addresses as Linux' own manuals have them. */
#define KVM_PROBE_PORT	     0xf4
#define KVM_PROBE_FROM_INT3  0x42 /* written by the handler */
#define KVM_PROBE_FROM_CODE  0x4f /* written after it has returned */
#define KVM_PROBE_MEMORY     0x10000
#define KVM_PROBE_PML4	     0x1000
#define KVM_PROBE_PDPT	     0x2000
#define KVM_PROBE_PD	     0x3000
#define KVM_PROBE_GDT	     0x4000
#define KVM_PROBE_IDT	     0x5000
#define KVM_PROBE_CODE	     0x6000
#define KVM_PROBE_HANDLER    0x7000
#define KVM_PROBE_STACK	     0x9000
#define KVM_PROBE_CS	     0x08
#define KVM_PROBE_DS	     0x10
#define KVM_PROBE_VECTOR     3
#define KVM_PROBE_GATE_SIZE  16
#define KVM_PROBE_PAGE	     0x03 /* present, writable */
#define KVM_PROBE_LARGE_PAGE 0x83

/* AMD64 manual, volume 2, chapter 3: CR0, CR4 and EFER of a kernel in 64-bit mode */
#define KVM_PROBE_CR0  0x80050033 /* PG AM WP NE ET MP PE */
#define KVM_PROBE_CR4  0x20	  /* PAE */
#define KVM_PROBE_EFER 0x500	  /* LMA LME */

static const uint8_t kvm_probe_code[] = {
	0xcc,			   /* int3 */
	0xb0, KVM_PROBE_FROM_CODE, /* mov al, imm8 */
	0xe6, KVM_PROBE_PORT,	   /* out imm8, al */
	0xf4,			   /* hlt */
};

static const uint8_t kvm_probe_handler[] = {
	0xb0, KVM_PROBE_FROM_INT3, /* mov al, imm8 */
	0xe6, KVM_PROBE_PORT,	   /* out imm8, al */
	0x48, 0xcf,		   /* iretq */
};

struct kvm_probe {
	int kvm, vm, vcpu;
	uint8_t *memory;
	struct kvm_run *run;
	struct kvm_probe_result *result;
};

/* For the signal handler, which has no other way to it. */
static struct kvm_run *volatile kvm_probe_running;

static int kvm_probe_fail(struct kvm_probe *probe, const char *what)
{
	snprintf(probe->result->reason, sizeof(probe->result->reason), "%s: %s", what,
		 strerror(errno));
	return -1;
}

static int kvm_probe_make_vm(struct kvm_probe *probe)
{
	probe->vm = ioctl(probe->kvm, KVM_CREATE_VM, 0);
	return probe->vm < 0 ? kvm_probe_fail(probe, "it makes no VM") : 0;
}

static int kvm_probe_make_memory(struct kvm_probe *probe)
{
	struct kvm_userspace_memory_region region = { .memory_size = KVM_PROBE_MEMORY };

	probe->memory = mmap(NULL, KVM_PROBE_MEMORY, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (probe->memory == MAP_FAILED)
		return kvm_probe_fail(probe, "no memory");
	region.userspace_addr = (uint64_t)(uintptr_t)probe->memory;
	if (ioctl(probe->vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return kvm_probe_fail(probe, "it takes no memory");
	return 0;
}

/* After the memory: the other way round new kernels wait for a grace period. */
static int kvm_probe_make_irqchip(struct kvm_probe *probe)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP,
				      .args = { KVM_PROBE_IRQCHIP_PINS } };

	if (ioctl(probe->vm, KVM_ENABLE_CAP, &cap) < 0)
		return kvm_probe_fail(probe, "it has no split interrupt controller");
	return 0;
}

static int kvm_probe_make_vcpu(struct kvm_probe *probe)
{
	int size = ioctl(probe->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	probe->vcpu = ioctl(probe->vm, KVM_CREATE_VCPU, 0);
	if (probe->vcpu < 0 || size < (int)sizeof(struct kvm_run))
		return kvm_probe_fail(probe, "it makes no virtual CPU");
	probe->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, probe->vcpu, 0);
	if (probe->run == MAP_FAILED)
		return kvm_probe_fail(probe, "it shows no virtual CPU");
	return 0;
}

static int kvm_probe_set_cpuid(struct kvm_probe *probe)
{
	_cleanup_free_ struct kvm_cpuid2 *cpuid =
		mem_zalloc(sizeof(*cpuid) + KVM_PROBE_CPUID_ENTRIES * sizeof(cpuid->entries[0]));

	cpuid->nent = KVM_PROBE_CPUID_ENTRIES;
	if (ioctl(probe->kvm, KVM_GET_SUPPORTED_CPUID, cpuid) < 0 ||
	    ioctl(probe->vcpu, KVM_SET_CPUID2, cpuid) < 0)
		return kvm_probe_fail(probe, "it takes no CPUID");
	return 0;
}

static void kvm_probe_put64(struct kvm_probe *probe, uint64_t address, uint64_t value)
{
	memcpy(probe->memory + address, &value, sizeof(value));
}

static int kvm_probe_fill_memory(struct kvm_probe *probe)
{
	/* descriptors: 64-bit code and data of ring 0; an interrupt gate to the handler, see the AMD64
	 * manual, volume 2, chapter 4 */
	static const uint64_t gdt[] = { 0, 0x00209b0000000000, 0x0000930000000000 };
	uint64_t gate = (KVM_PROBE_HANDLER & 0xffff) | KVM_PROBE_CS << 16 | (uint64_t)0x8e00 << 32;

	kvm_probe_put64(probe, KVM_PROBE_PML4, KVM_PROBE_PDPT | KVM_PROBE_PAGE);
	kvm_probe_put64(probe, KVM_PROBE_PDPT, KVM_PROBE_PD | KVM_PROBE_PAGE);
	kvm_probe_put64(probe, KVM_PROBE_PD, KVM_PROBE_LARGE_PAGE);
	memcpy(probe->memory + KVM_PROBE_GDT, gdt, sizeof(gdt));
	kvm_probe_put64(probe, KVM_PROBE_IDT + KVM_PROBE_VECTOR * KVM_PROBE_GATE_SIZE, gate);
	memcpy(probe->memory + KVM_PROBE_CODE, kvm_probe_code, sizeof(kvm_probe_code));
	memcpy(probe->memory + KVM_PROBE_HANDLER, kvm_probe_handler, sizeof(kvm_probe_handler));
	return 0;
}

static struct kvm_segment kvm_probe_segment(uint16_t selector, uint8_t type, int is_code)
{
	return (struct kvm_segment){ .limit = 0xffffffff,
				     .selector = selector,
				     .type = type,
				     .present = 1,
				     .s = 1,
				     .l = (uint8_t)is_code,
				     .db = !is_code,
				     .g = 1 };
}

static int kvm_probe_set_registers(struct kvm_probe *probe)
{
	struct kvm_regs regs = { .rip = KVM_PROBE_CODE, .rsp = KVM_PROBE_STACK, .rflags = 2 };
	struct kvm_sregs sregs;

	if (ioctl(probe->vcpu, KVM_GET_SREGS, &sregs) < 0)
		return kvm_probe_fail(probe, "it shows no registers");
	sregs.cs = kvm_probe_segment(KVM_PROBE_CS, 11, 1);
	sregs.ss = sregs.ds = sregs.es = sregs.fs = sregs.gs =
		kvm_probe_segment(KVM_PROBE_DS, 3, 0);
	sregs.gdt = (struct kvm_dtable){ .base = KVM_PROBE_GDT, .limit = 3 * 8 - 1 };
	sregs.idt =
		(struct kvm_dtable){ .base = KVM_PROBE_IDT,
				     .limit = (KVM_PROBE_VECTOR + 1) * KVM_PROBE_GATE_SIZE - 1 };
	sregs.cr0 = KVM_PROBE_CR0;
	sregs.cr3 = KVM_PROBE_PML4;
	sregs.cr4 = KVM_PROBE_CR4;
	sregs.efer = KVM_PROBE_EFER;
	if (ioctl(probe->vcpu, KVM_SET_SREGS, &sregs) < 0 ||
	    ioctl(probe->vcpu, KVM_SET_REGS, &regs) < 0)
		return kvm_probe_fail(probe, "it takes no registers of 64-bit mode");
	return 0;
}

static void kvm_probe_on_alarm(int number _unused_)
{
	kvm_probe_running->immediate_exit = 1;
}

static void kvm_probe_set_deadline(struct kvm_probe *probe)
{
	struct itimerval timer = { .it_value = { KVM_PROBE_GUEST_MS / 1000,
						 KVM_PROBE_GUEST_MS % 1000 } };
	struct sigaction action = { .sa_handler = kvm_probe_on_alarm };
	sigset_t alarm_only;

	kvm_probe_running = probe->run;
	sigaction(SIGALRM, &action, NULL);
	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &alarm_only, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

/* The guest's next byte on its port, or -1 with the reason. */
static int kvm_probe_next_byte(struct kvm_probe *probe)
{
	char *reason = probe->result->reason;
	size_t size = sizeof(probe->result->reason);
	const struct kvm_run *run = probe->run;

	if (ioctl(probe->vcpu, KVM_RUN, 0) < 0) {
		if (errno != EINTR)
			return kvm_probe_fail(probe, "the virtual CPU does not run");
		probe->result->doubtful = 1;
		snprintf(reason, size, "its guest hangs when it takes an exception");
		return -1;
	}
	if (run->exit_reason == KVM_EXIT_IO && run->io.port == KVM_PROBE_PORT)
		return *((const uint8_t *)run + run->io.data_offset);
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		snprintf(reason, size,
			 "its guest fails when it takes an exception (KVM internal error %u)",
			 run->internal.suberror);
	else
		snprintf(reason, size,
			 "its guest fails when it takes an exception (exit reason %u)",
			 run->exit_reason);
	return -1;
}

static int kvm_probe_run_guest(struct kvm_probe *probe)
{
	static const int expected[] = { KVM_PROBE_FROM_INT3, KVM_PROBE_FROM_CODE };

	kvm_probe_set_deadline(probe);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		int byte = kvm_probe_next_byte(probe);

		if (byte < 0)
			return -1;
		if (byte != expected[i]) {
			snprintf(probe->result->reason, sizeof(probe->result->reason),
				 "its guest goes astray when it takes an exception");
			return -1;
		}
	}
	return 0;
}

static int (*const kvm_probe_steps[])(struct kvm_probe *probe) = {
	kvm_probe_make_vm,   kvm_probe_make_memory, kvm_probe_make_irqchip,  kvm_probe_make_vcpu,
	kvm_probe_set_cpuid, kvm_probe_fill_memory, kvm_probe_set_registers, kvm_probe_run_guest,
};

static _noreturn_ void kvm_probe_child(int kvm, int report)
{
	struct kvm_probe_result result = { .verdict = KVM_PROBE_OK };
	struct kvm_probe probe = { .kvm = kvm, .vm = -EBADF, .vcpu = -EBADF, .result = &result };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < ARRAY_SIZE(kvm_probe_steps) && result.verdict == KVM_PROBE_OK; i++) {
		if (kvm_probe_steps[i](&probe) < 0)
			result.verdict = KVM_PROBE_CANNOT;
	}
	if (write(report, &result, sizeof(result)) < 0)
		_exit(1);
	_exit(0);
}

static void kvm_probe_reap(pid_t pid)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };

	(void)kill(pid, SIGKILL);
	if (pidfd >= 0 && poll(&poll_fd, 1, KVM_PROBE_REAP_MS) > 0)
		(void)waitpid(pid, NULL, 0);
}

static void kvm_probe_in_child(int kvm, struct kvm_probe_result *ret)
{
	_cleanup_close_ int out = -EBADF, in = -EBADF;
	struct pollfd poll_fd;
	int pipefd[2];
	pid_t pid;

	ret->verdict = KVM_PROBE_CANNOT;
	snprintf(ret->reason, sizeof(ret->reason), "its guest hangs and cannot be stopped");
	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return;
	in = pipefd[0];
	out = pipefd[1];
	pid = fork();
	if (pid < 0)
		return;
	if (!pid)
		kvm_probe_child(kvm, out);
	out = fd_close(out);
	poll_fd = (struct pollfd){ .fd = in, .events = POLLIN };
	if (poll(&poll_fd, 1, KVM_PROBE_CHILD_MS) > 0 &&
	    read(in, ret, sizeof(*ret)) != sizeof(*ret))
		snprintf(ret->reason, sizeof(ret->reason), "the probe guest died");
	kvm_probe_reap(pid);
}

struct kvm_probe_cache {
	char *key;
	int verdict;
	char *reason;
};

static const struct record_field kvm_probe_cache_fields[] = {
	RECORD_FIELD(RECORD_STRING, struct kvm_probe_cache, key),
	{ .key = "verdict",
	  .type = RECORD_ENUM,
	  .offset = offsetof(struct kvm_probe_cache, verdict),
	  .names = kvm_probe_names },
	RECORD_FIELD(RECORD_STRING, struct kvm_probe_cache, reason),
	RECORD_END,
};

static const struct record_table kvm_probe_cache_table = {
	.what = "KVM probe",
	.version = 1,
	.fields = kvm_probe_cache_fields,
};

static void kvm_probe_cache_release(struct kvm_probe_cache *cache)
{
	record_release(&kvm_probe_cache_table, cache);
}

/* What the verdict depends on: this boot, this kernel, this device (a reloaded module makes it anew). */
static char *kvm_probe_key(int kvm)
{
	_cleanup_free_ char *boot = NULL;
	struct utsname name;
	struct stat st;

	if (file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &boot, NULL) < 0 ||
	    uname(&name) < 0 || fstat(kvm, &st) < 0)
		return NULL;
	return mem_printf("%.36s %s %ju %jd.%09ld", boot, name.release, (uintmax_t)st.st_ino,
			  (intmax_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
}

static int kvm_probe_recall(const char *path, const char *key, struct kvm_probe_result *ret)
{
	_cleanup_(kvm_probe_cache_release) struct kvm_probe_cache cache = { 0 };
	struct err ignored = ERR_INIT;

	if (record_load(&kvm_probe_cache_table, AT_FDCWD, path, &cache, &ignored) < 0 ||
	    !cache.key || strcmp(cache.key, key))
		return 0;
	ret->verdict = cache.verdict;
	snprintf(ret->reason, sizeof(ret->reason), "%s", cache.reason ? cache.reason : "");
	return 1;
}

/* A verdict that cannot be kept is found again the next time. */
static void kvm_probe_remember(const char *path, const char *key,
			       const struct kvm_probe_result *result)
{
	const struct kvm_probe_cache cache = { .key = (char *)key,
					       .verdict = result->verdict,
					       .reason = (char *)result->reason };
	struct err ignored = ERR_INIT;

	(void)record_save(&kvm_probe_cache_table, &cache, AT_FDCWD, path, 0, &ignored);
}

static int kvm_probe_open(struct kvm_probe_result *ret)
{
	int kvm = open(KVM_PROBE_DEVICE, O_RDWR | O_CLOEXEC);

	ret->verdict = kvm < 0 && (errno == EACCES || errno == EPERM) ? KVM_PROBE_FORBIDDEN
								      : KVM_PROBE_NONE;
	if (kvm < 0) {
		snprintf(ret->reason, sizeof(ret->reason), "cannot open " KVM_PROBE_DEVICE ": %s",
			 strerror(errno));
	} else if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_PROBE_API) {
		snprintf(ret->reason, sizeof(ret->reason), KVM_PROBE_DEVICE " is no KVM");
		kvm = fd_close(kvm);
	}
	return kvm;
}

int kvm_probe(const char *cache_dir, struct kvm_probe_result *ret)
{
	_cleanup_free_ char *path = mem_printf("%s/" KVM_PROBE_CACHE, cache_dir ? cache_dir : "");
	_cleanup_free_ char *key = NULL;
	_cleanup_close_ int kvm = -EBADF;

	memset(ret, 0, sizeof(*ret));
	kvm = kvm_probe_open(ret);
	if (kvm < 0)
		return ret->verdict;
	key = cache_dir && file_mkdir_p(cache_dir, 0700) == 0 ? kvm_probe_key(kvm) : NULL;
	if (key && kvm_probe_recall(path, key, ret))
		return ret->verdict;
	kvm_probe_in_child(kvm, ret);
	if (key && !ret->doubtful)
		kvm_probe_remember(path, key, ret);
	return ret->verdict;
}
