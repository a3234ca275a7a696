/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_ACLS_H
#define INSTANCE_ACLS_H

#include "instance/instance.h"
#include "net/acl.h"

/* ACLs as a user has them: made, changed and removed with regard to the instances and networks whose records name them. */

/* rules: as words, see acl_parse_words(). -EEXIST if there is one of that name. */
int acls_create(const struct instance_home *home, const char *name, char *const *rules,
		struct err *err);
/* At the end of its list. Holds at once for all who have it, as does acls_drop(). */
int acls_add(const struct instance_home *home, const char *name, char *const *rules,
	     struct err *err);
/* One rule, by its number, from 1, or by its words. */
int acls_drop(const struct instance_home *home, const char *name, char *const *rule,
	      struct err *err);
/* Refuses one that somebody uses. */
int acls_remove(const struct instance_home *home, const char *name, struct err *err);

struct acls_view {
	struct acl record;
	/* whose records name it: instances, also those that are damaged and may; and networks */
	char **instances, **networks;
	int damaged;
};

void acls_view_release(struct acls_view *view);
#define _cleanup_acls_view_ _cleanup_(acls_view_release)

/* -ENOENT with the nearest name there is; a damaged one is an error. */
int acls_view(const struct instance_home *home, const char *name, struct acls_view *ret,
	      struct err *err);
/* Every ACL in the order of names, until each() returns non-zero; returns that. */
int acls_each(const struct instance_home *home,
	      int (*each)(const struct acls_view *view, void *ctx), void *ctx, struct err *err);

#endif
