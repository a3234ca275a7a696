/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_ACL_TALK_H
#define NET_ACL_TALK_H

#include "net/network.h"
#include "sys/nftset.h"

/*
 * The conversations of tcp and udp that ACLs have noted (net/acl_chain.h), over the moment in which the packet filter's table is made
 * anew. Those stay that a rule still allows one of the two to begin; the others are cut. A ping or a fragment is not kept: the
 * next question is noted again.
 */
#define ACL_TALK_SET  "acl_talks"
#define ACL_TALK_SET6 "acl_talks6"

struct acl_talks {
	struct nftset_element *items;
	size_t n;
};

void acl_talks_release(struct acl_talks *talks);
#define _cleanup_acl_talks_ _cleanup_(acl_talks_release)

/* Those of the table that there is, which the records as they are now allow; none if there is no table. */
void acl_talks_load(const struct network_home *home, const char *table, struct acl_talks *ret);
/* Into the new table. What it does not take begins again. */
void acl_talks_restore(const char *table, const struct acl_talks *talks);

/* What one is of its port's side. */
struct acl_talk {
	const char *device;
	int protocol; /* IPPROTO_TCP or _UDP */
	int family;
	uint8_t there[16]; /* the peer */
	uint16_t port_here, port_there;
};

/* An element's; -EINVAL: it is none. Its device is in the element. */
int acl_talk_parse(const struct nftset_element *element, struct acl_talk *ret);

/* What the records say of ports with ACLs. */
struct acl_judge;
struct acl_judge *acl_judge_new(const struct network_home *home);
void acl_judge_free(struct acl_judge *judge);
#define _cleanup_acl_judge_ _cleanup_(acl_judge_freep)
static inline void acl_judge_freep(struct acl_judge **judge)
{
	acl_judge_free(*judge);
}

/* Whether the port may still have it: one of both may begin it. Of a port without ACLs none is noted, so it may not. */
int acl_judge_allows(const struct acl_judge *judge, const struct acl_talk *talk);

#endif
