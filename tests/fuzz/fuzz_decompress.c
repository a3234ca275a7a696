// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/decompress.h"
#include "base/take.h"

#include <stdint.h>

#define OUTPUT_MAX (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct decompress_format *format = decompress_detect(data, size);
	_cleanup_free_ char *out = NULL;
	size_t len = 0;

	if (format && decompress_new(format, data, size, OUTPUT_MAX, &out, &len) == 0 &&
	    len > OUTPUT_MAX)
		abort();
	return 0;
}
