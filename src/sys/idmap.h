/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_IDMAP_H
#define SYS_IDMAP_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* inside and the count - 1 that follow are outside and up in the namespace above. */
struct idmap_range {
	uint32_t inside, outside, count;
};

/* The ids of a user namespace; without ranges there is none, and ids are what they are. */
struct idmap {
	struct idmap_range *uids, *gids;
	size_t n_uids, n_gids;
};

void idmap_release(struct idmap *map);

/* What the kernel takes as "no id" (user_namespaces(7)). */
#define IDMAP_NONE UINT32_MAX

/* The id above of one inside, or IDMAP_NONE. */
uid_t idmap_uid(const struct idmap *map, uint32_t inside);
gid_t idmap_gid(const struct idmap *map, uint32_t inside);

/* What a Unix has always had: 16 bits of ids. */
#define IDMAP_COUNT 65536

#define IDMAP_BUILT_IN 1000000000

/*
 * The host's range for instances: the line of "brig", else of "root", in /etc/subuid and /etc/subgid; else
 * IDMAP_BUILT_IN and up, which no distribution gives to anybody else; or, where our own user namespace has no such
 * ids, what it has from IDMAP_COUNT up. more: IDMAP_MORE ids besides, for containers inside: those that
 * follow in the line, if it has as many, else of the built-in range; fewer or none in a user namespace that has
 * not as many. Release it.
 */
void idmap_of_host(struct idmap *ret, int more);
/*
 * The caller's, who is not root: his own id is 0 inside, and 1 to 65535 are of the range that /etc/subuid and
 * /etc/subgid have for him, by name or number, if newuidmap(1) is there to map it; else 0 is all there is.
 * Release it.
 */
void idmap_of_user(struct idmap *ret);
/* Whether we are root, and not of a user namespace (a container's): what mounting disks and making nodes takes. */
int idmap_is_host_root(void);
/*
 * idmap_of_host() of the host's root; idmap_of_user() of a user; of root of a container the same, with ids that the
 * container has. Only the host's root has more.
 */
void idmap_of_caller(struct idmap *ret, int more);
/* Whether it has but one user and one group. */
int idmap_is_single(const struct idmap *map);
#define IDMAP_MORE (16 * IDMAP_COUNT)
/* The first range of at least count ids in the text of such a file: 0 or -ENOENT. For the line of a
 * user, "NAME:FIRST:COUNT". */
int idmap_find(const char *text, const char *user, uint32_t count, uint32_t *ret_first);

/*
 * What idmap_of_host() takes, from the texts of such a file and of our own user namespace's map (/proc/self/uid_map):
 * 1 or 2 ranges.
 */
size_t idmap_choose(const char *sub, const char *map, int more, struct idmap_range ret[2]);

/* Lines that the kernel takes in one map. */
#define IDMAP_RANGES_MAX 340

/*
 * Gives a fresh user namespace, that of the process, its ids. Who is not root may map but its own, then the process
 * cannot change its groups any more; more is done by newuidmap(1), which knows /etc/subuid.
 */
int idmap_write(pid_t pid, const struct idmap *map, struct err *err);

/* A user namespace with these ids that nobody is in, for idmapped mounts: a descriptor, or -errno. */
int idmap_make_userns(const struct idmap *map, struct err *err);

#endif
