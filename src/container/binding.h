/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_BINDING_H
#define CONTAINER_BINDING_H

#include "base/loop.h"
#include "proto/driver.h"

/*
 * A volume, or a file or folder of the host's, that a container comes to see while it runs, or no longer sees. One at a
 * time.
 */
struct binding;

struct binding_spec {
	const char *share; /* as the record has it (proto/share.h) */
	int comes;	   /* else it goes: */
	int forced; /* also while it is in use inside, which then goes on with what it has open */
	int init;   /* pidfd of the container's first process; borrowed for the call */
};

/*
 * After 0 done() comes once, from the loop; err NULL: it holds, else nothing has changed. -EBUSY is what is in use inside.
 */
int binding_start(const struct driver_host *host, const struct binding_spec *spec,
		  void (*done)(void *ctx, const struct err *err), void *ctx, struct binding **ret,
		  struct err *err);
/* Kills what still works on it; no done() comes any more. NULL is fine. Returns NULL. */
struct binding *binding_free(struct binding *binding);

#endif
