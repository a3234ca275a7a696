/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_VMM_H
#define PROTO_VMM_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "proto/frame.h"

/*
 * Between a VM's keeper and its vmm role: frames (proto/frame.h, channel 0) over a stream socket.
 *
 *   keeper: CONFIGURE -> vmm: READY (the guest runs) or ENDED with the error
 *   keeper: PAUSE, RESUME, POWER_BUTTON, RESET, NMI, PLUG, UNPLUG, GROW, TUNE, QUIT -> vmm: DONE or REFUSED, in order
 *   vmm, at last: ENDED with how the machine ended; then the process ends
 *
 * The vmm opens nothing by name: everything comes to it as descriptors with fixed numbers, and with PLUG as those
 * that go with the frame's first byte (SCM_RIGHTS), in the order of enum vmm_fd's last.
 */
enum vmm_fd {
	VMM_FD_CONTROL = 3, /* this protocol */
	VMM_FD_KVM,	    /* /dev/kvm */
	VMM_FD_SERIAL,	    /* the guest's first serial port, a stream socket */
	VMM_FD_AGENT,	    /* the virtio-serial port GUEST_PORT, a stream socket */
	VMM_FD_KERNEL,	    /* an ELF file, or a bzImage */
	VMM_FD_INITRAMFS,
	VMM_FD_FIRST, /* and those after it: disks, taps and streams, vsock's listener, servers of shared folders, as configured */
};

/* Of all messages here; both ends are installed together, yet apart from each other. */
#define VMM_VERSION 1

enum vmm_message {
	VMM_CONFIGURE = 1, /* u32 VMM_VERSION, then struct vmm_config */
	VMM_READY,
	VMM_DONE,
	VMM_REFUSED, /* as MESSAGE_ERROR */
	VMM_ENDED,   /* u32 enum vmm_end, then as MESSAGE_ERROR */
	VMM_PAUSE,
	VMM_RESUME,
	VMM_POWER_BUTTON,
	VMM_RESET,
	VMM_NMI,
	VMM_QUIT,
	VMM_PLUG, /* struct vmm_plug: one device more */
	VMM_GROW, /* struct vmm_grow: the file of a raw disk has become larger */
	VMM_UNPLUG, /* struct vmm_plug, of which its name counts: it goes at once, whatever the guest does with it */
	VMM_TUNE, /* struct vmm_tune */
};

/* Below the instance's run folder: where the host reaches the guest's AF_VSOCK, and its debugger. */
#define VMM_VSOCK_SOCKET "vsock.sock"
#define VMM_GDB_SOCKET	 "gdb.sock"

/* How a machine ends. */
enum vmm_end {
	VMM_END_POWER_OFF, /* the guest switched itself off */
	VMM_END_RESET,	   /* the guest asked for a reset, which we do not do for it */
	VMM_END_PANIC,	   /* the guest's kernel said that it gave up (pvpanic) */
	VMM_END_FAULT,	   /* triple fault: the guest's CPU could not go on */
	VMM_END_QUIT,	   /* the keeper asked for it */
	VMM_END_ERROR,	   /* of ours or of KVM's; the error says which */
	VMM_ENDS,
};

extern const char *const vmm_end_names[VMM_ENDS + 1];

enum vmm_disk_format { VMM_DISK_RAW, VMM_DISK_QCOW2 };

#define VMM_DISKS_MAX  128
#define VMM_SERIAL_MAX 20 /* bytes of a virtio-blk serial number */
#define VMM_NETS_MAX   8
#define VMM_SHARES_MAX 32
#define VMM_TAG_MAX    36 /* bytes of a virtio-fs tag */

/* Of a disk, a second; 0: no limit. */
struct vmm_rates {
	uint64_t read_bytes, write_bytes, read_operations, write_operations;
};

struct vmm_disk {
	char serial[VMM_SERIAL_MAX + 1];
	int read_only;
	int format;	  /* enum vmm_disk_format; never guessed */
	int direct;	  /* O_DIRECT was asked for */
	uint32_t backing; /* descriptors of its backing chain that follow its own, nearest first */
	struct vmm_rates rates;
};

struct vmm_net {
	uint8_t mac[6];
	uint16_t mtu; /* 0: not told */
	uint32_t
		queues; /* pairs; as many tap descriptors. 0: one of a stream of packets, see proto/driver.h */
	int vhost; /* a vhost-net descriptor follows each tap's */
};

enum vmm_plug_kind { VMM_PLUG_NET, VMM_PLUG_DISK, VMM_PLUG_SHARE, VMM_PLUG_KINDS };

/* Descriptors that come with one device. */
#define VMM_PLUG_FDS_MAX 128

/* A device that comes or goes while the machine runs. Its name is a card's address, a disk's serial number, or a
 * share's tag. */
struct vmm_plug {
	int kind; /* enum vmm_plug_kind: which one of these it is */
	struct vmm_net net;
	struct vmm_disk disk;	   /* without a backing chain */
	char tag[VMM_TAG_MAX + 1]; /* of a shared folder, whose server's socket comes with it */
};

struct vmm_grow {
	char serial[VMM_SERIAL_MAX + 1]; /* the disk's */
	uint64_t size;			 /* bytes */
};

/* What of a machine that runs changes: how much memory the guest is to do without, and the rates of all its disks. */
struct vmm_tune {
	uint64_t balloon; /* bytes */
	struct vmm_rates rates;
};

struct vmm_config {
	char *name;	 /* of the instance */
	char *uuid;	 /* 8-4-4-4-12 hexadecimal digits, for SMBIOS */
	char *cmdline;	 /* added to the kernel's own; may be "" */
	uint64_t memory; /* bytes */
	uint32_t cpus;
	int huge_pages, shared_memory;
	struct vmm_disk *disks;
	uint32_t n_disks;
	struct vmm_net *nets;
	uint32_t n_nets;
	uint32_t
		vsock_cid; /* 0: no vsock device; else its listening stream socket follows those of nets */
	uint32_t n_shares; /* shared folders: as many sockets of vhost-user servers follow */
	int gdb;	   /* a stream socket for a debugger is the last descriptor */
};

void vmm_config_release(struct vmm_config *config);
void vmm_config_put(struct buf *payload, const struct vmm_config *config);
/* Returns 0, -EBADMSG, or -EPROTONOSUPPORT: of another version. Release the config in all cases. */
int vmm_config_get(const struct frame *frame, struct vmm_config *ret);

void vmm_plug_put(struct buf *payload, const struct vmm_plug *plug);
/* Returns 0 or -EBADMSG. */
int vmm_plug_get(const struct frame *frame, struct vmm_plug *ret);
void vmm_grow_put(struct buf *payload, const struct vmm_grow *grow);
/* Returns 0 or -EBADMSG. */
int vmm_grow_get(const struct frame *frame, struct vmm_grow *ret);
void vmm_tune_put(struct buf *payload, const struct vmm_tune *tune);
/* Returns 0 or -EBADMSG. */
int vmm_tune_get(const struct frame *frame, struct vmm_tune *ret);
/* How many descriptors it comes with: at most VMM_PLUG_FDS_MAX. */
size_t vmm_plug_fds(const struct vmm_plug *plug);

#endif
