// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/mountinfo.h"
#include "base/mem.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = mem_strndup((const char *)data, size);
	_cleanup_mountinfo_ struct mountinfo info = { 0 };

	mountinfo_parse(text, &info);
	for (size_t i = 0; i < info.n; i++) {
		const char *rest = mountinfo_below(info.mounts[i].place, "/a");

		if (info.mounts[i].place[0] != '/' || !mountinfo_place(&info, info.mounts[i].id) ||
		    (rest && *rest != '/'))
			abort();
	}
	return 0;
}
