// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/bzimage.h"
#include "image/kernel_elf.h"

#include <stdint.h>

/* What is refused says why; what is unpacked is a file that kernel_elf_check() copes with. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char release[BZIMAGE_RELEASE_MAX + 1];
	struct err err = ERR_INIT, ignored = ERR_INIT;
	_cleanup_free_ char *elf = NULL;
	size_t len = 0;

	bzimage_release(data, size, release, &ignored);
	if ((bzimage_unpack(data, size, &elf, &len, &err) < 0) != err_is_set(&err))
		abort();
	if (elf)
		kernel_elf_check(elf, len, &ignored);
	return 0;
}
