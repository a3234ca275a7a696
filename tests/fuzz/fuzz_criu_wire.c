// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/criu_wire.h"
#include "base/mem.h"

#include <string.h>

/* What it passes on is plain text. */
static void check_text(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || (unsigned char)*text >= 0x7f)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = mem_strndup((const char *)data, size), *reason = NULL;
	struct criu_answer answer;
	uint64_t id = 0, pages = 0;

	if (criu_wire_get_answer(data, size, &answer) == 0) {
		check_text(answer.message);
		check_text(answer.script);
		if (answer.pid < 0 || answer.code < 0)
			abort();
	}
	(void)criu_wire_count_pages(data, size, &id, &pages);
	reason = criu_wire_log_reason(text);
	if (reason)
		check_text(reason);
	return 0;
}
