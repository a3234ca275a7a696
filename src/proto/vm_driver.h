/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_VM_DRIVER_H
#define PROTO_VM_DRIVER_H

#include "proto/driver.h"

/*
 * What the drivers of all VM engines have in common: the agent, the console, the deadlines, how an end is
 * explained. An engine brings the process that the machine runs in (struct vm_engine_ops), and makes its
 * struct driver_ops of the functions below.
 */
struct vm_engine;

/* The instance's disk, in its state_dir; and as the drivers' data. */
#define VM_DRIVER_DATA INSTANCE_DISK
extern const char *const vm_driver_data[];

/* Our ends of the process's streams: sockets that end with it. */
enum vm_stream { VM_STREAM_SERIAL, VM_STREAM_AGENT, VM_STREAM_ERRORS, VM_STREAMS };

/* What plug or unplug of an engine has come to; err NULL: done. Never from inside of these. */
typedef void (*vm_engine_done_fn)(void *ctx, const struct err *err);

struct vm_engine_ops {
	const char *process; /* what its process is called in messages: "QEMU" */

	/* Starts the machine; its kernel begins to boot at once, or as soon as the engine is ready. */
	int (*start)(const struct driver_host *host, struct vm_engine **ret, struct err *err);
	/* Hands an end over to the caller; called once for each. */
	int (*take_stream)(struct vm_engine *engine, enum vm_stream stream);
	pid_t (*pid)(const struct vm_engine *engine);
	/* Readable once the process has ended, which is the machine's end. */
	int (*pidfd)(const struct vm_engine *engine);

	/* None of these blocks. quit: the process ends at once, its disks whole; kill: and if they are not. */
	int (*pause)(struct vm_engine *engine, int paused, struct err *err);
	int (*press)(struct vm_engine *engine, enum message_button button, struct err *err);
	/*
	 * The hardware of a device, that the guest finds when it looks; or it goes at once, which is done also if there
	 * was none. One at a time. After 0 done() comes once, unless the engine ends before.
	 */
	int (*plug)(struct vm_engine *engine, const struct driver_device *device,
		    vm_engine_done_fn done, void *ctx, struct err *err);
	int (*unplug)(struct vm_engine *engine, const struct driver_device *device,
		      vm_engine_done_fn done, void *ctx, struct err *err);
	/* As in struct driver_ops. */
	int (*tune)(struct vm_engine *engine, struct err *err);
	void (*quit)(struct vm_engine *engine);
	void (*kill)(struct vm_engine *engine);

	/*
	 * After the process's end: reaps it and removes what was made for it. Returns 0 if the guest switched
	 * itself off or asked for a restart, or quit() did; else err says what happened. An exit_status in it
	 * is what the instance ends with.
	 */
	int (*reap)(struct vm_engine *engine, struct err *err);
	/* Kills what still runs. NULL is fine. */
	void (*free)(struct vm_engine *engine);
};

/* With ops, and otherwise as in struct driver_ops. */
int vm_driver_start(const struct driver_host *host, const struct vm_engine_ops *ops,
		    struct driver **ret, struct err *err);
void vm_driver_release(struct driver *driver);
size_t vm_driver_room(struct driver *driver, uint32_t channel);
void vm_driver_send(struct driver *driver, uint32_t channel, uint16_t type, const void *payload,
		    size_t len);
void vm_driver_consumed(struct driver *driver, uint32_t channel, size_t len);
int vm_driver_pause(struct driver *driver, int paused, struct err *err);
int vm_driver_press(struct driver *driver, enum message_button button, struct err *err);
int vm_driver_plug(struct driver *driver, const struct driver_device *device, struct err *err);
int vm_driver_unplug(struct driver *driver, const struct driver_device *device, int forced,
		     struct err *err);
int vm_driver_tune(struct driver *driver, struct err *err);
/* Bytes that the balloon of a machine is to hold, which was started with so many: what the record and run->memory_held say. */
int64_t vm_driver_balloon(const struct driver_host *host, int64_t started);
void vm_driver_kill(struct driver *driver);
void vm_driver_free(struct driver *driver);

#endif
