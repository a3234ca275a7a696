// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/procs.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame frame = { .len = (uint32_t)size, .payload = data };
	struct procs_entry *entries = NULL;
	size_t n = 0;

	if (size > FRAME_PAYLOAD_MAX || procs_get(&frame, &entries, &n) < 0)
		return 0;
	if (n > PROCS_MAX)
		abort();
	for (size_t i = 0; i < n; i++) {
		/* nothing of it can steer a terminal */
		if (strpbrk(entries[i].command, "\033\n\r") || entries[i].state < ' ')
			abort();
	}
	free(entries);
	return 0;
}
