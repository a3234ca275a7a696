// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/dev.h"
#include "base/mem.h"
#include "base/strv.h"
#include "sys/caps.h"
#include "sys/inroot.h"
#include "sys/mnt.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* Documentation/admin-guide/devices.txt; the runtime specification's "Default Devices" */
#define DEV_NULL      makedev(1, 3)
#define DEV_TTY	      makedev(5, 0)
#define DEV_CONSOLE   makedev(5, 1)
#define DEV_PTMX      makedev(5, 2)
#define DEV_PTS_MAJOR 136
#define DEV_PTMX_NAME "ptmx"

static const struct {
	const char *name;
	unsigned int major, minor;
} dev_standard[] = {
	{ "null", 1, 3 },   { "zero", 1, 5 },	 { "full", 1, 7 },
	{ "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
};

static const struct {
	const char *name, *target;
} dev_links[] = {
	{ "fd", "/proc/self/fd" },	 { "stdin", "/proc/self/fd/0" },
	{ "stdout", "/proc/self/fd/1" }, { "stderr", "/proc/self/fd/2" },
	{ "core", "/proc/kcore" },	 { DEV_PTMX_NAME, "pts/ptmx" },
};

#define DEV_PREFIX    "/dev/"
#define DEV_DEPTH_MAX 8

void dev_waiting_name(size_t i, char name[DEV_WAITING_MAX])
{
	snprintf(name, DEV_WAITING_MAX, ".device%zu", i);
}

const char *dev_standard_name(unsigned int i)
{
	return i < ARRAY_SIZE(dev_standard) ? dev_standard[i].name : NULL;
}

/* Made with the container's root as its owner; other owners of the host's are kept by their number inside. */
static int dev_make_node(const struct spec *spec, int folder, const char *name,
			 const struct stat *like)
{
	uid_t uid = idmap_uid(&spec->idmap, like->st_uid);
	gid_t gid = idmap_gid(&spec->idmap, like->st_gid);

	if (mknodat(folder, name, like->st_mode & (S_IFMT | 07777), like->st_rdev) < 0)
		return -errno;
	if ((!like->st_uid && !like->st_gid) || uid == IDMAP_NONE || gid == IDMAP_NONE)
		return 0;
	return fchownat(folder, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int dev_make_links(int folder, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(dev_links); i++) {
		if (symlinkat(dev_links[i].target, folder, dev_links[i].name) < 0)
			return err_errno(err, -errno, "cannot make /dev/%s", dev_links[i].name);
	}
	return 0;
}

static int dev_make_standard(const struct spec *spec, int folder, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(dev_standard); i++) {
		struct stat like = {
			.st_mode = S_IFCHR | 0666,
			.st_rdev = makedev(dev_standard[i].major, dev_standard[i].minor),
		};
		int r = dev_make_node(spec, folder, dev_standard[i].name, &like);

		if (r < 0)
			return err_errno(err, r, "cannot make /dev/%s", dev_standard[i].name);
	}
	return dev_make_links(folder, err);
}

static int dev_stat_given(const struct spec_device *device, struct stat *ret, struct err *err)
{
	if (!device->source) {
		*ret = (struct stat){ .st_mode = device->mode,
				      .st_rdev = device->number,
				      .st_uid = device->uid,
				      .st_gid = device->gid };
		return 0;
	}
	if (stat(device->source, ret) < 0)
		return err_errno(err, -errno, "--device %s", device->source);
	if (!S_ISCHR(ret->st_mode) && !S_ISBLK(ret->st_mode))
		return err_set(err, -ENODEV, "--device %s: that is no device", device->source);
	return 0;
}

/* "/dev/net/tun" is made as net/tun; its folder, too. */
static int dev_make_below(const struct spec *spec, int folder, const char *path,
			  const struct stat *like)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *parent = mem_strndup(path, slash ? (size_t)(slash - path) : 0);
	_cleanup_close_ int fd = inroot_make_dir(folder, parent, 0755);
	const char *name = slash ? slash + 1 : path;

	if (fd < 0)
		return fd;
	/* a device given under a standard name takes its place */
	if (unlinkat(fd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	return dev_make_node(spec, fd, name, like);
}

static int dev_make_given(const struct spec *spec, int folder, struct err *err)
{
	for (size_t i = 0; i < spec->n_devices; i++) {
		const struct spec_device *device = &spec->devices[i];
		struct stat like;
		char waiting[DEV_WAITING_MAX];
		int r = dev_stat_given(device, &like, err);

		if (r < 0)
			return r;
		dev_waiting_name(i, waiting);
		if (!strncmp(device->path, DEV_PREFIX, strlen(DEV_PREFIX)))
			r = dev_make_below(spec, folder, device->path + strlen(DEV_PREFIX), &like);
		else
			r = dev_make_node(spec, folder, waiting, &like);
		if (r < 0)
			return err_errno(err, r, "cannot make the device %s", device->path);
	}
	return 0;
}

/* What containers have of their own: terminals. */
static int dev_is_own(const struct stat *st)
{
	return S_ISCHR(st->st_mode) &&
	       (st->st_rdev == DEV_TTY || st->st_rdev == DEV_CONSOLE || st->st_rdev == DEV_PTMX ||
		major(st->st_rdev) == DEV_PTS_MAJOR);
}

static int dev_copy_folder(const struct spec *spec, int from, int to, int depth);

static int dev_copy_entry(const struct spec *spec, int from, int to, const char *name, dev_t host,
			  int depth)
{
	_cleanup_close_ int inner_from = -EBADF, inner_to = -EBADF;
	struct stat st;
	int r;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || dev_is_own(&st))
		return 0;
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
		r = dev_make_node(spec, to, name, &st);
		return r == -EEXIST ? 0 : r;
	}
	/* other file systems there (pts, shm) are not the host's devices */
	if (!S_ISDIR(st.st_mode) || st.st_dev != host || depth >= DEV_DEPTH_MAX)
		return 0;
	if (mkdirat(to, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	inner_from = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	inner_to = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (inner_from < 0 || inner_to < 0)
		return -errno;
	return dev_copy_folder(spec, inner_from, inner_to, depth + 1);
}

static int dev_copy_folder(const struct spec *spec, int from, int to, int depth)
{
	_cleanup_close_ int copy = fcntl(from, F_DUPFD_CLOEXEC, 3);
	_cleanup_closedir_ DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	struct stat st;
	int r = 0;

	if (!dir || fstat(from, &st) < 0)
		return -errno;
	(void)take_fd(&copy);
	while (r == 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			r = dev_copy_entry(spec, from, to, entry->d_name, st.st_dev, depth);
	}
	return r;
}

static int dev_make_all(const struct spec *spec, int folder, struct err *err)
{
	_cleanup_close_ int host = open("/dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = host < 0 ? -errno : dev_copy_folder(spec, host, folder, 0);

	return r < 0 ? err_errno(err, r, "cannot copy the host's device nodes") : 0;
}

static int dev_make_nodes(const struct spec *spec, int folder, struct err *err)
{
	mode_t mask = umask(0);
	int r;

	if (spec->no_nodes) {
		r = dev_make_links(folder, err);
		umask(mask);
		return r;
	}
	if (spec->idmap.n_uids)
		caps_set_fs_ids(idmap_uid(&spec->idmap, 0), idmap_gid(&spec->idmap, 0));
	r = dev_make_standard(spec, folder, err);
	if (r == 0 && spec->nesting && mkdirat(folder, DEV_NESTING_NAME, 0700) < 0)
		r = err_errno(err, -errno, "cannot make " DEV_NESTING);
	if (r == 0 && spec->all_devices)
		r = dev_make_all(spec, folder, err);
	if (r == 0)
		r = dev_make_given(spec, folder, err);
	if (spec->idmap.n_uids)
		caps_set_fs_ids(0, 0);
	umask(mask);
	return r;
}

int dev_make(const struct spec *spec, char *const *options, uint64_t attributes, int *ret_fd,
	     struct err *err)
{
	_cleanup_strv_ char **all = strv_dup(options);
	_cleanup_close_ int fd = -EBADF;
	int r;

	/* else it is made inside */
	if (!spec->unprivileged && spec->idmap.n_uids) {
		strv_add_printf(&all, "uid=%u", idmap_uid(&spec->idmap, 0));
		strv_add_printf(&all, "gid=%u", idmap_gid(&spec->idmap, 0));
	}
	r = mnt_new("tmpfs", "tmpfs", all, attributes, &fd, err);
	if (r == 0)
		r = dev_make_nodes(spec, fd, err);
	if (r < 0)
		return r;
	*ret_fd = take_fd(&fd);
	return 0;
}

/* Binds the node, however it is reached by its descriptor, to a file of the image's. */
static int dev_bind(int root, int node, const char *path, struct err *err)
{
	_cleanup_close_ int target = inroot_make_file(root, path, 0666), view = -EBADF;
	int r;

	if (target < 0)
		return err_errno(err, target, "cannot make %s", path);
	r = mnt_clone(node, "", 0, &view, err);
	if (r == 0)
		r = mnt_attach(view, target, err);
	return r < 0 ? err_wrap(err, "%s", path) : 0;
}

void dev_prepare(const struct spec *spec, int root)
{
	_cleanup_close_ int folder = -EBADF;
	struct stat st;

	if (!spec->bare_dev)
		return;
	folder = inroot_make_dir(root, "/dev", 0755);
	if (folder < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(dev_standard); i++)
		(void)mknodat(folder, dev_standard[i].name, S_IFREG | 0644, 0);
	for (size_t i = 0; i < spec->n_devices; i++)
		fd_close(inroot_make_file(root, spec->devices[i].path, 0644));
	/* a node of an image's would lead to the host's terminals */
	if (fstatat(folder, DEV_PTMX_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISLNK(st.st_mode))
		(void)unlinkat(folder, DEV_PTMX_NAME, 0);
	for (size_t i = 0; i < ARRAY_SIZE(dev_links); i++) {
		if (symlinkat(dev_links[i].target, folder, dev_links[i].name) < 0 &&
		    errno != EEXIST)
			return;
	}
}

static int dev_find_store(const struct spec *spec, const int *mounts)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		if (spec->mounts[i].is_store)
			return mounts[i];
	}
	return -EBADF;
}

/* config-linux.md, "Devices": what is there already is the same, or an error. 1: the same. */
static int dev_compare(int root, const char *path, int node, struct err *err)
{
	_cleanup_close_ int fd = inroot_open(root, path, O_PATH);
	struct stat there, wanted;

	if (fd == -ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &there) < 0 || fstat(node, &wanted) < 0)
		return err_errno(err, fd < 0 ? fd : -errno, "cannot look at %s", path);
	/* a place that was made for it earlier */
	if (S_ISREG(there.st_mode) && !there.st_size)
		return 0;
	if ((there.st_mode & S_IFMT) != (wanted.st_mode & S_IFMT) ||
	    there.st_rdev != wanted.st_rdev)
		return err_set(err, -EEXIST,
			       "cannot show a device at %s: there is something else already", path);
	return 1;
}

static int dev_place(int root, int folder, const char *name, const char *path, struct err *err)
{
	_cleanup_close_ int node = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (node < 0)
		return err_errno(err, -errno, "cannot show a device at %s", path);
	return dev_bind(root, node, path, err);
}

/* What the host's /dev shows already, bound there, stays as it is. */
static int dev_place_given(const struct spec *spec, int root, int folder, const char *name,
			   const char *path, struct err *err)
{
	_cleanup_close_ int node = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (node < 0)
		return err_errno(err, -errno, "cannot show a device at %s", path);
	r = dev_compare(root, path, node, err);
	return r < 0 || (r > 0 && !spec->bare_dev) ? r : dev_bind(root, node, path, err);
}

static int dev_place_standard(int root, int store, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(dev_standard); i++) {
		_cleanup_free_ char *path = mem_printf(DEV_PREFIX "%s", dev_standard[i].name);
		int r = dev_place(root, store, dev_standard[i].name, path, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Kernels before 6.15 bind nothing that is attached nowhere. So it lies over the host's /dev, which this process has
 * no more use for, and goes with the host's file systems; but not where others would see it, in a mount namespace of
 * theirs.
 */
static int dev_attach_store(const struct spec *spec, int store, struct err *err)
{
	_cleanup_close_ int at = -EBADF;

	if (!(spec->namespaces & CLONE_NEWNS))
		return 0;
	at = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return err_errno(err, -errno, "/dev");
	return mnt_attach(store, at, err);
}

int dev_place_others(const struct spec *spec, const int *mounts, int root, struct err *err)
{
	int store = dev_find_store(spec, mounts);
	int r = store >= 0 ? dev_attach_store(spec, store, err) : 0;

	if (r == 0 && store >= 0 && spec->bare_dev)
		r = dev_place_standard(root, store, err);
	for (size_t i = 0; i < spec->n_devices && r >= 0; i++) {
		const char *path = spec->devices[i].path;
		int below = !strncmp(path, DEV_PREFIX, strlen(DEV_PREFIX));
		_cleanup_close_ int folder = -EBADF;
		char waiting[DEV_WAITING_MAX];

		if (below && store < 0)
			continue;
		dev_waiting_name(i, waiting);
		folder = store < 0 ? inroot_open(root, "/dev", O_RDONLY | O_DIRECTORY)
				   : fcntl(store, F_DUPFD_CLOEXEC, 3);
		if (folder < 0)
			return err_errno(err, folder, "cannot show a device at %s", path);
		r = dev_place_given(spec, root, folder, below ? path + strlen(DEV_PREFIX) : waiting,
				    path, err);
		if (!below)
			(void)unlinkat(folder, waiting, 0);
	}
	return r < 0 ? r : 0;
}

int dev_add_console(int root, int slave, struct err *err)
{
	return dev_bind(root, slave, "/dev/console", err);
}

int dev_is_null(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == DEV_NULL;
}

int dev_open_null(int root, struct err *err)
{
	_cleanup_close_ int fd = inroot_open(root, "/dev/null", O_PATH);
	struct stat st;

	if (fd < 0)
		return err_errno(err, fd, "cannot open the container's /dev/null");
	if (fstat(fd, &st) < 0 || !dev_is_null(&st))
		return err_set(err, -ENODEV, "the container's /dev/null is not that device");
	return take_fd(&fd);
}

size_t dev_standard_rules(struct cgroup_device rules[DEV_STANDARD_RULES])
{
	static const struct cgroup_device base[] = {
		/* nodes may be made; they cannot be opened */
		{ 'c', -1, -1, "m", 1 },
		{ 'b', -1, -1, "m", 1 },
		{ 'c', 5, 2, "rwm", 1 },
		{ 'c', DEV_PTS_MAJOR, -1, "rwm", 1 },
	};
	size_t n = ARRAY_SIZE(base);

	_Static_assert(ARRAY_SIZE(base) + ARRAY_SIZE(dev_standard) == DEV_STANDARD_RULES,
		       "DEV_STANDARD_RULES");
	memcpy(rules, base, sizeof(base));
	for (size_t i = 0; i < ARRAY_SIZE(dev_standard); i++)
		rules[n++] = (struct cgroup_device){ 'c', dev_standard[i].major,
						     dev_standard[i].minor, "rwm", 1 };
	return n;
}

int dev_rules(const struct spec *spec, struct cgroup_device rules[DEV_RULES_MAX], size_t *ret_n,
	      struct err *err)
{
	size_t n = 1;

	rules[0] = (struct cgroup_device){ 'a', -1, -1, "rwm", 0 };
	n += dev_standard_rules(rules + n);
	if (n + spec->n_devices > DEV_RULES_MAX)
		return err_set(err, -E2BIG, "more than %zu devices", DEV_RULES_MAX - n);
	for (size_t i = 0; i < spec->n_devices; i++) {
		struct cgroup_device rule = { .allow = 1 };
		struct stat st;
		int r = dev_stat_given(&spec->devices[i], &st, err);

		if (r < 0)
			return r;
		rule.type = S_ISBLK(st.st_mode) ? 'b' : 'c';
		rule.major = major(st.st_rdev);
		rule.minor = minor(st.st_rdev);
		memcpy(rule.access, spec->devices[i].access, sizeof(rule.access));
		rules[n++] = rule;
	}
	*ret_n = n;
	return 0;
}
