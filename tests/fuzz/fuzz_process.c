// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/process.h"

#include <string.h>

#define FLAGS 8 /* bytes at the end: four yes or no, rows and columns */

/* What is read as a process has a program, and is written as the same bytes but for its flags. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame frame = { .len = (uint32_t)size, .payload = data };
	_cleanup_process_ struct process process = { 0 };
	_cleanup_buf_ struct buf out = BUF_INIT;

	if (size > FRAME_PAYLOAD_MAX || process_get(&frame, &process) < 0)
		return 0;
	if (!process.argv || !*process.argv || !process.cwd || !process.user)
		abort();
	process_put(&out, &process);
	if (out.len != size || memcmp(out.data, data, size - FLAGS))
		abort();
	return 0;
}
