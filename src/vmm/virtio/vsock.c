// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Queues: packets to the guest, packets from the guest, events (of which there are none). Each packet is a
 * header and, for RW, bytes of a stream (virtio 1.2 section 5.10.6).
 *
 * A link is one connection:
 *
 *   host's:  GREETING (its line is read) -> CALLING (REQUEST to the guest) -> OPEN at the RESPONSE
 *   guest's: ASKING (the connector) -> OPEN with our RESPONSE
 *   OPEN -> one that the guest has left (ABANDONED, until its last bytes are out), or dead
 *
 * Whatever happens, an entry point ends in vsock_settle(): that sends what is due as far as the guest has
 * buffers, watches what has to be watched, and frees the dead.
 *
 * Invariants:
 *  1. A link is freed only by vsock_settle(); before that it is marked dead.
 *  2. What is due is a set of bits, and resets owed for links that are no more wait in a ring of fixed size:
 *     packets from the guest are not taken while that might overflow. A link can leave a reset there only
 *     once the guest has heard of it, so at most VSOCK_CONNECTIONS_MAX come on top.
 *  3. The guest has at most VSOCK_BUFFER bytes under way to a descriptor, and gets no more than it said it
 *     has room for.
 */
#include "vmm/virtio/vsock.h"
#include "base/mem.h"
#include "base/units.h"

#include <linux/virtio_vsock.h>
#include <string.h>
#include <sys/socket.h>

#define VSOCK_TO_GUEST	 0
#define VSOCK_FROM_GUEST 1
#define VSOCK_QUEUES	 3
#define VSOCK_QUEUE_SIZE 256
#define VSOCK_HEADER	 sizeof(struct virtio_vsock_hdr)
#define VSOCK_BUFFER	 (256U << 10)
/* Bytes of one packet, packets of one turn. */
#define VSOCK_PACKET_MAX (64U << 10)
#define VSOCK_TURN	 64
#define VSOCK_RESETS	 (2UL * VSOCK_CONNECTIONS_MAX)
/* The host's ports of connections that it begins. */
#define VSOCK_PORT_FIRST 0x40000000U
#define VSOCK_LINE_MAX	 sizeof("CONNECT 4294967295\n")

enum vsock_state {
	VSOCK_GREETING,
	VSOCK_CALLING,
	VSOCK_ASKING,
	VSOCK_OPEN,
	VSOCK_ABANDONED,
	VSOCK_DEAD,
};

#define VSOCK_BOTH (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

struct vsock_link {
	struct vsock *vsock;
	enum vsock_state state;
	uint32_t id, host_port, guest_port;
	int fd;
	struct loop_source *source;
	uint32_t watched;
	unsigned int due; /* packets: bits of enum virtio_vsock_op */
	int known;	  /* the guest has had a packet of it, or has begun it */
	int hung_up;
	uint32_t host_shut, guest_shut; /* VIRTIO_VSOCK_SHUTDOWN_*, as their side said */

	/* from the guest: bytes that the descriptor had no room for */
	uint8_t *buffer;
	uint32_t start, len;
	uint32_t forwarded, told; /* bytes written to the descriptor, and as the guest knows it */

	/* to the guest */
	uint32_t peer_size, peer_forwarded, sent;
	int asked; /* for credit */

	char line[VSOCK_LINE_MAX + 1];
	size_t line_len;
};

struct vsock_reset {
	uint32_t host_port, guest_port;
	uint16_t type;
};

struct vsock {
	struct virtio *virtio;
	struct loop *loop;
	uint64_t cid;
	int listener, connector;
	struct loop_source *listening, *connecting;
	int starved; /* no buffers of the guest's for packets */
	uint32_t next_port, next_id;
	struct vsock_link *links[VSOCK_CONNECTIONS_MAX];
	size_t n_links, first; /* first: who is served first next time */
	struct vsock_reset resets[VSOCK_RESETS];
	size_t resets_start, n_resets;
	struct queue_chain chain; /* scratch */
};

static void vsock_settle(struct vsock *vsock);
static void vsock_link_event(void *ctx, uint32_t events);

static unsigned int vsock_bit(enum virtio_vsock_op op)
{
	return 1U << op;
}

/* Links. */

static struct vsock_link *vsock_link_new(struct vsock *vsock, enum vsock_state state)
{
	struct vsock_link *link;

	if (vsock->n_links == VSOCK_CONNECTIONS_MAX)
		return NULL;
	link = mem_zalloc(sizeof(*link));
	*link = (struct vsock_link){
		.vsock = vsock, .state = state, .id = vsock->next_id++, .fd = -EBADF
	};
	vsock->links[vsock->n_links++] = link;
	return link;
}

static void vsock_link_free(struct vsock_link *link)
{
	loop_source_free(link->source);
	fd_close(link->fd);
	free(link->buffer);
	free(link);
}

/* Takes over fd. */
static int vsock_link_open(struct vsock_link *link, int fd)
{
	link->fd = fd;
	link->source = loop_watch_fd(link->vsock->loop, fd, 0, vsock_link_event, link);
	return link->source ? 0 : -errno;
}

/* The one of the guest's, if it is alive. */
static struct vsock_link *vsock_find(const struct vsock *vsock, uint32_t host_port,
				     uint32_t guest_port)
{
	for (size_t i = 0; i < vsock->n_links; i++) {
		struct vsock_link *link = vsock->links[i];

		if (link->state >= VSOCK_CALLING && link->state <= VSOCK_OPEN &&
		    link->host_port == host_port && link->guest_port == guest_port)
			return link;
	}
	return NULL;
}

static void vsock_owe_reset(struct vsock *vsock, const struct vsock_reset *reset)
{
	size_t at = (vsock->resets_start + vsock->n_resets) % VSOCK_RESETS;

	if (vsock->n_resets == VSOCK_RESETS)
		return;
	vsock->resets[at] = *reset;
	vsock->n_resets++;
}

/* Ends the link on both sides. */
static void vsock_link_reset(struct vsock_link *link)
{
	struct vsock_reset reset = { link->host_port, link->guest_port, VIRTIO_VSOCK_TYPE_STREAM };

	if (link->known && link->state != VSOCK_ABANDONED && link->state != VSOCK_DEAD)
		vsock_owe_reset(link->vsock, &reset);
	link->state = VSOCK_DEAD;
}

/* From the guest to the descriptor. */

static void vsock_forwarded(struct vsock_link *link, size_t n)
{
	link->forwarded += (uint32_t)n;
	if (link->forwarded - link->told >= VSOCK_BUFFER / 4)
		link->due |= vsock_bit(VIRTIO_VSOCK_OP_CREDIT_UPDATE);
}

/* Bytes that went out; 0 if there is no room; the link is dead if nobody reads. */
static size_t vsock_send(struct vsock_link *link, struct iovec *parts, size_t n)
{
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = n };
	ssize_t sent;

	do {
		sent = sendmsg(link->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0 && errno != EAGAIN)
		vsock_link_reset(link);
	return sent > 0 ? (size_t)sent : 0;
}

/* After all bytes of the guest's are out: what it said on leaving. */
static void vsock_drained(struct vsock_link *link)
{
	if (link->state == VSOCK_ABANDONED)
		link->state = VSOCK_DEAD;
	else if (link->guest_shut == VSOCK_BOTH)
		vsock_link_reset(link);
	else if (link->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND)
		(void)shutdown(link->fd, SHUT_WR);
}

static void vsock_drain(struct vsock_link *link)
{
	while (link->len) {
		uint32_t straight = VSOCK_BUFFER - link->start;
		struct iovec parts[2] = { { .iov_base = link->buffer + link->start,
					    .iov_len =
						    link->len < straight ? link->len : straight },
					  { .iov_base = link->buffer } };
		size_t n;

		parts[1].iov_len = link->len - parts[0].iov_len;
		n = vsock_send(link, parts, 2);
		if (!n)
			return;
		link->start = (uint32_t)((link->start + n) % VSOCK_BUFFER);
		link->len -= (uint32_t)n;
		vsock_forwarded(link, n);
	}
	vsock_drained(link);
}

/* Keeps what is left of the packet in the scratch chain, from offset on. */
static void vsock_keep(struct vsock_link *link, size_t offset, uint32_t len)
{
	if (!link->buffer)
		link->buffer = mem_zalloc(VSOCK_BUFFER);
	while (len) {
		uint32_t at = (link->start + link->len) % VSOCK_BUFFER;
		uint32_t part = len < VSOCK_BUFFER - at ? len : VSOCK_BUFFER - at;

		(void)queue_copy_out(&link->vsock->chain, offset, link->buffer + at, part);
		link->len += part;
		offset += part;
		len -= part;
	}
}

/* len bytes of the chain's segments from offset on, as segments of their own; how many. */
static size_t vsock_slice(const struct iovec *segments, size_t n, size_t offset, size_t len,
			  struct iovec *ret)
{
	size_t used = 0;

	for (size_t i = 0; i < n && len; i++) {
		size_t part = segments[i].iov_len;

		if (offset >= part) {
			offset -= part;
			continue;
		}
		part = part - offset < len ? part - offset : len;
		ret[used].iov_base = (uint8_t *)segments[i].iov_base + offset;
		ret[used++].iov_len = part;
		len -= part;
		offset = 0;
	}
	return used;
}

static void vsock_forward(struct vsock_link *link, uint32_t len)
{
	const struct queue_chain *chain = &link->vsock->chain;
	struct iovec parts[QUEUE_SIZE_MAX];
	size_t done = 0;

	if (link->len + len > VSOCK_BUFFER) { /* more than we said there is room for */
		vsock_link_reset(link);
		return;
	}
	if (!link->len && len) {
		size_t n = vsock_slice(chain->segments, chain->n_out, VSOCK_HEADER, len, parts);

		done = vsock_send(link, parts, n);
		vsock_forwarded(link, done);
	}
	if (link->state == VSOCK_OPEN && done < len)
		vsock_keep(link, VSOCK_HEADER + done, len - (uint32_t)done);
}

/* To the guest. */

/* The next buffer of the guest's for a packet; 0 if there is none. */
static int vsock_take_buffer(struct vsock *vsock)
{
	struct queue *queue = virtio_queue(vsock->virtio, VSOCK_TO_GUEST);
	int r = queue_pop(queue, &vsock->chain);

	if (r == 0 && queue_want_kicks(queue, 1))
		r = queue_pop(queue, &vsock->chain);
	if (r > 0 && vsock->chain.in_len < VSOCK_HEADER)
		r = -EBADMSG;
	if (r < 0)
		virtio_break(vsock->virtio);
	vsock->starved = r <= 0;
	return r > 0;
}

/* Writes the header before len bytes that are in the buffer already, and gives it to the driver. */
static void vsock_give(struct vsock *vsock, struct virtio_vsock_hdr *header)
{
	header->src_cid = VSOCK_HOST_CID;
	header->dst_cid = vsock->cid;
	(void)queue_copy_in(&vsock->chain, 0, header, VSOCK_HEADER);
	queue_push(virtio_queue(vsock->virtio, VSOCK_TO_GUEST), vsock->chain.head,
		   (uint32_t)VSOCK_HEADER + header->len);
}

static void vsock_give_link(struct vsock_link *link, enum virtio_vsock_op op, uint32_t len)
{
	struct virtio_vsock_hdr header = { .src_port = link->host_port,
					   .dst_port = link->guest_port,
					   .len = len,
					   .type = VIRTIO_VSOCK_TYPE_STREAM,
					   .op = (uint16_t)op,
					   .buf_alloc = VSOCK_BUFFER,
					   .fwd_cnt = link->forwarded };

	if (op == VIRTIO_VSOCK_OP_SHUTDOWN)
		header.flags = link->host_shut;
	link->told = link->forwarded;
	link->known = 1;
	vsock_give(link->vsock, &header);
}

static void vsock_give_resets(struct vsock *vsock)
{
	while (vsock->n_resets && vsock_take_buffer(vsock)) {
		const struct vsock_reset *reset = &vsock->resets[vsock->resets_start];
		struct virtio_vsock_hdr header = { .src_port = reset->host_port,
						   .dst_port = reset->guest_port,
						   .type = reset->type,
						   .op = VIRTIO_VSOCK_OP_RST };

		vsock_give(vsock, &header);
		vsock->resets_start = (vsock->resets_start + 1) % VSOCK_RESETS;
		vsock->n_resets--;
	}
}

static void vsock_give_due(struct vsock_link *link)
{
	for (unsigned int op = VIRTIO_VSOCK_OP_REQUEST; op <= VIRTIO_VSOCK_OP_CREDIT_REQUEST;
	     op++) {
		unsigned int bit = 1U << op;

		if (!(link->due & bit))
			continue;
		if (!vsock_take_buffer(link->vsock))
			return;
		link->due &= ~bit;
		vsock_give_link(link, (enum virtio_vsock_op)op, 0);
	}
}

static uint32_t vsock_credit(const struct vsock_link *link)
{
	uint32_t under_way = link->sent - link->peer_forwarded;

	return under_way < link->peer_size ? link->peer_size - under_way : 0;
}

static int vsock_wants_bytes(const struct vsock_link *link)
{
	return link->state == VSOCK_OPEN && !link->host_shut &&
	       !(link->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) &&
	       !(link->due & vsock_bit(VIRTIO_VSOCK_OP_RESPONSE));
}

/* One packet of bytes: 1 if there may be more. */
static int vsock_fill(struct vsock_link *link)
{
	struct vsock *vsock = link->vsock;
	struct queue_chain *chain = &vsock->chain;
	struct iovec parts[QUEUE_SIZE_MAX];
	struct msghdr message = { .msg_iov = parts };
	uint32_t max = vsock_credit(link);
	ssize_t n;

	if (!max || !vsock_take_buffer(vsock))
		return 0;
	if (max > VSOCK_PACKET_MAX)
		max = VSOCK_PACKET_MAX;
	message.msg_iovlen =
		vsock_slice(chain->segments + chain->n_out, chain->n_in, VSOCK_HEADER, max, parts);
	if (!message.msg_iovlen) {
		virtio_break(vsock->virtio); /* a buffer for headers only would never be of use */
		return 0;
	}
	n = recvmsg(link->fd, &message, MSG_DONTWAIT);
	if (n > 0) {
		link->sent += (uint32_t)n;
		link->asked = 0;
		vsock_give_link(link, VIRTIO_VSOCK_OP_RW, (uint32_t)n);
		return 1;
	}
	queue_unpop(virtio_queue(vsock->virtio, VSOCK_TO_GUEST));
	if (n == 0) {
		link->host_shut = VIRTIO_VSOCK_SHUTDOWN_SEND;
		link->due |= vsock_bit(VIRTIO_VSOCK_OP_SHUTDOWN);
	} else if (errno != EAGAIN && errno != EINTR) {
		vsock_link_reset(link);
	}
	return 0;
}

static void vsock_fill_turn(struct vsock_link *link)
{
	for (int i = 0; i < VSOCK_TURN && vsock_wants_bytes(link); i++) {
		if (!vsock_fill(link))
			break;
	}
	if (vsock_wants_bytes(link) && !vsock_credit(link) && !link->asked) {
		link->asked = 1;
		link->due |= vsock_bit(VIRTIO_VSOCK_OP_CREDIT_REQUEST);
	}
}

/* What the host's client wants: "CONNECT PORT\n". */

static void vsock_call(struct vsock_link *link)
{
	static const char verb[] = "CONNECT ";
	struct err err = ERR_INIT;
	int64_t port = 0;

	link->line[link->line_len - 1] = '\0';
	if (strncmp(link->line, verb, sizeof(verb) - 1) != 0 ||
	    units_parse_int(link->line + sizeof(verb) - 1, 0, UINT32_MAX - 1, &port, &err) < 0) {
		link->state = VSOCK_DEAD;
		return;
	}
	link->guest_port = (uint32_t)port;
	link->host_port = link->vsock->next_port++;
	if (link->vsock->next_port < VSOCK_PORT_FIRST)
		link->vsock->next_port = VSOCK_PORT_FIRST;
	if (vsock_find(link->vsock, link->host_port, link->guest_port)) {
		link->state = VSOCK_DEAD; /* one that lived through all the others */
		return;
	}
	link->state = VSOCK_CALLING;
	link->due = vsock_bit(VIRTIO_VSOCK_OP_REQUEST);
}

/* Takes the line and not a byte of what follows it. */
static void vsock_greet(struct vsock_link *link)
{
	size_t room = VSOCK_LINE_MAX - link->line_len;
	char *at = link->line + link->line_len;
	ssize_t n = recv(link->fd, at, room, MSG_DONTWAIT | MSG_PEEK);
	const char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		end = memchr(at, '\n', (size_t)n);
		n = recv(link->fd, at, end ? (size_t)(end - at) + 1 : (size_t)n, MSG_DONTWAIT);
	}
	if (n <= 0) {
		link->state = VSOCK_DEAD;
		return;
	}
	link->line_len += (size_t)n;
	if (at[n - 1] == '\n')
		vsock_call(link);
	else if (link->line_len == VSOCK_LINE_MAX)
		link->state = VSOCK_DEAD;
}

static void vsock_accept(void *ctx, uint32_t events _unused_)
{
	struct vsock *vsock = ctx;
	_cleanup_close_ int fd = accept4(vsock->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct vsock_link *link;

	if (fd < 0 || !virtio_active(vsock->virtio))
		return;
	link = vsock_link_new(vsock, VSOCK_GREETING);
	if (link && vsock_link_open(link, take_fd(&fd)) < 0)
		link->state = VSOCK_DEAD;
	vsock_settle(vsock);
}

/* What the guest wants of the host. */

static void vsock_ask(struct vsock *vsock, const struct virtio_vsock_hdr *header)
{
	struct vsock_reset refusal = { header->dst_port, header->src_port, header->type };
	struct vsock_link *link = NULL;
	struct vsock_request request = { .port = header->dst_port };

	if (vsock->connector >= 0)
		link = vsock_link_new(vsock, VSOCK_ASKING);
	if (!link) {
		vsock_owe_reset(vsock, &refusal);
		return;
	}
	link->known = 1;
	link->host_port = header->dst_port;
	link->guest_port = header->src_port;
	link->peer_size = header->buf_alloc;
	link->peer_forwarded = header->fwd_cnt;
	request.id = link->id;
	if (send(vsock->connector, &request, sizeof(request), MSG_DONTWAIT | MSG_NOSIGNAL) !=
	    sizeof(request))
		vsock_link_reset(link);
}

/* The reply and the descriptor beside it, which is -EBADF if there is none. 0: nothing is there. */
static int vsock_read_reply(int connector, struct vsock_reply *reply, int *ret_fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = { .iov_base = reply, .iov_len = sizeof(*reply) };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(connector, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	const struct cmsghdr *beside;

	*ret_fd = -EBADF;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	beside = CMSG_FIRSTHDR(&message);
	if (beside && beside->cmsg_level == SOL_SOCKET && beside->cmsg_type == SCM_RIGHTS &&
	    beside->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(ret_fd, CMSG_DATA(beside), sizeof(int));
	return n == sizeof(*reply) ? 1 : -EPROTO;
}

/* Nobody answers any more: as if there had never been a connector. */
static void vsock_end_connector(struct vsock *vsock)
{
	vsock->connecting = loop_source_free(vsock->connecting);
	vsock->connector = fd_close(vsock->connector);
	for (size_t i = 0; i < vsock->n_links; i++) {
		if (vsock->links[i]->state == VSOCK_ASKING)
			vsock_link_reset(vsock->links[i]);
	}
}

static void vsock_answered(void *ctx, uint32_t events _unused_)
{
	struct vsock *vsock = ctx;
	_cleanup_close_ int fd = -EBADF;
	struct vsock_reply reply = { 0 };
	struct vsock_link *link = NULL;
	int r = vsock_read_reply(vsock->connector, &reply, &fd);

	if (r < 0)
		vsock_end_connector(vsock);
	for (size_t i = 0; i < vsock->n_links && r > 0; i++) {
		if (vsock->links[i]->state == VSOCK_ASKING && vsock->links[i]->id == reply.id)
			link = vsock->links[i];
	}
	if (link && (reply.error || fd < 0 || vsock_link_open(link, take_fd(&fd)) < 0)) {
		vsock_link_reset(link);
	} else if (link) {
		link->state = VSOCK_OPEN;
		link->due = vsock_bit(VIRTIO_VSOCK_OP_RESPONSE);
	}
	vsock_settle(vsock);
}

/* Packets of the guest's. */

/* The client hears which port of the host's it has. */
static void vsock_accepted(struct vsock_link *link)
{
	char line[32];
	int len = snprintf(line, sizeof(line), "OK %u\n", link->host_port);
	struct iovec part = { .iov_base = line, .iov_len = (size_t)len };

	link->state = VSOCK_OPEN;
	if (vsock_send(link, &part, 1) != (size_t)len)
		vsock_link_reset(link);
}

static void vsock_left(struct vsock_link *link)
{
	if (link->state == VSOCK_OPEN && link->len) {
		link->state = VSOCK_ABANDONED;
		link->due = 0;
	} else {
		link->state = VSOCK_DEAD;
	}
}

/* A packet of a link that is; the link is reset where it makes no sense. */
static void vsock_obey(struct vsock_link *link, const struct virtio_vsock_hdr *header)
{
	int open = link->state == VSOCK_OPEN;

	link->peer_size = header->buf_alloc;
	link->peer_forwarded = header->fwd_cnt;
	if (header->op == VIRTIO_VSOCK_OP_RST) {
		vsock_left(link);
	} else if (header->op == VIRTIO_VSOCK_OP_RESPONSE && link->state == VSOCK_CALLING) {
		vsock_accepted(link);
	} else if (header->op == VIRTIO_VSOCK_OP_RW && open &&
		   !(link->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND)) {
		vsock_forward(link, header->len);
	} else if (header->op == VIRTIO_VSOCK_OP_SHUTDOWN && open) {
		link->guest_shut |= header->flags & VSOCK_BOTH;
		if (!link->len)
			vsock_drained(link);
	} else if (header->op == VIRTIO_VSOCK_OP_CREDIT_REQUEST && open) {
		link->due |= vsock_bit(VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	} else if (header->op != VIRTIO_VSOCK_OP_CREDIT_UPDATE || !open) {
		vsock_link_reset(link);
	}
}

static void vsock_hear(struct vsock *vsock)
{
	const struct queue_chain *chain = &vsock->chain;
	struct virtio_vsock_hdr header;
	struct vsock_reset reset;
	struct vsock_link *link;

	if (queue_copy_out(chain, 0, &header, VSOCK_HEADER) < VSOCK_HEADER ||
	    header.src_cid != vsock->cid || header.dst_cid != VSOCK_HOST_CID ||
	    header.len > chain->out_len - VSOCK_HEADER)
		return;
	reset = (struct vsock_reset){ header.dst_port, header.src_port, header.type };
	link = vsock_find(vsock, header.dst_port, header.src_port);
	if (header.type != VIRTIO_VSOCK_TYPE_STREAM ||
	    (!link && header.op != VIRTIO_VSOCK_OP_REQUEST)) {
		if (header.op != VIRTIO_VSOCK_OP_RST)
			vsock_owe_reset(vsock, &reset);
	} else if (link) {
		vsock_obey(link, &header);
	} else {
		vsock_ask(vsock, &header);
	}
}

static void vsock_listen(struct vsock *vsock)
{
	struct queue *queue = virtio_queue(vsock->virtio, VSOCK_FROM_GUEST);

	for (int i = 0; i < VSOCK_QUEUE_SIZE && vsock->n_resets < VSOCK_CONNECTIONS_MAX; i++) {
		uint16_t head;
		int r = queue_pop(queue, &vsock->chain);

		if (r < 0)
			virtio_break(vsock->virtio);
		if (r <= 0)
			break;
		head = vsock->chain.head;
		vsock_hear(vsock);
		queue_push(queue, head, 0);
	}
	queue_raise(queue);
}

/* Settling. */

static uint32_t vsock_events(const struct vsock_link *link)
{
	uint32_t events = link->len ? EPOLLOUT : 0;

	switch (link->state) {
	case VSOCK_GREETING:
		return EPOLLIN;
	case VSOCK_CALLING: /* nothing but a hang-up, which comes with whatever one asks for */
		return link->hung_up ? 0 : EPOLLPRI;
	case VSOCK_OPEN:
		if (link->host_shut)
			return events | (link->hung_up ? 0 : EPOLLPRI);
		if (vsock_wants_bytes(link) && vsock_credit(link) && !link->vsock->starved)
			events |= EPOLLIN;
		return events;
	case VSOCK_ABANDONED:
		return events;
	default:
		return 0;
	}
}

static void vsock_watch(struct vsock_link *link)
{
	uint32_t events = vsock_events(link);

	if (link->source && events != link->watched)
		loop_source_set_events(link->source, events);
	link->watched = events;
}

static void vsock_bury(struct vsock *vsock)
{
	size_t kept = 0;

	for (size_t i = 0; i < vsock->n_links; i++) {
		if (vsock->links[i]->state == VSOCK_DEAD)
			vsock_link_free(vsock->links[i]);
		else
			vsock->links[kept++] = vsock->links[i];
	}
	vsock->n_links = kept;
}

static void vsock_settle(struct vsock *vsock)
{
	if (virtio_active(vsock->virtio)) {
		vsock_give_resets(vsock);
		for (size_t i = 0; i < vsock->n_links; i++) {
			struct vsock_link *link = vsock->links[(vsock->first + i) % vsock->n_links];

			if (link->due && link->state != VSOCK_DEAD)
				vsock_give_due(link);
		}
		vsock->first = vsock->n_links ? (vsock->first + 1) % vsock->n_links : 0;
		queue_raise(virtio_queue(vsock->virtio, VSOCK_TO_GUEST));
	}
	vsock_bury(vsock);
	for (size_t i = 0; i < vsock->n_links; i++)
		vsock_watch(vsock->links[i]);
}

static void vsock_hang_up(struct vsock_link *link)
{
	link->hung_up = 1;
	if (link->state == VSOCK_CALLING) {
		vsock_link_reset(link);
	} else if (link->state == VSOCK_OPEN && link->host_shut != VSOCK_BOTH) {
		link->host_shut = VSOCK_BOTH;
		link->due |= vsock_bit(VIRTIO_VSOCK_OP_SHUTDOWN);
	}
}

static void vsock_link_event(void *ctx, uint32_t events)
{
	struct vsock_link *link = ctx;
	struct vsock *vsock = link->vsock;

	if (link->len && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)))
		vsock_drain(link);
	if (link->state == VSOCK_GREETING)
		vsock_greet(link);
	else if (vsock_wants_bytes(link) && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		vsock_fill_turn(link);
	else if (events & (EPOLLHUP | EPOLLERR))
		vsock_hang_up(link);
	vsock_settle(vsock);
}

/* The driver. */

static void vsock_kick(void *ctx, unsigned int queue)
{
	struct vsock *vsock = ctx;

	if (queue >= VSOCK_QUEUES - 1)
		return;
	if (queue == VSOCK_TO_GUEST) {
		vsock->starved = 0;
		(void)queue_want_kicks(virtio_queue(vsock->virtio, VSOCK_TO_GUEST), 0);
		vsock_settle(vsock);
	}
	vsock_listen(vsock);
	vsock_settle(vsock);
}

static void vsock_config_read(void *ctx, uint32_t offset, void *data, size_t len)
{
	const struct vsock *vsock = ctx;
	struct virtio_vsock_config config = { .guest_cid = vsock->cid };

	memcpy(data, (uint8_t *)&config + offset, len);
}

/* Who comes before the driver waits in the listener's backlog. */
static void vsock_accept_clients(struct vsock *vsock, int accept)
{
	if (vsock->listening)
		loop_source_set_events(vsock->listening, accept ? EPOLLIN : 0);
}

static int vsock_activate(void *ctx, uint64_t features _unused_)
{
	vsock_accept_clients(ctx, 1);
	return 0;
}

static int vsock_reset(void *ctx)
{
	struct vsock *vsock = ctx;

	vsock_accept_clients(vsock, 0);
	for (size_t i = 0; i < vsock->n_links; i++)
		vsock->links[i]->state = VSOCK_DEAD;
	vsock_bury(vsock);
	vsock->n_resets = 0;
	vsock->starved = 0;
	return 0;
}

static void vsock_free(void *ctx)
{
	struct vsock *vsock = ctx;

	(void)vsock_reset(vsock);
	loop_source_free(vsock->listening);
	loop_source_free(vsock->connecting);
	fd_close(vsock->listener);
	fd_close(vsock->connector);
	free(vsock);
}

static const struct virtio_ops vsock_ops = {
	.config_read = vsock_config_read,
	.activate = vsock_activate,
	.kick = vsock_kick,
	.reset = vsock_reset,
	.free = vsock_free,
};

static int vsock_open(struct vsock *vsock, const struct vsock_options *options, struct err *err)
{
	if (options->listener >= 0) {
		vsock->listening =
			loop_watch_fd(vsock->loop, options->listener, 0, vsock_accept, vsock);
		if (!vsock->listening)
			return err_errno(err, -errno, "cannot watch the guest's socket");
	}
	if (options->connector >= 0) {
		vsock->connecting = loop_watch_fd(vsock->loop, options->connector, EPOLLIN,
						  vsock_answered, vsock);
		if (!vsock->connecting)
			return err_errno(err, -errno, "cannot watch the guest's connector");
	}
	return 0;
}

int vsock_new(const struct virtio_host *host, const struct vsock_options *options,
	      struct virtio **ret, struct err *err)
{
	struct virtio_kind kind = { .name = "vsock",
				    .type = VIRTIO_ID_VSOCK,
				    .n_queues = VSOCK_QUEUES,
				    .queue_size = VSOCK_QUEUE_SIZE,
				    .config_size = sizeof(struct virtio_vsock_config),
				    .ops = &vsock_ops };
	struct vsock *vsock;
	int r;

	if (options->cid < VSOCK_CID_MIN || options->cid >= UINT32_MAX)
		return err_set(err, -EINVAL, "a guest's CID is a number from %d to %u",
			       VSOCK_CID_MIN, UINT32_MAX - 1);
	vsock = mem_zalloc(sizeof(*vsock));
	*vsock = (struct vsock){ .loop = host->loop,
				 .cid = options->cid,
				 .next_port = VSOCK_PORT_FIRST,
				 .listener = -EBADF,
				 .connector = -EBADF };
	r = vsock_open(vsock, options, err);
	if (r < 0) {
		vsock_free(vsock);
		return r;
	}
	vsock->listener = options->listener;
	vsock->connector = options->connector;
	vsock->virtio = virtio_new(host, &kind, vsock);
	*ret = vsock->virtio;
	return 0;
}
