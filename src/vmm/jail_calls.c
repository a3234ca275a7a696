// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/jail_calls.h"
#include "vmm/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/vhost.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>

#define DEVICE (1U << JAIL_DEVICE)
#define VCPU   (1U << JAIL_VCPU)
#define WORKER (1U << JAIL_WORKER)
/* Devices' code runs in vCPUs' threads too, when the guest touches a register. */
#define DEVICES (DEVICE | VCPU)
#define ALL	(DEVICE | VCPU | WORKER)

/* What pthread_create() asks for: all of it, and nothing else. */
#define THREAD_FLAGS                                                                        \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_SIGHAND | CLONE_THREAD | \
	 CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

#define CALL(name_, threads_, why_)                                   \
	{                                                             \
		.name = (name_), .threads = (threads_), .why = (why_) \
	}
#define RULE(name_, threads_, argument_, test_, value_, why_)                             \
	{                                                                                 \
		.name = (name_), .threads = (threads_), .argument = (argument_),          \
		.test = JAIL_##test_, .value = (uint32_t)(value_), .value_name = #value_, \
		.why = (why_)                                                             \
	}
#define WITH(with_, name_, threads_, argument_, test_, value_, why_)                        \
	{                                                                                   \
		.name = (name_), .threads = (threads_), .with = JAIL_WITH_##with_,          \
		.argument = (argument_), .test = JAIL_##test_, .value = (uint32_t)(value_), \
		.value_name = #value_, .why = (why_)                                        \
	}

const struct jail_call jail_calls[] = {
	/* threads: locks, the kicks that bring a vCPU out of the guest, an end in good order */
	CALL("futex", ALL, "locks, and waiting for threads"),
	CALL("tgkill", ALL, "kicking a vCPU out of the guest"),
	CALL("getpid", ALL, "who to kick"),
	CALL("gettid", ALL, "who to kick"),
	CALL("rt_sigreturn", ALL, "coming back from a kick"),
	CALL("rt_sigprocmask", ALL, "a thread's end blocks all signals"),
	CALL("restart_syscall", ALL, "the kernel's own, after a stop"),
	CALL("exit", ALL, "a thread's end"),
	CALL("exit_group", ALL, "the process's end"),

	/* a disk's threads, which are started when there is work for them, with their starter's filter. clone3 keeps
	 * its flags where no filter can look; without it, clone is what the C library takes */
	RULE("clone", DEVICES, 0, EQUAL, THREAD_FLAGS,
	     "a disk's thread; never a process or a namespace"),
	RULE("clone3", DEVICES, 0, MISSING, ENOSYS, "so that clone is taken"),
	CALL("set_robust_list", DEVICES, "a thread's start"),
	CALL("rseq", DEVICES, "a thread's start"),
	CALL("sched_getaffinity", DEVICES, "a thread's start: malloc asks for the number of CPUs"),

	/* memory: malloc's, a thread's stack at its end, the balloon */
	CALL("brk", ALL, "malloc"),
	RULE("mmap", ALL, 2, NONE_OF, PROT_EXEC, "malloc; never code"),
	RULE("mprotect", ALL, 2, NONE_OF, PROT_EXEC, "malloc; never code"),
	CALL("munmap", ALL, "free, and a thread's stack"),
	CALL("mremap", ALL, "realloc"),
	CALL("madvise", ALL, "free, a thread's stack, memory that the balloon gives back"),

	/* time */
	CALL("clock_gettime", ALL, "where the vDSO has no clock"),
	CALL("timerfd_settime", DEVICES, "a device's timer"),

	/* descriptors that are open already: eventfds, the keeper's sockets, taps, disks */
	CALL("read", ALL, "eventfds, streams"),
	CALL("write", ALL, "eventfds, streams, the last words on stderr"),
	CALL("readv", DEVICES, "streams, taps"),
	CALL("writev", DEVICES, "streams, taps"),
	CALL("recvfrom", DEVICES, "the keeper's sockets"),
	CALL("recvmsg", DEVICES, "the keeper's sockets"),
	CALL("sendto", DEVICES, "the keeper's sockets"),
	CALL("sendmsg", DEVICES, "the keeper's sockets"),
	CALL("shutdown", DEVICES, "a stream's end"),
	CALL("close", ALL, "what is no longer used"),
	CALL("eventfd2", DEVICES, "a queue's or a vector's event"),
	RULE("fcntl", DEVICES, 1, EQUAL, F_GETFL, "whether a stream blocks"),
	RULE("fcntl", DEVICES, 1, EQUAL, F_SETFL, "that a stream does not block"),
	CALL("epoll_wait", DEVICE, "the loop"),
	CALL("epoll_ctl", DEVICES, "the loop"),
	CALL("poll", DEVICES, "whether a stream has something"),
	CALL("getrandom", DEVICES, "the random number device"),

	/* disks */
	CALL("pread64", ALL, "disks"),
	CALL("pwrite64", ALL, "disks"),
	CALL("preadv", ALL, "disks"),
	CALL("pwritev", ALL, "disks"),
	CALL("fdatasync", ALL, "a flush"),
	CALL("fallocate", ALL, "discarding and writing zeroes"),
	CALL("io_uring_enter", ALL, "disks, where the kernel has it"),
	CALL("timerfd_create", DEVICE, "a disk that comes later: its limits, and its tries"),
	CALL("newfstatat", DEVICE, "a disk that comes later: what its descriptor is"),
	CALL("lseek", DEVICE, "a disk that comes later: how large it is"),
	RULE("ioctl", DEVICE, 1, EQUAL, BLKPBSZGET, "a disk that comes later"),
	RULE("fcntl", DEVICE, 1, EQUAL, F_OFD_SETLK, "a disk that comes later: nobody else has it"),
	RULE("fcntl", DEVICE, 1, EQUAL, F_OFD_GETLK, "a disk that comes later: nobody else has it"),

	/* KVM */
	RULE("ioctl", VCPU, 1, EQUAL, KVM_RUN, "running the guest"),
	RULE("ioctl", VCPU, 1, EQUAL, KVM_GET_REGS, "what to say of a CPU that cannot go on"),
	RULE("ioctl", VCPU, 1, EQUAL, KVM_KVMCLOCK_CTRL, "telling the guest that it was paused"),
	RULE("ioctl", DEVICES, 1, EQUAL, KVM_SIGNAL_MSI, "an interrupt"),
	RULE("ioctl", DEVICES, 1, EQUAL, KVM_IRQFD, "a vector that the guest sets up"),
	RULE("ioctl", DEVICES, 1, EQUAL, KVM_IOEVENTFD, "a register that the guest sets up"),
	RULE("ioctl", DEVICES, 1, EQUAL, KVM_SET_GSI_ROUTING, "a vector that the guest sets up"),

	/* networks: what a guest agrees on with its device */
	RULE("ioctl", DEVICES, 1, EQUAL, TUNSETOFFLOAD, "a tap's offloads"),
	RULE("ioctl", DEVICES, 1, EQUAL, TUNSETVNETHDRSZ, "a tap's header"),
	RULE("ioctl", DEVICES, 1, EQUAL, TUNSETQUEUE, "a tap's queues"),
	RULE("ioctl", DEVICE, 1, EQUAL, TUNGETIFF,
	     "a card that comes later: what its descriptor is"),
	RULE("io_uring_register", DEVICE, 1, EQUAL, IORING_REGISTER_FILES_UPDATE,
	     "a card that comes later or goes: its last close"),
	RULE("ioctl", DEVICE, 1, EQUAL, VHOST_SET_OWNER, "a card that comes later"),
	RULE("ioctl", DEVICES, 1, EQUAL, VHOST_GET_FEATURES, "vhost"),
	RULE("ioctl", DEVICES, 1, EQUAL, VHOST_SET_FEATURES, "vhost"),
	RULE("ioctl", DEVICES, 1, EQUAL, VHOST_SET_MEM_TABLE, "vhost"),
	RULE("ioctl", DEVICES, 1, EQUAL, VHOST_SET_VRING_NUM, "vhost"),
	RULE("ioctl", DEVICES, 1, EQUAL, VHOST_SET_VRING_ADDR, "vhost"),
	RULE("ioctl", DEVICES, 1, EQUAL, VHOST_SET_VRING_BASE, "vhost"),
	RULE("ioctl", DEVICES, 1, EQUAL, VHOST_SET_VRING_KICK, "vhost"),
	RULE("ioctl", DEVICES, 1, EQUAL, VHOST_SET_VRING_CALL, "vhost"),
	RULE("ioctl", DEVICES, 1, EQUAL, VHOST_NET_SET_BACKEND, "vhost"),

	/* vsock: the host's ends of its connections; those to the host are made by its keeper */
	WITH(VSOCK, "accept4", DEVICES, 0, ANY, 0, "a connection from the host"),

	/* a debugger, while vCPUs stand still */
	WITH(GDB, "ioctl", DEVICE, 1, EQUAL, KVM_GET_REGS, "registers"),
	WITH(GDB, "ioctl", DEVICE, 1, EQUAL, KVM_SET_REGS, "registers"),
	WITH(GDB, "ioctl", DEVICE, 1, EQUAL, KVM_GET_SREGS, "registers"),
	WITH(GDB, "ioctl", DEVICE, 1, EQUAL, KVM_SET_SREGS, "registers"),
	WITH(GDB, "ioctl", DEVICE, 1, EQUAL, KVM_GET_XSAVE, "registers"),
	WITH(GDB, "ioctl", DEVICE, 1, EQUAL, KVM_SET_XSAVE, "registers"),
	WITH(GDB, "ioctl", DEVICE, 1, EQUAL, KVM_GET_MSRS, "registers"),
	WITH(GDB, "ioctl", DEVICE, 1, EQUAL, KVM_SET_MSRS, "registers"),
	WITH(GDB, "ioctl", DEVICE, 1, EQUAL, KVM_TRANSLATE, "the guest's addresses"),
	WITH(GDB, "ioctl", DEVICE, 1, EQUAL, KVM_SET_GUEST_DEBUG, "breakpoints and steps"),
	WITH(GDB, "ioctl", DEVICE, 1, EQUAL, KVM_GET_DEBUGREGS, "a guest's own traps"),
	WITH(GDB, "ioctl", DEVICE, 1, EQUAL, KVM_SET_DEBUGREGS, "a guest's own traps"),
	WITH(GDB, "accept4", DEVICE, 0, ANY, 0, "a debugger that comes"),

	WITH(SANITIZER, "sigaltstack", ALL, 0, ANY, 0, "a thread's end under AddressSanitizer"),
	{ .name = NULL },
};
