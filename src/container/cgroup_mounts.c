// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/cgroup_mounts.h"
#include "base/mem.h"
#include "base/strv.h"
#include "sys/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define CGROUP_MOUNTS_ROOT "/sys/fs/cgroup"

static void cgroup_mounts_bind(struct spec *spec, const char *name, const char *destination,
			       char *const *options)
{
	_cleanup_free_ char *source =
		mem_printf(CGROUP_MOUNTS_ROOT "/%s%s", name, spec->cgroup_path);
	struct spec_mount *mount;

	spec_add_mount(spec, destination, "bind", source, "bind");
	mount = &spec->mounts[spec->n_mounts - 1];
	mount->if_source = 1;
	strv_for_each(option, options)
		strv_add(&mount->options, *option);
}

/* A folder of a hierarchy, or the name of a controller that shares one. */
static int cgroup_mounts_is_hierarchy(int root, const char *name)
{
	struct stat top, st;

	return name[0] != '.' && fstat(root, &top) == 0 && fstatat(root, name, &st, 0) == 0 &&
	       S_ISDIR(st.st_mode) && st.st_dev != top.st_dev;
}

static void cgroup_mounts_add_v1(struct spec *spec, const char *destination, char *const *options)
{
	_cleanup_closedir_ DIR *dir = opendir(CGROUP_MOUNTS_ROOT);
	struct spec_mount *top;
	struct dirent *entry;

	spec_add_mount(spec, destination, "tmpfs", "tmpfs", "mode=755");
	top = &spec->mounts[spec->n_mounts - 1];
	strv_for_each(option, options)
		strv_add(&top->options, *option);
	while (dir && (entry = readdir(dir))) {
		_cleanup_free_ char *name = mem_printf("%s/", entry->d_name);
		_cleanup_free_ char *at = mem_printf("%s/%s", destination, entry->d_name);

		if (cgroup_mounts_is_hierarchy(dirfd(dir), entry->d_name))
			cgroup_mounts_bind(spec, name, at, options);
	}
}

void cgroup_mounts_add(struct spec *spec, const char *destination, char *const *options)
{
	if (cgroup_layout() == CGROUP_LAYOUT_UNIFIED)
		cgroup_mounts_bind(spec, "", destination, options);
	else
		cgroup_mounts_add_v1(spec, destination, options);
}
