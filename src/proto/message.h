/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_MESSAGE_H
#define PROTO_MESSAGE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "proto/frame.h"

/*
 * The messages in frames. One vocabulary serves both hops: client to keeper (one connection is one
 * session; the channel is 0 and ignored) and keeper to agent (sessions are told apart by channel;
 * channel 0 is the instance's main workload, the keeper gives out the others, 1 and up).
 *
 * A session begins with one request and ends with EXIT or ERROR, or with the client's connection.
 *   run something   ATTACH | EXEC | TREE_GET | TREE_PUT | FREEZE (and of the keeper's own: PLUG, UNPLUG) -> STARTED, then OUT/ERR..., then EXIT
 *                   meanwhile IN, IN_END, SIGNAL, RESIZE from the other side
 *   ask something   STATS -> STATS; PROCS -> PROCS; PING -> OK
 *   do something    SIGNAL, STOP, PAUSE, RESUME, PRESS, HOLD, SET -> OK or ERROR (keeper only but for SIGNAL)
 *
 * Flow control, keeper to agent only: each direction of a session's data has a window of
 * MESSAGE_WINDOW bytes; who has passed data on gives it back with CREDIT_IN (agent, for IN) or
 * CREDIT_OUT (keeper, for OUT and ERR together). Sending more than the window is a breach that ends the
 * connection. On the client's socket the socket's own buffer does this.
 *
 * The agent speaks first: HELLO. The keeper answers CONFIGURE (proto/guest.h), the agent OK or ERROR.
 */
#define MESSAGE_VERSION 4
#define MESSAGE_WINDOW	(256U << 10)
/* Sessions that an agent or a keeper serves at once; more are refused with an ERROR. */
#define MESSAGE_SESSIONS_MAX 256

enum message_type {
	/* both hops */
	MESSAGE_OK = 1,
	MESSAGE_ERROR,	 /* i32 -errno, u32 exit status, str text */
	MESSAGE_STARTED, /* u32 pid as the instance sees it */
	MESSAGE_EXIT,	 /* u32 status: 0-255, 128+N for signal N */
	MESSAGE_EXEC,	 /* struct process (proto/process.h) */
	MESSAGE_IN,	 /* bytes for stdin */
	MESSAGE_IN_END,	 /* stdin is at its end */
	MESSAGE_OUT,	 /* bytes of stdout, or of the terminal */
	MESSAGE_ERR,	 /* bytes of stderr */
	MESSAGE_SIGNAL, /* u32 number, to the session's process (a client's first: to the workload) */
	MESSAGE_RESIZE,	  /* u16 rows, u16 columns */
	MESSAGE_TREE_GET, /* str path, u8 flags: TREE_*; OUT is a tree stream (proto/tree.h) */
	MESSAGE_TREE_PUT, /* str path, u8 flags; IN is a tree stream */
	MESSAGE_STATS,	  /* request: empty; reply: struct message_stats */
	MESSAGE_PROCS,	  /* request: empty; reply: proto/procs.h */
	MESSAGE_PING,
	/*
	 * Of a VM: its file system stands still, with all in the disk that was written so far, from the first byte of
	 * OUT to IN_END or the session's end. EXIT: it did to the end; ERROR: not any more, or not at all.
	 */
	MESSAGE_FREEZE,

	/* client to keeper */
	MESSAGE_ATTACH = 64, /* u8 take stdin, u8 1: from the first byte, before the start */
	MESSAGE_STOP,	     /* u32 timeout in ms (UINT32_MAX: the instance's own) */
	MESSAGE_PAUSE,
	MESSAGE_RESUME,
	MESSAGE_PRESS, /* u8 enum message_button, of a VM */
	MESSAGE_HOLD,  /* OK once it stands still: as by PAUSE, until the connection ends */
	MESSAGE_SET, /* KEY=VALUE, as the rest of the payload: into the record; with it may go a lock (SCM_RIGHTS),
			* which is held until it holds, or has failed */

	/* keeper to agent */
	MESSAGE_HELLO = 128, /* agent: u32 version, str kernel release */
	MESSAGE_CONFIGURE,   /* struct guest_config (proto/guest.h) */
	MESSAGE_CREDIT_IN,   /* u32 bytes */
	MESSAGE_CREDIT_OUT,  /* u32 bytes */
	MESSAGE_SHUTDOWN,    /* unmount and power off; no reply but the machine's end */
	MESSAGE_CLOSE, /* keeper: the client is gone; the process gets SIGHUP and its stdin ends */
	/*
	 * u8 enum message_device, str: a device that has come is found and set up; or one is let go of, before it is taken
	 * away. They run as FREEZE does: STARTED, then EXIT 0, or ERROR.
	 */
	MESSAGE_PLUG,
	MESSAGE_UNPLUG,
	MESSAGE_OOM, /* agent, on channel 0: a line of its kernel's of a process that want of memory killed (proto/oom.h) */
};

/*
 * A card: struct nic_setup (proto/nic.h) as text; of one that goes its MAC alone. A disk: of the instance's own, which only
 * grows, the size in bytes that it comes to, in digits. A share: as one of struct guest_config's (proto/guest.h); of one
 * that goes PATH, or PATH:force if it goes also while it is in use. A drive: its serial number; of one that goes SERIAL or SERIAL:force.
 */
enum message_device {
	MESSAGE_DEVICE_CARD,
	MESSAGE_DEVICE_DISK,
	MESSAGE_DEVICE_SHARE,
	MESSAGE_DEVICE_DRIVE,
	MESSAGE_DEVICES
};

/* What a machine has on its outside. */
enum message_button { MESSAGE_BUTTON_POWER, MESSAGE_BUTTON_NMI, MESSAGE_BUTTONS };

struct message_stats {
	uint64_t memory_total, memory_used; /* bytes, as the guest sees them */
	uint64_t cpu_ns;		    /* time that the guest's CPUs were busy */
	uint64_t processes;
};

void message_put_error(struct buf *payload, const struct err *err);
/* Sets err from an ERROR's payload (a broken one says so). Returns its code. */
int message_get_error(const struct frame *frame, struct err *err);
void message_put_stats(struct buf *payload, const struct message_stats *stats);
int message_get_stats(const struct frame *frame, struct message_stats *ret);

#endif
