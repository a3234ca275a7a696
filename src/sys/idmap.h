/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_IDMAP_H
#define SYS_IDMAP_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* The ids of a user namespace: 0 and up inside are uid, gid and up on the host. */
struct idmap {
	uid_t uid;
	gid_t gid;
	uint32_t count;
};

/* What a Unix has always had: 16 bits of ids. */
#define IDMAP_COUNT 65536

#define IDMAP_BUILT_IN 1000000000

/*
 * The host's range for instances: the line of "brig", else of "root", in /etc/subuid and /etc/subgid; else
 * IDMAP_BUILT_IN and up, which no distribution gives to anybody else.
 */
void idmap_of_host(struct idmap *ret);
/* The first range of at least count ids in the text of such a file: 0 or -ENOENT. For the line of a
 * user, "NAME:FIRST:COUNT". */
int idmap_find(const char *text, const char *user, uint32_t count, uint32_t *ret_first);

/* Gives a fresh user namespace, that of the process, its ids. */
int idmap_write(pid_t pid, const struct idmap *map, struct err *err);

#endif
