/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_MOUNTINFO_H
#define CONTAINER_MOUNTINFO_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* The mounts of a process, as /proc/PID/mountinfo has them (proc(5)); places are as its root sees them. */
struct mountinfo {
	struct mountinfo_mount {
		uint64_t id; /* STATX_MNT_ID of statx(2) */
		char *place;
	} * mounts;
	size_t n;
};

/* Lines that are no mounts are passed over. */
void mountinfo_parse(const char *text, struct mountinfo *ret);
/* pid 0: our own. Release it in any case. */
int mountinfo_read(pid_t pid, struct mountinfo *ret, struct err *err);
void mountinfo_release(struct mountinfo *info);
#define _cleanup_mountinfo_ _cleanup_(mountinfo_release)

/* Where it is mounted, or NULL. */
const char *mountinfo_place(const struct mountinfo *info, uint64_t id);

/* What of the path is below folder, "/..."; NULL if it is not, or is folder itself. */
const char *mountinfo_below(const char *path, const char *folder);

#endif
