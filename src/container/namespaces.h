/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_NAMESPACES_H
#define CONTAINER_NAMESPACES_H

#include "base/err.h"
#include "container/spec.h"

/*
 * The namespaces that a container shares with others. A child is born into all of them but user and mount
 * namespaces: the caller enters them for the moment of its clone, as who may still enter anything.
 */
#define NAMESPACES_MAX 8

struct namespaces {
	struct {
		uint64_t type; /* CLONE_NEW* */
		int fd;
		int ours; /* while it is entered: the way back */
	} list[NAMESPACES_MAX];
	size_t n;
};

/* Opens them; that each is of its type is checked. Release them in any case. */
int namespaces_open(const struct spec *spec, struct namespaces *ret, struct err *err);
void namespaces_release(struct namespaces *namespaces);

/* For the caller's children; leave in any case, at once. A caller that cannot go back is told so. */
int namespaces_enter(struct namespaces *namespaces, struct err *err);
int namespaces_leave(struct namespaces *namespaces, struct err *err);

/* In the child: the user or mount namespace, if it is among them. */
int namespaces_join(const struct namespaces *namespaces, uint64_t type, struct err *err);

int namespaces_has(const struct namespaces *namespaces, uint64_t type);
/* For one that is joined by now, and is not to be joined again. */
void namespaces_forget(struct namespaces *namespaces, uint64_t type);

/* Keeps their descriptors in a list for spawn_close_others(), which has room for NAMESPACES_MAX. */
size_t namespaces_keep(const struct namespaces *namespaces, int *keep);

/* "pid", "network"... of linux.namespaces[].type; 0 if there is none of that name. */
uint64_t namespaces_type(const char *name);

/* The name of the i-th, NULL past the end. */
const char *namespaces_name(unsigned int i);

#endif
