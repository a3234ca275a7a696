// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * VMs on KVM: what our VMM adds to proto/vm_driver.h, which is its process (vmm/hull.h) and the protocol with it
 * (proto/vmm.h). The process serves a guest that may have taken it over, so what it says is bounded and believed
 * for the words of a message alone: the machine's end is the process's end.
 */
#include "vmm/driver.h"
#include "base/log.h"
#include "base/mem.h"
#include "proto/drive.h"
#include "proto/share.h"
#include "proto/vm_driver.h"
#include "proto/wire.h"
#include "sys/cgroup.h"
#include "sys/vhost.h"
#include "vmm/hull.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#define DRIVER_CLEAN_MS 5000
/* Requests that the process has not taken yet: no more than a keeper's few clients can have made. */
#define DRIVER_OUT_MAX (2UL * (FRAME_HEADER_SIZE + FRAME_PAYLOAD_MAX))

struct vm_engine {
	const struct driver_host *host;
	struct hull *hull;
	int control;
	struct loop_source *source;
	struct buf in, out;
	/* Requests that are answered with DONE or REFUSED, which come in their order. */
	uint64_t asked, answered;
	uint64_t plug; /* the number of the one that done waits for; 0: none */
	vm_engine_done_fn done;
	void *done_ctx;
	char *folder; /* that it shows or hides, by its path inside; NULL: it is another device */
	int shows;
	int has_ended; /* and said how: */
	uint32_t end;  /* enum vmm_end */
	struct err why;
};

static void driver_engine_kill(struct vm_engine *engine)
{
	hull_kill(engine->hull);
}

static void driver_flush(struct vm_engine *engine)
{
	size_t sent = 0;

	while (sent < engine->out.len) {
		ssize_t n = send(engine->control, engine->out.data + sent, engine->out.len - sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		sent += (size_t)n;
	}
	buf_consume(&engine->out, sent);
	if (engine->source)
		loop_source_set_events(engine->source, EPOLLIN | (engine->out.len ? EPOLLOUT : 0));
}

static void driver_request(struct vm_engine *engine, uint16_t type, const struct buf *payload)
{
	if (engine->out.len < DRIVER_OUT_MAX) {
		frame_put(&engine->out, 0, type, payload->data, payload->len);
		engine->asked += type != VMM_CONFIGURE;
	}
	driver_flush(engine);
}

/* u32 end, then an error. */
static int driver_take_end(struct vm_engine *engine, const struct frame *frame)
{
	struct wire_reader r = wire_read(frame->payload, frame->len);
	uint32_t end = wire_get_u32(&r);
	struct frame rest = { .payload = r.p, .len = (uint32_t)r.left };

	if (r.bad || end >= VMM_ENDS || engine->has_ended)
		return -EBADMSG;
	engine->has_ended = 1;
	engine->end = end;
	(void)message_get_error(&rest, &engine->why);
	log_debug("the VMM says that the machine has ended: %s", vmm_end_names[end]);
	return 0;
}

/* Its server is there for as long as the device is. */
static void driver_settle_folder(struct vm_engine *engine, int failed)
{
	_cleanup_free_ char *folder = take_ptr(engine->folder);

	if (folder && engine->shows == failed)
		hull_hide(engine->hull, folder);
}

static int driver_take_answer(struct vm_engine *engine, const struct frame *frame)
{
	struct err err = ERR_INIT;

	if (engine->answered++ == engine->asked)
		return -EBADMSG;
	if (frame->type == VMM_REFUSED) {
		(void)message_get_error(frame, &err);
		log_debug("the VMM refused a request: %s", err.msg);
	}
	if (engine->answered == engine->plug) {
		engine->plug = 0;
		driver_settle_folder(engine, err_is_set(&err));
		engine->done(engine->done_ctx, err_is_set(&err) ? &err : NULL);
	}
	return 0;
}

static int driver_take_frame(struct vm_engine *engine, const struct frame *frame)
{
	switch (frame->type) {
	case VMM_READY:
		return 0;
	case VMM_DONE:
	case VMM_REFUSED:
		return driver_take_answer(engine, frame);
	case VMM_ENDED:
		return driver_take_end(engine, frame);
	default:
		return -EBADMSG;
	}
}

static int driver_parse(struct vm_engine *engine)
{
	struct frame frame;
	size_t done = 0;
	int r;

	while ((r = frame_parse(engine->in.data + done, engine->in.len - done, &frame)) > 0) {
		done += FRAME_HEADER_SIZE + frame.len;
		r = driver_take_frame(engine, &frame);
		if (r < 0)
			break;
	}
	buf_consume(&engine->in, done);
	return r;
}

/* 1 if something was taken in, 0 if there is nothing now, negative at the end or at what is no protocol. */
static int driver_read(struct vm_engine *engine)
{
	char chunk[4096];
	ssize_t n = recv(engine->control, chunk, sizeof(chunk), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return -EPIPE;
	buf_add(&engine->in, chunk, (size_t)n);
	if (driver_parse(engine) == 0)
		return 1;
	err_set(&engine->why, -EPROTO, "the VMM broke the protocol with its keeper");
	engine->has_ended = 1;
	engine->end = VMM_END_ERROR;
	driver_engine_kill(engine);
	return -EBADMSG;
}

static void driver_on_control(void *ctx, uint32_t events)
{
	struct vm_engine *engine = ctx;

	if (events & EPOLLOUT)
		driver_flush(engine);
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && driver_read(engine) < 0)
		engine->source = loop_source_free(engine->source);
}

static void driver_engine_free(struct vm_engine *engine)
{
	if (!engine)
		return;
	loop_source_free(engine->source);
	fd_close(engine->control);
	buf_release(&engine->in);
	buf_release(&engine->out);
	hull_free(engine->hull);
	free(engine->folder);
	free(engine);
}

static int driver_engine_start(const struct driver_host *host, struct vm_engine **ret,
			       struct err *err)
{
	struct vm_engine *engine = mem_zalloc(sizeof(*engine));
	_cleanup_buf_ struct buf config = BUF_INIT;
	int r = hull_start(host, &engine->hull, err);

	engine->host = host;
	engine->control = -EBADF;
	if (r == 0) {
		engine->control = hull_take_stream(engine->hull, HULL_CONTROL);
		engine->source = loop_watch_fd(host->loop, engine->control, EPOLLIN,
					       driver_on_control, engine);
		if (!engine->source)
			r = err_errno(err, -errno, "cannot watch the VMM");
	}
	if (r < 0) {
		driver_engine_free(engine);
		return r;
	}
	vmm_config_put(&config, hull_config(engine->hull));
	driver_request(engine, VMM_CONFIGURE, &config);
	*ret = engine;
	return 0;
}

static int driver_engine_take_stream(struct vm_engine *engine, enum vm_stream stream)
{
	static const int streams[VM_STREAMS] = { [VM_STREAM_SERIAL] = HULL_SERIAL,
						 [VM_STREAM_AGENT] = HULL_AGENT,
						 [VM_STREAM_ERRORS] = HULL_ERRORS };

	return hull_take_stream(engine->hull, streams[stream]);
}

static pid_t driver_engine_pid(const struct vm_engine *engine)
{
	return hull_pid(engine->hull);
}

static int driver_engine_pidfd(const struct vm_engine *engine)
{
	return hull_pidfd(engine->hull);
}

static int driver_ask(struct vm_engine *engine, uint16_t type, struct err *err)
{
	if (engine->out.len >= DRIVER_OUT_MAX)
		return err_set(err, -EBUSY, "the VMM does not take requests");
	driver_request(engine, type, &BUF_INIT);
	return 0;
}

static int driver_engine_pause(struct vm_engine *engine, int paused, struct err *err)
{
	return driver_ask(engine, paused ? VMM_PAUSE : VMM_RESUME, err);
}

static int driver_engine_press(struct vm_engine *engine, enum message_button button,
			       struct err *err)
{
	static const uint16_t requests[MESSAGE_BUTTONS] = {
		[MESSAGE_BUTTON_POWER] = VMM_POWER_BUTTON,
		[MESSAGE_BUTTON_NMI] = VMM_NMI,
	};

	return driver_ask(engine, requests[button], err);
}

static void driver_describe_card(const struct driver_nic *nic, struct vmm_net *ret)
{
	*ret = (struct vmm_net){ .mtu = nic->mtu,
				 .queues = nic->queues,
				 .vhost = nic->queues && nic->vhost };
	memcpy(ret->mac, nic->mac, sizeof(ret->mac));
}

/* What it is sent with; which of it is ours is ours to close (vhost_net_open()). */
struct driver_card_fds {
	int all[VMM_PLUG_FDS_MAX], ours[VMM_PLUG_FDS_MAX];
	size_t n, n_ours;
};

static void driver_card_fds_release(struct driver_card_fds *fds)
{
	while (fds->n_ours)
		fd_close(fds->ours[--fds->n_ours]);
}

static int driver_open_card(const struct driver_nic *nic, int vhost, struct driver_card_fds *fds,
			    struct err *err)
{
	if (!nic->queues)
		fds->all[fds->n++] = nic->stream;
	for (uint32_t pair = 0; pair < nic->queues; pair++) {
		int fd;

		fds->all[fds->n++] = nic->taps[pair];
		if (!vhost)
			continue;
		fd = vhost_net_open();
		if (fd < 0)
			return err_errno(err, fd, "cannot open vhost-net");
		fds->all[fds->n++] = fds->ours[fds->n_ours++] = fd;
	}
	return 0;
}

/* The frame is small and its descriptors go with its first byte, so nothing may be before it. */
static int driver_send_with(struct vm_engine *engine, uint16_t type, const struct buf *payload,
			    const int *fds, size_t n, struct err *err)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(VMM_PLUG_FDS_MAX * sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(n * sizeof(int)),
				  .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS } };
	_cleanup_buf_ struct buf frame = BUF_INIT;
	struct iovec part;
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t sent;

	frame_put(&frame, 0, type, payload->data, payload->len);
	part = (struct iovec){ .iov_base = frame.data, .iov_len = frame.len };
	if (n) {
		memcpy(CMSG_DATA(&control.header), fds, n * sizeof(int));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(n * sizeof(int));
	}
	if (engine->out.len)
		return err_set(err, -EBUSY, "the VMM does not take requests now; try again");
	sent = sendmsg(engine->control, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0)
		return err_errno(err, -errno, "the VMM takes no devices");
	buf_add(&engine->out, frame.data + sent, frame.len - (size_t)sent);
	driver_flush(engine);
	engine->plug = ++engine->asked;
	return 0;
}

static int driver_engine_grow(struct vm_engine *engine, const struct driver_device *device,
			      struct err *err)
{
	const struct vmm_grow grow = { .serial = "data", .size = device->disk_size };
	_cleanup_buf_ struct buf payload = BUF_INIT;

	vmm_grow_put(&payload, &grow);
	return driver_send_with(engine, VMM_GROW, &payload, NULL, 0, err);
}

static int driver_engine_change(struct vm_engine *engine, const struct vmm_plug *plug,
				const int *fds, size_t n, struct err *err)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	vmm_plug_put(&payload, plug);
	return driver_send_with(engine, fds ? VMM_PLUG : VMM_UNPLUG, &payload, fds, n, err);
}

static int driver_engine_plug_card(struct vm_engine *engine, const struct driver_nic *nic,
				   struct err *err)
{
	_cleanup_(driver_card_fds_release) struct driver_card_fds fds = { .n = 0 };
	struct vmm_plug plug = { .kind = VMM_PLUG_NET };

	driver_describe_card(nic, &plug.net);
	if (driver_open_card(nic, plug.net.vhost, &fds, err) < 0)
		return err->code;
	return driver_engine_change(engine, &plug, fds.all, fds.n, err);
}

static void driver_fill_drive(const struct drive *drive, struct vmm_disk *ret)
{
	*ret = (struct vmm_disk){ .read_only = drive->read_only,
				  .format = drive->qcow2 ? VMM_DISK_QCOW2 : VMM_DISK_RAW };
	snprintf(ret->serial, sizeof(ret->serial), "%s", drive->serial);
}

static int driver_note_folder(struct vm_engine *engine, const char *text, int shows,
			      struct err *err)
{
	_cleanup_share_ struct share share = { 0 };

	if (share_parse(text, &share, err) < 0)
		return err->code;
	free(engine->folder);
	engine->folder = mem_strdup(share.target);
	engine->shows = shows;
	return 0;
}

static int driver_engine_show(struct vm_engine *engine, const char *share, struct err *err)
{
	struct vmm_plug plug = { .kind = VMM_PLUG_SHARE };
	_cleanup_close_ int socket = -EBADF;
	const char *tag;
	int r = hull_show(engine->hull, engine->host, share, &tag, &socket, err);

	if (r < 0)
		return r;
	snprintf(plug.tag, sizeof(plug.tag), "%s", tag);
	r = driver_note_folder(engine, share, 1, err);
	if (r == 0)
		r = driver_engine_change(engine, &plug, &socket, 1, err);
	if (r < 0)
		driver_settle_folder(engine, 1);
	return r;
}

static int driver_engine_hide(struct vm_engine *engine, const char *share, struct err *err)
{
	struct vmm_plug plug = { .kind = VMM_PLUG_SHARE };
	int r = driver_note_folder(engine, share, 0, err);
	const char *tag = r < 0 ? NULL : hull_shown(engine->hull, engine->folder);

	if (r == 0 && !tag)
		r = err_set(err, -ENOENT, "the VM is shown nothing at %.200s", engine->folder);
	if (r < 0)
		return r;
	snprintf(plug.tag, sizeof(plug.tag), "%s", tag);
	return driver_engine_change(engine, &plug, NULL, 0, err);
}

static int driver_engine_plug(struct vm_engine *engine, const struct driver_device *device,
			      vm_engine_done_fn done, void *ctx, struct err *err)
{
	struct vmm_plug plug = { .kind = VMM_PLUG_DISK };

	engine->done = done;
	engine->done_ctx = ctx;
	switch (device->kind) {
	case MESSAGE_DEVICE_CARD:
		return driver_engine_plug_card(engine, device->nic, err);
	case MESSAGE_DEVICE_DISK:
		return driver_engine_grow(engine, device, err);
	case MESSAGE_DEVICE_DRIVE:
		driver_fill_drive(device->drive, &plug.disk);
		plug.disk.rates = hull_rates(engine->host->instance);
		return driver_engine_change(engine, &plug, &device->drive_fd, 1, err);
	case MESSAGE_DEVICE_SHARE:
		return driver_engine_show(engine, device->share, err);
	default:
		return err_set(err, -EOPNOTSUPP, "the VMM has no such devices");
	}
}

static int driver_engine_unplug(struct vm_engine *engine, const struct driver_device *device,
				vm_engine_done_fn done, void *ctx, struct err *err)
{
	struct vmm_plug plug = { .kind = VMM_PLUG_NET };

	engine->done = done;
	engine->done_ctx = ctx;
	if (device->kind == MESSAGE_DEVICE_SHARE)
		return driver_engine_hide(engine, device->share, err);
	if (device->kind == MESSAGE_DEVICE_CARD) {
		driver_describe_card(device->nic, &plug.net);
	} else {
		plug.kind = VMM_PLUG_DISK;
		driver_fill_drive(device->drive, &plug.disk);
	}
	return driver_engine_change(engine, &plug, NULL, 0, err);
}

static int driver_engine_tune(struct vm_engine *engine, struct err *err)
{
	const struct driver_host *host = engine->host;
	int64_t started = (int64_t)hull_config(engine->hull)->memory;
	const struct vmm_tune tune = { .balloon = (uint64_t)vm_driver_balloon(host, started),
				       .rates = hull_rates(host->instance) };
	_cleanup_buf_ struct buf payload = BUF_INIT;

	if (engine->out.len >= DRIVER_OUT_MAX)
		return err_set(err, -EBUSY, "the VMM does not take requests");
	vmm_tune_put(&payload, &tune);
	driver_request(engine, VMM_TUNE, &payload);
	return 0;
}

static void driver_engine_quit(struct vm_engine *engine)
{
	driver_request(engine, VMM_QUIT, &BUF_INIT);
}

/* As an end on QEMU is told: a guest that switched itself off or asked for a reset is no failure here. */
static int driver_explain(const struct vm_engine *engine, struct err *err)
{
	switch (engine->end) {
	case VMM_END_POWER_OFF:
	case VMM_END_RESET:
	case VMM_END_QUIT:
		return 0;
	case VMM_END_PANIC:
		return err_set(err, -ECANCELED, "the VM's kernel gave up");
	case VMM_END_FAULT:
		return err_set(err, -ECANCELED,
			       "the VM's CPU came to a triple fault and could not go on");
	default:
		if (err_is_set(&engine->why))
			*err = engine->why;
		else
			err_set(err, -EIO, "the VMM ended without a reason");
		return err->code;
	}
}

static int driver_engine_reap(struct vm_engine *engine, struct err *err)
{
	struct err reaped = ERR_INIT;
	int r;

	while (engine->source && driver_read(engine) > 0)
		continue;
	engine->source = loop_source_free(engine->source);
	r = hull_reap(engine->hull, &reaped);
	if (engine->has_ended && (r == 0 || engine->end == VMM_END_ERROR))
		return driver_explain(engine, err);
	if (r == 0)
		r = err_set(&reaped, -EIO, "the VMM ended without a word");
	*err = reaped;
	return r;
}

static const struct vm_engine_ops driver_engine_ops = {
	.process = "the VMM",
	.start = driver_engine_start,
	.take_stream = driver_engine_take_stream,
	.pid = driver_engine_pid,
	.pidfd = driver_engine_pidfd,
	.pause = driver_engine_pause,
	.press = driver_engine_press,
	.plug = driver_engine_plug,
	.unplug = driver_engine_unplug,
	.tune = driver_engine_tune,
	.quit = driver_engine_quit,
	.kill = driver_engine_kill,
	.reap = driver_engine_reap,
	.free = driver_engine_free,
};

static int driver_start(const struct driver_host *host, struct driver **ret, struct err *err)
{
	return vm_driver_start(host, &driver_engine_ops, ret, err);
}

static int driver_clean(const struct instance *instance _unused_, const char *state_dir _unused_,
			const char *run_dir, struct err *err)
{
	_cleanup_free_ char *cgroup = instance_cgroup(run_dir);

	return cgroup_remove(cgroup, DRIVER_CLEAN_MS, err);
}

const struct driver_ops kvm_driver = {
	.engine = "kvm",
	.kind = INSTANCE_VM,
	.sessions = 1,
	.data = vm_driver_data,
	.start = driver_start,
	.release = vm_driver_release,
	.room = vm_driver_room,
	.send = vm_driver_send,
	.consumed = vm_driver_consumed,
	.pause = vm_driver_pause,
	.press = vm_driver_press,
	.plug = vm_driver_plug,
	.unplug = vm_driver_unplug,
	.tune = vm_driver_tune,
	.kill = vm_driver_kill,
	.free = vm_driver_free,
	.clean = driver_clean,
};
