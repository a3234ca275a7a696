// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A batch is one request: its begin, a message for each element, its end. The kernel works it when it is sent, so that
 * what it says of it is there to be read when send() returns: an answer for each message that it refuses, and for those
 * that ask for one, which the last element does. After a refusal there may be more answers than the first; they are
 * thrown away, or they would be taken for those of the next request.
 */
#include "sys/nftset.h"
#include "sys/netlink.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define NFTSET_SEND_USUAL 65536 /* less than any usual net.core.wmem_default */

/* A value of one part has just its length; where several are joined, each is padded. */
static void nftset_append(uint8_t *bytes, size_t *at, const void *part, size_t len)
{
	size_t begin = NLMSG_ALIGN(*at), end = begin ? begin + NLMSG_ALIGN(len) : len;

	if (end > NFTSET_BYTES_MAX)
		return;
	memset(bytes + *at, 0, end - *at);
	memcpy(bytes + begin, part, len);
	*at = end;
}

void nftset_add_key(struct nftset_element *element, const void *part, size_t len)
{
	nftset_append(element->key, &element->key_len, part, len);
}

void nftset_add_data(struct nftset_element *element, const void *part, size_t len)
{
	nftset_append(element->data, &element->data_len, part, len);
}

static void nftset_begin(struct netlink_request *request, unsigned int type, uint16_t flags,
			 uint8_t family)
{
	const struct nfgenmsg header = { .nfgen_family = family, .version = NFNETLINK_V0 };

	netlink_begin(request, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, &header,
		      sizeof(header));
}

static void nftset_put_batch(struct netlink_request *request, uint16_t type)
{
	const struct nfgenmsg header = { .version = NFNETLINK_V0,
					 .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	netlink_begin(request, type, 0, &header, sizeof(header));
}

static void nftset_put_value(struct netlink_request *request, uint16_t type, const uint8_t *bytes,
			     size_t len)
{
	size_t place = netlink_nest(request, type);

	netlink_put(request, NFTA_DATA_VALUE, bytes, len);
	netlink_end(request, place);
}

static void nftset_put_jump(struct netlink_request *request, const char *chain)
{
	const uint32_t code = htonl((uint32_t)NFT_JUMP);
	size_t data = netlink_nest(request, NFTA_SET_ELEM_DATA);
	size_t verdict = netlink_nest(request, NFTA_DATA_VERDICT);

	netlink_put(request, NFTA_VERDICT_CODE, &code, sizeof(code));
	netlink_put_string(request, NFTA_VERDICT_CHAIN, chain);
	netlink_end(request, verdict);
	netlink_end(request, data);
}

static void nftset_put(struct netlink_request *request, const char *table,
		       const struct nftset_element *element)
{
	size_t list, place;

	netlink_put_string(request, NFTA_SET_ELEM_LIST_TABLE, table);
	netlink_put_string(request, NFTA_SET_ELEM_LIST_SET, element->set);
	list = netlink_nest(request, NFTA_SET_ELEM_LIST_ELEMENTS);
	place = netlink_nest(request, NFTA_LIST_ELEM);
	nftset_put_value(request, NFTA_SET_ELEM_KEY, element->key, element->key_len);
	if (*element->jump)
		nftset_put_jump(request, element->jump);
	else if (element->data_len)
		nftset_put_value(request, NFTA_SET_ELEM_DATA, element->data, element->data_len);
	if (element->timeout_ms) {
		netlink_put_u64(request, NFTA_SET_ELEM_TIMEOUT, htobe64(element->timeout_ms));
		netlink_put_u64(request, NFTA_SET_ELEM_EXPIRATION, htobe64(element->left_ms));
	}
	netlink_end(request, place);
	netlink_end(request, list);
}

static void nftset_drain(int sock)
{
	char byte;

	while (recv(sock, &byte, sizeof(byte), MSG_DONTWAIT) >= 0 || errno == EINTR ||
	       errno == ENOBUFS)
		;
}

/* What is longer than a socket may usually send. */
static void nftset_make_room(int sock, size_t len)
{
	int room = (int)(2 * len);

	if (len > NFTSET_SEND_USUAL)
		(void)setsockopt(sock, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
}

static int nftset_change(int sock, uint8_t family, const char *table, unsigned int type,
			 const struct nftset_element *elements, size_t count, struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;
	uint16_t create = type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0;
	int r;

	if (!count)
		return 0;
	nftset_put_batch(&request, NFNL_MSG_BATCH_BEGIN);
	for (size_t i = 0; i < count; i++) {
		nftset_begin(&request, type, create | (i + 1 == count ? NLM_F_ACK : 0), family);
		nftset_put(&request, table, &elements[i]);
	}
	nftset_put_batch(&request, NFNL_MSG_BATCH_END);
	nftset_make_room(sock, request.bytes.len);
	r = netlink_ask(sock, &request, NULL, NULL, err);
	if (r < 0)
		nftset_drain(sock);
	if (r == -EBUSY) /* other data */
		err->code = r = -EEXIST;
	return r;
}

int nftset_add(int sock, uint8_t family, const char *table, const struct nftset_element *elements,
	       size_t count, struct err *err)
{
	if (nftset_change(sock, family, table, NFT_MSG_NEWSETELEM, elements, count, err) < 0)
		return err_wrap(err, "cannot add to the table %s of nftables", table);
	return 0;
}

int nftset_delete(int sock, uint8_t family, const char *table,
		  const struct nftset_element *elements, size_t count, struct err *err)
{
	if (nftset_change(sock, family, table, NFT_MSG_DELSETELEM, elements, count, err) < 0)
		return err_wrap(err, "cannot delete from the table %s of nftables", table);
	return 0;
}

/* --- what there is --- */

struct nftset_listing {
	const char *set;
	nftset_each *each;
	void *ctx;
};

static void nftset_read_key(const struct netlink_attribute *key, struct nftset_element *element)
{
	struct netlink_view view = netlink_nested(key);
	struct netlink_attribute value;

	while (netlink_next(&view, &value)) {
		if (value.type != NFTA_DATA_VALUE || value.len > NFTSET_BYTES_MAX)
			continue;
		memcpy(element->key, value.data, value.len);
		element->key_len = value.len;
	}
}

static void nftset_read(const struct netlink_attribute *item, struct nftset_element *element)
{
	struct netlink_view view = netlink_nested(item);
	struct netlink_attribute part;

	while (netlink_next(&view, &part)) {
		if (part.type == NFTA_SET_ELEM_KEY)
			nftset_read_key(&part, element);
		else if (part.type == NFTA_SET_ELEM_TIMEOUT)
			netlink_get(&part, &element->timeout_ms, sizeof(element->timeout_ms));
		else if (part.type == NFTA_SET_ELEM_EXPIRATION)
			netlink_get(&part, &element->left_ms, sizeof(element->left_ms));
	}
	element->timeout_ms = be64toh(element->timeout_ms);
	element->left_ms = be64toh(element->left_ms);
	/* newer kernels leave the first one as it was when a rule updates an element, and do not take the two back so */
	if (element->timeout_ms && element->left_ms > element->timeout_ms)
		element->timeout_ms = element->left_ms;
}

static void nftset_read_list(const struct nftset_listing *listing,
			     const struct netlink_attribute *list)
{
	struct netlink_view view = netlink_nested(list);
	struct netlink_attribute item;

	while (netlink_next(&view, &item)) {
		struct nftset_element element = { .set = listing->set };

		nftset_read(&item, &element);
		if (element.key_len)
			listing->each(listing->ctx, &element);
	}
}

static void nftset_on_message(void *ctx, const struct nlmsghdr *message)
{
	struct netlink_view view = netlink_attributes(message, sizeof(struct nfgenmsg));
	struct netlink_attribute attribute;
	struct nfgenmsg header;

	if (!netlink_read(message, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM, &header,
			  sizeof(header)))
		return;
	while (netlink_next(&view, &attribute)) {
		if (attribute.type == NFTA_SET_ELEM_LIST_ELEMENTS)
			nftset_read_list(ctx, &attribute);
	}
}

int nftset_list(int sock, uint8_t family, const char *table, const char *set, nftset_each *each,
		void *ctx, struct err *err)
{
	struct nftset_listing listing = { .set = set, .each = each, .ctx = ctx };
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;

	nftset_begin(&request, NFT_MSG_GETSETELEM, NLM_F_DUMP, family);
	netlink_put_string(&request, NFTA_SET_ELEM_LIST_TABLE, table);
	netlink_put_string(&request, NFTA_SET_ELEM_LIST_SET, set);
	if (netlink_ask(sock, &request, nftset_on_message, &listing, err) < 0)
		return err_wrap(err, "cannot list the set %s of nftables", set);
	return 0;
}

int nftset_has_table(int sock, uint8_t family, const char *table, struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;
	struct err problem = ERR_INIT;
	int r;

	nftset_begin(&request, NFT_MSG_GETTABLE, NLM_F_ACK, family);
	netlink_put_string(&request, NFTA_TABLE_NAME, table);
	r = netlink_ask(sock, &request, NULL, NULL, &problem);
	if (r == 0 || r == -ENOENT)
		return r == 0;
	*err = problem;
	return err_wrap(err, "cannot look for the table %s of nftables", table);
}
