// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mem.h"
#include "image/short_name.h"

#include <stdint.h>

/* Whatever is in registries.conf: a name with a host stays what it is, and others are tried somewhere or refused. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = mem_strndup(size ? (const char *)data : "", size);
	_cleanup_short_names_ struct short_names names = { 0 };
	_cleanup_strv_ char **tried = NULL, **same = NULL;
	struct err err = ERR_INIT;

	short_name_parse(&names, text);
	if ((short_name_expand(&names, "web:1", &tried, &err) == 0) != (strv_len(tried) > 0))
		abort();
	if (short_name_expand(&names, "h.example/web", &same, &err) < 0 || strv_len(same) != 1)
		abort();
	return 0;
}
