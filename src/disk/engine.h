/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DISK_ENGINE_H
#define DISK_ENGINE_H

#include "base/err.h"
#include "disk/disk.h"
#include "disk/format.h"

/*
 * What does a disk's requests, between disk.c and the engines. All calls come with the device lock; flush
 * and reap come from the loop's thread only. An engine signals the disk's eventfd when something is done.
 */
struct engine_ops {
	const char *name;
	/* The engine can do this one. NULL: every one. */
	int (*takes)(void *engine, const struct disk_request *request);
	/* The request is under way, at the latest after the next flush. */
	void (*submit)(void *engine, struct disk_request *request);
	void (*flush)(void *engine);
	/* Requests that are done, as a list in no order, their result in them. -EAGAIN: this engine could not do
	 * all of it; whatever it did may be done again by another. */
	struct disk_request *(*reap)(void *engine);
	/* Waits for what is under way, and forgets it. */
	void (*free)(void *engine);
};

struct engine {
	const struct engine_ops *ops;
	void *ctx;
};

#endif
