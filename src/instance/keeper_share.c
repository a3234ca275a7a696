// SPDX-License-Identifier: GPL-2.0-or-later
/* What of the host an instance sees that runs: one comes or goes, and the record has it when it has. */
#include "base/mem.h"
#include "instance/keeper-internal.h"

/* Settings change one at a time, so it is one at most. */
static const char *keeper_share_missing(char *const *from, char *const *in)
{
	strv_for_each(text, from) {
		if (!strv_has(in, *text))
			return *text;
	}
	return NULL;
}

int keeper_share_change(struct keeper *keeper, char *const *volumes, int forced, struct err *err)
{
	const char *comes = keeper_share_missing(keeper->record.volumes, volumes);
	const char *goes = keeper_share_missing(volumes, keeper->record.volumes);
	struct keeper_change *change = &keeper->change;
	struct driver_device device = { .kind = MESSAGE_DEVICE_SHARE };

	if (!comes && !goes)
		return 0;
	if (keeper_device_ready(keeper, "it is shown other folders from its next start on", err) <
	    0)
		return err->code;
	*change = (struct keeper_change){ .active = 1, .comes = comes != NULL };
	device.share = change->share = mem_strdup(comes ? comes : goes);
	return keeper_device_begin(keeper, &device, forced, err);
}
