// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mem.h"
#include "image/containerfile.h"
#include "image/reference.h"

#include <stdint.h>
#include <string.h>

/* Whatever the file says, each is a name, and there once. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = mem_strndup(size ? (const char *)data : "", size);
	_cleanup_strv_ char **images = containerfile_images(text);

	strv_for_each(image, images) {
		_cleanup_free_ char *stored = NULL, *remote = NULL;
		struct err err = ERR_INIT;

		if (reference_resolve(*image, &stored, &remote, &err) < 0 ||
		    strv_has(image + 1, *image) || strpbrk(*image, "$ \n"))
			abort();
	}
	return 0;
}
