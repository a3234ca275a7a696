/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_SECCOMP_ARCH_H
#define CONTAINER_SECCOMP_ARCH_H

#include <stdint.h>

/* The forms in which this machine's kernel takes system calls. */
struct seccomp_arch {
	const char *name;      /* as the OCI runtime specification has it: "SCMP_ARCH_X86_64" */
	uint32_t token, audit; /* libseccomp's, the kernel's AUDIT_ARCH_* */
	uint64_t width;	       /* the bits that an argument has */
	int is_x32;	       /* shares `audit`, and its numbers have bit 30 */
};

/* The native one first; ends with a NULL name. */
extern const struct seccomp_arch seccomp_archs[];

/* The call's number, without the bit of x32; negative if there is no such call. */
int seccomp_arch_number(const struct seccomp_arch *arch, const char *name);

/* The library that knows the names: a filter that is kept depends on it. */
uint32_t seccomp_arch_library(void);

#endif
