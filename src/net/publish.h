/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_PUBLISH_H
#define NET_PUBLISH_H

#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"
#include "net/subnet.h"

/*
 * Ports of the host's that lead to an instance: the record's `ports`, each [IP:]HOST[-HOST]:INSIDE[-INSIDE][/tcp|udp] as docker
 * has it. Without an IP it is any address of the host's, of both families; an IPv6 one stands in brackets.
 */
struct publish {
	struct subnet address; /* family 0: any */
	uint16_t host, inside; /* the first port of each */
	uint16_t count;	       /* so many from there on */
	int protocol;	       /* IPPROTO_TCP or IPPROTO_UDP */
};

#define PUBLISH_MAX 1024 /* ports of an instance: the keeper holds a socket or two for each */

int publish_parse(const char *text, struct publish *ret, struct err *err);
/* As the record has it, with all parts; caller frees. */
char *publish_format(const struct publish *publish);

/* All of an instance's, as a user gave them: their number, and none twice. *ret_canonical is the record's. */
int publish_parse_all(char *const *texts, char ***ret_canonical, struct err *err);

/* Whether one of the ports is in both. */
int publish_clash(char *const *texts, char *const *others);

/* -EOPNOTSUPP: one is at ::1, and the kernel sends nothing that comes there on to an instance. */
int publish_check_addresses(char *const *texts, struct err *err);

/*
 * Sockets bound to the host's ports, so that nobody else can have them, added to *fds (n of them; the caller closes).
 * They receive nothing: what comes is sent on before. -EADDRINUSE says which, and by whom it can be asked.
 */
int publish_hold(char *const *texts, int **fds, size_t *n, struct err *err);
/* Whether somebody who listens on them now gets them all; as of publish_hold(). */
int publish_check(char *const *texts, struct err *err);

#endif
