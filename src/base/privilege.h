/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_PRIVILEGE_H
#define BASE_PRIVILEGE_H

#include <stdint.h>

#include "base/err.h"

/* Capabilities and resource limits by the names that users give them; case does not matter. */

/* "NET_ADMIN", "cap_net_admin" or "ALL": bit N is capability N of <linux/capability.h>, ALL is every bit.
 */
int privilege_parse_capability(const char *s, uint64_t *ret_mask, struct err *err);
/* The mask of all the names; names may be NULL. *ret_mask is left alone on failure. */
int privilege_parse_capabilities(char *const *names, uint64_t *ret_mask, struct err *err);

/* "NET_ADMIN"; NULL past the last one. */
const char *privilege_capability_name(unsigned int capability);

struct privilege_rlimit {
	const char *name;    /* "nofile" */
	int resource;	     /* RLIMIT_NOFILE */
	uint64_t soft, hard; /* UINT64_MAX: unlimited */
};

/* "nofile=1024:4096", "RLIMIT_NOFILE" too, "nofile=1024" for both, "unlimited" or -1 for no limit. */
int privilege_parse_rlimit(const char *s, struct privilege_rlimit *ret, struct err *err);

#endif
