// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/netlink.h"
#include "base/file.h"
#include "sys/netns.h"

#include <string.h>
#include <sys/socket.h>

#define NETLINK_REPLY_MAX \
	32768		 /* what the kernel puts in one answer at most: NLMSG_GOODSIZE is less */
#define NETLINK_TRIES 16 /* for a list that changes all the time; then it is taken as it is */

static int netlink_connect(int sock, struct err *err)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	const int one = 1;

	/* Connected, it hears nobody but the kernel. Without our request in it an answer's length is known. */
	if (connect(sock, (const void *)&kernel, sizeof(kernel)) < 0 ||
	    setsockopt(sock, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one)) < 0 ||
	    setsockopt(sock, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one)) < 0)
		return err_errno(err, -errno, "cannot set up a netlink socket");
	return 0;
}

int netlink_open(int protocol, int netns, struct err *err)
{
	_cleanup_close_ int sock = netns_socket(netns, AF_NETLINK, SOCK_RAW, protocol, err);
	int r = sock < 0 ? sock : netlink_connect(sock, err);

	return r < 0 ? r : take_fd(&sock);
}

void netlink_request_release(struct netlink_request *request)
{
	buf_release(&request->bytes);
	*request = NETLINK_REQUEST_INIT;
}

static void netlink_add(struct netlink_request *request, const void *data, size_t len)
{
	static const char padding[NLMSG_ALIGNTO];
	struct nlmsghdr *message;
	struct buf *bytes = &request->bytes;

	buf_add(bytes, data, len);
	buf_add(bytes, padding, NLMSG_ALIGN(bytes->len) - bytes->len);
	message = (void *)(bytes->data + request->last);
	message->nlmsg_len = (uint32_t)(bytes->len - request->last);
}

void netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags,
		   const void *header, size_t len)
{
	const struct nlmsghdr message = { .nlmsg_type = type,
					  .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags) };

	request->last = request->bytes.len;
	netlink_add(request, &message, sizeof(message));
	netlink_add(request, header, len);
}

void netlink_put(struct netlink_request *request, uint16_t type, const void *data, size_t len)
{
	const struct nlattr attribute = { .nla_len = (uint16_t)(NLA_HDRLEN + len),
					  .nla_type = type };

	netlink_add(request, &attribute, sizeof(attribute));
	netlink_add(request, data, len);
}

void netlink_put_u8(struct netlink_request *request, uint16_t type, uint8_t value)
{
	netlink_put(request, type, &value, sizeof(value));
}

void netlink_put_u16(struct netlink_request *request, uint16_t type, uint16_t value)
{
	netlink_put(request, type, &value, sizeof(value));
}

void netlink_put_u32(struct netlink_request *request, uint16_t type, uint32_t value)
{
	netlink_put(request, type, &value, sizeof(value));
}

void netlink_put_u64(struct netlink_request *request, uint16_t type, uint64_t value)
{
	netlink_put(request, type, &value, sizeof(value));
}

void netlink_put_string(struct netlink_request *request, uint16_t type, const char *value)
{
	netlink_put(request, type, value, strlen(value) + 1);
}

size_t netlink_nest(struct netlink_request *request, uint16_t type)
{
	size_t place = request->bytes.len;

	netlink_put(request, type | NLA_F_NESTED, "", 0);
	return place;
}

void netlink_end(struct netlink_request *request, size_t place)
{
	struct nlattr *attribute = (void *)(request->bytes.data + place);

	attribute->nla_len = (uint16_t)(request->bytes.len - place);
}

void netlink_put_header(struct netlink_request *request, const void *header, size_t len)
{
	netlink_add(request, header, len);
}

/* What follows, and how much is left of it: the kernel's macros for this wrap around at an end that is not aligned. */
static void netlink_skip(struct netlink_view *view, size_t len)
{
	len = NLMSG_ALIGN(len);
	len = len < view->left ? len : view->left;
	view->at += len;
	view->left -= len;
}

const struct nlmsghdr *netlink_next_message(struct netlink_view *view)
{
	const struct nlmsghdr *message = (const void *)view->at;

	if (!NLMSG_OK(message, view->left))
		return NULL;
	netlink_skip(view, message->nlmsg_len);
	return message;
}

int netlink_next(struct netlink_view *view, struct netlink_attribute *ret)
{
	struct nlattr header;

	if (view->left < sizeof(header))
		return 0;
	memcpy(&header, view->at, sizeof(header));
	if (header.nla_len < sizeof(header) || header.nla_len > view->left)
		return 0;
	*ret = (struct netlink_attribute){ .type = header.nla_type & NLA_TYPE_MASK,
					   .data = view->at + NLA_HDRLEN,
					   .len = header.nla_len - (size_t)NLA_HDRLEN };
	netlink_skip(view, header.nla_len);
	return 1;
}

struct netlink_view netlink_attributes(const struct nlmsghdr *message, size_t len)
{
	struct netlink_view view = { .at = (const char *)message, .left = message->nlmsg_len };

	netlink_skip(&view, NLMSG_LENGTH(len));
	return view;
}

struct netlink_view netlink_nested(const struct netlink_attribute *attribute)
{
	return (struct netlink_view){ .at = attribute->data, .left = attribute->len };
}

int netlink_read(const struct nlmsghdr *message, uint16_t type, void *ret, size_t len)
{
	if (message->nlmsg_type != type || message->nlmsg_len < NLMSG_LENGTH(len))
		return 0;
	memcpy(ret, NLMSG_DATA(message), len);
	return 1;
}

void netlink_get(const struct netlink_attribute *attribute, void *ret, size_t len)
{
	if (attribute->len == len)
		memcpy(ret, attribute->data, len);
}

void netlink_get_string(const struct netlink_attribute *attribute, char *ret, size_t size)
{
	size_t len = strnlen(attribute->data, attribute->len);

	len = len < size ? len : size - 1;
	memcpy(ret, attribute->data, len);
	ret[len] = '\0';
}

/* The code is the first of what both kinds of end have; words follow after a header of that length. */
static int netlink_verdict(const struct nlmsghdr *message, size_t header, struct err *err)
{
	struct netlink_view view = netlink_attributes(message, header);
	struct netlink_attribute attribute;
	char words[256] = "";
	int code = 0;

	if (message->nlmsg_len >= NLMSG_LENGTH(sizeof(code)))
		memcpy(&code, NLMSG_DATA(message), sizeof(code));
	if (code >= 0)
		return 0;
	while (message->nlmsg_flags & NLM_F_ACK_TLVS && netlink_next(&view, &attribute)) {
		if (attribute.type == NLMSGERR_ATTR_MSG)
			netlink_get_string(&attribute, words, sizeof(words));
	}
	if (*words)
		return err_set(err, code, "%s (%s)", strerror(-code), words);
	return err_set(err, code, "%s", strerror(-code));
}

/* Adds an answer that is whole, with a length that is aligned. */
static int netlink_receive(int sock, struct buf *answer, struct err *err)
{
	struct iovec part;
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t n;

	buf_reserve(answer, NETLINK_REPLY_MAX + NLMSG_ALIGNTO);
	part = (struct iovec){ answer->data + answer->len, NETLINK_REPLY_MAX };
	do {
		n = recvmsg(sock, &message, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_errno(err, -errno, "cannot read the kernel's answer");
	if (message.msg_flags & MSG_TRUNC)
		return err_set(err, -EMSGSIZE, "the kernel's answer is too long");
	answer->len = NLMSG_ALIGN(answer->len + (size_t)n);
	return 0;
}

/* The messages of the answer up to its end. 1: a list that changed meanwhile. */
static int netlink_gather(int sock, struct buf *answer, struct err *err)
{
	size_t begin = 0;
	int changed = 0, r;

	for (answer->len = 0;; begin = answer->len) {
		const struct nlmsghdr *message;
		struct netlink_view view;

		r = netlink_receive(sock, answer, err);
		if (r < 0)
			return r;
		view = (struct netlink_view){ answer->data + begin, answer->len - begin };
		while ((message = netlink_next_message(&view))) {
			changed |= message->nlmsg_flags & NLM_F_DUMP_INTR;
			if (message->nlmsg_type == NLMSG_ERROR)
				return netlink_verdict(message, sizeof(struct nlmsgerr), err);
			if (message->nlmsg_type == NLMSG_DONE) {
				r = netlink_verdict(message, sizeof(int), err);
				return r < 0 ? r : changed != 0;
			}
		}
	}
}

int netlink_ask(int sock, const struct netlink_request *request, netlink_each *each, void *ctx,
		struct err *err)
{
	_cleanup_buf_ struct buf answer = BUF_INIT;
	const struct nlmsghdr *message;
	struct netlink_view view;
	int r = 1;

	for (int i = 0; r > 0 && i < NETLINK_TRIES; i++) {
		if (send(sock, request->bytes.data, request->bytes.len, 0) < 0)
			return err_errno(err, -errno, "cannot ask the kernel");
		r = netlink_gather(sock, &answer, err);
	}
	if (r < 0 || !each)
		return r < 0 ? r : 0;
	view = (struct netlink_view){ answer.data, answer.len };
	while ((message = netlink_next_message(&view)))
		each(ctx, message);
	return 0;
}
