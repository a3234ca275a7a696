// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mem.h"
#include "net/names.h"

#include <string.h>

static int leases_is_printable(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	for (size_t i = 0; i < len; i++) {
		if (text[i] <= ' ' || text[i] > '~')
			return 0;
	}
	return len < size;
}

static void leases_check(void *ctx, const struct names_lease *lease)
{
	size_t *left = ctx;

	/* each is of a line of its own */
	if (!*left || lease->expires < 0 ||
	    !leases_is_printable(lease->address, sizeof(lease->address)) ||
	    !leases_is_printable(lease->mac, sizeof(lease->mac)) ||
	    !leases_is_printable(lease->host, sizeof(lease->host)))
		abort();
	--*left;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t lines = 1;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	names_leases_parse((const char *)data, size, leases_check, &lines);
	return 0;
}
