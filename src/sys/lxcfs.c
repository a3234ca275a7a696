// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/lxcfs.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LXCFS_TYPE	    "fuse.lxcfs"
#define LXCFS_MOUNTINFO_MAX (16U << 20)

/* Fields of a line, proc(5): the fifth is the mount point; the type follows a lone "-". */
#define LXCFS_POINT 4

const char *const lxcfs_files[] = {
	"/proc/cpuinfo",
	"/proc/diskstats",
	"/proc/loadavg",
	"/proc/meminfo",
	"/proc/slabinfo",
	"/proc/stat",
	"/proc/swaps",
	"/proc/uptime",
	"/sys/devices/system/cpu/online",
	NULL,
};

static void lxcfs_judge(char *const *words, int *ret_is_it)
{
	size_t n = strv_len(words), i = LXCFS_POINT + 1;

	if (n <= i || strcmp(words[LXCFS_POINT], LXCFS_PATH))
		return;
	while (i < n && strcmp(words[i], "-"))
		i++;
	*ret_is_it = i + 1 < n && !strcmp(words[i + 1], LXCFS_TYPE);
}

int lxcfs_is_mounted(const char *mountinfo)
{
	const char *at = mountinfo;
	int is_it = 0;

	/* of two at one place the later covers the other */
	while ((at = strstr(at, " " LXCFS_PATH " "))) {
		const char *line = at;
		_cleanup_strv_ char **words = NULL;
		_cleanup_free_ char *copy = NULL;

		while (line > mountinfo && line[-1] != '\n')
			line--;
		copy = mem_strndup(line, strcspn(line, "\n"));
		words = strv_split(copy, " ");
		lxcfs_judge(words, &is_it);
		at += strcspn(at, "\n");
	}
	return is_it;
}

enum lxcfs_state lxcfs_find(void)
{
	_cleanup_free_ char *mountinfo = NULL;
	struct statx st = { 0 };
	int r = statx(AT_FDCWD, LXCFS_PATH, AT_STATX_DONT_SYNC | AT_SYMLINK_NOFOLLOW, 0, &st);

	/* by what is known already, if anything is; a dead one may have left nothing */
	if (r < 0 ? errno != ENOTCONN : !(st.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return LXCFS_NONE;
	if (file_read(AT_FDCWD, "/proc/self/mountinfo", LXCFS_MOUNTINFO_MAX, &mountinfo, NULL) <
		    0 ||
	    !lxcfs_is_mounted(mountinfo))
		return LXCFS_NONE;
	return access(LXCFS_PATH "/proc", F_OK) < 0 ? LXCFS_DEAD : LXCFS_ALIVE;
}
