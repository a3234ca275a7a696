// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mem.h"
#include "image/kernel_elf.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char release[BZIMAGE_RELEASE_MAX + 1];
	struct err err = ERR_INIT, ignored = ERR_INIT;

	if ((kernel_elf_check(data, size, &err) < 0) != err_is_set(&err))
		abort();
	kernel_elf_release(data, size, release, &ignored);
	if (!err_is_set(&err)) {
		_cleanup_free_ char *elf = memcpy(mem_zalloc(size), data, size);

		kernel_elf_trim(elf);
	}
	return 0;
}
