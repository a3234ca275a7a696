/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_NFTSET_H
#define SYS_NFTSET_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Elements of nftables' sets and maps, by nfnetlink: a run of nft(8) takes 7 ms, this a fraction of one. The table and its
 * sets are there already. sock is a socket of netlink_open(NETLINK_NETFILTER), and says whose namespace it is about.
 */

/* Of key and of data each. Addresses and ports are in them as on the wire. */
#define NFTSET_BYTES_MAX 64 /* NFT_DATA_VALUE_MAXLEN of linux/netfilter/nf_tables.h */

#define NFTSET_CHAIN_MAX 96

struct nftset_element {
	const char *set; /* or map */
	uint8_t key[NFTSET_BYTES_MAX], data[NFTSET_BYTES_MAX];
	size_t key_len, data_len;    /* data: of a map's, else 0 */
	char jump[NFTSET_CHAIN_MAX]; /* the chain that a map of verdicts jumps to; else "" */
	uint64_t timeout_ms,
		left_ms; /* it is gone after so long, of which so much is left; 0: as its set says */
};

/*
 * Appends a part of the key or of the data, as many as the set's type joins. Names of interfaces have IFNAMSIZ bytes. What
 * does not fit is left out, and then the kernel refuses the element.
 */
void nftset_add_key(struct nftset_element *element, const void *part, size_t len);
void nftset_add_data(struct nftset_element *element, const void *part, size_t len);

/* Whether there is such a table: 1, 0 or -errno. family: NFPROTO_* of linux/netfilter.h. */
int nftset_has_table(int sock, uint8_t family, const char *table, struct err *err);

/*
 * All of the elements, or on an error none. Adding what is there already is fine, but not with other data: -EEXIST. What
 * is deleted has to be there, as have the table and the set: -ENOENT. -EINVAL: the key's or the data's length is not theirs.
 */
int nftset_add(int sock, uint8_t family, const char *table, const struct nftset_element *elements,
	       size_t count, struct err *err);
int nftset_delete(int sock, uint8_t family, const char *table,
		  const struct nftset_element *elements, size_t count, struct err *err);

/* Calls each for all elements of a set, once all are here: keys and times. `set` is the caller's. -ENOENT: there is no such set. */
typedef void nftset_each(void *ctx, const struct nftset_element *element);
int nftset_list(int sock, uint8_t family, const char *table, const char *set, nftset_each *each,
		void *ctx, struct err *err);

#endif
