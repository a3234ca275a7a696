/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_NETLINK_H
#define SYS_NETLINK_H

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * netlink(7): requests to the kernel, and its answers. A request has one message or more, written in order:
 * netlink_begin() for each, then its attributes. It grows as needed, and is sent as a whole.
 */
struct netlink_request {
	struct buf bytes;
	size_t last; /* where its last message begins */
};

#define NETLINK_REQUEST_INIT ((struct netlink_request){ .bytes = BUF_INIT })
void netlink_request_release(struct netlink_request *request);
#define _cleanup_netlink_ _cleanup_(netlink_request_release)

/*
 * A socket to NETLINK_ROUTE or another protocol. It belongs to the network namespace that it was made in, wherever we are
 * later: that of the descriptor netns, or ours if it is negative. The calling thread is there for a moment, so there is to
 * be no other. The descriptor (caller closes) or -errno.
 */
int netlink_open(int protocol, int netns, struct err *err);

/* Begins a message with the header that its type has. flags: NLM_F_*, besides NLM_F_REQUEST. */
void netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags,
		   const void *header, size_t len);

/* Attributes of the last message begun. At most 65531 bytes each. */
void netlink_put(struct netlink_request *request, uint16_t type, const void *data, size_t len);
void netlink_put_u8(struct netlink_request *request, uint16_t type, uint8_t value);
void netlink_put_u16(struct netlink_request *request, uint16_t type, uint16_t value);
void netlink_put_u32(struct netlink_request *request, uint16_t type, uint32_t value);
void netlink_put_u64(struct netlink_request *request, uint16_t type, uint64_t value);
void netlink_put_string(struct netlink_request *request, uint16_t type,
			const char *value); /* with its NUL */
/* One that holds others: those that are put until it is ended. A place to give to netlink_end(). */
size_t netlink_nest(struct netlink_request *request, uint16_t type);
void netlink_end(struct netlink_request *request, size_t place);
/* A header of another kind of message, which some of these begin with (VETH_INFO_PEER). */
void netlink_put_header(struct netlink_request *request, const void *header, size_t len);

/*
 * Sends it and waits for the kernel's answer: that of NLM_F_DUMP, or of a message with NLM_F_ACK. Calls each(ctx, message)
 * for what came, which may be NULL, once all of it is here; a list that changed under the kernel's hands is asked for again.
 * An error has the kernel's own words, if it has any.
 */
typedef void netlink_each(void *ctx, const struct nlmsghdr *message);
int netlink_ask(int sock, const struct netlink_request *request, netlink_each *each, void *ctx,
		struct err *err);

/* What of a message is left to read. */
struct netlink_view {
	const char *at;
	size_t left;
};

struct netlink_attribute {
	uint16_t type;
	const void *data; /* aligned to 4 */
	size_t len;
};

/* The next message that is whole, or NULL. */
const struct nlmsghdr *netlink_next_message(struct netlink_view *view);
/* The header that its type has, if it is long enough for it, else 0. */
int netlink_read(const struct nlmsghdr *message, uint16_t type, void *ret, size_t len);
/* The attributes of a message with a header of that length, or of an attribute that holds others. */
struct netlink_view netlink_attributes(const struct nlmsghdr *message, size_t len);
struct netlink_view netlink_nested(const struct netlink_attribute *attribute);
/* 1 and the next one, or 0: there is none, or it is not whole. */
int netlink_next(struct netlink_view *view, struct netlink_attribute *ret);
/* Copies a value of just that length; others leave what is there. */
void netlink_get(const struct netlink_attribute *attribute, void *ret, size_t len);
/* Copies a string, cut to what there is room for. */
void netlink_get_string(const struct netlink_attribute *attribute, char *ret, size_t size);

#endif
