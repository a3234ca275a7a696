// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/modules.h"
#include "base/mem.h"

#include <stdint.h>
#include <string.h>

static void check(char *const *paths)
{
	strv_for_each(path, paths) {
		if (**path == '/' || !strncmp(*path, "../", 3) || strstr(*path, "/../"))
			abort();
	}
}

/* The four indexes, one after another, each ended by a NUL. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_modules_index_ struct modules_index index = { { NULL } };
	const char *at = (const char *)data, *end = at + size;
	_cleanup_modules_list_ struct modules_list list = MODULES_LIST_INIT;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < MODULES_FILES; i++) {
		size_t len = strnlen(at, (size_t)(end - at));

		index.text[i] = mem_strndup(at, len);
		at += len < (size_t)(end - at) ? len + 1 : len;
	}
	if ((modules_select(&index, &list, &err) < 0) != err_is_set(&err))
		abort();
	check(list.first);
	check(list.later);
	check(list.shares);
	return 0;
}
