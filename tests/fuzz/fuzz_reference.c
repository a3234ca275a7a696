// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mem.h"
#include "image/reference.h"

#include <stdint.h>
#include <string.h>

/* A name in full stays as it is, and what is made of a file's name is always one. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = mem_strndup(size ? (const char *)data : "", size);
	_cleanup_free_ char *full = NULL, *again = NULL, *named = NULL;
	_cleanup_free_ char *stored = NULL, *remote = NULL, *same = NULL;
	_cleanup_free_ char *base = reference_from_path(text);
	struct err err = ERR_INIT;

	if (base && reference_normalize(base, &named, &err) < 0)
		abort();
	if (reference_resolve(text, &stored, &remote, &err) == 0 &&
	    (reference_normalize(stored, &same, &err) < 0 || strcmp(stored, same) != 0 ||
	     !strchr(remote, '/')))
		abort();
	if (reference_normalize(text, &full, &err) < 0)
		return 0;
	if (reference_normalize(full, &again, &err) < 0 || strcmp(full, again) != 0 ||
	    !reference_tag(full))
		abort();
	return 0;
}
