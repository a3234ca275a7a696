/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VMM_JAIL_CALLS_H
#define VMM_JAIL_CALLS_H

#include <stdint.h>

/*
 * The system calls of the vmm role once it is in its jail: the only list there is. vmm/jail.c makes the filters
 * of it, and tools/jail the table in docs/security.md.
 */
enum jail_test {
	JAIL_ANY,     /* the arguments do not matter */
	JAIL_EQUAL,   /* the argument is the value */
	JAIL_NONE_OF, /* no bit of the value is set in the argument */
	JAIL_ALL_OF,  /* all bits of the value are */
	JAIL_MISSING, /* the call fails with the value, as one that the kernel does not have */
};

/* All rows of a name count together: one that holds is enough. Arguments are looked at in their low 32 bits, as
 * the kernel does for these calls. */
struct jail_call {
	const char *name;
	unsigned int threads; /* bits 1 << enum jail_thread */
	unsigned int with;    /* of JAIL_WITH_*: only in such machines; 0: in all */
	unsigned int argument;
	enum jail_test test;
	uint32_t value;
	const char *value_name; /* as the source says it */
	const char *why;
};

extern const struct jail_call jail_calls[]; /* ends with a NULL name */

#endif
