/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_POLICY_H
#define INSTANCE_POLICY_H

#include "base/err.h"
#include "instance/instance.h"

/*
 * Which kinds an administrator lets instances be: the lines of POLICY_FILE (docs/choose.md), of which the first that
 * matches an instance decides. It binds those who run this program: a user who brings another has no more rights than
 * without brig, and no fewer.
 */
#define POLICY_FILE	"/etc/brig/policy"
#define POLICY_SIZE_MAX (64 << 10)

enum policy_word {
	POLICY_ALLOW,  /* either kind */
	POLICY_FORBID, /* that kind */
	POLICY_FORCE,  /* the other kind is forbidden, and this is the one where none is named */
};

struct policy_rule {
	enum policy_word word;
	int kind; /* enum instance_kind, unless it allows */
	unsigned int line;
	/* patterns as of fnmatch(3), in which '*' matches '/', too; NULL: any */
	char *image, *user, *label;
};

struct policy {
	struct policy_rule *rules;
	size_t n;
	char *user; /* who runs this program: found when a rule first asks */
};

/* Takes the rules of a file's text. -EINVAL: it says which line is wrong, and why. */
int policy_parse(const char *text, struct policy *ret, struct err *err);
/* The host's; without a file there are no rules. A file that others than root can write is refused. */
int policy_read(struct policy *ret, struct err *err);
void policy_release(struct policy *policy);
#define _cleanup_policy_ _cleanup_(policy_release)

/* The rule for the instance, by its image, its labels and who runs this program; NULL: none matches. */
const struct policy_rule *policy_find(struct policy *policy, const struct instance *record);
/* Whether the rule lets an instance be of the kind. */
int policy_allows(const struct policy_rule *rule, int kind);

/* -EPERM where the host's policy does not let the instance be of that kind, with the line that says so. */
int policy_check(const struct instance *record, int kind, struct err *err);

#endif
