// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/signum.h"
#include "base/units.h"

#include <signal.h>
#include <string.h>
#include <strings.h>

static int signum_by_name(const char *name)
{
	for (int i = 1; i < NSIG; i++) {
		const char *abbrev = sigabbrev_np(i);

		if (abbrev && !strcasecmp(abbrev, name))
			return i;
	}
	return -EINVAL;
}

int signum_parse(const char *s, int *ret, struct err *err)
{
	const char *name = strncasecmp(s, "SIG", 3) ? s : s + 3;
	struct err ignored = ERR_INIT;
	int64_t number = signum_by_name(name);

	if (number < 0 && !strcasecmp(name, "RTMIN"))
		number = SIGRTMIN;
	if (number < 0 && !strncasecmp(name, "RTMIN+", 6) &&
	    units_parse_int(name + 6, 0, SIGRTMAX - SIGRTMIN, &number, &ignored) == 0)
		number += SIGRTMIN;
	if (number < 0 && units_parse_int(name, 1, NSIG - 1, &number, &ignored) < 0)
		return err_set(err, -EINVAL, "'%.64s' is not a signal (examples: TERM, SIGHUP, 9)",
			       s);
	*ret = (int)number;
	return 0;
}
