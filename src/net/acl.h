/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_ACL_H
#define NET_ACL_H

#include <stddef.h>
#include <stdint.h>

#include "net/network.h"
#include "net/subnet.h"

/*
 * ACLs: lists of rules about what an interface may send and get, ROOT/acls/NAME.json. An interface has its own and those of its
 * network. They are gone through in that order, and their rules in theirs; the first one that fits decides. A direction for
 * which one of them has a rule is closed to all that no rule allows, but for answers and for what a network needs to work
 * (net/acl_chain.h); the other direction stays open. Who changes one holds the networks' lock.
 *
 * A rule, and its canonical form:
 *
 *   ingress|egress allow|drop|reject [tcp|udp|icmp] [port N[-M][,N[-M]]...] [from|to ADDRESS[/PREFIX]|@NETWORK] [log]
 *
 * `port` is of tcp or udp, and the receiver's; `from` is of ingress, `to` of egress; icmp is that of both families; @NETWORK
 * is all that the network has addresses for, 0.0.0.0/0 and ::/0 all of a family.
 */
#define ACL_RULES_MAX 256 /* of one ACL */
#define ACL_PORTS_MAX 16  /* ranges in a rule */
#define ACL_NAME_MAX  64  /* with the NUL, as of base/name.h */
#define ACLS_MAX      8	  /* of one interface with its network's: a map of nft's for each place */

struct acl {
	char *name;
	int64_t created; /* ns since the epoch */
	char **rules;	 /* canonical */
};

void acl_release(struct acl *acl);
#define _cleanup_acl_ _cleanup_(acl_release)

enum acl_direction {
	ACL_INGRESS, /* to the instance */
	ACL_EGRESS,
	ACL_DIRECTIONS,
};

enum acl_action {
	ACL_ALLOW,
	ACL_DROP,
	ACL_REJECT,
};

struct acl_rule {
	int direction, action; /* enum acl_direction, acl_action */
	int protocol;	       /* IPPROTO_TCP, _UDP or _ICMP; 0: any */
	struct {
		uint16_t first, last;
	} ports[ACL_PORTS_MAX];
	size_t n_ports;
	struct subnet peer;	    /* family 0: any */
	char network[ACL_NAME_MAX]; /* the peer; "": none */
	int log;
};

int acl_rule_parse(const char *text, struct acl_rule *ret, struct err *err);
char *acl_rule_format(const struct acl_rule *rule); /* caller frees */

/*
 * The canonical rules of a command line's words, added to *ret: each rule begins with its direction, whether it is one word
 * or many. What a rule names has to be there.
 */
int acl_parse_words(const struct network_home *home, char *const *words, char ***ret,
		    struct err *err);

/* -ENOENT with the nearest name there is. */
int acl_load(const struct network_home *home, const char *name, struct acl *ret, struct err *err);
int acl_exists(const struct network_home *home, const char *name);
/* The names, sorted. */
int acl_names(const struct network_home *home, char ***ret, struct err *err);
/* Makes or replaces the record. */
int acl_save(const struct network_home *home, const struct acl *acl, struct err *err);
int acl_remove(const struct network_home *home, const char *name, struct err *err);

/* Whether it has a rule for it. */
int acl_has(const struct acl *acl, enum acl_direction direction);
/* Whether a rule names the network. */
int acl_names_network(const struct acl *acl, const char *network);

/* What an interface, or a network, is to have: they are there, and not too many. */
int acl_check_all(const struct network_home *home, char *const *names, struct err *err);

#endif
