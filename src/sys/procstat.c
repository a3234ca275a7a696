// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/procstat.h"
#include "base/file.h"
#include "base/strv.h"
#include "base/units.h"

#include <fcntl.h>
#include <string.h>

/* of /proc/PID/stat: 52 numbers and a name */
#define PROCSTAT_MAX 4096
/* proc(5): fields 4 and 22; the state, field 3, is the first behind the name */
#define PROCSTAT_PARENT	    (4 - 3)
#define PROCSTAT_START_TIME (22 - 3)

int procstat_read(pid_t pid, struct procstat *ret)
{
	_cleanup_strv_ char **fields = NULL;
	_cleanup_free_ char *text = NULL;
	struct err unused = ERR_INIT;
	int64_t parent = 0, start = 0;
	const char *end;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	r = file_read(AT_FDCWD, path, PROCSTAT_MAX, &text, NULL);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	end = strrchr(text, ')'); /* the name may have blanks and brackets */
	fields = end ? strv_split(end + 1, " \n") : NULL;
	if (!fields || strv_len(fields) <= PROCSTAT_START_TIME ||
	    units_parse_int(fields[PROCSTAT_PARENT], 0, INT32_MAX, &parent, &unused) < 0 ||
	    units_parse_int(fields[PROCSTAT_START_TIME], 0, INT64_MAX, &start, &unused) < 0)
		return -EBADMSG;
	*ret = (struct procstat){ .parent = (pid_t)parent, .start_time = (uint64_t)start };
	return 0;
}
