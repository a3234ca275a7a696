// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/throttle.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"

#include <string.h>

int throttle_parse(const char *text, enum throttle_unit unit, char **ret_device, int64_t *ret_rate,
		   struct err *err)
{
	const char *colon = strrchr(text, ':');
	const char *rate = colon ? colon + 1 : text;
	int r = unit == THROTTLE_BYTES ? units_parse_size(rate, ret_rate, err)
				       : units_parse_int(rate, 1, INT64_MAX, ret_rate, err);

	*ret_device = NULL;
	if (r == 0 && *ret_rate < 1)
		r = err_set(err, -ERANGE, "a rate is at least 1; 'none' is no limit");
	if (r == 0 && colon && *text != '/')
		r = err_set(err, -EINVAL, "'%.64s': say DEVICE:RATE with the device's whole path",
			    text);
	if (r == 0 && colon)
		*ret_device = mem_strndup(text, (size_t)(colon - text));
	return r;
}

uint64_t throttle_own(char *const *list, enum throttle_unit unit)
{
	uint64_t found = 0;

	strv_for_each(text, list) {
		_cleanup_free_ char *device = NULL;
		struct err ignored = ERR_INIT;
		int64_t rate = 0;

		if (throttle_parse(*text, unit, &device, &rate, &ignored) == 0 && !device)
			found = (uint64_t)rate;
	}
	return found;
}
