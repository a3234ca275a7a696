/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_SHARES_H
#define PROTO_SHARES_H

#include <stddef.h>

#include "base/err.h"
#include "sys/virtiofsd.h"

/* The servers of all that a VM shares, whatever its engine. */
struct shares {
	struct virtiofsd *servers; /* in the order of share_list_parse() */
	size_t n;
};

struct shares_site {
	const char *root, *run_dir;
	int errors_fd, into_cgroup; /* as of struct virtiofsd_spec */
	int (*prepare)(void *ctx, struct err *err);
	void *ctx;
};

/*
 * Starts one for each of a record's `volumes`; their sockets are there for the machine to take. What cannot be shared
 * with a VM is refused. On failure shares_end() undoes what there is.
 */
int shares_start(struct shares *shares, char *const *volumes, const struct shares_site *site,
		 struct err *err);
void shares_end(struct shares *shares);

#endif
