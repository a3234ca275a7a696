/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OCI_LIFE_INTERNAL_H
#define OCI_LIFE_INTERNAL_H

#include "base/json.h"
#include "container/launch.h"
#include "container/rdt.h"
#include "container/scope.h"
#include "oci/container.h"

/* What making a container of a bundle takes, however its processes come to be. */

/* The options of it; a verb need not have all of them. */
struct life_create {
	char *bundle, *pid_file, *console_socket;
	int no_pivot, no_new_keyring, detach, keep;
	int64_t preserve_fds;
};

/* A container on its way up, with all that it is made of. */
struct life {
	const struct oci_context *oci;
	const struct life_create *values;
	char *id; /* our own, since the first process blanks the command line */
	char *bundle;
	char *text; /* of the bundle's configuration */
	size_t text_len;
	struct config config;
	struct spec spec;
	int is_vm;		 /* a machine instead */
	struct scope_name scope; /* unit NULL: systemd has no part in it */
	struct scope_holder holder;
	int scoped; /* it is made, and ours to be stopped on failure */
	struct store_container store;
	int stored; /* to be removed on failure */
	int gate;
	struct launch launch;
	int rdt_root; /* of linux.intelRdt, if it is there; else negative */
	struct rdt rdt;
};

#define LIFE_INIT(oci_, values_)                                                                   \
	{                                                                                          \
		.oci = (oci_), .values = (values_), .store = STORE_CONTAINER_INIT, .gate = -EBADF, \
		.launch = LAUNCH_INIT, .rdt_root = -EBADF, .holder = SCOPE_HOLDER_INIT,            \
	}

void life_release(struct life *life);

/* Sets bundle, json, config, spec and scope. */
int life_read_bundle(struct life *life, const char *id, struct err *err);
/* Who takes the terminal must be there, and only then. */
int life_check_console(const struct life *life, int detached, struct err *err);
/* The folder, with record and configuration, and what linux.intelRdt wants. */
int life_store(struct life *life, const char *id, struct err *err);
/* systemd's scope, if there is to be one. */
int life_start_scope(struct life *life, struct err *err);
/* Its process has joined what linux.intelRdt wants; the terminal goes to whom --console-socket names. */
int life_join_rdt(struct life *life, struct err *err);
int life_send_terminal(const struct life *life, int *terminal, struct err *err);
/* The record with the process, and, once it is ready, --pid-file. */
int life_note_process(struct life *life, int ready, struct err *err);
/* All of it, after a failure. */
void life_undo(struct life *life);
/* Follows the container to its end, and removes it; its status. */
int life_follow(struct life *life, int terminal, struct err *err);

#endif
