/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OCI_VM_ROLE_INTERNAL_H
#define OCI_VM_ROLE_INTERNAL_H

#include "container/inner.h"
#include "image/kernel.h"
#include "oci/vm_net.h"
#include "oci/vm_plan.h"
#include "oci/vm_relay.h"
#include "oci/vm_role.h"
#include "oci/vm_session.h"

/* The holder of a machine: what its start (vm_role_start.c) makes, and its loop (vm_role.c) goes on with. */

enum vm_role_phase { ROLE_BOOTING, ROLE_CREATED, ROLE_STARTING, ROLE_RUNNING };

struct vm_role {
	const char *id, *bundle, *root;
	const struct driver_ops *const *drivers;
	struct config config;
	struct spec spec;
	struct vm_plan plan;
	struct kernel_files kernel;
	struct driver_root folder_root;
	struct instance_run run;
	struct driver_host host;
	struct vm_net net;
	const struct driver_ops *ops;
	struct driver *driver;
	struct loop *loop;
	struct loop_source *sock_source, *gate_source, *signals;
	struct vm_sessions *sessions;
	struct vm_relay relay;
	int sock, gate;
	int starter; /* who came to the gate */
	int slave;   /* of the terminal */
	enum vm_role_phase phase;
	int status; /* that we end with */
	int ended, drained;
	struct err why;
};

/* To brig-oci, if it is still there; fd goes along, if it is not negative. */
void vm_role_tell(int sock, enum inner_kind kind, const struct err *err, int fd);
extern const struct vm_relay_ops vm_role_relay_ops;
extern const struct driver_host_ops vm_role_host_ops;
/* From now on brig-oci and signals are heard. */
int vm_role_watch(struct vm_role *role, struct err *err);

/* All up to a machine that boots. */
int vm_role_start(struct vm_role *role, struct err *err);

#endif
