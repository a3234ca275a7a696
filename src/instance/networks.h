/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_NETWORKS_H
#define INSTANCE_NETWORKS_H

#include "instance/instance.h"
#include "net/network.h"
#include "net/plan.h"

/* Networks as a user has them: made, changed and removed with regard to the instances whose records name them. */

static inline struct network_home networks_home(const struct instance_home *home)
{
	return (struct network_home){ .root = home->root, .run = home->run };
}

/* Fills in what is missing, makes the record, and brings the network up. */
int networks_create(const struct instance_home *home, struct network *network,
		    enum plan_family ipv4, enum plan_family ipv6, struct err *err);
/* Refuses one that an instance uses. */
int networks_remove(const struct instance_home *home, const char *name, struct err *err);
/* change() alters the record of a network, which is then kept, and set up anew; those who are plugged in stay. */
int networks_change(const struct instance_home *home, const char *name,
		    int (*change)(struct network *network, void *ctx, struct err *err), void *ctx,
		    struct err *err);
/* All that there should be of a network is made anew where it is missing or was changed by somebody. */
int networks_repair(const struct instance_home *home, const char *name, struct err *err);

struct networks_view {
	struct network record;
	char **users; /* instances whose records name it, or are damaged and may */
	int is_up, damaged;
};

void networks_view_release(struct networks_view *view);
#define _cleanup_networks_view_ _cleanup_(networks_view_release)

/* -ENOENT with the nearest name there is; a damaged one is an error. */
int networks_view(const struct instance_home *home, const char *name, struct networks_view *ret,
		  struct err *err);
/* Every network in the order of names, until each() returns non-zero; returns that. */
int networks_each(const struct instance_home *home,
		  int (*each)(const struct networks_view *view, void *ctx), void *ctx,
		  struct err *err);

#endif
