// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/seccomp_arch.h"

#include <linux/audit.h>
#include <seccomp.h>
#include <stddef.h>

#define SECCOMP_ARCH_X32_BIT 0x40000000 /* __X32_SYSCALL_BIT */

const struct seccomp_arch seccomp_archs[] = {
#if defined(__x86_64__)
	{ "SCMP_ARCH_X86_64", SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, UINT64_MAX, 0 },
	/* for libseccomp, too, its arguments have 32 bits */
	{ "SCMP_ARCH_X32", SCMP_ARCH_X32, AUDIT_ARCH_X86_64, UINT32_MAX, 1 },
	{ "SCMP_ARCH_X86", SCMP_ARCH_X86, AUDIT_ARCH_I386, UINT32_MAX, 0 },
#elif defined(__aarch64__)
	{ "SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64, UINT64_MAX, 0 },
	{ "SCMP_ARCH_ARM", SCMP_ARCH_ARM, AUDIT_ARCH_ARM, UINT32_MAX, 0 },
#endif
	{ NULL, 0, 0, 0, 0 },
};

int seccomp_arch_number(const struct seccomp_arch *arch, const char *name)
{
	int number = seccomp_syscall_resolve_name_arch(arch->token, name);

	return number > 0 && arch->is_x32 ? number & ~SECCOMP_ARCH_X32_BIT : number;
}

uint32_t seccomp_arch_library(void)
{
	const struct scmp_version *library = seccomp_version();

	return library->major << 16 | library->minor << 8 | library->micro;
}
