// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Disks of a VM that runs: told by their serial numbers, since a setting gives all of the record's one (in settings.c). The
 * keeper opens what comes, and reads nothing of it; who uses it locks it.
 */
#include "base/file.h"
#include "base/mem.h"
#include "instance/keeper-internal.h"

#include <string.h>

/* The one of them that is not among the others; 1, or 0 if there is none. */
static int keeper_drive_missing(char *const *from, char *const *in, struct drive *ret,
				struct err *err)
{
	for (size_t i = 0; from && from[i]; i++) {
		_cleanup_drive_ struct drive drive = { 0 };
		int is_there = 0, r = drive_parse(from[i], i, &drive, err);

		for (size_t j = 0; r == 0 && in && in[j]; j++) {
			_cleanup_drive_ struct drive other = { 0 };

			r = drive_parse(in[j], j, &other, err);
			is_there |= r == 0 && !strcmp(other.serial, drive.serial);
		}
		if (r < 0)
			return r;
		if (is_there)
			continue;
		*ret = drive;
		drive = (struct drive){ .source = NULL };
		return 1;
	}
	return 0;
}

int keeper_drive_change(struct keeper *keeper, char *const *drives, int forced, struct err *err)
{
	_cleanup_drive_ struct drive drive = { 0 };
	struct keeper_change *change = &keeper->change;
	struct driver_device device = { .kind = MESSAGE_DEVICE_DRIVE, .drive_fd = -EBADF };
	int comes = keeper_drive_missing(keeper->record.drives, drives, &drive, err);
	int goes = comes ? 0 : keeper_drive_missing(drives, keeper->record.drives, &drive, err);
	int r = comes < 0 || goes < 0 ? err->code : 0;

	if (r < 0 || (!comes && !goes))
		return r;
	r = keeper_device_ready(keeper, "it has other disks from its next start on", err);
	if (r == 0 && comes)
		r = device.drive_fd = drive_open(&drive, keeper->home.root, err);
	if (r < 0)
		return r;
	*change = (struct keeper_change){ .active = 1, .comes = comes, .drive = drive };
	drive = (struct drive){ .source = NULL };
	change->drive_fd = comes ? device.drive_fd : 0;
	device.drive = &change->drive;
	device.setup = change->drive.serial;
	device.name = change->name =
		mem_printf("%s%s", change->drive.serial, forced ? ":force" : "");
	return keeper_device_begin(keeper, &device, forced, err);
}
