// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/cpus.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define CPUS_PATH_MAX 64

int cpus_set_online(uint32_t n, struct err *err)
{
	char path[CPUS_PATH_MAX];
	int r = 0;

	for (uint32_t i = 1; r == 0; i++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", i);
		r = file_write_value(AT_FDCWD, path, i < n ? "1" : "0");
	}
	/* there is no such CPU, so it was the last one */
	return r == -ENOENT ? 0 : err_errno(err, r, "cannot change %s", path);
}
