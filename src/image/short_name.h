/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_SHORT_NAME_H
#define IMAGE_SHORT_NAME_H

#include "base/err.h"
#include "base/strv.h"

/*
 * Names of images without a host, by what containers-registries.conf(5) and its drop-ins say: an alias, else the
 * registries to search, in order. skopeo does not look there. Where nothing is said the name is one of docker.io.
 */
struct short_names {
	char **registries;    /* unqualified-search-registries */
	char **aliases;	      /* NAME=HOST/NAME; the last one of a name holds */
	int names_registries; /* whether the list is given, if only as an empty one */
};

/* Adds what one file says; what is no TOML is skipped. */
void short_name_parse(struct short_names *names, const char *text);
void short_name_release(struct short_names *names);
#define _cleanup_short_names_ _cleanup_(short_name_release)

/*
 * *ret: the names to try for one that a user gave, first to last; one with a host stays as it is. Caller frees.
 * -ENOENT: the list of registries is empty.
 */
int short_name_expand(const struct short_names *names, const char *text, char ***ret,
		      struct err *err);

/* The same by the files of this host and user, or by $CONTAINERS_REGISTRIES_CONF alone. */
int short_name_resolve(const char *text, char ***ret, struct err *err);

#endif
