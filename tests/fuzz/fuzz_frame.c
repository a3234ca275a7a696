// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/guest.h"
#include "proto/message.h"
#include "proto/process.h"
#include "proto/procs.h"

/* A stream of frames, each read as everything that a frame's payload can be. */
static void fuzz_payload(const struct frame *frame)
{
	_cleanup_process_ struct process process = { 0 };
	_cleanup_free_ struct procs_entry *entries = NULL;
	struct guest_config config = { 0 };
	struct message_stats stats;
	struct err err = ERR_INIT;
	size_t n = 0;

	if (message_get_error(frame, &err) >= 0 || !err_is_set(&err))
		abort();
	if (process_get(frame, &process) == 0 && (!process.argv || !process.argv[0]))
		abort();
	if (procs_get(frame, &entries, &n) == 0 && n > PROCS_MAX)
		abort();
	(void)message_get_stats(frame, &stats);
	(void)guest_config_get(frame, &config);
	guest_config_release(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame frame;

	while (frame_parse(data, size, &frame) == 1) {
		fuzz_payload(&frame);
		data += FRAME_HEADER_SIZE + frame.len;
		size -= FRAME_HEADER_SIZE + frame.len;
	}
	return 0;
}
