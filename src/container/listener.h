/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_LISTENER_H
#define CONTAINER_LISTENER_H

#include <sys/types.h>

#include "base/err.h"
#include "container/spec.h"

/*
 * Who answers what a filter notifies of: config-linux.md, "Seccomp" and "The Container Process State". One
 * connection for each process that a filter is set in; opened before that, so that nobody's absence is found out too
 * late.
 */
struct listener {
	int sock; /* negative: none */
	const struct spec *spec;
	const char *status; /* of the container, as its state has it */
	pid_t pid;	    /* of its first process, as we see it */
};
#define LISTENER_INIT ((struct listener){ .sock = -EBADF })

/* Connects to the listener of the spec; without one that is a success. Release it in any case. */
int listener_open(const struct spec *spec, const char *status, pid_t pid, struct listener *ret,
		  struct err *err);
/* Sends the descriptor of the filter that is set in the process pid, once. */
int listener_send(struct listener *listener, pid_t pid, int fd, struct err *err);
void listener_release(struct listener *listener);
#define _cleanup_listener_ _cleanup_(listener_release)

#endif
