// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The vmm role. It is configured, makes the machine, gives up its privilege (vmm/jail.h), lets the guest run, and
 * serves its keeper until the machine ends or the keeper asks for it.
 *
 *   CONFIGURE -> machine_new() -> jail_close() -> machine_start() -> jail_enter() -> READY -> loop -> ENDED
 *
 * Invariants:
 *  1. The device thread looks at nothing of the guest before it has entered the jail; vCPUs enter by themselves.
 *  2. ENDED is the last word, said once, when the machine is gone and its disks are whole.
 *  3. The keeper's end is ours: the control stream's end quits, should the parent-death signal not have.
 */
#include "vmm/role.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/loop.h"
#include "proto/message.h"
#include "proto/vmm.h"
#include "proto/wire.h"
#include "sys/part.h"
#include "vmm/jail.h"
#include "vmm/machine.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

/* A request is a header; what is longer is none of the keeper's. */
#define ROLE_IN_MAX 4096

struct role {
	struct loop *loop;
	struct machine *machine;
	struct loop_source *source;
	struct buf in;
	int fds[VMM_PLUG_FDS_MAX]; /* that have come with what is in in */
	size_t n_fds;
	struct vmm_config config;
	enum vmm_end end;
	struct err why;
};

/* The keeper always reads; a socket that is full all the same has lost its keeper. */
static void role_say(uint16_t type, const struct buf *payload)
{
	if (frame_send(VMM_FD_CONTROL, 0, type, payload->data, payload->len) < 0)
		log_debug("the keeper is gone");
}

static void role_end(struct role *role, enum vmm_end end, const struct err *why)
{
	role->end = end;
	if (why && err_is_set(why))
		role->why = *why;
	loop_exit(role->loop, 0);
}

static void role_on_ended(void *ctx, enum vmm_end end, const struct err *err)
{
	role_end(ctx, end, err);
}

/* Invariant 1, in a vCPU's thread. */
static int role_on_thread(void *ctx _unused_, struct err *err)
{
	return jail_enter(JAIL_VCPU, err);
}

static const struct machine_ops role_machine_ops = {
	.thread_begins = role_on_thread,
	.ended = role_on_ended,
};

static int role_on_pause(struct role *role, const struct frame *frame _unused_, struct err *err)
{
	return machine_pause(role->machine, err);
}

static int role_on_resume(struct role *role, const struct frame *frame _unused_, struct err *err)
{
	return machine_resume(role->machine, err);
}

static int role_on_power_button(struct role *role, const struct frame *frame _unused_,
				struct err *err _unused_)
{
	machine_power_button(role->machine);
	return 0;
}

static int role_on_reset(struct role *role _unused_, const struct frame *frame _unused_,
			 struct err *err)
{
	return err_set(err, -EOPNOTSUPP, "a VM is reset by a new start");
}

static int role_on_nmi(struct role *role, const struct frame *frame _unused_,
		       struct err *err _unused_)
{
	machine_nmi(role->machine);
	return 0;
}

static int role_on_quit(struct role *role, const struct frame *frame _unused_,
			struct err *err _unused_)
{
	role_end(role, VMM_END_QUIT, NULL);
	return 0;
}

/* What comes with it is the oldest that has come; the frame is whole, so they are here. */
static int role_take_fds(struct role *role, const struct vmm_plug *plug, int *ret, struct err *err)
{
	size_t n = vmm_plug_fds(plug);

	if (n > role->n_fds)
		return err_set(err, -EPROTO,
			       "a device comes with %zu descriptors, and there are %zu", n,
			       role->n_fds);
	memcpy(ret, role->fds, n * sizeof(*ret));
	memmove(role->fds, role->fds + n, (role->n_fds - n) * sizeof(*ret));
	role->n_fds -= n;
	return 0;
}

static int role_on_plug(struct role *role, const struct frame *frame, struct err *err)
{
	int fds[VMM_PLUG_FDS_MAX];
	struct vmm_plug plug;

	if (vmm_plug_get(frame, &plug) < 0)
		return err_set(err, -EPROTO, "that is no device");
	if (role_take_fds(role, &plug, fds, err) < 0)
		return err->code;
	return machine_plug(role->machine, &plug, fds, err);
}

static int role_on_unplug(struct role *role, const struct frame *frame, struct err *err)
{
	struct vmm_plug plug;

	if (vmm_plug_get(frame, &plug) < 0)
		return err_set(err, -EPROTO, "that is no device");
	return machine_unplug(role->machine, &plug, err);
}

static int role_on_grow(struct role *role, const struct frame *frame, struct err *err)
{
	struct vmm_grow grow;

	if (vmm_grow_get(frame, &grow) < 0)
		return err_set(err, -EPROTO, "that is no disk");
	return machine_grow(role->machine, &grow, err);
}

static int role_on_tune(struct role *role, const struct frame *frame, struct err *err)
{
	struct vmm_tune tune;

	if (vmm_tune_get(frame, &tune) < 0)
		return err_set(err, -EPROTO, "that is no limit");
	machine_tune(role->machine, &tune);
	return 0;
}

static const struct role_request {
	uint16_t type;
	int (*serve)(struct role *role, const struct frame *frame, struct err *err);
} role_requests[] = {
	{ VMM_PAUSE, role_on_pause },
	{ VMM_RESUME, role_on_resume },
	{ VMM_POWER_BUTTON, role_on_power_button },
	{ VMM_RESET, role_on_reset },
	{ VMM_NMI, role_on_nmi },
	{ VMM_QUIT, role_on_quit },
	{ VMM_PLUG, role_on_plug },
	{ VMM_UNPLUG, role_on_unplug },
	{ VMM_GROW, role_on_grow },
	{ VMM_TUNE, role_on_tune },
};

static int role_serve(struct role *role, const struct frame *frame)
{
	_cleanup_buf_ struct buf refusal = BUF_INIT;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(role_requests); i++) {
		if (role_requests[i].type != frame->type)
			continue;
		if (role_requests[i].serve(role, frame, &err) == 0) {
			role_say(VMM_DONE, &BUF_INIT);
			return 0;
		}
		message_put_error(&refusal, &err);
		role_say(VMM_REFUSED, &refusal);
		return 0;
	}
	return -EBADMSG;
}

static int role_parse(struct role *role)
{
	struct frame frame;
	size_t done = 0;
	int r;

	while ((r = frame_parse(role->in.data + done, role->in.len - done, &frame)) > 0) {
		done += FRAME_HEADER_SIZE + frame.len;
		r = role_serve(role, &frame);
		if (r < 0)
			break;
	}
	buf_consume(&role->in, done);
	return role->in.len > ROLE_IN_MAX ? -EBADMSG : r;
}

/* 0, or -EMSGSIZE: more than any device comes with. */
static int role_keep_fds(struct role *role, struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		const uint8_t *data = CMSG_DATA(c);

		for (size_t i = 0;
		     c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && i < n; i++) {
			if (role->n_fds == ARRAY_SIZE(role->fds))
				return -EMSGSIZE;
			memcpy(&role->fds[role->n_fds++], data + i * sizeof(int), sizeof(int));
		}
	}
	return message->msg_flags & MSG_CTRUNC ? -EMSGSIZE : 0;
}

static void role_on_control(void *ctx, uint32_t events _unused_)
{
	struct role *role = ctx;
	char chunk[1024];
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(role->fds))];
	} control;
	struct iovec part = { .iov_base = chunk, .iov_len = sizeof(chunk) };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(VMM_FD_CONTROL, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		buf_add(&role->in, chunk, (size_t)n);
	if (n <= 0 || role_keep_fds(role, &message) < 0 || role_parse(role) < 0)
		role_end(role, VMM_END_QUIT, NULL);
}

static int role_configure(struct role *role, struct err *err)
{
	_cleanup_buf_ struct buf buf = BUF_INIT;
	struct frame frame;
	int r = frame_receive(VMM_FD_CONTROL, &buf, &frame);

	if (r < 0)
		return err_errno(err, r, "cannot read the configuration");
	r = frame.type == VMM_CONFIGURE ? vmm_config_get(&frame, &role->config) : -EBADMSG;
	if (r == -EPROTONOSUPPORT)
		return err_set(err, r,
			       PART_VMM
			       " is not of the same brig as what starts it: install brig again");
	return r < 0 ? err_set(err, -EPROTO, "what came first is no configuration") : 0;
}

static int role_make_machine(struct role *role, struct err *err)
{
	return machine_new(role->loop, &role->config, &role_machine_ops, role, &role->machine, err);
}

static int role_prepare_jail(struct role *role, struct err *err)
{
	unsigned int with = role->config.vsock_cid ? JAIL_WITH_VSOCK : 0;

	if (role->config.gdb)
		with |= JAIL_WITH_GDB;
	return jail_prepare(with, err);
}

static int role_close_jail(struct role *role _unused_, struct err *err)
{
	return jail_close(err);
}

static int role_watch(struct role *role, struct err *err)
{
	role->source = loop_watch_fd(role->loop, VMM_FD_CONTROL, EPOLLIN, role_on_control, role);
	return role->source ? 0 : err_errno(err, -errno, "cannot watch the keeper");
}

static int role_start(struct role *role, struct err *err)
{
	return machine_start(role->machine, err);
}

static int role_enter_jail(struct role *role _unused_, struct err *err)
{
	return jail_enter(JAIL_DEVICE, err);
}

static int (*const role_steps[])(struct role *role, struct err *err) = {
	role_configure, role_prepare_jail, role_make_machine, role_close_jail,
	role_watch,	role_start,	   role_enter_jail,
};

static void role_say_end(const struct role *role)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	wire_put_u32(&payload, role->end);
	message_put_error(&payload, &role->why);
	role_say(VMM_ENDED, &payload);
}

static int role_run(struct role *role)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(role_steps); i++)
		r = role_steps[i](role, &role->why);
	if (r == 0) {
		role_say(VMM_READY, &BUF_INIT);
		r = loop_run(role->loop);
		if (r < 0)
			err_errno(&role->why, r, "the VMM's loop failed");
	}
	if (r < 0)
		role->end = VMM_END_ERROR;
	role->source = loop_source_free(role->source);
	role->machine = machine_free(role->machine);
	role_say_end(role);
	return r < 0 ? 1 : 0;
}

int role_main(void)
{
	struct role role = { .end = VMM_END_ERROR };
	int status;

	if (fcntl(VMM_FD_CONTROL, F_GETFD) < 0) {
		fputs(PART_VMM ": this runs a VM for brig, which starts it: brig run --vm\n",
		      stderr);
		return 2;
	}
	(void)prctl(PR_SET_NAME, PART_VMM);
	signal(SIGPIPE, SIG_IGN);
	/* one arena: device code runs one thread at a time, and an arena per thread costs memory for each */
	(void)mallopt(M_ARENA_MAX, 1);
	if (loop_new(&role.loop, &role.why) < 0) {
		role_say_end(&role);
		return 1;
	}
	status = role_run(&role);
	buf_release(&role.in);
	vmm_config_release(&role.config);
	loop_free(role.loop);
	return status;
}
