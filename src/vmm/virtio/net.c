// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Queues: receive and transmit of each pair, and the control queue after the last pair, or after the first
 * one if the driver knows of no more (virtio 1.2 section 5.1.2).
 *
 * Receiving: a tap gives a packet whole, to however many buffers there are, and cuts off what does not fit.
 * So chains are gathered ahead until the largest packet fits. While there are too few, a spare buffer stands
 * behind them in the same readv(), and what lands there is copied as further chains come.
 *
 * Invariants:
 *  1. gathered chains stay popped until a packet fills them: they are used in the order they came.
 *  2. The chains of one packet reach the used ring at once: a driver that sees the first takes the others for
 *     there.
 *  3. With vhost running, nobody here touches the pair's queues or its tap.
 *  4. A stream whose other end is gone takes the link down for good, and is not looked at any more.
 */
#include "vmm/virtio/net.h"
#include "base/mem.h"
#include "sys/tap.h"
#include "sys/vhost.h"
#include "vmm/virtio/net_stream.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/socket.h>

#define NET_BIT(bit)   (1ULL << (bit))
#define NET_QUEUE_SIZE 256
#define NET_HEADER     12 /* struct virtio_net_hdr_v1 */
/* Of TSO, 65535 bytes of IP and what goes around; the header. */
#define NET_PACKET_MAX NET_STREAM_PACKET_MAX
/* One less than IOV_MAX: the last is the spare buffer. */
#define NET_SEGMENTS 1023
/* Packets of one turn in one direction. */
#define NET_TURN 256

/* On packets, which both sides can leave to the other. */
#define NET_WORK                                                               \
	(NET_BIT(VIRTIO_NET_F_CSUM) | NET_BIT(VIRTIO_NET_F_GUEST_CSUM) |       \
	 NET_BIT(VIRTIO_NET_F_GUEST_TSO4) | NET_BIT(VIRTIO_NET_F_GUEST_TSO6) | \
	 NET_BIT(VIRTIO_NET_F_GUEST_ECN) | NET_BIT(VIRTIO_NET_F_HOST_TSO4) |   \
	 NET_BIT(VIRTIO_NET_F_HOST_TSO6) | NET_BIT(VIRTIO_NET_F_HOST_ECN))

#define NET_OFFLOADS (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)

struct net_pair {
	struct net *net;
	unsigned int index;
	int tap, vhost, is_tap;
	struct net_stream *stream; /* packets go through it, or NULL */
	struct loop_source *source;
	uint32_t watched;
	int gone; /* nothing comes from the tap any more */
	int attached, offloaded;
	int receiving, sending; /* waits for packets, for room */

	struct queue_done chains[NET_QUEUE_SIZE]; /* gathered; written: room in each */
	size_t n_chains;
	struct iovec segments[NET_SEGMENTS + 1];
	uint16_t counts[NET_QUEUE_SIZE]; /* segments of each chain */
	size_t n_segments;
	uint64_t room;
	uint8_t *spare;	     /* NET_PACKET_MAX bytes */
	size_t late;	     /* bytes of a packet that does not fit yet, 0: none */
	size_t late_written; /* of them in the chains; the spare buffer has the others from its start */
	size_t spare_done;

	int holding; /* a chain that the tap had no room for */
	struct queue_chain held;
};

struct net {
	struct virtio *virtio;
	struct ram *ram;
	struct virtio_net_config config;
	int mergeable;
	unsigned int offloads; /* the taps' */
	uint8_t mac[ETH_ALEN]; /* the driver may change the configuration's */
	unsigned int n_pairs;
	unsigned int
		usable_pairs; /* what the driver knows of; the queues of others mean other things */
	struct queue_chain chain; /* scratch */
	struct net_pair pairs[];
};

static struct queue *net_queue(const struct net_pair *pair, int transmit)
{
	return virtio_queue(pair->net->virtio, 2 * pair->index + (transmit ? 1 : 0));
}

static int net_usable(const struct net_pair *pair)
{
	return virtio_active(pair->net->virtio) && pair->index < pair->net->usable_pairs &&
	       !pair->offloaded;
}

static int net_link(const struct net *net)
{
	return (net->config.status & VIRTIO_NET_S_LINK_UP) != 0;
}

static void net_watch(struct net_pair *pair)
{
	int unsent = pair->stream && net_stream_unsent(pair->stream);
	uint32_t events =
		(pair->receiving ? EPOLLIN : 0) | (pair->sending || unsent ? EPOLLOUT : 0);

	if (pair->gone && pair->stream)
		events = 0;
	if (events != pair->watched)
		loop_source_set_events(pair->source, events);
	pair->watched = events;
}

/* Receiving. */

static void net_add_chain(struct net_pair *pair, const struct queue_chain *chain)
{
	uint64_t room = chain->in_len < NET_PACKET_MAX ? chain->in_len : NET_PACKET_MAX;
	size_t at = pair->n_chains++;

	pair->chains[at] = (struct queue_done){ .head = chain->head, .written = (uint32_t)room };
	pair->counts[at] = chain->n_in;
	memcpy(pair->segments + pair->n_segments, chain->segments + chain->n_out,
	       chain->n_in * sizeof(struct iovec));
	pair->n_segments += chain->n_in;
	pair->room += room;
}

/* Cuts the last chain's segments to what counts of it, so that all segments together are the room. */
static void net_trim_chain(struct net_pair *pair)
{
	size_t first = pair->n_segments - pair->counts[pair->n_chains - 1];
	size_t left = pair->chains[pair->n_chains - 1].written;

	for (size_t i = first; i < pair->n_segments; i++) {
		if (pair->segments[i].iov_len > left)
			pair->segments[i].iov_len = left;
		left -= pair->segments[i].iov_len;
	}
}

/* Enough for a packet, as far as there are chains. 0, or -EBADMSG. */
static int net_gather(struct net_pair *pair)
{
	struct queue *queue = net_queue(pair, 0);
	struct queue_chain *chain = &pair->net->chain;
	uint64_t enough = pair->net->mergeable ? NET_PACKET_MAX : 1;
	int r = 1;

	if (pair->late)
		enough = pair->late;
	while (pair->room < enough && pair->n_segments + QUEUE_SIZE_MAX <= NET_SEGMENTS) {
		r = queue_pop(queue, chain);
		if (r <= 0)
			break;
		if (!chain->in_len)
			return -EBADMSG;
		net_add_chain(pair, chain);
		net_trim_chain(pair);
	}
	return r < 0 ? r : 0;
}

static void net_put(struct net_pair *pair, size_t offset, const void *data, size_t len)
{
	const uint8_t *from = data;

	for (size_t i = 0; i < pair->n_segments && len; i++) {
		size_t part = pair->segments[i].iov_len;

		if (offset >= part) {
			offset -= part;
			continue;
		}
		part = part - offset < len ? part - offset : len;
		memcpy((uint8_t *)pair->segments[i].iov_base + offset, from, part);
		from += part;
		len -= part;
		offset = 0;
	}
}

/* The packet of len bytes is in the first chains: they are the driver's. */
static void net_deliver(struct net_pair *pair, size_t len)
{
	size_t n = 0, segments = 0, left = len;
	uint16_t count;

	for (; n < pair->n_chains && left; n++) {
		uint32_t room = pair->chains[n].written;

		pair->room -= room;
		pair->chains[n].written = left < room ? (uint32_t)left : room;
		left -= pair->chains[n].written;
		segments += pair->counts[n];
	}
	count = (uint16_t)n;
	net_put(pair, offsetof(struct virtio_net_hdr_v1, num_buffers), &count, sizeof(count));
	queue_push_all(net_queue(pair, 0), pair->chains, n);
	pair->n_chains -= n;
	pair->n_segments -= segments;
	memmove(pair->chains, pair->chains + n, pair->n_chains * sizeof(pair->chains[0]));
	memmove(pair->counts, pair->counts + n, pair->n_chains * sizeof(pair->counts[0]));
	memmove(pair->segments, pair->segments + segments,
		pair->n_segments * sizeof(pair->segments[0]));
}

/* A packet that did not fit: 1 if it is on its way now, or was given up; 0 if it still waits. */
static int net_finish(struct net_pair *pair)
{
	struct queue_setup setup;
	void *rings[3];
	size_t part = pair->late - pair->late_written;

	if (part > pair->room - pair->late_written)
		part = pair->room - pair->late_written;
	net_put(pair, pair->late_written, pair->spare + pair->spare_done, part);
	pair->late_written += part;
	pair->spare_done += part;
	if (pair->late_written == pair->late) {
		net_deliver(pair, pair->late);
		pair->late = 0;
		return 1;
	}
	queue_rings(net_queue(pair, 0), &setup, rings);
	if (pair->n_chains == setup.size || pair->n_segments + QUEUE_SIZE_MAX > NET_SEGMENTS)
		pair->late = 0; /* not even all buffers that there can be would do */
	return !pair->late;
}

static void net_take_packet(struct net_pair *pair, size_t len)
{
	if (len < NET_HEADER)
		return;
	if (len <= pair->room) {
		net_deliver(pair, len);
		return;
	}
	if (!pair->net->mergeable)
		return; /* the driver's buffers are too small for it: lost */
	pair->late = len;
	pair->late_written = pair->room;
	pair->spare_done = 0;
}

static ssize_t net_read_wire(struct net_pair *pair, int n)
{
	ssize_t len;

	if (pair->stream)
		return net_stream_read(pair->stream, pair->segments, (size_t)n);
	do {
		len = readv(pair->tap, pair->segments, n);
	} while (len < 0 && errno == EINTR);
	return len < 0 ? -errno : len;
}

/* Nothing comes any more. */
static void net_lose(struct net_pair *pair)
{
	struct net *net = pair->net;

	pair->gone = 1;
	if (!pair->stream || !net_link(net))
		return;
	net->config.status = 0;
	virtio_config_changed(net->virtio);
}

/* The next packet. 1: there was one; 0: not now. */
static int net_read(struct net_pair *pair)
{
	int n = (int)pair->n_segments;
	ssize_t len;

	pair->segments[n++] = (struct iovec){ .iov_base = pair->spare, .iov_len = NET_PACKET_MAX };
	len = net_read_wire(pair, n);
	if (len > 0)
		net_take_packet(pair, (size_t)len);
	else if (len != -EAGAIN)
		net_lose(pair);
	return len > 0;
}

/* Has chains, or has asked to be kicked for some: then 0. */
static int net_ready(struct net_pair *pair)
{
	struct queue *queue = net_queue(pair, 0);

	for (;;) {
		if (net_gather(pair) < 0) {
			virtio_break(pair->net->virtio);
			return 0;
		}
		if (pair->late ? net_finish(pair) : pair->n_chains > 0)
			return 1;
		if (!queue_want_kicks(queue, 1))
			return 0;
	}
}

/* What a stream has here already, nobody would wake us for; it is no more than its buffer. */
static int net_is_pending(const struct net_pair *pair)
{
	return pair->stream && net_stream_ready(pair->stream);
}

static void net_receive(struct net_pair *pair)
{
	struct queue *queue = net_queue(pair, 0);
	int more = net_usable(pair) && net_link(pair->net) && !pair->gone;

	pair->receiving = more;
	if (!more)
		return;
	(void)queue_want_kicks(queue, 0);
	for (unsigned int i = 0; more && (i < NET_TURN || net_is_pending(pair)); i++) {
		pair->receiving = net_ready(pair);
		more = pair->receiving && (!pair->n_chains || net_read(pair));
	}
	pair->receiving = pair->receiving && !pair->gone;
	queue_raise(queue);
}

/* Transmitting. */

static int net_write_wire(struct net_pair *pair)
{
	struct queue_chain *held = &pair->held;
	struct msghdr message = { .msg_iov = held->segments, .msg_iovlen = held->n_out };
	ssize_t n;

	if (pair->stream)
		return net_stream_write(pair->stream, held->segments, held->n_out);
	do {
		n = pair->is_tap ? writev(pair->tap, held->segments, held->n_out)
				 : sendmsg(pair->tap, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* 0: the tap is full. What it does not like is lost, as on a wire. */
static int net_write(struct net_pair *pair)
{
	if (!net_link(pair->net) || pair->held.out_len < NET_HEADER ||
	    pair->held.out_len > NET_PACKET_MAX)
		return 1;
	return net_write_wire(pair) != -EAGAIN;
}

static void net_transmit(struct net_pair *pair)
{
	struct queue *queue = net_queue(pair, 1);

	pair->sending = 0;
	if (!net_usable(pair))
		return;
	(void)queue_want_kicks(queue, 0);
	for (unsigned int i = 0; !pair->sending; i++) {
		if (!pair->holding) {
			int r = queue_pop(queue, &pair->held);

			if (r < 0)
				virtio_break(pair->net->virtio);
			if (r == 0 && queue_want_kicks(queue, 1))
				continue;
			if (r <= 0)
				break;
			pair->holding = 1;
		}
		pair->sending = !net_write(pair);
		if (pair->sending)
			break;
		pair->holding = 0;
		queue_push(queue, pair->held.head, 0);
		pair->sending = i >= NET_TURN;
	}
	queue_raise(queue);
}

static void net_event(void *ctx, uint32_t events)
{
	struct net_pair *pair = ctx;

	if (pair->stream && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)))
		net_stream_flush(pair->stream);
	if (pair->sending && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)))
		net_transmit(pair);
	if (pair->receiving && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		net_receive(pair);
	net_watch(pair);
}

/* vhost. */

static int net_vhost_ring(struct net_pair *pair, int transmit)
{
	unsigned int index = 2 * pair->index + (transmit ? 1 : 0);
	struct vhost_ring ring = { .kick = virtio_kick_fd(pair->net->virtio, index),
				   .call = virtio_call_fd(pair->net->virtio, index) };
	struct queue *queue = net_queue(pair, transmit);
	struct queue_setup setup;
	void *rings[3];

	if (!queue_enabled(queue) || ring.kick < 0)
		return -ENOTCONN;
	queue_rings(queue, &setup, rings);
	ring.size = setup.size;
	ring.descriptors = rings[0];
	ring.driver = rings[1];
	ring.device = rings[2];
	return vhost_set_ring(pair->vhost, (unsigned int)transmit, &ring);
}

static int net_vhost_prepare(const struct net *net, int vhost)
{
	struct vhost_memory_region table[RAM_REGIONS_MAX] = { 0 };
	const struct ram_region *regions;
	size_t n = ram_regions(net->ram, &regions);
	uint64_t features = 0;
	int r = vhost_features(vhost, &features);

	for (size_t i = 0; i < n; i++)
		table[i] = (struct vhost_memory_region){ .guest_phys_addr = regions[i].gpa,
							 .memory_size = regions[i].size,
							 .userspace_addr =
								 (uintptr_t)regions[i].host };
	if (r == 0)
		r = vhost_set_features(vhost, features & virtio_accepted(net->virtio));
	if (r == 0)
		r = vhost_set_memory(vhost, table, (uint32_t)n);
	return r;
}

static void net_vhost_stop(struct net_pair *pair)
{
	if (!pair->offloaded)
		return;
	for (unsigned int i = 0; i < 2; i++) {
		(void)vhost_set_net(pair->vhost, i, -1);
		(void)vhost_clear_ring(pair->vhost, i);
		virtio_offload(pair->net->virtio, 2 * pair->index + i, 0);
	}
	pair->offloaded = 0;
}

/* What the driver has put in the rings before is served too: vhost looks when it starts. */
static int net_vhost_start(struct net_pair *pair)
{
	int r = net_vhost_prepare(pair->net, pair->vhost);

	pair->offloaded = 1;
	for (int i = 0; i < 2 && r == 0; i++)
		r = net_vhost_ring(pair, i);
	for (unsigned int i = 0; i < 2 && r == 0; i++) {
		virtio_offload(pair->net->virtio, 2 * pair->index + i, 1);
		r = vhost_set_net(pair->vhost, i, pair->tap);
	}
	if (r < 0)
		net_vhost_stop(pair);
	return r;
}

/* The driver. */

static int net_attach(struct net_pair *pair, int attached)
{
	int r = 0;

	if (pair->attached == attached)
		return 0;
	if (pair->is_tap)
		r = tap_attach(pair->tap, attached);
	if (r == 0)
		pair->attached = attached;
	return r;
}

static int net_set_pairs(struct net *net, unsigned int n)
{
	int r = 0;

	for (unsigned int i = 0; i < net->n_pairs && r == 0; i++)
		r = net_attach(&net->pairs[i], i < n);
	return r;
}

/* What of the work on packets the driver takes over. */
static unsigned int net_offloads(uint64_t features)
{
	unsigned int offloads = TUN_F_CSUM;

	if (!(features & NET_BIT(VIRTIO_NET_F_GUEST_CSUM)))
		return 0;
	if (features & NET_BIT(VIRTIO_NET_F_GUEST_TSO4))
		offloads |= TUN_F_TSO4;
	if (features & NET_BIT(VIRTIO_NET_F_GUEST_TSO6))
		offloads |= TUN_F_TSO6;
	if ((features & NET_BIT(VIRTIO_NET_F_GUEST_ECN)) && (offloads & (TUN_F_TSO4 | TUN_F_TSO6)))
		offloads |= TUN_F_TSO_ECN;
	return offloads;
}

/* Offloads are the interface's, not the queue's: one is enough. */
static int net_set_offloads(struct net *net, unsigned int offloads)
{
	int r = 0;

	if (offloads == net->offloads)
		return 0;
	if (net->pairs[0].is_tap)
		r = tap_set_offloads(net->pairs[0].tap, offloads);
	if (r == 0)
		net->offloads = offloads;
	return r;
}

static int net_activate(void *ctx, uint64_t features)
{
	struct net *net = ctx;
	int r = net_set_offloads(net, net_offloads(features));

	if (r < 0)
		return r;
	net->mergeable = (features & NET_BIT(VIRTIO_NET_F_MRG_RXBUF)) != 0;
	net->usable_pairs = features & NET_BIT(VIRTIO_NET_F_MQ) ? net->n_pairs : 1;
	for (unsigned int i = 0; i < net->usable_pairs; i++) {
		struct net_pair *pair = &net->pairs[i];

		if (pair->vhost >= 0 && net_link(net) && net_vhost_start(pair) == 0)
			continue;
		net_receive(pair);
		net_watch(pair);
	}
	return 0;
}

static uint8_t net_obey(struct net *net, const struct queue_chain *chain)
{
	struct virtio_net_ctrl_hdr header;
	size_t at = sizeof(header);
	uint8_t mac[ETH_ALEN];
	uint16_t pairs;

	if (queue_copy_out(chain, 0, &header, at) < at)
		return VIRTIO_NET_ERR;
	switch (header.class) {
	case VIRTIO_NET_CTRL_RX: /* it gets all packets anyway */
		return header.cmd <= VIRTIO_NET_CTRL_RX_ALLMULTI ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
	case VIRTIO_NET_CTRL_MAC:
		if (header.cmd == VIRTIO_NET_CTRL_MAC_TABLE_SET)
			return VIRTIO_NET_OK;
		if (header.cmd != VIRTIO_NET_CTRL_MAC_ADDR_SET ||
		    queue_copy_out(chain, at, mac, sizeof(mac)) < sizeof(mac))
			return VIRTIO_NET_ERR;
		memcpy(net->config.mac, mac, sizeof(mac));
		return VIRTIO_NET_OK;
	case VIRTIO_NET_CTRL_MQ:
		if (header.cmd != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET ||
		    queue_copy_out(chain, at, &pairs, sizeof(pairs)) < sizeof(pairs) || !pairs ||
		    pairs > net->usable_pairs || net_set_pairs(net, pairs) < 0)
			return VIRTIO_NET_ERR;
		return VIRTIO_NET_OK;
	default:
		return VIRTIO_NET_ERR;
	}
}

static void net_control(struct net *net, struct queue *queue)
{
	for (unsigned int i = 0; i < NET_QUEUE_SIZE; i++) {
		int r = queue_pop(queue, &net->chain);
		uint8_t answer;

		if (r < 0)
			virtio_break(net->virtio);
		if (r <= 0)
			break;
		answer = net_obey(net, &net->chain);
		queue_push(queue, net->chain.head,
			   (uint32_t)queue_copy_in(&net->chain, 0, &answer, sizeof(answer)));
	}
	queue_raise(queue);
}

static void net_kick(void *ctx, unsigned int index)
{
	struct net *net = ctx;
	struct net_pair *pair;

	if (index == 2 * net->usable_pairs)
		net_control(net, virtio_queue(net->virtio, index));
	if (index >= 2 * net->usable_pairs)
		return;
	pair = &net->pairs[index / 2];
	if (index % 2)
		net_transmit(pair);
	else
		net_receive(pair);
	net_watch(pair);
}

static void net_config_read(void *ctx, uint32_t offset, void *data, size_t len)
{
	const struct net *net = ctx;

	memcpy(data, (const uint8_t *)&net->config + offset, len);
}

static int net_reset(void *ctx)
{
	struct net *net = ctx;

	for (unsigned int i = 0; i < net->n_pairs; i++) {
		struct net_pair *pair = &net->pairs[i];

		net_vhost_stop(pair);
		pair->n_chains = pair->n_segments = pair->late = 0;
		pair->room = 0;
		pair->holding = pair->receiving = pair->sending = 0;
		net_watch(pair);
	}
	(void)net_set_pairs(net, 1);
	net->usable_pairs = 0;
	memcpy(net->config.mac, net->mac, sizeof(net->mac));
	return 0;
}

static void net_free(void *ctx)
{
	struct net *net = ctx;

	for (unsigned int i = 0; i < net->n_pairs; i++) {
		struct net_pair *pair = &net->pairs[i];

		loop_source_free(pair->source);
		fd_close(pair->vhost); /* which stops it */
		net_stream_free(pair->stream);
		fd_close(pair->tap);
		free(pair->spare);
	}
	free(net);
}

static const struct virtio_ops net_ops = {
	.config_read = net_config_read,
	.activate = net_activate,
	.kick = net_kick,
	.reset = net_reset,
	.free = net_free,
};

/* Set-up. */

static int net_open_tap(struct net_pair *pair, const struct virtio_host *host, int tap,
			int is_stream, struct err *err)
{
	int flags = fcntl(tap, F_GETFL), r = is_stream ? -ENOTTY : tap_check(tap);

	if (r == -EINVAL)
		return err_set(err, r, "the tap has no IFF_VNET_HDR");
	if (flags < 0 || fcntl(tap, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_errno(err, -errno, "cannot use the tap");
	pair->is_tap = r == 0;
	if (pair->is_tap) {
		r = tap_set_header(tap, NET_HEADER);
		if (r == 0 && pair->index == 0)
			r = tap_set_offloads(tap, NET_OFFLOADS);
		if (r < 0)
			return err_errno(err, r, "cannot set up the tap");
	}
	pair->source = loop_watch_fd(host->loop, tap, 0, net_event, pair);
	if (!pair->source)
		return err_errno(err, -errno, "cannot watch the tap");
	pair->attached = 1;
	if (is_stream)
		pair->stream = net_stream_new(tap);
	pair->spare = mem_zalloc(NET_PACKET_MAX);
	return 0;
}

/* Is the vhost-net device good for us? */
static int net_vhost_good(int vhost)
{
	uint64_t needed = NET_BIT(VIRTIO_F_VERSION_1) | NET_BIT(VIRTIO_F_INDIRECT_DESC) |
			  NET_BIT(VIRTIO_F_EVENT_IDX) | NET_BIT(VIRTIO_NET_F_MRG_RXBUF);
	uint64_t features = 0;

	return vhost_own(vhost) == 0 && vhost_features(vhost, &features) == 0 &&
	       (features & needed) == needed;
}

static uint64_t net_features(const struct net_options *options)
{
	uint64_t features = NET_BIT(VIRTIO_NET_F_MRG_RXBUF) | NET_BIT(VIRTIO_NET_F_MAC) |
			    NET_BIT(VIRTIO_NET_F_STATUS) | NET_BIT(VIRTIO_NET_F_CTRL_VQ) |
			    NET_BIT(VIRTIO_NET_F_CTRL_RX) | NET_BIT(VIRTIO_NET_F_CTRL_MAC_ADDR);

	if (!options->is_stream)
		features |= NET_WORK;
	if (options->mtu)
		features |= NET_BIT(VIRTIO_NET_F_MTU);
	if (options->pairs > 1)
		features |= NET_BIT(VIRTIO_NET_F_MQ);
	return features;
}

static int net_open(struct net *net, const struct virtio_host *host,
		    const struct net_options *options, struct err *err)
{
	int r = 0;

	for (unsigned int i = 0; i < options->pairs; i++) {
		net->pairs[i].index = i;
		net->pairs[i].tap = net->pairs[i].vhost = -EBADF; /* the caller's for now */
	}
	for (unsigned int i = 0; i < options->pairs && r == 0; i++)
		r = net_open_tap(&net->pairs[i], host, options->taps[i], options->is_stream, err);
	return r;
}

/* Nothing fails any more. */
static void net_own(struct net *net, const struct net_options *options)
{
	for (unsigned int i = 0; i < net->n_pairs; i++) {
		struct net_pair *pair = &net->pairs[i];

		pair->net = net;
		pair->tap = options->taps[i];
		if (options->vhosts)
			pair->vhost = options->vhosts[i];
		if (pair->vhost >= 0 && (!pair->is_tap || !net_vhost_good(pair->vhost)))
			pair->vhost = fd_close(pair->vhost);
	}
	(void)net_set_pairs(net, 1);
}

int net_new(const struct virtio_host *host, const struct net_options *options, struct virtio **ret,
	    struct net **ret_net, struct err *err)
{
	struct virtio_kind kind = { .name = "net",
				    .type = VIRTIO_ID_NET,
				    .features = net_features(options),
				    .n_queues = 2 * options->pairs + 1,
				    .queue_size = NET_QUEUE_SIZE,
				    .config_size = offsetof(struct virtio_net_config, speed),
				    .ops = &net_ops };
	struct net *net;
	int r;

	if (!options->pairs || options->pairs > NET_PAIRS_MAX)
		return err_set(err, -EINVAL, "a network card has 1 to %d pairs of queues",
			       NET_PAIRS_MAX);
	if (options->is_stream && (options->pairs > 1 || options->vhosts))
		return err_set(err, -EINVAL, "a network card on a stream has one pair of queues");
	net = mem_zalloc(sizeof(*net) + options->pairs * sizeof(net->pairs[0]));
	net->n_pairs = options->pairs;
	net->ram = host->ram;
	net->offloads = NET_OFFLOADS;
	net->config.status = VIRTIO_NET_S_LINK_UP;
	net->config.max_virtqueue_pairs = (uint16_t)options->pairs;
	net->config.mtu = options->mtu;
	memcpy(net->mac, options->mac, sizeof(net->mac));
	memcpy(net->config.mac, options->mac, sizeof(net->mac));
	r = net_open(net, host, options, err);
	if (r < 0) {
		net_free(net);
		return r;
	}
	net_own(net, options);
	net->virtio = virtio_new(host, &kind, net);
	*ret = net->virtio;
	*ret_net = net;
	return 0;
}

void net_set_link(struct net *net, int up)
{
	if (!up == !net_link(net) || (net->pairs[0].stream && net->pairs[0].gone))
		return;
	net->config.status = up ? VIRTIO_NET_S_LINK_UP : 0;
	for (unsigned int i = 0; i < net->n_pairs; i++) {
		struct net_pair *pair = &net->pairs[i];

		if (pair->offloaded) {
			(void)vhost_set_net(pair->vhost, 0, up ? pair->tap : -1);
			(void)vhost_set_net(pair->vhost, 1, up ? pair->tap : -1);
		}
		net_receive(pair);
		net_watch(pair);
	}
	virtio_config_changed(net->virtio);
}

int net_offloaded(const struct net *net)
{
	return net->pairs[0].offloaded;
}
