/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_LOOKUP_H
#define PROTO_LOOKUP_H

#include "base/err.h"

/*
 * What an instance is told of names: the record's `dns` (addresses of servers), `dns_search` (domains) and `extra_hosts`
 * (NAME:ADDRESS). They become lines of files, so nothing else may be in them.
 */
int lookup_check_server(const char *text, struct err *err);
int lookup_check_domain(const char *text, struct err *err);
/* NAME:ADDRESS or, as docker has it too, NAME=ADDRESS; an IPv6 address may stand in brackets. ret: as the record has it; the
 * caller frees. */
int lookup_parse_host(const char *text, char **ret, struct err *err);

/* Of a record that somebody else has written. */
int lookup_check_all(char *const *dns, char *const *dns_search, char *const *extra_hosts,
		     struct err *err);

/* What /etc/hosts begins with. */
#define LOOKUP_HOSTS             \
	"127.0.0.1\tlocalhost\n" \
	"::1\tlocalhost ip6-localhost ip6-loopback\n"
/* All of it, of an instance without an address of its own; the caller frees. */
char *lookup_hosts(const char *hostname);

#endif
