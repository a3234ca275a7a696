// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/meminfo.h"

#include <string.h>

int64_t meminfo_bytes(const char *text, const char *key)
{
	const char *at = strstr(text, key);
	int64_t kib = 0;

	if (!at)
		return -1;
	at += strlen(key);
	at += strspn(at, ": \t");
	if (*at < '0' || *at > '9')
		return -1;
	for (; *at >= '0' && *at <= '9'; at++) {
		if (kib > (INT64_MAX >> 10) / 10 - 1)
			return -1;
		kib = kib * 10 + (*at - '0');
	}
	return kib << 10;
}
