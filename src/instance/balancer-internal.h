/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_BALANCER_INTERNAL_H
#define INSTANCE_BALANCER_INTERNAL_H

#include "instance/balancer.h"
#include "instance/stats.h"
#include "sys/cgroup_meter.h"

#include <sys/stat.h>

/* An instance that there is, with what was read of it, kept from one round to the next. */
struct balancer_item {
	char *name;
	struct instance_view view;
	struct timespec run_time, record_time; /* of the files that the view was made of */
	ino_t run_ino, record_ino;
	struct cgroup_stats group;
	struct message_stats guest; /* the last word of its agent */
	int64_t guest_taken;	    /* monotonic ns; 0: there was none */
	unsigned int refault;	    /* want of memory as refaults tell it, as a pressure */
	struct balance_past past;
	int64_t started;  /* of the run that past is of */
	const char *told; /* why it is left alone, as was said */
};

struct balancer_watch {
	const struct instance_home *home;
	struct cgroup_meter *meter;
	struct balancer_item *items; /* in the order of names */
	size_t n;
	uint64_t held;			      /* by all their balloons */
	uint64_t total, available, swap_free; /* the host's, in bytes */
};

void balancer_watch_release(struct balancer_watch *watch);
int balancer_watch_host(struct balancer_watch *watch, struct err *err);
/* Who is there: what has not changed since is not read again. */
int balancer_watch_list(struct balancer_watch *watch, struct err *err);
/* Figures of all, or only of those that hold something. */
void balancer_watch_figures(struct balancer_watch *watch, int only_held);
/* What the policy is told of it. 0: it does not run. *ret_why: why it is left alone, or NULL. */
int balancer_watch_member(const struct balancer_watch *watch, const struct balancer_item *item,
			  struct balance_member *ret, const char **ret_why);

#endif
