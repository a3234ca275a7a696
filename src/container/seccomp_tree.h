/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_SECCOMP_TREE_H
#define CONTAINER_SECCOMP_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "sys/filter.h"

/*
 * A filter for system calls as code for the kernel: for each architecture a verdict for every call's number,
 * which becomes a balanced tree. Actions are SECCOMP_RET_* of <linux/seccomp.h> with their data.
 */

enum seccomp_tree_op {
	SECCOMP_TREE_EQ,
	SECCOMP_TREE_NE,
	SECCOMP_TREE_LT,
	SECCOMP_TREE_LE,
	SECCOMP_TREE_GT,
	SECCOMP_TREE_GE,
};

/* (argument & mask) OP value */
struct seccomp_tree_test {
	unsigned int argument; /* 0 to 5 */
	enum seccomp_tree_op op;
	uint64_t mask, value;
};

#define SECCOMP_TREE_TESTS 6

/* What is done where all tests hold. */
struct seccomp_tree_rule {
	struct seccomp_tree_test tests[SECCOMP_TREE_TESTS];
	size_t n_tests;
	uint32_t action;
};

/* The first rule that holds decides; else it is `action`. */
struct seccomp_tree_verdict {
	uint32_t action;
	const struct seccomp_tree_rule *rules; /* borrowed */
	size_t n_rules;
};

/* Calls from this number on have one verdict. */
#define SECCOMP_TREE_NUMBERS 512

struct seccomp_tree_table {
	struct seccomp_tree_verdict verdicts[SECCOMP_TREE_NUMBERS];
	uint32_t beyond; /* the action for numbers that are higher */
};

/*
 * First begin, then every architecture, then end. audit: its AUDIT_ARCH_*. x32: the numbers with bit 30 of
 * AUDIT_ARCH_X86_64, or NULL: these have the action `beyond`.
 */
void seccomp_tree_begin(struct filter *filter);
void seccomp_tree_add(struct filter *filter, uint32_t audit, const struct seccomp_tree_table *table,
		      const struct seccomp_tree_table *x32);
/* The action for all other architectures. */
void seccomp_tree_end(struct filter *filter, uint32_t action);

#endif
