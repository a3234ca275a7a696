/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_INNER_H
#define CONTAINER_INNER_H

#include <stdint.h>

#include "base/err.h"
#include "container/namespaces.h"
#include "container/spec.h"
#include "sys/filter.h"

/*
 * The container's first process, from its clone to execve. It has its keeper's memory as of the clone, or shares it
 * (spec->at_once: then it says what follows, and nobody answers), and talks with it over one SOCK_SEQPACKET pair:
 *
 *   keeper: INNER_MAPPED once the id maps are written and what only the host's root can set is set, if there is
 *           something of that (inner_awaits_maps()); then INNER_ROOT with the root's mount, unless it came with the
 *           clone or the keeper may not make one (spec->unprivileged)
 *   inner:  INNER_TERMINAL with the master, if it has one; then INNER_READY, the last before what a filter
 *           could refuse and execve; or INNER_FAILED with the error, even after INNER_READY; with a filter
 *           that is listened to, INNER_LISTENER with its descriptor, which whoever hears it passes on at
 *           once, since execve itself may wait for the answer; the end of the connection is execve itself
 *
 * If somebody makes its interfaces (spec->wired), who need not wait for anything else:
 *
 *   inner:  INNER_UNSHARED once its network namespace is there
 *   keeper: INNER_WIRED, after INNER_ROOT, once they are up
 *
 * If there are hooks (spec->hooks) or interfaces to come (spec->net_devices), and if the container is to wait
 * (spec->gated), in between:
 *
 *   inner:  INNER_MOUNTED once all is mounted, before the root is entered
 *   keeper: INNER_HOOKED once the interfaces are there and its hooks have run
 *   inner:  INNER_CREATED, after INNER_TERMINAL
 *   keeper: INNER_START; or INNER_DETACH
 *   inner:  to the latter INNER_DETACHED: it lives on without its keeper, and goes on when somebody comes to
 *           the gate (container/gate.h), with INNER_READY or INNER_FAILED to him
 */
enum inner_kind {
	INNER_MAPPED = 1,
	INNER_ROOT,
	INNER_UNSHARED,
	INNER_WIRED,
	INNER_TERMINAL,
	INNER_MOUNTED,
	INNER_HOOKED,
	INNER_CREATED,
	INNER_START,
	INNER_DETACH,
	INNER_DETACHED,
	INNER_READY,
	INNER_LISTENER,
	INNER_FAILED,
};

struct inner_report {
	uint32_t kind;
	struct err err; /* INNER_FAILED */
};

/* What docker sets in a network namespace of its own: ports below 1024 and ping need no capability. As
 * spec->open_network asks for it. */
#define INNER_OPEN_NETWORK 2
extern const struct record_pair inner_open_network[INNER_OPEN_NETWORK];

struct inner_input {
	const struct spec *spec;
	const struct cgroup_entry *cgroup;
	int born_in_cgroup;
	const struct filter *filter; /* NULL: none */
	int *mounts;		     /* as mounts_make_outside() left them */
	const struct namespaces *joins;
	int root; /* or -EBADF */
	int sock;
	int gate; /* negative: none, then it cannot be detached */
	int stdio
		[3]; /* for descriptors 0 to 2; stdin negative: /dev/null; unused with a terminal */
};

/* Whether it waits for INNER_MAPPED. */
int inner_awaits_maps(const struct spec *spec);

_noreturn_ void inner_main(const struct inner_input *input);

#endif
