// SPDX-License-Identifier: GPL-2.0-or-later
/* Devices that come to an instance that runs, or go: what all kinds of them have in common. */
#include "instance/keeper-internal.h"

int keeper_device_ready(const struct keeper *keeper, const char *instead, struct err *err)
{
	if (!keeper->ops->plug)
		return err_set(err, -EBUSY,
			       "'%s' is a VM that runs, and with the engine '%s' %s; stop it first",
			       keeper->record.name, keeper->ops->engine, instead);
	return keeper->driver ? 0
			      : err_set(err, -EBUSY, "'%s' is between two starts; try again",
					keeper->record.name);
}

int keeper_device_begin(struct keeper *keeper, const struct driver_device *device, int forced,
			struct err *err)
{
	struct keeper_change *change = &keeper->change;
	int r = change->comes ? keeper->ops->plug(keeper->driver, device, err)
			      : keeper->ops->unplug(keeper->driver, device, forced, err);

	if (r == 0)
		return 1;
	keeper_change_release(change);
	*change = (struct keeper_change){ .active = 0 };
	return r;
}
