// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mem.h"
#include "image/skopeo.h"

#include <stdint.h>
#include <string.h>

/* Whatever a registry makes skopeo say: one line is left of it, without control characters. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = mem_strndup(size ? (const char *)data : "", size);
	_cleanup_free_ char *reason = skopeo_reason(text, strlen(text));

	for (const char *p = reason; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			abort();
	}
	return *reason ? 0 : (abort(), 0);
}
