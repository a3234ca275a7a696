/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_KVM_PROBE_H
#define SYS_KVM_PROBE_H

/*
 * Can this host's KVM run a stock kernel? Some hosts have a /dev/kvm that runs only kernels made for it
 * (a para-virtual one inside a cloud guest); there an unmodified kernel hangs or the vCPU fails. A guest
 * of a few instructions tells: in 64-bit mode it takes int3 through an IDT of its own, as every kernel
 * does while it boots, and its handler writes to a port.
 */
#define KVM_PROBE_DEVICE "/dev/kvm"

enum kvm_probe_verdict {
	KVM_PROBE_NONE,	     /* no /dev/kvm, or nothing behind it */
	KVM_PROBE_FORBIDDEN, /* we may not open it */
	KVM_PROBE_CANNOT,    /* it is there, but cannot run a stock kernel */
	KVM_PROBE_OK,
};

extern const char *const kvm_probe_names[]; /* "none", "forbidden", "cannot", "ok" */

struct kvm_probe_result {
	int verdict;	  /* enum kvm_probe_verdict */
	int doubtful;	  /* a deadline decided, which a very busy host misses too */
	char reason[160]; /* in words; "" with KVM_PROBE_OK */
};

/*
 * Returns the verdict. What the guest showed is kept in cache_dir/kvm-probe.json (made if needed; NULL:
 * not kept) until the next boot, another kernel or another /dev/kvm, unless it is doubtful. The guest runs
 * in a child process with a deadline of five seconds, so this never hangs.
 */
int kvm_probe(const char *cache_dir, struct kvm_probe_result *ret);

#endif
