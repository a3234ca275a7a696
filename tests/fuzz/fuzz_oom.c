// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mem.h"
#include "proto/oom.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = mem_strndup((const char *)data, size);
	struct oom_kill kill;

	if (oom_parse(text, &kill)) {
		/* nothing of it can steer a terminal, and a limit is either a group's or the host's */
		if (strpbrk(kill.name, "\033\n\r") || strpbrk(kill.group, "\033\n\r") ||
		    (kill.global && *kill.limit) || kill.pid < 0 || kill.uid < 0)
			abort();
		(void)oom_place(kill.group, "brig/c1");
	}
	free(text);
	return 0;
}
