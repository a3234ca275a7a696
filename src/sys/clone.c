// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: each entry is opened below its folder by its own name, by openat2(2), which refuses symlinks and mounts;
 * made below the clone's folder; and given its attributes by descriptor.
 *
 *  1. The owner comes before the mode, which loses bits with it, and before the attributes, since a change of the
 *     owner takes security.capability away. Times are last.
 *  2. A folder's attributes come after all that is in it: its default access list must not be inherited, and its times
 *     must not be touched any more.
 *  3. The first name of a file that has several is linked into a folder CLONE_LINKS beside the clone, by its inode's
 *     number; the others are links to that. So no list of them is held, however many a hostile tree has.
 */
#include "sys/clone.h"
#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define CLONE_LINKS ".links"
/* The kernel's own bounds, of linux/limits.h. */
#define CLONE_XATTR_NAMES_MAX 65536
#define CLONE_XATTR_VALUE_MAX 65536
/* What the caller may have open besides. */
#define CLONE_FILES_MORE 256

struct clone {
	int to;		    /* the top folder's parent */
	int links;	    /* CLONE_LINKS in it, once there is one */
	int shares_nothing; /* the file system has no FICLONE */
	char *names, *value, *other;
	struct err *err;
};

/* One entry: where it is and where it goes. */
struct clone_entry {
	int from, to;
	const char *name, *new_name;
	struct stat st;
};

static int clone_failed(struct clone *clone, int r, const char *name)
{
	return err_is_set(clone->err) ? clone->err->code
				      : err_errno(clone->err, r, "cannot copy '%.200s'", name);
}

static int clone_open(int dirfd, const char *name, int flags)
{
	const struct open_how how = {
		.flags = (uint64_t)(unsigned int)(flags | O_NOFOLLOW | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS,
	};
	long fd = syscall(SYS_openat2, dirfd, name, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* 1: it shares nothing with the other. */
static int clone_share(int in, int out)
{
	if (ioctl(out, FICLONE, in) == 0)
		return 0;
	return errno == ENOSPC || errno == EDQUOT || errno == EIO ? -errno : 1;
}

int clone_file(int in, int out)
{
	int r = clone_share(in, out);

	return r > 0 ? file_copy_sparse(in, out) : r;
}

static int clone_content(struct clone *clone, int in, int out, const struct stat *st)
{
	int r = 1;

	if (!st->st_size)
		return 0;
	if (!clone->shares_nothing)
		r = clone_share(in, out);
	if (r <= 0)
		return r;
	/* of this file it may have been, but asking again for each costs little beside the copy */
	clone->shares_nothing = errno == EOPNOTSUPP || errno == ENOTTY;
	return file_copy_sparse(in, out);
}

/* True if there is such a value already: a label that the system gives by itself. */
static int clone_has_xattr(struct clone *clone, const char *path, const char *name, size_t len)
{
	ssize_t n = getxattr(path, name, clone->other, CLONE_XATTR_VALUE_MAX);

	return n >= 0 && (size_t)n == len && !memcmp(clone->other, clone->value, len);
}

/* By way of /proc, since a symlink's or device's O_PATH descriptor takes no fsetxattr(2). */
static int clone_xattrs(struct clone *clone, int in, int out)
{
	char from[32], to[32];
	ssize_t len, n;

	snprintf(from, sizeof(from), "/proc/self/fd/%d", in);
	snprintf(to, sizeof(to), "/proc/self/fd/%d", out);
	len = listxattr(from, clone->names, CLONE_XATTR_NAMES_MAX);
	if (len < 0)
		return errno == EOPNOTSUPP ? 0 : -errno;
	for (const char *name = clone->names; name < clone->names + len; name += strlen(name) + 1) {
		n = getxattr(from, name, clone->value, CLONE_XATTR_VALUE_MAX);
		if (n < 0 && errno == ENODATA)
			continue;
		if (n < 0)
			return -errno;
		if (setxattr(to, name, clone->value, (size_t)n, 0) < 0) {
			int r = -errno;

			if (!clone_has_xattr(clone, to, name, (size_t)n))
				return r;
		}
	}
	return 0;
}

/* Of a file or folder that is open. */
static int clone_attributes(struct clone *clone, int in, int out, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	int r;

	if (fchown(out, st->st_uid, st->st_gid) < 0 || fchmod(out, st->st_mode & 07777) < 0)
		return -errno;
	r = clone_xattrs(clone, in, out);
	return r == 0 && futimens(out, times) < 0 ? -errno : r;
}

/* Of what cannot be opened: symlinks, devices, fifos, sockets. */
static int clone_attributes_at(struct clone *clone, const struct clone_entry *entry)
{
	const struct timespec times[2] = { entry->st.st_atim, entry->st.st_mtim };
	_cleanup_close_ int in = clone_open(entry->from, entry->name, O_PATH);
	_cleanup_close_ int out = clone_open(entry->to, entry->new_name, O_PATH);
	int r;

	if (in < 0 || out < 0)
		return in < 0 ? in : out;
	if (fchownat(entry->to, entry->new_name, entry->st.st_uid, entry->st.st_gid,
		     AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISLNK(entry->st.st_mode) &&
	    fchmodat(entry->to, entry->new_name, entry->st.st_mode & 07777, 0) < 0)
		return -errno;
	r = clone_xattrs(clone, in, out);
	return r == 0 && utimensat(entry->to, entry->new_name, times, AT_SYMLINK_NOFOLLOW) < 0
		       ? -errno
		       : r;
}

static int clone_regular(struct clone *clone, const struct clone_entry *entry)
{
	/* O_NONBLOCK for what is no file any more */
	_cleanup_close_ int in =
		clone_open(entry->from, entry->name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	_cleanup_close_ int out = -EBADF;
	struct stat st;
	int r;

	if (in < 0)
		return in;
	if (fstat(in, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ESTALE;
	out = openat(entry->to, entry->new_name,
		     O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return -errno;
	r = clone_content(clone, in, out, &st);
	return r < 0 ? r : clone_attributes(clone, in, out, &st);
}

static int clone_symlink(struct clone *clone, const struct clone_entry *entry)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(entry->from, entry->name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlinkat(target, entry->to, entry->new_name) < 0
		       ? -errno
		       : clone_attributes_at(clone, entry);
}

static int clone_node(struct clone *clone, const struct clone_entry *entry)
{
	return mknodat(entry->to, entry->new_name, (entry->st.st_mode & S_IFMT) | 0600,
		       entry->st.st_rdev) < 0
		       ? -errno
		       : clone_attributes_at(clone, entry);
}

static int clone_one(struct clone *clone, const struct clone_entry *given, int depth);

static int clone_children(struct clone *clone, DIR *dir, int out, int depth)
{
	struct dirent *child;
	int r = 0;

	while (r == 0 && (errno = 0, child = readdir(dir))) {
		const char *name = child->d_name;
		const struct clone_entry entry = {
			.from = dirfd(dir), .to = out, .name = name, .new_name = name
		};

		if (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2])))
			continue;
		r = clone_one(clone, &entry, depth + 1);
		if (r < 0)
			r = clone_failed(clone, r, name);
	}
	return r == 0 && errno ? -errno : r;
}

static int clone_folder(struct clone *clone, const struct clone_entry *entry, int depth)
{
	_cleanup_close_ int in = clone_open(entry->from, entry->name, O_RDONLY | O_DIRECTORY);
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_close_ int out = -EBADF;
	int r;

	if (depth > CLONE_DEPTH_MAX)
		return err_set(clone->err, -ELOOP, "folders lie more than %d deep in one another",
			       CLONE_DEPTH_MAX);
	if (in < 0)
		return in;
	if (mkdirat(entry->to, entry->new_name, 0700) < 0)
		return -errno;
	out = clone_open(entry->to, entry->new_name, O_RDONLY | O_DIRECTORY);
	if (out < 0)
		return out;
	dir = fdopendir(in);
	if (!dir)
		return -errno;
	(void)take_fd(&in);
	r = clone_children(clone, dir, out, depth);
	return r < 0 ? r : clone_attributes(clone, dirfd(dir), out, &entry->st);
}

static int clone_make(struct clone *clone, const struct clone_entry *entry, int depth)
{
	switch (entry->st.st_mode & S_IFMT) {
	case S_IFDIR:
		return clone_folder(clone, entry, depth);
	case S_IFREG:
		return clone_regular(clone, entry);
	case S_IFLNK:
		return clone_symlink(clone, entry);
	default:
		return clone_node(clone, entry);
	}
}

static int clone_open_links(struct clone *clone)
{
	if (clone->links >= 0)
		return 0;
	if (mkdirat(clone->to, CLONE_LINKS, 0700) < 0)
		return -errno;
	clone->links = clone_open(clone->to, CLONE_LINKS, O_RDONLY | O_DIRECTORY);
	return clone->links < 0 ? clone->links : 0;
}

/* What is full of names already gets the one that we hold it by. */
static int clone_link_again(struct clone *clone, const struct clone_entry *entry, const char *id)
{
	if (linkat(clone->links, id, entry->to, entry->new_name, 0) == 0)
		return 0;
	if (errno == EMLINK && renameat(clone->links, id, entry->to, entry->new_name) == 0)
		return 0;
	return -errno;
}

/* A file with several names, of which some may lie outside. */
static int clone_linked(struct clone *clone, const struct clone_entry *entry)
{
	char id[32];
	int r = clone_open_links(clone);

	if (r < 0)
		return r;
	snprintf(id, sizeof(id), "%ju", (uintmax_t)entry->st.st_ino);
	r = clone_link_again(clone, entry, id);
	if (r != -ENOENT)
		return r;
	r = clone_make(clone, entry, 0);
	if (r == 0 && linkat(entry->to, entry->new_name, clone->links, id, 0) < 0)
		r = -errno;
	return r;
}

static int clone_one(struct clone *clone, const struct clone_entry *given, int depth)
{
	struct clone_entry entry = *given;

	if (fstatat(entry.from, entry.name, &entry.st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISDIR(entry.st.st_mode) && entry.st.st_nlink > 1)
		return clone_linked(clone, &entry);
	return clone_make(clone, &entry, depth);
}

/* Folders below one another are open at once. */
static void clone_raise_files(struct rlimit *ret_before)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, ret_before) < 0)
		return;
	limit = *ret_before;
	if (limit.rlim_cur < 2 * CLONE_DEPTH_MAX + CLONE_FILES_MORE)
		limit.rlim_cur = 2 * CLONE_DEPTH_MAX + CLONE_FILES_MORE;
	if (limit.rlim_cur > limit.rlim_max)
		limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

int clone_tree(int from, const char *name, int to, const char *new_name, struct err *err)
{
	const struct clone_entry top = {
		.from = from, .to = to, .name = name, .new_name = new_name
	};
	struct clone clone = { .to = to, .links = -EBADF, .err = err };
	struct rlimit files = { 0 };
	int r;

	clone_raise_files(&files);
	clone.names = mem_zalloc(CLONE_XATTR_NAMES_MAX + 1);
	clone.value = mem_zalloc(CLONE_XATTR_VALUE_MAX);
	clone.other = mem_zalloc(CLONE_XATTR_VALUE_MAX);
	r = clone_one(&clone, &top, 0);
	if (r < 0)
		r = clone_failed(&clone, r, name);
	if (clone.links >= 0)
		(void)file_remove_tree(to, CLONE_LINKS);
	fd_close(clone.links);
	free(clone.names);
	free(clone.value);
	free(clone.other);
	if (files.rlim_max)
		(void)setrlimit(RLIMIT_NOFILE, &files);
	return r;
}
