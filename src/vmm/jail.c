// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The stages in which a VM's process gives up what it could do. Each takes for good what the next ones do not
 * need.
 *
 *   0  its keeper's clone (vmm/hull.c, sys/sandbox.c): user, mount, PID, network, IPC, UTS and cgroup namespaces
 *      of its own, the VM's control group, nobody outside and root of nothing but its user namespace inside, the
 *      descriptors of proto/vmm.h and no other, no environment, no core dumps, few threads, death with its
 *      keeper. Then it becomes this program, by descriptor.
 *   1  vmm/role.c: the linker has had its libraries; the machine is made: the VM and its CPUs, memory, the kernel
 *      mapped, disks and rings. Nothing of the guest runs yet. jail_prepare() builds the filters.
 *   2  jail_close(): the root is empty and read-only and the host's mounts are gone; no capability, not even in
 *      the bounding set, and no_new_privs; no file can be looked into from outside (not dumpable).
 *   3  jail_enter(), in each thread before it does anything for the guest: the system call filter of its kind,
 *      made of the rows of vmm/jail_calls.c. What is not on the list ends the whole process with SIGSYS, which
 *      the keeper tells in words.
 *
 * Invariants:
 *  1. No code runs for the guest, be it a device's or a vCPU's, in a thread that has not entered.
 *  2. A filter never allows to open, to make a socket, to map code, to start a process or a program, to change
 *     namespaces, a filter or a capability. What a thread starts is a thread, with its own filter.
 */
#include "vmm/jail.h"
#include "sys/filter.h"
#include "sys/sandbox.h"
#include "vmm/jail_calls.h"

#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <string.h>

const char *const jail_thread_names[JAIL_THREADS + 1] = {
	[JAIL_DEVICE] = "device",
	[JAIL_VCPU] = "vcpu",
	[JAIL_WORKER] = "worker",
};

#if defined(__SANITIZE_ADDRESS__)
#define JAIL_BUILD JAIL_WITH_SANITIZER
#elif defined(__has_feature)
#define JAIL_BUILD (__has_feature(address_sanitizer) ? JAIL_WITH_SANITIZER : 0)
#else
#define JAIL_BUILD 0
#endif

static struct filter jail_filters[JAIL_THREADS];

static void jail_release(scmp_filter_ctx *filter)
{
	if (*filter)
		seccomp_release(*filter);
}

static int jail_add_call(scmp_filter_ctx filter, const struct jail_call *call)
{
	int number = seccomp_syscall_resolve_name(call->name);
	struct scmp_arg_cmp compare = { .arg = call->argument,
					.op = SCMP_CMP_MASKED_EQ,
					.datum_a = call->value,
					.datum_b = call->value };

	/* newer than this library: what cannot be allowed is not used either, or is told by SIGSYS */
	if (number == __NR_SCMP_ERROR)
		return 0;
	if (call->test == JAIL_MISSING)
		return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(call->value), number, 0, NULL);
	if (call->test == JAIL_ANY)
		return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 0, NULL);
	if (call->test == JAIL_EQUAL)
		compare.datum_a = UINT32_MAX;
	else if (call->test == JAIL_NONE_OF)
		compare.datum_b = 0;
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &compare);
}

/* The library writes its programs to descriptors alone. */
static int jail_export(scmp_filter_ctx filter, struct filter *ret)
{
	_cleanup_close_ int fd = memfd_create("filter", MFD_CLOEXEC);
	off_t size;
	int r = fd < 0 ? -errno : seccomp_export_bpf(filter, fd);

	if (r < 0)
		return r;
	size = lseek(fd, 0, SEEK_END);
	if (size <= 0 || (size_t)size > BPF_MAXINSNS * sizeof(*ret->code))
		return -EFBIG;
	ret->code = calloc(1, (size_t)size);
	if (!ret->code)
		return -ENOMEM;
	ret->n = (size_t)size / sizeof(*ret->code);
	return pread(fd, ret->code, (size_t)size, 0) == size ? 0 : -EIO;
}

static int jail_build(enum jail_thread kind, unsigned int with, struct filter *ret)
{
	_cleanup_(jail_release) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = filter ? 0 : -ENOMEM;

	for (const struct jail_call *call = jail_calls; r == 0 && call->name; call++) {
		if (call->threads & 1U << kind && (call->with & with) == call->with)
			r = jail_add_call(filter, call);
	}
	/* a tree: KVM_RUN is one of the calls that come most often */
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return r < 0 ? r : jail_export(filter, ret);
}

int jail_prepare(unsigned int with, struct err *err)
{
	for (int kind = 0; kind < JAIL_THREADS; kind++) {
		int r = jail_build((enum jail_thread)kind, with | JAIL_BUILD, &jail_filters[kind]);

		if (r < 0)
			return err_errno(err, r, "cannot make the filter of the %s threads",
					 jail_thread_names[kind]);
	}
	return 0;
}

int jail_close(struct err *err)
{
	int r = sandbox_empty_root(err);

	if (r == 0)
		r = sandbox_drop_capabilities(err);
	if (r == 0 && prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_errno(err, -errno, "cannot become undumpable");
	return r;
}

int jail_enter(enum jail_thread kind, struct err *err)
{
	int r;

	if (!jail_filters[kind].n)
		return 0;
	/* a thread that is older than jail_close() has its own capabilities still */
	r = sandbox_drop_capabilities(err);
	return r < 0 ? r : filter_install(&jail_filters[kind], 0, err);
}
