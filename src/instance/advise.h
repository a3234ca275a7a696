/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_ADVISE_H
#define INSTANCE_ADVISE_H

#include "base/err.h"
#include "instance/instance.h"
#include "instance/policy.h"

/*
 * Whether a workload belongs in a container or in a VM. Each rule is a row of advise_rules (advise_rules.c); those that
 * fire over the facts are added up by their weights, and the larger sum is the verdict.
 */
enum advise_verdict { ADVISE_EITHER, ADVISE_CONTAINER, ADVISE_VM };
extern const char *const advise_verdict_names[]; /* "either", "container", "vm" */

/* A hint gives way to one strong rule, some of those to one that must, and all to what this host cannot do. */
enum advise_weight {
	ADVISE_NOTE = 0,
	ADVISE_HINT = 1,
	ADVISE_STRONG = 4,
	ADVISE_MUST = 20,
	ADVISE_CANNOT = 1000
};

#define ADVISE_DETAIL_MAX 96

struct advise_facts {
	const struct instance *record;	  /* what it is, or would be; of either kind */
	char *const *needs;		  /* KEY=VALUE, checked */
	const struct policy_rule *policy; /* the host's for it, or NULL */
	const char *vm_engine;		  /* "kvm", "qemu" (which emulates), or "none" */
	/* Whether the image's root file system has the path, without a "/" at its start. */
	int (*has)(void *ctx, const char *path);
	void *ctx;
};

struct advise_rule {
	const char *id;	      /* stable, for scripts and --explain */
	const char *looks_at; /* "need", "settings", "image", "host" */
	enum advise_verdict verdict;
	enum advise_weight weight;
	const char *reason, *source; /* a sentence each */
	/* Whether it fires; then detail says over what. */
	int (*fires)(const struct advise_facts *facts, const struct advise_rule *rule,
		     char detail[ADVISE_DETAIL_MAX]);
	const char *arg; /* for fires(): the need; or paths, with blanks between them */
};

extern const struct advise_rule advise_rules[]; /* ended by a NULL id */

struct advise_finding {
	const struct advise_rule *rule;
	char detail[ADVISE_DETAIL_MAX];
};

struct advice {
	enum advise_verdict verdict;
	int weights[ADVISE_VM + 1]; /* the sums, by verdict */
	struct advise_finding *findings;
	size_t n; /* in the order of the table */
};

const struct advise_rule *advise_find(const char *id); /* NULL: there is none */
/* A need that no rule knows is refused with those that are known. */
int advise_check_needs(char *const *needs, struct err *err);
void advise_judge(const struct advise_facts *facts, struct advice *ret);
void advice_release(struct advice *advice);
#define _cleanup_advice_ _cleanup_(advice_release)

/* The same, with the facts of this host, and of the image's files as far as the caller can read them. */
int advise_about(const struct instance_home *home, const struct instance *record,
		 char *const *needs, struct advice *ret, struct err *err);

#endif
