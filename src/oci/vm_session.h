/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OCI_VM_SESSION_H
#define OCI_VM_SESSION_H

#include "base/loop.h"
#include "oci/vm_packet.h"
#include "oci/vm_relay.h"
#include "proto/driver.h"

/* The processes that `exec` brings into a machine, each a channel of its driver. */
struct vm_sessions;

/* listening: as in oci/vm_role.h; borrowed. They are refused until vm_sessions_open(). */
int vm_sessions_new(struct loop *loop, int listening, struct vm_sessions **ret, struct err *err);
void vm_sessions_open(struct vm_sessions *sessions, const struct driver_ops *ops,
		      struct driver *driver);
struct vm_sessions *vm_sessions_free(struct vm_sessions *sessions); /* returns NULL */

/* As of struct driver_host_ops, of channels other than 0. */
void vm_sessions_deliver(struct vm_sessions *sessions, uint32_t channel, uint16_t type,
			 const void *payload, size_t len);
void vm_sessions_writable(struct vm_sessions *sessions, uint32_t channel);

#endif
