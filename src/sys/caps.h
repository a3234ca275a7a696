/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_CAPS_H
#define SYS_CAPS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Capability sets as bit masks: bit N is capability N of <linux/capability.h>. */
#define CAPS_BIT(cap) (UINT64_C(1) << (cap))
#define CAPS_ALL      UINT64_MAX

/* Those that this kernel knows. */
uint64_t caps_known(void);

/* Takes what is not in keep from what any later program can get. */
int caps_limit(uint64_t keep, struct err *err);
/* capabilities(7), "Thread capability sets"; the bounding set is caps_limit()'s. */
struct caps_sets {
	uint64_t effective, permitted, inheritable, ambient;
};

/* Each becomes what is given, as far as it was permitted before. */
int caps_set(const struct caps_sets *sets, struct err *err);
/* The effective set alone, as far as it is permitted. */
int caps_set_effective(uint64_t mask, struct err *err);

/*
 * Whom files that we make belong to and who checks see, for the calling thread; its capabilities stay as
 * they are. Back with 0, 0.
 */
void caps_set_fs_ids(uid_t uid, gid_t gid);

#endif
