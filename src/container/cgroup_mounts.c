// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/cgroup_mounts.h"
#include "base/mem.h"
#include "base/strv.h"
#include "sys/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#define CGROUP_MOUNTS_ROOT "/sys/fs/cgroup"
#define CGROUP_MOUNTS_V2   "unified" /* of a hybrid layout */

static void cgroup_mounts_bind(struct spec *spec, const char *name, const char *destination,
			       size_t within, char *const *options)
{
	_cleanup_free_ char *source =
		mem_printf(CGROUP_MOUNTS_ROOT "/%s%s", name, spec->cgroup_path);
	struct spec_mount *mount;

	spec_add_mount(spec, destination, "bind", source, "bind");
	mount = &spec->mounts[spec->n_mounts - 1];
	mount->if_source = 1;
	mount->within = within;
	strv_for_each(option, options)
		strv_add(&mount->options, *option);
}

/*
 * A folder of a hierarchy of version 1, or the name of a controller that shares one; the container's group in it is
 * what counts. Of version 2 beside them nothing is shown: an init system inside would want to write there.
 */
static int cgroup_mounts_is_hierarchy(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && strcmp(entry->d_name, CGROUP_MOUNTS_V2) != 0 &&
	       (entry->d_type == DT_DIR || entry->d_type == DT_LNK);
}

static void cgroup_mounts_add_v1(struct spec *spec, const char *destination, char *const *options)
{
	_cleanup_closedir_ DIR *dir = opendir(CGROUP_MOUNTS_ROOT);
	struct spec_mount *top;
	struct dirent *entry;
	size_t within;

	spec_add_mount(spec, destination, "tmpfs", "tmpfs", "mode=755");
	within = spec->n_mounts;
	top = &spec->mounts[spec->n_mounts - 1];
	strv_for_each(option, options)
		strv_add(&top->options, *option);
	while (dir && (entry = readdir(dir))) {
		_cleanup_free_ char *name = mem_printf("%s/", entry->d_name);
		_cleanup_free_ char *at = mem_printf("%s/%s", destination, entry->d_name);

		if (cgroup_mounts_is_hierarchy(entry))
			cgroup_mounts_bind(spec, name, at, within, options);
	}
}

void cgroup_mounts_add(struct spec *spec, const char *destination, char *const *options)
{
	if (cgroup_host_layout() == CGROUP_LAYOUT_UNIFIED)
		cgroup_mounts_bind(spec, "", destination, 0, options);
	else
		cgroup_mounts_add_v1(spec, destination, options);
}
