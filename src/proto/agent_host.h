/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_AGENT_HOST_H
#define PROTO_AGENT_HOST_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "proto/guest.h"
#include "proto/process.h"

/*
 * The host's end of the agent protocol (proto/message.h), for every VM engine: it greets the agent
 * of a machine, configures it, starts the workload on channel 0 and then multiplexes sessions over
 * the one byte stream, with flow control in both directions. The guest is hostile: whatever it
 * sends that the protocol does not allow ends the stream with an error, and its memory is bounded
 * by the windows.
 */
struct agent_host;

/* None of these is called from inside agent_host_new(), agent_host_send(), agent_host_consumed() or
 * agent_host_shutdown(). */
struct agent_host_ops {
	/* The agent has spoken; release is its kernel's, made of printable characters. */
	void (*hello)(void *ctx, const char *release);
	/* As in struct driver_host_ops. An EXIT, an ERROR or the answer to a question ends its
	 * channel. */
	void (*deliver)(void *ctx, uint32_t channel, uint16_t type, const void *payload,
			size_t len);
	void (*writable)(void *ctx, uint32_t channel);
	/* The machine is configured, and the workload that is held can start. May be NULL. */
	void (*ready)(void *ctx);
	/* The agent broke the protocol; nothing is read from it any more. Called at most once. */
	void (*broken)(void *ctx, const struct err *err);
};

/*
 * Takes over fd, a connected stream socket to the agent's port. config and process are copied. The
 * end of the stream is not reported: the machine's end is its engine's to notice.
 */
int agent_host_new(struct loop *loop, int fd, const struct guest_config *config,
		   const struct process *process, const struct agent_host_ops *ops, void *ctx,
		   struct agent_host **ret, struct err *err);
/* Before the loop runs: the workload waits for agent_host_release(), which comes after ready(). */
void agent_host_hold(struct agent_host *agent);
void agent_host_release(struct agent_host *agent);
struct agent_host *agent_host_free(struct agent_host *agent); /* returns NULL */

/* As in struct driver_ops. room() is 0 or at least FRAME_DATA_MAX. A message for a channel that has
 * ended is dropped, as it must have crossed the end on its way. */
size_t agent_host_room(struct agent_host *agent, uint32_t channel);
void agent_host_send(struct agent_host *agent, uint32_t channel, uint16_t type, const void *payload,
		     size_t len);
void agent_host_consumed(struct agent_host *agent, uint32_t channel, size_t len);

/* Asks the guest to unmount and power off. */
void agent_host_shutdown(struct agent_host *agent);

/* The machine is gone: delivers what the agent had sent before, if it has not broken the protocol.
 */
void agent_host_drain(struct agent_host *agent);
/*
 * After agent_host_drain(): ends every channel that is still open. What had STARTED gets EXIT 137, as
 * from SIGKILL; the rest gets an ERROR with why.
 */
void agent_host_end(struct agent_host *agent, const struct err *why);

/* The workload has STARTED. */
int agent_host_started(const struct agent_host *agent);

#endif
