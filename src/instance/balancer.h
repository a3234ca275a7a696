/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_BALANCER_H
#define INSTANCE_BALANCER_H

#include "instance/balance.h"
#include "instance/instance.h"

/* The eyes and hands of the policy in instance/balance.h: one round after the other, over what runs on this host. */
struct balancer;

/* One that runs for so long is not new to the policy. */
#define BALANCER_SETTLED_NS (INT64_C(60) * 1000 * 1000 * 1000)

struct balancer_news {
	const char *name;   /* the instance */
	const char *reason; /* of balance_reason_names; "fixed": it is left alone; "failed" */
	int64_t bytes;	    /* to it, or less than 0: from it */
	const char *text;   /* the whole as one line for people */
};

/* Each decision; and when it is seen first, and why, that nothing can be taken from one. */
typedef void (*balancer_tell_fn)(void *ctx, const struct balancer_news *news);

/*
 * dry: it only says what it would do. Otherwise it is the only one for as long as it lives: -EBUSY. What home points at is
 * the caller's.
 */
int balancer_new(const struct instance_home *home, const struct balance_policy *policy, int dry,
		 balancer_tell_fn tell, void *ctx, struct balancer **ret, struct err *err);
struct balancer *balancer_free(struct balancer *balancer); /* returns NULL */

static inline void balancer_freep(struct balancer **balancer)
{
	*balancer = balancer_free(*balancer);
}
#define _cleanup_balancer_ _cleanup_(balancer_freep)

struct balancer_round {
	struct balance_host host; /* as it was seen */
	size_t orders, waiting; /* decisions; instances that wait for memory and could have more */
};

/*
 * Looks, decides and acts, once. What fails with one instance is told, and does not stop the others. all: looks at
 * everybody, also when there is nothing to be done.
 */
int balancer_round(struct balancer *balancer, int all, struct balancer_round *ret, struct err *err);

#endif
