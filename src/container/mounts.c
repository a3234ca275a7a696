// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/mounts.h"
#include "base/fds.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/copy_up.h"
#include "container/dev.h"
#include "container/mount_options.h"
#include "sys/inroot.h"
#include "sys/mnt.h"
#include "sys/procfs.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define MOUNTS_PROC_ROOT 1 /* PROC_ROOT_INO, include/linux/proc_ns.h */

int mounts_find(const struct spec *spec, const char *destination)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		if (!strcmp(spec->mounts[i].destination, destination))
			return (int)i;
	}
	return -1;
}

/* What the options ask of a mount that is there. */
static int mounts_apply(int fd, const struct mount_options *options)
{
	int r = 0;

	if (options->set || options->clear)
		r = mnt_set_attributes(fd, options->set, options->clear, 0);
	if (r == 0 && (options->set_all || options->clear_all))
		r = mnt_set_attributes(fd, options->set_all, options->clear_all, 1);
	if (r == 0 && options->propagation_all)
		r = mnt_set_propagation(fd, options->propagation_all, 1);
	if (r == 0 && options->propagation)
		r = mnt_set_propagation(fd, options->propagation, 0);
	return r;
}

/* Most are one mount that nobody shares: for these all is said in one call. */
static int mounts_clone(const struct spec_mount *mount, const struct mount_options *options,
			int *ret_fd, struct err *err)
{
	int peers = options->propagation || options->propagation_all;
	_cleanup_close_ int fd = -EBADF;
	int r;

	/* mounts_finish_within() does the rest */
	if (mount->within)
		return mnt_clone_peer(AT_FDCWD, mount->source, 0, ret_fd, err);
	if (!peers && !options->recursive && !options->set_all && !options->clear_all)
		return mnt_clone_with(AT_FDCWD, mount->source, 0, options->set, options->clear,
				      ret_fd, err);
	r = (peers ? mnt_clone_peer : mnt_clone)(AT_FDCWD, mount->source, options->recursive, &fd,
						 err);
	if (r < 0)
		return r;
	r = mounts_apply(fd, options);
	if (r < 0)
		return err_errno(err, r, "cannot bind %s", mount->source);
	*ret_fd = take_fd(&fd);
	return 0;
}

/* Ids of its own, or the container's. */
static int mounts_shift_ids(const struct spec *spec, const struct spec_mount *mount, int fd,
			    int recursive, struct err *err)
{
	const struct idmap *ids = mount->ids.n_uids ? &mount->ids : &spec->idmap;
	_cleanup_close_ int userns = -EBADF;
	int r;

	if (!ids->n_uids)
		return err_set(err, -EINVAL,
			       "mount %s: 'idmap' wants a user namespace or mappings of its own",
			       mount->destination);
	userns = idmap_make_userns(ids, err);
	if (userns < 0)
		return userns;
	r = mnt_set_idmap(fd, userns, recursive);
	return r < 0 ? err_errno(err, r, "mount %s: the ids of %s cannot be shifted",
				 mount->destination, mount->source)
		     : 0;
}

/* Nothing that is mounted later passes between the host and the container unless the options say so. */
static int mounts_open_bind(const struct spec *spec, const struct spec_mount *mount,
			    const struct mount_options *options, int *ret_fd, struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	struct err failure = ERR_INIT;
	int r;

	r = mounts_clone(mount, options, &fd, &failure);
	if (r == -ENOENT && mount->if_source)
		return 0;
	if (r < 0) {
		*err = failure;
		return r;
	}
	if (options->idmap || mount->ids.n_uids)
		r = mounts_shift_ids(spec, mount, fd, options->idmap == 2, err);
	if (r < 0)
		return r;
	*ret_fd = take_fd(&fd);
	return 0;
}

int mounts_is_bind(const struct spec_mount *mount)
{
	return !strcmp(mount->type, "bind") || strv_has(mount->options, "bind") ||
	       strv_has(mount->options, "rbind");
}

static int mounts_is_dev(const struct spec_mount *mount)
{
	return !strcmp(mount->destination, "/dev") && !strcmp(mount->type, "tmpfs");
}

/* Other mounts have their places in a tmpfs, which are made in it. */
static uint64_t mounts_early(const struct spec_mount *mount, uint64_t attributes)
{
	return strcmp(mount->type, "tmpfs") ? attributes
					    : attributes & ~(uint64_t)MOUNT_ATTR_RDONLY;
}

int mounts_finish(const struct spec *spec, const int *fds, struct err *err)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const struct spec_mount *mount = &spec->mounts[i];
		_cleanup_mount_options_ struct mount_options options = { 0 };
		int r = 0;

		if (strcmp(mount->type, "tmpfs"))
			continue;
		mount_options_parse(mount->options, &options);
		if ((options.set | options.set_all) & MOUNT_ATTR_RDONLY)
			r = mnt_set_attributes(fds[i], MOUNT_ATTR_RDONLY, 0, 0);
		if (r == 0 && options.propagation)
			r = mnt_set_propagation(fds[i], options.propagation, 0);
		if (r < 0)
			return err_errno(err, r, "mount %s", mount->destination);
	}
	return 0;
}

int mounts_make_outside(const struct spec *spec, int *fds, struct err *err)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const struct spec_mount *mount = &spec->mounts[i];
		_cleanup_mount_options_ struct mount_options options = { 0 };
		int r = 0;

		mount_options_parse(mount->options, &options);
		if (mounts_is_bind(mount))
			r = mounts_open_bind(spec, mount, &options, &fds[i], err);
		else if (mounts_is_dev(mount))
			r = dev_make(spec, options.data, mounts_early(mount, options.set), &fds[i],
				     err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A host without version 2 has but the hierarchy that an init system keeps its services in. */
static int mounts_make_cgroup(uint64_t attributes, int has_cgroup2, struct fds *done, int *ret_fd,
			      struct err *err)
{
	static char *const named[] = { (char *)(uintptr_t) "none",
				       (char *)(uintptr_t) "name=systemd", NULL };
	struct err ignored = ERR_INIT;

	if (has_cgroup2)
		return mnt_new_later("cgroup2", "cgroup2", NULL, attributes, done, ret_fd, err);
	if (mnt_new_later("cgroup", "cgroup", named, attributes, done, ret_fd, &ignored) == 0)
		return 0;
	return mnt_new_later("tmpfs", "cgroup", NULL, attributes | MOUNT_ATTR_RDONLY, done, ret_fd,
			     err);
}

static int mounts_make_one(const struct spec_mount *mount, int has_cgroup2, struct fds *done,
			   int *ret_fd, struct err *err)
{
	_cleanup_mount_options_ struct mount_options options = { 0 };
	const char *source = mount->source ? mount->source : mount->type;
	uint64_t attributes;
	int r;

	mount_options_parse(mount->options, &options);
	attributes = mounts_early(mount, options.set | options.set_all);
	if (!strcmp(mount->type, "cgroup"))
		r = mounts_make_cgroup(attributes, has_cgroup2, done, ret_fd, err);
	else
		r = mnt_new_later(mount->type, source, options.data, attributes, done, ret_fd, err);
	return r < 0 ? err_wrap(err, "mount %s", mount->destination) : 0;
}

int mounts_make_sysfs(const struct spec *spec, int *fds, struct err *err)
{
	_cleanup_fds_ struct fds done = FDS_INIT;
	int r = 0;

	for (size_t i = 0; i < spec->n_mounts && r == 0; i++) {
		if (fds[i] < 0 && !strcmp(spec->mounts[i].type, "sysfs"))
			r = mounts_make_one(&spec->mounts[i], 0, &done, &fds[i], err);
	}
	return r;
}

int mounts_make_inside(const struct spec *spec, int has_cgroup2, int *fds, struct fds *done,
		       struct err *err)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		int r = 0;

		if (fds[i] < 0 && !spec->mounts[i].if_source)
			r = mounts_make_one(&spec->mounts[i], has_cgroup2, done, &fds[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A tmpfs begins with the mode of what it covers, unless one is given; with "tmpcopyup", with all of it. */
static int mounts_liken(const struct spec_mount *mount, int fd, int target)
{
	_cleanup_mount_options_ struct mount_options options = { 0 };
	_cleanup_close_ int from = -EBADF;
	struct stat st;

	mount_options_parse(mount->options, &options);
	if (options.copy_up) {
		from = openat(target, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return from < 0 ? -errno : copy_up(from, fd);
	}
	strv_for_each(option, options.data) {
		if (!strncmp(*option, "mode=", 5))
			return 0;
	}
	if (fstat(target, &st) < 0 || fchmodat(fd, ".", st.st_mode & 07777, 0) < 0)
		return -errno;
	return 0;
}

static int mounts_fill(int fd, int target)
{
	_cleanup_close_ int from = openat(target, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int to = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return from < 0 || to < 0 ? -errno : copy_up_fill(from, to);
}

static int mounts_is_same(int fd, int root, const char *path)
{
	_cleanup_close_ int other = inroot_open(root, path, O_PATH);
	struct stat a, b;

	return other >= 0 && fstat(fd, &a) == 0 && fstat(other, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/*
 * What lies over a part of /proc could pass for the kernel's word, to programs that run with privileges, or catch
 * what is written there (CVE-2019-19921, CVE-2025-52881). These say no more than how much there is of something.
 */
static int mounts_check_proc(const struct spec_mount *mount, int fd, int target, int root,
			     struct err *err)
{
	static const char *const harmless[] = {
		"/proc/cpuinfo",
		"/proc/diskstats",
		"/proc/meminfo",
		"/proc/stat",
		"/proc/swaps",
		"/proc/uptime",
		"/proc/loadavg",
		"/proc/slabinfo",
		"/proc/net/dev",
		"/proc/sys/kernel/ns_last_pid",
		"/proc/sys/crypto/fips_enabled",
	};
	struct statfs at, own;
	struct stat st;

	if (fstatfs(target, &at) < 0)
		return err_errno(err, -errno, "mount %s", mount->destination);
	if (at.f_type != PROC_SUPER_MAGIC)
		return 0;
	if (fstatfs(fd, &own) < 0 || fstat(target, &st) < 0)
		return err_errno(err, -errno, "mount %s", mount->destination);
	if (st.st_ino == MOUNTS_PROC_ROOT && own.f_type == PROC_SUPER_MAGIC)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++) {
		if (mounts_is_same(target, root, harmless[i]))
			return 0;
	}
	return err_set(err, -EPERM,
		       "mount %s: nothing may lie over /proc but files such as /proc/meminfo",
		       mount->destination);
}

/* What the link at path says, or NULL if there is none. */
static char *mounts_read_link(int root, const char *path)
{
	_cleanup_close_ int fd = inroot_open(root, path, O_PATH | O_NOFOLLOW);
	char text[PATH_MAX];
	ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", text, sizeof(text));

	return n > 0 && n < (ssize_t)sizeof(text) ? mem_strndup(text, (size_t)n) : NULL;
}

static int mounts_is_link(int root, const char *path)
{
	_cleanup_free_ char *link = mounts_read_link(root, path);

	return link != NULL;
}

/* A link may lead to what a service would make that does not run here (/etc/resolv.conf): the file is made there. */
static int mounts_make_file(int root, const char *path)
{
	int fd = inroot_make_file(root, path, 0644);
	_cleanup_free_ char *link = fd == -ENOENT ? mounts_read_link(root, path) : NULL;
	_cleanup_free_ char *target = NULL;
	const char *slash;

	if (!link)
		return fd;
	slash = *link == '/' ? NULL : strrchr(path, '/');
	target = slash ? mem_printf("%.*s/%s", (int)(slash - path), path, link) : mem_strdup(link);
	return inroot_make_file(root, target, 0644);
}

/* Whether the mount is a folder's, which only a bind may not be. */
static int mounts_is_folder(const struct spec_mount *mount, int fd)
{
	struct stat st;

	return !mounts_is_bind(mount) || (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode));
}

static int mounts_attach_one(const struct spec_mount *mount, int fd, int root, struct fds *done,
			     struct err *err)
{
	int is_folder = mounts_is_folder(mount, fd), target, r;

	if (mount->unless_link && mounts_is_link(root, mount->destination))
		return 0;
	if (mount->if_exists)
		target = inroot_open(root, mount->destination, O_PATH);
	else if (is_folder)
		target = inroot_make_dir(root, mount->destination, 0755);
	else
		target = mounts_make_file(root, mount->destination);
	fds_add(done, target);
	if (target == -ENOENT && mount->if_exists)
		return 0;
	if (target < 0)
		return err_errno(err, target, "cannot make %s in the image's file system",
				 mount->destination);
	r = mounts_check_proc(mount, fd, target, root, err);
	if (r < 0)
		return r;
	r = strcmp(mount->type, "tmpfs") ? 0 : mounts_liken(mount, fd, target);
	if (mount->fill && is_folder)
		r = mounts_fill(fd, target);
	if (r < 0)
		return err_errno(err, r, "mount %s: cannot copy what was there",
				 mount->destination);
	r = mnt_attach(fd, target, err);
	return r < 0 ? err_wrap(err, "mount %s", mount->destination) : 0;
}

/* The part of the mount's destination below `above`, if that is one name; or NULL. */
static const char *mounts_name_below(const struct spec_mount *mount, const char *above)
{
	size_t len = strlen(above);
	const char *at = mount->destination;

	if (strncmp(at, above, len) != 0 || at[len] != '/' || !at[len + 1])
		return NULL;
	at += len + 1;
	return strchr(at, '/') || !strcmp(at, ".") || !strcmp(at, "..") ? NULL : at;
}

static int mounts_has_mode(const struct spec_mount *mount)
{
	strv_for_each(option, mount->options) {
		if (!strncmp(*option, "mode=", 5))
			return 1;
	}
	return 0;
}

/* A file system that needs to know nothing of what it covers. */
static int mounts_is_plain(const struct spec_mount *mount)
{
	if (mounts_is_bind(mount) || mount->if_exists || mount->unless_link || mount->fill)
		return 0;
	return strcmp(mount->type, "tmpfs") != 0 ||
	       (mounts_has_mode(mount) && !strv_has(mount->options, "tmpcopyup"));
}

/*
 * In a tmpfs of ours there is no symlink in the way, and nothing to look at before. 1: attached; 0: something has the
 * name already.
 */
static int mounts_attach_within(const struct spec_mount *mount, const char *name, int fd, int top,
				struct err *err)
{
	int r;

	if (mkdirat(top, name, 0755) < 0)
		return errno == EEXIST
			       ? 0
			       : err_errno(err, -errno, "cannot make %s", mount->destination);
	r = mnt_attach_at(fd, top, name, err);
	return r < 0 ? err_wrap(err, "mount %s", mount->destination) : 1;
}

/* top: the mount before this one, or the one that it was attached within, if that is a fresh tmpfs; or NULL. */
static int mounts_try_within(const struct spec *spec, size_t i, const int *fds, size_t top,
			     struct err *err)
{
	const struct spec_mount *mount = &spec->mounts[i];
	const char *name = NULL;

	if (mount->within)
		name = strrchr(mount->destination, '/') + 1;
	else if (top && mounts_is_plain(mount))
		name = mounts_name_below(mount, spec->mounts[top - 1].destination);
	if (!name)
		return 0;
	return mounts_attach_within(mount, name, fds[i],
				    fds[mount->within ? mount->within - 1 : top - 1], err);
}

/* The binds in a tmpfs have its options: all get them in one call, after which it still has to be writable. */
static int mounts_finish_within(const struct spec *spec, size_t top, const int *fds,
				struct err *err)
{
	const struct spec_mount *mount = &spec->mounts[top];
	_cleanup_mount_options_ struct mount_options options = { 0 };
	uint64_t set;
	int r;

	mount_options_parse(mount->options, &options);
	set = options.set | options.set_all;
	r = mnt_set_all(fds[top], set, options.clear | options.clear_all, MS_PRIVATE);
	if (r == 0 && (set & MOUNT_ATTR_RDONLY))
		r = mnt_set_attributes(fds[top], 0, MOUNT_ATTR_RDONLY, 0);
	return r < 0 ? err_errno(err, r, "mount %s", mount->destination) : 0;
}

/* Whether this is the last of those that the specification puts in a tmpfs. */
static int mounts_ends_within(const struct spec *spec, size_t i)
{
	size_t within = spec->mounts[i].within;

	return within && (i + 1 == spec->n_mounts || spec->mounts[i + 1].within != within);
}

int mounts_attach(const struct spec *spec, const int *fds, int root, struct err *err)
{
	_cleanup_fds_ struct fds done = FDS_INIT;
	size_t top =
		0; /* 1 + a fresh tmpfs, as long as what came since has its place right in it */

	for (size_t i = 0; i < spec->n_mounts; i++) {
		const struct spec_mount *mount = &spec->mounts[i];
		int skip = fds[i] < 0 || mount->is_store;
		int r = skip ? 1 : mounts_try_within(spec, i, fds, top, err);

		if (r == 0) {
			r = mounts_attach_one(mount, fds[i], root, &done, err);
			top = !strcmp(mount->type, "tmpfs") && mounts_is_plain(mount) ? i + 1 : 0;
		}
		if (r >= 0 && mounts_ends_within(spec, i))
			r = mounts_finish_within(spec, mount->within - 1, fds, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* An empty folder for all of them: the first is a file system, the others are views of it. */
static int mounts_new_empty(int *ret_fd, struct err *err)
{
	static char *const options[] = { (char *)(uintptr_t) "mode=555",
					 (char *)(uintptr_t) "nr_blocks=1", NULL };

	return mnt_new("tmpfs", "tmpfs", options,
		       MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		       ret_fd, err);
}

/* The container's own null device, that nobody shares. */
static int mounts_new_null(int root, int *ret_fd, struct err *err)
{
	_cleanup_close_ int null = dev_open_null(root, err);

	return null < 0 ? null : mnt_clone(null, "", 0, ret_fd, err);
}

/* What masking goes by. */
struct mounts_mask {
	int root;
	int proc; /* the container's /proc, if that is a procfs: its names are the kernel's alone */
	int empty, null; /* the first mount of each kind; the others are views of it */
	struct fds done; /* places, and views of which there is no view */
};

/* A file to cover: a name in the folder `at`, or that descriptor itself (""). */
struct mounts_place {
	int at;
	const char *name;
	struct stat st;
};

static void mounts_mask_open_proc(struct mounts_mask *mask)
{
	mask->proc = inroot_open(mask->root, "/proc", O_PATH | O_DIRECTORY);
	if (mask->proc >= 0 && procfs_verify(mask->proc) < 0)
		mask->proc = fd_close(mask->proc);
}

/* -ENOENT: it is not there. */
static int mounts_find_place(struct mounts_mask *mask, const char *path, struct mounts_place *ret)
{
	const char *name = strncmp(path, "/proc/", 6) ? "" : path + 6;
	int r;

	if (mask->proc >= 0 && *name && !strchr(name, '/')) {
		*ret = (struct mounts_place){ .at = mask->proc, .name = name };
		if (fstatat(ret->at, name, &ret->st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		if (!S_ISLNK(ret->st.st_mode))
			return 0;
	}
	r = fds_add(&mask->done, inroot_open(mask->root, path, O_PATH));
	if (r < 0)
		return r == -ENOTDIR ? -ENOENT : r;
	*ret = (struct mounts_place){ .at = r, .name = "" };
	return fstat(r, &ret->st) < 0 ? -errno : 0;
}

static int mounts_attach_place(const struct mounts_place *place, int view, struct err *err)
{
	return *place->name ? mnt_attach_at(view, place->at, place->name, err)
			    : mnt_attach(view, place->at, err);
}

static int mounts_mask_one(struct mounts_mask *mask, const char *path, struct err *err)
{
	struct mounts_place place;
	int r = mounts_find_place(mask, path, &place), view = -EBADF, *first;

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_errno(err, r, "cannot mask %s", path);
	first = S_ISDIR(place.st.st_mode) ? &mask->empty : &mask->null;
	if (*first >= 0)
		r = mnt_clone_peer(*first, "", 0, &view, err);
	else if (first == &mask->empty)
		r = mounts_new_empty(&view, err);
	else
		r = mounts_new_null(mask->root, &view, err);
	if (r == 0)
		r = mounts_attach_place(&place, view, err);
	if (*first < 0)
		*first = view;
	else
		fds_add(&mask->done, view);
	return r < 0 ? err_wrap(err, "cannot mask %s", path) : 0;
}

static int mounts_make_readonly(struct mounts_mask *mask, const char *path, struct err *err)
{
	struct mounts_place place;
	int r = mounts_find_place(mask, path, &place), view = -EBADF;

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_errno(err, r, "cannot protect %s", path);
	r = mnt_clone_with(place.at, place.name, 1, MOUNT_ATTR_RDONLY, 0, &view, err);
	if (r == 0)
		r = mounts_attach_place(&place, view, err);
	fds_add(&mask->done, view);
	return r < 0 ? err_wrap(err, "cannot make %s read-only", path) : 0;
}

int mounts_mask(const struct spec *spec, int root, struct err *err)
{
	struct mounts_mask mask = {
		.root = root, .empty = -EBADF, .null = -EBADF, .done = FDS_INIT
	};
	int r = 0;

	if (!spec->masked_paths && !spec->readonly_paths)
		return 0;
	mounts_mask_open_proc(&mask);
	strv_for_each(path, spec->masked_paths) {
		if (r == 0)
			r = mounts_mask_one(&mask, *path, err);
	}
	strv_for_each(path, spec->readonly_paths) {
		if (r == 0)
			r = mounts_make_readonly(&mask, *path, err);
	}
	fds_add(&mask.done, mask.proc);
	fds_add(&mask.done, mask.empty);
	fds_add(&mask.done, mask.null);
	fds_release(&mask.done);
	return r;
}
