/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OCI_VM_RELAY_H
#define OCI_VM_RELAY_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"

/*
 * The engine's streams at one side, a channel of a machine's driver at the other. The streams may be shared with others,
 * so they are not made non-blocking: what is written at a time is what a pipe that is ready takes (PIPE_BUF).
 */
struct vm_relay_ops {
	size_t (*room)(void *ctx);
	void (*input)(void *ctx, const void *data, size_t len);
	void (*input_end)(void *ctx);
	void (*consumed)(void *ctx, size_t len);
	void (*drained)(void *ctx); /* after vm_relay_finish(): everything is out */
};

struct vm_relay_out {
	struct vm_relay *relay;
	int fd; /* negative: nobody reads it, and it is thrown away */
	struct buf buf;
	struct loop_source *source;
};

struct vm_relay {
	const struct vm_relay_ops *ops;
	void *ctx;
	int in;
	struct loop_source *in_source;
	struct vm_relay_out out[2]; /* stdout, stderr */
	int finishing;
};

/* Takes the descriptors over. Input is read from vm_relay_start() on. */
int vm_relay_init(struct vm_relay *relay, struct loop *loop, int stdio[3],
		  const struct vm_relay_ops *ops, void *ctx, struct err *err);
void vm_relay_start(struct vm_relay *relay);
/* Output of the channel: stderr, or else stdout. */
void vm_relay_output(struct vm_relay *relay, int is_error, const void *data, size_t len);
/* There is room for input again. */
void vm_relay_writable(struct vm_relay *relay);
/* No more output comes. */
void vm_relay_finish(struct vm_relay *relay);
void vm_relay_release(struct vm_relay *relay);

#endif
