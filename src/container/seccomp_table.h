/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_SECCOMP_TABLE_H
#define CONTAINER_SECCOMP_TABLE_H

#include <stdint.h>

/*
 * docker's default profile as tables: what is let through always, what with a capability, what by its
 * arguments. Everything else fails with EPERM, but for system calls that are newer than the tables:
 * those do not exist (ENOSYS), so that programs use what they used before.
 */
struct seccomp_group {
	uint64_t caps;	   /* any of these lets it through; 0: always */
	const char *names; /* separated by blanks */
};
extern const struct seccomp_group seccomp_table_groups[]; /* ends with NULL names */

enum seccomp_test {
	SECCOMP_TEST_EQUAL,
	SECCOMP_TEST_NOT_EQUAL,
	SECCOMP_TEST_NONE_OF, /* (argument & value) == 0 */
};
/* Only the low 32 bits of an argument are looked at, as the kernel does for these calls. All rules of a
 * name stand together and are of one argument; one that holds is enough. */
struct seccomp_argument {
	const char *name;
	unsigned int argument;
	enum seccomp_test test;
	uint32_t value;
	uint64_t unless_caps; /* no rule with any of these: the groups let the name through whole */
};
extern const struct seccomp_argument seccomp_table_arguments[]; /* ends with a NULL name */

/* What does not exist without these: a call that hides its flags in memory, where no filter can look. */
struct seccomp_missing {
	const char *name;
	uint64_t unless_caps;
};
extern const struct seccomp_missing seccomp_table_missing[]; /* ends with a NULL name */

/* Calls up to this number are in the groups by name; those after it are decided by number, which is the same
 * on all architectures, since libraries do not know their names. */
#define SECCOMP_TABLE_LAST_NAMED 450
struct seccomp_number {
	uint64_t caps; /* as above */
	uint32_t number;
};
extern const struct seccomp_number seccomp_table_numbers[]; /* ends with number 0 */

#endif
