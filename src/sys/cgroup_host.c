// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The hierarchies that the host has, and what each of them can do. Invariants:
 *  1. A controller that version 1 has mounted is used there; version 2 cannot have it then.
 *  2. Co-mounted controllers (cpu,cpuacct) are one hierarchy, found twice, told by its file system.
 */
#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strv.h"
#include "sys/cgroup-internal.h"
#include "sys/mnt.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

const char *const cgroup_host_layout_names[] = { "none", "unified", "hybrid", "legacy", NULL };

static const struct {
	unsigned int controller;
	const char *v1; /* its hierarchy there */
	const char *v2; /* as it is enabled there; NULL: is not, or is always there */
} cgroup_host_names[] = {
	{ CGROUP_MEMORY, "memory", "memory" },	   { CGROUP_CPU, "cpu", "cpu" },
	{ CGROUP_CPUACCT, "cpuacct", NULL },	   { CGROUP_PIDS, "pids", "pids" },
	{ CGROUP_FREEZER, "freezer", NULL },	   { CGROUP_DEVICES, "devices", NULL },
	{ CGROUP_SYSTEMD, "systemd", NULL },	   { CGROUP_CPUSET, "cpuset", "cpuset" },
	{ CGROUP_BLKIO, "blkio", "io" },	   { CGROUP_HUGETLB, "hugetlb", "hugetlb" },
	{ CGROUP_NET_CLS, "net_cls", NULL },	   { CGROUP_NET_PRIO, "net_prio", NULL },
	{ CGROUP_PERF_EVENT, "perf_event", NULL }, { CGROUP_RDMA, "rdma", "rdma" },
	{ CGROUP_MISC, "misc", "misc" },
};

static int cgroup_host_is_root(const char *path, long magic)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == magic;
}

/* Where version 2 is, with a slash; NULL: nowhere, and version 1 may be there or not. */
static const char *cgroup_host_v2_top(enum cgroup_layout *layout)
{
	static const char *const tops[] = {
		[CGROUP_LAYOUT_UNIFIED] = CGROUP_ROOT "/",
		[CGROUP_LAYOUT_HYBRID] = CGROUP_ROOT "/unified/",
		[CGROUP_LAYOUT_LEGACY] = NULL,
	};
	static enum cgroup_layout found; /* it does not change under a host's feet */

	if (found == CGROUP_LAYOUT_NONE) {
		if (cgroup_host_is_root(CGROUP_ROOT, CGROUP2_SUPER_MAGIC))
			found = CGROUP_LAYOUT_UNIFIED;
		else if (cgroup_host_is_root(CGROUP_ROOT "/unified", CGROUP2_SUPER_MAGIC))
			found = CGROUP_LAYOUT_HYBRID;
		else
			found = CGROUP_LAYOUT_LEGACY;
	}
	*layout = found;
	return tops[found];
}

/*
 * A host of version 1 alone has version 2 all the same, only not mounted. Init systems that know no other get it so,
 * on a mount that nobody sees.
 */
static int cgroup_host_open_unmounted(uint64_t *ret_id)
{
	_cleanup_close_ int mount = -EBADF, fd = -EBADF;
	struct err ignored = ERR_INIT;
	struct stat st;

	if (mnt_new("cgroup2", "cgroup2", NULL, 0, &mount, &ignored) < 0)
		return -EBADF;
	fd = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -EBADF;
	*ret_id = st.st_dev;
	return take_fd(&fd);
}

static void cgroup_host_add_v2(struct cgroup *cgroup, unsigned int need, enum cgroup_layout *layout)
{
	struct cgroup_dir dir = {
		.ops = &cgroup_v2_ops, .controllers = CGROUP_CORE, .root = AT_FDCWD, .fd = -EBADF
	};
	const char *top = cgroup_host_v2_top(layout);

	if (top)
		snprintf(dir.top, sizeof(dir.top), "%s", top);
	else
		dir.root = need & CGROUP_UNMOUNTED ? cgroup_host_open_unmounted(&dir.id) : -EBADF;
	if (top || dir.root >= 0)
		cgroup->dirs[cgroup->n++] = dir;
}

/* Whether that is of a hierarchy of version 1, and of which. A file system's ID is one only since Linux 6.7. */
static int cgroup_host_is_v1(const char *path, uint64_t *ret_id)
{
	struct statfs fs;
	struct stat st;

	if (statfs(path, &fs) < 0 || fs.f_type != CGROUP_SUPER_MAGIC)
		return 0;
	memcpy(ret_id, &fs.f_fsid, sizeof(*ret_id));
	if (!*ret_id && stat(path, &st) == 0)
		*ret_id = st.st_dev;
	return 1;
}

static void cgroup_host_add_v1(struct cgroup *cgroup, const char *name, unsigned int controller,
			       const char *group)
{
	struct cgroup_dir dir = {
		.ops = &cgroup_v1_ops, .controllers = controller, .root = AT_FDCWD, .fd = -EBADF
	};
	_cleanup_free_ char *path = NULL;

	snprintf(dir.top, sizeof(dir.top), CGROUP_ROOT "/%s/", name);
	path = cgroup_dir_path(&dir, group ? group : "", "");
	if (!cgroup_host_is_v1(path, &dir.id))
		return;
	for (size_t i = 0; i < cgroup->n; i++) {
		if (cgroup->dirs[i].id == dir.id) {
			cgroup->dirs[i].controllers |= controller;
			return;
		}
	}
	if (cgroup->n < CGROUP_HIERARCHIES_MAX)
		cgroup->dirs[cgroup->n++] = dir;
}

unsigned int cgroup_host_available(const struct cgroup_dir *dir, const char *group,
				   unsigned int need)
{
	_cleanup_free_ char *file = cgroup_dir_path(dir, group, "cgroup.controllers");
	_cleanup_free_ char *text = NULL;
	_cleanup_strv_ char **names = NULL;
	unsigned int found = 0;

	if (file_read(dir->root, file, CGROUP_FILE_MAX, &text, NULL) < 0)
		return 0;
	names = strv_split(text, " \n");
	for (size_t i = 0; i < ARRAY_SIZE(cgroup_host_names); i++) {
		if (cgroup_host_names[i].v2 && (need & cgroup_host_names[i].controller) &&
		    strv_has(names, cgroup_host_names[i].v2))
			found |= cgroup_host_names[i].controller;
	}
	return found;
}

enum cgroup_layout cgroup_host_scan(struct cgroup *cgroup, unsigned int need, const char *group)
{
	enum cgroup_layout layout;
	unsigned int missing = need;

	cgroup->dirs = mem_zalloc(CGROUP_HIERARCHIES_MAX * sizeof(*cgroup->dirs));
	cgroup_host_add_v2(cgroup, need, &layout);
	if (layout == CGROUP_LAYOUT_LEGACY && !group)
		need |= CGROUP_FREEZER | CGROUP_CPUACCT | CGROUP_DEVICES;
	for (size_t i = 0; layout != CGROUP_LAYOUT_UNIFIED && i < ARRAY_SIZE(cgroup_host_names);
	     i++) {
		if (need & cgroup_host_names[i].controller)
			cgroup_host_add_v1(cgroup, cgroup_host_names[i].v1,
					   cgroup_host_names[i].controller, group);
	}
	for (size_t i = 0; i < cgroup->n; i++)
		missing &= ~cgroup->dirs[i].controllers;
	if (layout != CGROUP_LAYOUT_LEGACY && missing)
		cgroup->dirs[0].controllers |= cgroup_host_available(&cgroup->dirs[0], "", missing);
	return cgroup->n ? layout : CGROUP_LAYOUT_NONE;
}

enum cgroup_layout cgroup_host_layout(void)
{
	static int has_v1; /* as `found` above */
	enum cgroup_layout layout;

	if (cgroup_host_v2_top(&layout) || has_v1)
		return layout;
	for (size_t i = 0; i < ARRAY_SIZE(cgroup_host_names); i++) {
		char path[CGROUP_TOP_MAX];

		snprintf(path, sizeof(path), CGROUP_ROOT "/%s", cgroup_host_names[i].v1);
		if (cgroup_host_is_root(path, CGROUP_SUPER_MAGIC)) {
			has_v1 = 1;
			return layout;
		}
	}
	return CGROUP_LAYOUT_NONE;
}

unsigned int cgroup_host_controllers(void)
{
	_cleanup_cgroup_ struct cgroup *cgroup = mem_zalloc(sizeof(*cgroup));
	unsigned int found = 0;

	(void)cgroup_host_scan(cgroup, UINT32_MAX, NULL);
	for (size_t i = 0; i < cgroup->n; i++)
		found |= cgroup->dirs[i].controllers;
	return found;
}

int cgroup_host_version(unsigned int controller)
{
	_cleanup_cgroup_ struct cgroup *cgroup = mem_zalloc(sizeof(*cgroup));
	const struct cgroup_dir *dir;

	(void)cgroup_host_scan(cgroup, controller, NULL);
	dir = cgroup_dir_find(cgroup, controller);
	return dir ? dir->ops->version : 0;
}

const char *cgroup_host_name(unsigned int controller)
{
	for (size_t i = 0; i < ARRAY_SIZE(cgroup_host_names); i++) {
		if (cgroup_host_names[i].controller == controller)
			return cgroup_host_names[i].v2 ? cgroup_host_names[i].v2
						       : cgroup_host_names[i].v1;
	}
	return "";
}

char **cgroup_host_hierarchies(const struct cgroup *cgroup)
{
	char **names = NULL;

	for (size_t i = 0; i < cgroup->n; i++) {
		const struct cgroup_dir *dir = &cgroup->dirs[i];

		if (dir->ops->version == 2)
			strv_add(&names, "");
		for (size_t j = 0; dir->ops->version == 1 && j < ARRAY_SIZE(cgroup_host_names);
		     j++) {
			int named = cgroup_host_names[j].controller == CGROUP_SYSTEMD;

			if (dir->controllers & cgroup_host_names[j].controller)
				strv_add_printf(&names, "%s%s", named ? "name=" : "",
						cgroup_host_names[j].v1);
		}
	}
	return names;
}

/*
 * One refusing (processor time, while realtime processes are there) must not keep the others away. But -EBUSY is of a group
 * with processes of its own: of the controllers that it can give nevertheless the groups below could have no processes
 * (cgroup-v2.rst, "Threads": they are "domain invalid").
 */
static void cgroup_host_enable_at(int root, const char *file, unsigned int controllers)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	int all;

	for (size_t i = 0; i < ARRAY_SIZE(cgroup_host_names); i++) {
		if (cgroup_host_names[i].v2 && (controllers & cgroup_host_names[i].controller))
			buf_printf(&text, "+%s ", cgroup_host_names[i].v2);
	}
	all = file_write_value(root, file, text.data);
	if (all == 0 || all == -EBUSY)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(cgroup_host_names); i++) {
		char one[32];
		int r;

		if (!cgroup_host_names[i].v2 || !(controllers & cgroup_host_names[i].controller))
			continue;
		snprintf(one, sizeof(one), "+%s", cgroup_host_names[i].v2);
		r = file_write_value(root, file, one);
		if (r < 0)
			log_debug("cannot write %s to %s: %s", one, file, strerror(-r));
	}
}

void cgroup_host_enable(const struct cgroup_dir *dir, const char *group, unsigned int controllers)
{
	for (const char *end = group; end; end = strchr(end + 1, '/')) {
		_cleanup_free_ char *above = mem_strndup(group, (size_t)(end - group));
		_cleanup_free_ char *file = cgroup_dir_path(dir, above, "cgroup.subtree_control");

		cgroup_host_enable_at(dir->root, file, controllers);
	}
}
