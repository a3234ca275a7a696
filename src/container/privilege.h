/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_PRIVILEGE_H
#define CONTAINER_PRIVILEGE_H

#include <stdint.h>

#include "base/err.h"
#include "proto/process.h"
#include "sys/caps.h"
#include "sys/filter.h"

/*
 * What a process of a container gives up before it becomes the workload, at start and in exec: first
 * privilege_become(); then what is to be done as the new user, as looking up the program; then
 * privilege_finish(), after which a filter may refuse every system call but execve().
 */
struct privilege {
	uint64_t bounding;
	struct caps_sets caps;
	int caps_of_root; /* a user other than 0 has none of them, but for set-user-id programs */
	int no_new_privs;
	int keep_keyring;	     /* else a new session keyring */
	const struct filter *filter; /* NULL: none */
	unsigned int filter_flags;   /* SECCOMP_FILTER_FLAG_* */
	int listener_to;  /* the socket for its listener, as INNER_LISTENER; negative: none */
	int death_signal; /* when whoever started it dies; 0: none */
};

/* Both irreversible. */
int privilege_become(const struct privilege *privilege, const struct process_identity *identity,
		     struct err *err);
int privilege_finish(const struct privilege *privilege, const struct process_identity *identity,
		     struct err *err);

#endif
