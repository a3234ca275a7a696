// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Queues, two for each port: what the guest receives, what it transmits. Port 0 has the first two; those of
 * the control messages come next, then port 1's and so on (virtio 1.2 section 5.3.2).
 *
 * The driver says DEVICE_READY, and is told of each port (PORT_ADD); it answers PORT_READY, and is told
 * what the port is (CONSOLE_PORT, PORT_NAME) and whether the host's end is open (PORT_OPEN); it says
 * PORT_OPEN when a process of the guest opens or closes its end.
 *
 * Invariants:
 *  1. A message to the driver is a bit of what is due to a port, made when there is a buffer for it: a
 *     driver that asks much and reads nothing costs no memory.
 *  2. The descriptor is watched for input only while the guest's end is open and has room, for output only
 *     while a chain is held or the turn's share is used up.
 *  3. At most one chain of a port is held between turns: the one that the descriptor took a part of.
 *  4. PORT_OPEN 0 is due only after the bytes before the end of file are in the used ring.
 */
#include "vmm/virtio/serial.h"
#include "base/mem.h"

#include <fcntl.h>
#include <linux/virtio_console.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define SERIAL_CONTROL_IN  2 /* in is what the guest receives */
#define SERIAL_CONTROL_OUT 3
#define SERIAL_QUEUE_SIZE  128
/* A turn moves at most this much in one direction, a system call a part of it. */
#define SERIAL_TURN (4U << 20)
#define SERIAL_CALL (1U << 20)

/* What is due to a port, in the order in which it is sent. */
enum serial_due {
	SERIAL_DUE_ADD = 1 << 0,
	SERIAL_DUE_CONSOLE = 1 << 1,
	SERIAL_DUE_NAME = 1 << 2,
	SERIAL_DUE_OPEN = 1 << 3,
};

struct serial_end {
	struct serial *serial;
	char *name;
	int fd, is_console, is_socket;
	void (*opened)(void *ctx); /* or NULL */
	void *ctx;
	uint32_t id;
	struct loop_source *source;
	int can_read, can_write;   /* not at its end yet */
	int write_only;		   /* was never readable */
	int guest_open, announced; /* announced: the driver has said PORT_READY */
	unsigned int due;
	int receiving, sending; /* waits for input, for room */
	uint32_t watched;
	int holding;		 /* a chain that was not written to its end */
	struct queue_chain held; /* valid while holding */
	uint64_t held_done;
};

struct serial {
	struct virtio *virtio;
	struct serial_end ends[SERIAL_PORTS_MAX];
	size_t n_ends;
	uint32_t max_ports;
	struct queue_chain chain; /* scratch */
};

static unsigned int serial_queue_in(const struct serial_end *end)
{
	return end->id ? 2 * end->id + 2 : 0;
}

static unsigned int serial_queue_out(const struct serial_end *end)
{
	return serial_queue_in(end) + 1;
}

static int serial_host_open(const struct serial_end *end)
{
	return end->write_only ? end->can_write : end->can_read;
}

static struct serial_end *serial_find(struct serial *serial, uint32_t id)
{
	for (size_t i = 0; i < serial->n_ends; i++) {
		if (serial->ends[i].id == id)
			return &serial->ends[i];
	}
	return NULL;
}

/* Port 0, if what a guest says before it knows of ports may go there. */
static struct serial_end *serial_console(struct serial *serial)
{
	struct serial_end *end = serial_find(serial, 0);

	return end && end->is_console ? end : NULL;
}

static void serial_watch(struct serial_end *end)
{
	uint32_t events = (end->receiving ? EPOLLIN : 0) | (end->sending ? EPOLLOUT : 0);

	if (events != end->watched)
		loop_source_set_events(end->source, events);
	end->watched = events;
}

/* Control messages. */

static size_t serial_message(const struct serial_end *end, enum serial_due due, void *message)
{
	struct virtio_console_control control = { .id = end->id, .value = 1 };
	size_t len = 0;

	if (due == SERIAL_DUE_ADD) {
		control.event = VIRTIO_CONSOLE_PORT_ADD;
	} else if (due == SERIAL_DUE_CONSOLE) {
		control.event = VIRTIO_CONSOLE_CONSOLE_PORT;
	} else if (due == SERIAL_DUE_NAME) {
		control.event = VIRTIO_CONSOLE_PORT_NAME;
		len = strlen(end->name);
		memcpy((uint8_t *)message + sizeof(control), end->name, len);
	} else {
		control.event = VIRTIO_CONSOLE_PORT_OPEN;
		control.value = (uint16_t)serial_host_open(end);
	}
	memcpy(message, &control, sizeof(control));
	return sizeof(control) + len;
}

/* Sends all that is due to the port, and returns whether there was room for it. */
static int serial_tell(struct serial *serial, struct serial_end *end, struct queue *queue)
{
	uint8_t message[sizeof(struct virtio_console_control) + SERIAL_NAME_MAX];

	for (unsigned int due = SERIAL_DUE_ADD; due <= SERIAL_DUE_OPEN; due <<= 1) {
		size_t len;
		int r;

		if (!(end->due & due))
			continue;
		r = queue_pop(queue, &serial->chain);
		if (r < 0)
			virtio_break(serial->virtio);
		if (r <= 0)
			return 0;
		len = serial_message(end, (enum serial_due)due, message);
		len = queue_copy_in(&serial->chain, 0, message, len);
		queue_push(queue, serial->chain.head, (uint32_t)len);
		end->due &= ~due;
	}
	return 1;
}

static void serial_tell_all(struct serial *serial)
{
	struct queue *queue = virtio_queue(serial->virtio, SERIAL_CONTROL_IN);
	int room = 1;

	if (!virtio_active(serial->virtio) ||
	    !virtio_has(serial->virtio, VIRTIO_CONSOLE_F_MULTIPORT))
		return;
	for (size_t i = 0; i < serial->n_ends && room; i++)
		room = serial_tell(serial, &serial->ends[i], queue);
	queue_raise(queue);
}

static void serial_host_changed(struct serial_end *end)
{
	if (!end->announced)
		return;
	end->due |= SERIAL_DUE_OPEN;
	serial_tell_all(end->serial);
}

/* Bytes to the guest. */

/* Like read() and write(), of at most SERIAL_CALL bytes from there on in the segments. */
static ssize_t serial_move(struct serial_end *end, const struct iovec *segments, size_t n,
			   uint64_t offset, int out)
{
	struct iovec part[QUEUE_SIZE_MAX];
	struct msghdr message = { .msg_iov = part };
	size_t left = SERIAL_CALL, used = 0;

	for (size_t i = 0; i < n && left; i++) {
		size_t len = segments[i].iov_len;

		if (offset >= len) {
			offset -= len;
			continue;
		}
		len = len - offset < left ? len - offset : left;
		part[used].iov_base = (uint8_t *)segments[i].iov_base + offset;
		part[used++].iov_len = len;
		left -= len;
		offset = 0;
	}
	message.msg_iovlen = used;
	if (!end->is_socket)
		return out ? writev(end->fd, part, (int)used) : readv(end->fd, part, (int)used);
	return out ? sendmsg(end->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL)
		   : recvmsg(end->fd, &message, MSG_DONTWAIT);
}

/* One chain's worth: 1 if there may be more to come, 0 if not now, -EPIPE at the end of file. */
static int serial_fill(struct serial_end *end, struct queue *queue, size_t *moved)
{
	struct queue_chain *chain = &end->serial->chain;
	ssize_t n = 0;

	if (chain->in_len)
		n = serial_move(end, chain->segments + chain->n_out, chain->n_in, 0, 0);
	if (n > 0 || !chain->in_len) {
		queue_push(queue, chain->head, (uint32_t)n);
		*moved += (size_t)n;
		return (uint64_t)n == chain->in_len || n == SERIAL_CALL;
	}
	queue_unpop(queue);
	if (n < 0 && errno == EINTR)
		return 1;
	return n < 0 && errno == EAGAIN ? 0 : -EPIPE;
}

static void serial_receive(struct serial_end *end)
{
	struct queue *queue = virtio_queue(end->serial->virtio, serial_queue_in(end));
	size_t moved = 0;
	int r = 1;

	end->receiving = end->can_read && end->guest_open && virtio_active(end->serial->virtio);
	if (!end->receiving)
		return;
	(void)queue_want_kicks(queue, 0);
	for (unsigned int i = 0; i < SERIAL_QUEUE_SIZE && moved < SERIAL_TURN && r > 0; i++) {
		r = queue_pop(queue, &end->serial->chain);
		if (r ==
		    0) { /* kicks tell of new room, but for what came before they were wanted */
			r = queue_want_kicks(queue, 1);
			end->receiving = r;
			continue;
		}
		if (r < 0) {
			virtio_break(end->serial->virtio);
			end->receiving = 0;
			break;
		}
		end->receiving = 1;
		r = serial_fill(end, queue, &moved);
	}
	queue_raise(queue);
	if (r != -EPIPE)
		return;
	end->receiving = end->can_read = 0;
	serial_host_changed(end);
}

/* Bytes from the guest. */

/* 1: the held chain is done; 0: the descriptor is full. */
static int serial_drain(struct serial_end *end, size_t *moved)
{
	while (end->can_write && end->held_done < end->held.out_len) {
		ssize_t n =
			serial_move(end, end->held.segments, end->held.n_out, end->held_done, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0) { /* nobody reads any more: what the guest says is lost */
			end->can_write = 0;
			if (end->write_only)
				serial_host_changed(end);
			break;
		}
		end->held_done += (uint64_t)n;
		*moved += (size_t)n;
		if (*moved >= SERIAL_TURN && end->held_done < end->held.out_len)
			return 0;
	}
	return 1;
}

static void serial_send(struct serial_end *end)
{
	struct queue *queue = virtio_queue(end->serial->virtio, serial_queue_out(end));
	size_t moved = 0;

	end->sending = 0;
	if (!virtio_active(end->serial->virtio))
		return;
	for (unsigned int i = 0; i < SERIAL_QUEUE_SIZE && !end->sending; i++) {
		if (!end->holding) {
			int r = queue_pop(queue, &end->held);

			if (r < 0)
				virtio_break(end->serial->virtio);
			if (r <= 0)
				break;
			end->holding = 1;
			end->held_done = 0;
		}
		if (!serial_drain(end, &moved)) {
			end->sending = 1;
			break;
		}
		end->holding = 0;
		queue_push(queue, end->held.head, 0);
		end->sending = moved >= SERIAL_TURN;
	}
	queue_raise(queue);
}

static void serial_event(void *ctx, uint32_t events)
{
	struct serial_end *end = ctx;

	if (end->sending && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)))
		serial_send(end);
	if (end->receiving && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		serial_receive(end);
	serial_watch(end);
}

/* The driver. */

static void serial_obey(struct serial *serial, const struct virtio_console_control *control)
{
	struct serial_end *end = serial_find(serial, control->id);

	if (control->event == VIRTIO_CONSOLE_DEVICE_READY && control->value) {
		for (size_t i = 0; i < serial->n_ends; i++)
			serial->ends[i].due |= SERIAL_DUE_ADD;
	}
	if (!end)
		return;
	if (control->event == VIRTIO_CONSOLE_PORT_READY && control->value) {
		end->announced = 1;
		end->due |= SERIAL_DUE_OPEN;
		if (end->is_console)
			end->due |= SERIAL_DUE_CONSOLE;
		if (end->name)
			end->due |= SERIAL_DUE_NAME;
	}
	if (control->event == VIRTIO_CONSOLE_PORT_OPEN) {
		end->guest_open = control->value != 0;
		if (end->guest_open && end->opened)
			end->opened(end->ctx);
		serial_receive(end);
		serial_watch(end);
	}
}

static void serial_listen(struct serial *serial)
{
	struct queue *queue = virtio_queue(serial->virtio, SERIAL_CONTROL_OUT);

	for (unsigned int i = 0; i < SERIAL_QUEUE_SIZE; i++) {
		struct virtio_console_control control;
		size_t got;
		int r = queue_pop(queue, &serial->chain);

		if (r < 0)
			virtio_break(serial->virtio);
		if (r <= 0)
			break;
		got = queue_copy_out(&serial->chain, 0, &control, sizeof(control));
		queue_push(queue, serial->chain.head, 0);
		if (got == sizeof(control))
			serial_obey(serial, &control);
	}
	queue_raise(queue);
	serial_tell_all(serial);
}

static struct serial_end *serial_queue_end(struct serial *serial, unsigned int queue)
{
	if (!virtio_has(serial->virtio, VIRTIO_CONSOLE_F_MULTIPORT))
		return queue < 2 ? serial_console(serial) : NULL;
	return serial_find(serial, queue < 2 ? 0 : queue / 2 - 1);
}

static void serial_kick(void *ctx, unsigned int queue)
{
	struct serial *serial = ctx;
	struct serial_end *end = serial_queue_end(serial, queue);

	if (queue == SERIAL_CONTROL_IN) {
		serial_tell_all(serial);
	} else if (queue == SERIAL_CONTROL_OUT) {
		serial_listen(serial);
	} else if (end) {
		if (queue == serial_queue_in(end))
			serial_receive(end);
		else
			serial_send(end);
		serial_watch(end);
	}
}

static void serial_config_read(void *ctx, uint32_t offset, void *data, size_t len)
{
	const struct serial *serial = ctx;
	struct virtio_console_config config = { .max_nr_ports = serial->max_ports };

	memcpy(data, (uint8_t *)&config + offset, len);
}

/* Emergency write: one byte for port 0, at any time, as well as can be. */
static void serial_config_write(void *ctx, uint32_t offset, const void *data, size_t len _unused_)
{
	struct serial_end *end = serial_console(ctx);
	struct iovec byte = { .iov_base = (void *)(uintptr_t)data, .iov_len = 1 };

	if (end && end->can_write && offset == offsetof(struct virtio_console_config, emerg_wr))
		(void)serial_move(end, &byte, 1, 0, 1);
}

static int serial_activate(void *ctx, uint64_t features)
{
	struct serial *serial = ctx;
	struct serial_end *end = serial_console(serial);

	if (!end || (features & (1ULL << VIRTIO_CONSOLE_F_MULTIPORT)))
		return 0;
	end->guest_open =
		1; /* the one port of a driver that knows of no more, and is always open */
	serial_receive(end);
	serial_watch(end);
	return 0;
}

static int serial_reset(void *ctx)
{
	struct serial *serial = ctx;

	for (size_t i = 0; i < serial->n_ends; i++) {
		struct serial_end *end = &serial->ends[i];

		end->guest_open = end->announced = end->holding = 0;
		end->receiving = end->sending = 0;
		end->due = 0;
		serial_watch(end);
	}
	return 0;
}

static void serial_free(void *ctx)
{
	struct serial *serial = ctx;

	for (size_t i = 0; i < serial->n_ends; i++) {
		struct serial_end *end = &serial->ends[i];

		loop_source_free(end->source);
		fd_close(end->fd);
		free(end->name);
	}
	free(serial);
}

static const struct virtio_ops serial_ops = {
	.config_read = serial_config_read,
	.config_write = serial_config_write,
	.activate = serial_activate,
	.kick = serial_kick,
	.reset = serial_reset,
	.free = serial_free,
};

static int serial_open(struct serial *serial, const struct virtio_host *host,
		       const struct serial_port *port, uint32_t id, struct err *err)
{
	struct serial_end *end = &serial->ends[serial->n_ends];
	int flags = fcntl(port->fd, F_GETFL);
	struct stat st;

	if (flags < 0 || fstat(port->fd, &st) < 0)
		return err_errno(err, -errno, "port %u", id);
	*end = (struct serial_end){ .serial = serial,
				    .fd = -EBADF, /* the caller's until all went well */
				    .id = id,
				    .is_console = port->is_console,
				    .opened = port->opened,
				    .ctx = port->ctx,
				    .is_socket = S_ISSOCK(st.st_mode),
				    .can_read = (flags & O_ACCMODE) != O_WRONLY,
				    .can_write = (flags & O_ACCMODE) != O_RDONLY,
				    .write_only = (flags & O_ACCMODE) == O_WRONLY };
	if (!end->is_socket && fcntl(port->fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_errno(err, -errno, "port %u", id);
	end->source = loop_watch_fd(host->loop, port->fd, 0, serial_event, end);
	if (!end->source)
		return err_errno(err, -errno, "cannot watch port %u", id);
	if (port->name)
		end->name = mem_strndup(port->name, SERIAL_NAME_MAX);
	serial->n_ends++;
	return 0;
}

/* The first console is port 0, and the others come after it. */
static int serial_open_all(struct serial *serial, const struct virtio_host *host,
			   const struct serial_port *ports, size_t n, struct err *err)
{
	uint32_t next = 0;
	int console = 0, r = 0;

	for (size_t i = 0; i < n; i++)
		next |= ports[i].is_console != 0;
	for (size_t i = 0; i < n && r == 0; i++) {
		uint32_t id = ports[i].is_console && !console ? 0 : next++;

		console |= ports[i].is_console;
		r = serial_open(serial, host, &ports[i], id, err);
	}
	serial->max_ports = next ? next : 1;
	return r;
}

int serial_new(const struct virtio_host *host, const struct serial_port *ports, size_t n,
	       struct virtio **ret, struct err *err)
{
	struct virtio_kind kind = { .name = "serial",
				    .type = VIRTIO_ID_CONSOLE,
				    .features = 1ULL << VIRTIO_CONSOLE_F_MULTIPORT,
				    .queue_size = SERIAL_QUEUE_SIZE,
				    .config_size = sizeof(struct virtio_console_config),
				    .ops = &serial_ops };
	struct serial *serial;
	int r;

	if (n > SERIAL_PORTS_MAX)
		return err_set(err, -EINVAL, "a machine has at most %d ports", SERIAL_PORTS_MAX);
	serial = mem_zalloc(sizeof(*serial));
	r = serial_open_all(serial, host, ports, n, err);
	if (r < 0) {
		serial_free(serial);
		return r;
	}
	if (serial_console(serial))
		kind.features |= 1ULL << VIRTIO_CONSOLE_F_EMERG_WRITE;
	kind.n_queues = 2 * (serial->max_ports + 1);
	for (size_t i = 0; i < n; i++)
		serial->ends[i].fd = ports[i].fd;
	serial->virtio = virtio_new(host, &kind, serial);
	*ret = serial->virtio;
	return 0;
}
