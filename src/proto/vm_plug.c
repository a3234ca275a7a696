// SPDX-License-Identifier: GPL-2.0-or-later
/*
 *            the engine has it           the guest has set it up
 *   PLUGGING ----------------> GREETING ---------------------> IDLE
 *      | it cannot                | it cannot, or is silent
 *      \--> IDLE (failed)         \--> UNDOING --the engine--> IDLE (failed); a disk stays as large as it has become
 *
 *             the guest has let go        the engine has taken it
 *   PARTING ---------------------> PULLING ---------------------> IDLE
 *      \--> it cannot, or is silent: IDLE (failed), or if forced PULLING all the same
 *
 * Invariants:
 *  1. changed() comes exactly once for each vm_plug_start() that returned 0.
 *  2. A guest decides nothing but whether its own devices come and go in good order: it is believed for that, and it
 *     has a deadline. What the host has of a device goes only after PULLING or UNDOING.
 *  3. asked: the guest owes an answer. Until it has given it, be it after the deadline, it is asked for nothing more.
 */
#include "proto/vm_plug.h"
#include "base/mem.h"
#include "proto/message.h"
#include "proto/wire.h"

enum vm_plug_phase {
	VM_PLUG_IDLE,
	VM_PLUG_PLUGGING,
	VM_PLUG_GREETING,
	VM_PLUG_UNDOING,
	VM_PLUG_PARTING,
	VM_PLUG_PULLING,
};

struct vm_plug {
	const struct vm_engine_ops *ops;
	struct vm_engine *engine;
	struct agent_host *agent;
	void (*changed)(void *ctx, const struct err *err);
	void *ctx;
	struct loop_source *deadline;
	enum vm_plug_phase phase;
	struct driver_device device;
	int forced, asked;
	struct err why;
};

static void vm_plug_done(struct vm_plug *plug, const struct err *err)
{
	struct err why = err ? *err : (struct err)ERR_INIT;

	plug->phase = VM_PLUG_IDLE;
	loop_timer_set(plug->deadline, -1);
	plug->changed(plug->ctx, err ? &why : NULL);
}

static void vm_plug_ask(struct vm_plug *plug, uint16_t type)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	wire_put_u8(&payload, (uint8_t)plug->device.kind);
	wire_put_str(&payload, type == MESSAGE_PLUG ? plug->device.setup : plug->device.name);
	plug->asked = 1;
	agent_host_send(plug->agent, VM_PLUG_CHANNEL, type, payload.data, payload.len);
	loop_timer_set(plug->deadline, VM_PLUG_GUEST_MS);
}

static void vm_plug_on_engine(void *ctx, const struct err *err)
{
	struct vm_plug *plug = ctx;

	if (plug->phase == VM_PLUG_UNDOING) {
		vm_plug_done(plug, &plug->why);
	} else if (plug->phase == VM_PLUG_PLUGGING && !err) {
		plug->phase = VM_PLUG_GREETING;
		vm_plug_ask(plug, MESSAGE_PLUG);
	} else {
		vm_plug_done(plug, err);
	}
}

/* From the phase that the guest had its part in. */
static void vm_plug_take_away(struct vm_plug *plug, enum vm_plug_phase phase)
{
	struct err err = ERR_INIT;

	plug->phase = phase;
	loop_timer_set(plug->deadline, -1);
	if (plug->ops->unplug(plug->engine, &plug->device, vm_plug_on_engine, plug, &err) < 0)
		vm_plug_done(plug, phase == VM_PLUG_UNDOING ? &plug->why : &err);
}

/* err NULL: the guest has done its part. */
static void vm_plug_on_guest(struct vm_plug *plug, const struct err *err)
{
	int comes = plug->phase == VM_PLUG_GREETING;
	int stays = plug->device.kind == MESSAGE_DEVICE_DISK;
	int is_taken = comes ? err && !stays : !err || plug->forced;

	plug->why = err ? *err : (struct err)ERR_INIT;
	if (is_taken)
		vm_plug_take_away(plug, comes ? VM_PLUG_UNDOING : VM_PLUG_PULLING);
	else
		vm_plug_done(plug, err);
}

static int vm_plug_waits(const struct vm_plug *plug)
{
	return plug->phase == VM_PLUG_GREETING || plug->phase == VM_PLUG_PARTING;
}

static void vm_plug_on_deadline(void *ctx)
{
	struct vm_plug *plug = ctx;
	struct err err = ERR_INIT;

	if (!vm_plug_waits(plug))
		return;
	err_set(&err, -ETIMEDOUT, "the guest did not %s it within %d s",
		plug->phase == VM_PLUG_GREETING ? "set up" : "let go of", VM_PLUG_GUEST_MS / 1000);
	vm_plug_on_guest(plug, &err);
}

void vm_plug_take(struct vm_plug *plug, uint16_t type, const void *payload, size_t len)
{
	struct frame frame = { .type = type, .payload = payload, .len = (uint32_t)len };
	struct wire_reader r = wire_read(payload, len);
	struct err err = ERR_INIT;

	if (type != MESSAGE_EXIT && type != MESSAGE_ERROR)
		return;
	plug->asked = 0;
	if (!vm_plug_waits(plug))
		return;
	if (type == MESSAGE_ERROR)
		(void)message_get_error(&frame, &err);
	else if (wire_get_u32(&r))
		err_set(&err, -EIO, "the guest's agent failed");
	vm_plug_on_guest(plug, err_is_set(&err) ? &err : NULL);
}

int vm_plug_start(struct vm_plug *plug, struct agent_host *agent,
		  const struct driver_device *device, int plugged, int forced, struct err *err)
{
	if (plug->phase != VM_PLUG_IDLE)
		return err_set(err, -EBUSY, "another device comes or goes just now");
	if (plug->asked && !forced)
		return err_set(err, -EBUSY, "the guest has not answered about the last device yet");
	plug->agent = agent;
	plug->device = *device;
	plug->forced = forced;
	plug->phase = plugged ? VM_PLUG_PLUGGING : VM_PLUG_PARTING;
	if (plugged && plug->ops->plug(plug->engine, device, vm_plug_on_engine, plug, err) < 0)
		plug->phase = VM_PLUG_IDLE;
	if (!plugged && plug->asked)
		loop_timer_set(plug->deadline, 0);
	else if (!plugged)
		vm_plug_ask(plug, MESSAGE_UNPLUG);
	return plug->phase == VM_PLUG_IDLE ? err->code : 0;
}

void vm_plug_end(struct vm_plug *plug)
{
	struct err err = ERR_INIT;

	if (!plug || plug->phase == VM_PLUG_IDLE)
		return;
	err_set(&err, -ESRCH, "the VM has ended meanwhile");
	vm_plug_done(plug, &err);
}

int vm_plug_new(struct loop *loop, const struct vm_engine_ops *ops, struct vm_engine *engine,
		void (*changed)(void *ctx, const struct err *err), void *ctx, struct vm_plug **ret,
		struct err *err)
{
	struct vm_plug *plug = mem_zalloc(sizeof(*plug));

	*plug = (struct vm_plug){ .ops = ops, .engine = engine, .changed = changed, .ctx = ctx };
	plug->deadline = loop_add_timer(loop, vm_plug_on_deadline, plug);
	if (!plug->deadline) {
		free(plug);
		return err_errno(err, -errno, "cannot make a timer");
	}
	*ret = plug;
	return 0;
}

struct vm_plug *vm_plug_free(struct vm_plug *plug)
{
	if (plug)
		loop_source_free(plug->deadline);
	free(plug);
	return NULL;
}
