/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_PRIVILEGE_H
#define CONTAINER_PRIVILEGE_H

#include <stdint.h>

#include "base/err.h"
#include "proto/process.h"
#include "sys/filter.h"

/* What a process of a container gives up just before it becomes the workload, at start and in exec. */
struct privilege {
	uint64_t caps;
	int no_new_privs;
	const struct filter *filter; /* NULL: none */
	int death_signal;	     /* when whoever started it dies */
};

/* Irreversible; the last thing before execve(). */
int privilege_drop(const struct privilege *privilege, const struct process_identity *identity,
		   struct err *err);

#endif
