// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/unpack.h"
#include "base/file.h"
#include "base/mem.h"
#include "image/reroot.h"
#include "image/tar_reader.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

/*
 * Invariants:
 *   1. A path is taken apart here, without "..": no name of the archive reaches the kernel whole.
 *   2. Its parent is opened below the folder by openat2(RESOLVE_BENEATH): links of the archive
 * itself may lead to other places in the folder, but never out of it. An absolute link leads out.
 *   3. In the parent, the last component is only ever used in calls that do not follow links.
 *   4. Everything that takes space is charged against the bounds before it is made.
 */

#define UNPACK_WHITEOUT	       ".wh."
#define UNPACK_WHITEOUT_META   ".wh..wh." /* notes of old union file systems */
#define UNPACK_WHITEOUT_OPAQUE ".wh..wh..opq"
#define UNPACK_OPAQUE_XATTR    "trusted.overlay.opaque"
#define UNPACK_USER_XATTRS     "user.overlay." /* overlayfs(5): with userxattr */
#define UNPACK_BLOCK	       4096	       /* the least that a file takes */
#define UNPACK_PROGRESS_STEP   ((int64_t)2 << 20)

const uint64_t unpack_capabilities = 1ULL << CAP_CHOWN | 1ULL << CAP_DAC_OVERRIDE |
				     1ULL << CAP_FOWNER | 1ULL << CAP_FSETID | 1ULL << CAP_MKNOD |
				     1ULL << CAP_SETFCAP | 1ULL << CAP_SYS_ADMIN; /* trusted.* */

const char *const unpack_syscalls[] = {
	/* files */
	"openat",
	"openat2",
	"close",
	"read",
	"pread64",
	"write",
	"pwrite64",
	"lseek",
	"ftruncate",
	"fstat",
	"newfstatat",
	"statx",
	"fstatfs",
	"fcntl",
	"getdents64",
	"mkdirat",
	"mknodat",
	"symlinkat",
	"linkat",
	"unlinkat",
	"readlinkat",
	"fchown",
	"fchownat",
	"fchmod",
	"fchmodat",
	"utimensat",
	"fsetxattr",
	/* the C library's own */
	"brk",
	"mmap",
	"munmap",
	"mremap",
	"mprotect",
	"madvise",
	"futex",
	"getrandom",
	"rt_sigprocmask",
	"rt_sigaction",
	"rt_sigreturn",
	"sigaltstack",
	"gettid",
	"getpid",
	"tgkill",
	"clock_gettime",
	"sched_yield",
	"exit",
	"exit_group",
	NULL,
};

/* A path of the archive: its components joined by single slashes, and where the last one begins. */
struct unpack_path {
	char text[UNPACK_PATH_MAX + 1];
	const char *base;  /* the last component; "" for the folder itself */
	size_t parent_len; /* of what is before it, without the slash */
};

struct unpack_folder {
	char *path;
	struct timespec mtime;
};

struct unpack {
	const struct unpack_options *options;
	struct unpack_result *result;
	struct tar_stream *stream;
	struct tar_reader *reader;
	int root;
	int64_t apparent, names, next_progress;
	/* The parent of the last entry, since most entries have the same as the one before. */
	char parent[UNPACK_PATH_MAX + 1];
	int parent_fd, parent_stale;
	struct unpack_folder *folders; /* to have their times set at the end */
	size_t n_folders, folders_size;
};

static int unpack_fail(struct err *err, int code, const char *what, const char *path)
{
	if (code == -EXDEV)
		return err_set(err, code, "%s %.200s: a link on the way leads out of the image",
			       what, path);
	return err_errno(err, code, "%s %.200s", what, path);
}

static int unpack_parse_path(const char *text, struct unpack_path *ret, struct err *err)
{
	size_t len = 0, depth = 0;

	ret->base = ret->text;
	ret->parent_len = 0;
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, "/");

		if (n == 2 && !memcmp(p, "..", 2))
			return err_set(err, -EPERM, "the name '%.200s' has '..' in it", text);
		if (n && !(n == 1 && *p == '.')) {
			if (n > UNPACK_NAME_MAX || len + 1 + n > UNPACK_PATH_MAX)
				return err_set(err, -ENAMETOOLONG,
					       "the name '%.100s...' is too long", text);
			if (++depth > UNPACK_DEPTH_MAX)
				return err_set(err, -ENAMETOOLONG,
					       "'%.100s...' is nested more than %d deep", text,
					       UNPACK_DEPTH_MAX);
			ret->parent_len = len;
			if (len)
				ret->text[len++] = '/';
			ret->base = ret->text + len;
			memcpy(ret->text + len, p, n);
			len += n;
		}
		p += n + (p[n] == '/');
	}
	ret->text[len] = '\0';
	return 0;
}

static int unpack_charge(struct unpack *u, int64_t bytes, struct err *err)
{
	u->result->bytes += bytes;
	if (u->result->bytes > u->options->bytes_max)
		return err_set(err, -ENOSPC,
			       "it unpacks to more than the %lld MiB that the disk has room for",
			       (long long)(u->options->bytes_max >> 20));
	return 0;
}

static int unpack_charge_entry(struct unpack *u, struct err *err)
{
	if (++u->result->entries > u->options->entries_max)
		return err_set(err, -EFBIG, "it has more than %lld files",
			       (long long)u->options->entries_max);
	return unpack_charge(u, UNPACK_BLOCK, err);
}

/* How deep a folder really is, where links were followed to it. */
static int unpack_check_depth(const struct unpack *u, int fd)
{
	_cleanup_close_ int at = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	struct stat st, root;

	if (at < 0 || fstat(u->root, &root) < 0)
		return -errno;
	for (int depth = 0; depth < UNPACK_DEPTH_MAX; depth++) {
		int up;

		if (fstat(at, &st) < 0)
			return -errno;
		if (st.st_ino == root.st_ino && st.st_dev == root.st_dev)
			return 0;
		up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		fd_close(at);
		at = up;
		if (at < 0)
			return -errno;
	}
	return -ENAMETOOLONG;
}

static int unpack_open_folder(struct unpack *u, const char *path)
{
	const uint64_t beneath = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
	const int flags = O_PATH | O_DIRECTORY;
	int fd = file_open_scoped(u->root, path, flags, beneath | RESOLVE_NO_SYMLINKS), r;

	if (fd != -ELOOP)
		return fd;
	fd = file_open_scoped(u->root, path, flags, beneath);
	if (fd < 0)
		return fd;
	r = unpack_check_depth(u, fd);
	if (r < 0) {
		fd_close(fd);
		return r;
	}
	return fd;
}

/* Opens a folder, making what is missing of it. */
static int unpack_make_folders(struct unpack *u, const char *path, int *ret_fd, struct err *err)
{
	_cleanup_close_ int above = -EBADF;
	char prefix[UNPACK_PATH_MAX + 1];

	for (size_t from = 0, len;; from = len + 1) {
		int fd;

		len = from + strcspn(path + from, "/");
		memcpy(prefix, path, len);
		prefix[len] = '\0';
		fd = unpack_open_folder(u, prefix);
		if (fd == -ENOENT) {
			if (unpack_charge_entry(u, err) < 0)
				return err->code;
			if (mkdirat(above < 0 ? u->root : above, prefix + from, 0755) < 0)
				return unpack_fail(err, -errno, "cannot make the folder", prefix);
			fd = unpack_open_folder(u, prefix);
		}
		if (fd < 0)
			return unpack_fail(err, fd, "cannot open the folder", prefix);
		fd_close(above);
		above = fd;
		if (!path[len])
			break;
	}
	*ret_fd = take_fd(&above);
	return 0;
}

/* The folder that the path's last component is in; the descriptor stays ours. */
static int unpack_parent(struct unpack *u, const struct unpack_path *path, struct err *err)
{
	int fd;

	if (!path->parent_len)
		return u->root;
	if (u->parent_fd >= 0 && !u->parent_stale && !u->parent[path->parent_len] &&
	    !strncmp(u->parent, path->text, path->parent_len))
		return u->parent_fd;
	u->parent_fd = fd_close(u->parent_fd);
	u->parent_stale = 0;
	memcpy(u->parent, path->text, path->parent_len);
	u->parent[path->parent_len] = '\0';
	fd = unpack_open_folder(u, u->parent);
	if (fd == -ENOENT) {
		if (unpack_make_folders(u, u->parent, &fd, err) < 0)
			return err->code;
	} else if (fd < 0) {
		return unpack_fail(err, fd, "cannot open the folder", u->parent);
	}
	u->parent_fd = fd;
	return fd;
}

static int unpack_is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

/* Marks the folder NAME in fd as hiding all that lower layers have there. */
static int unpack_set_opaque(const struct unpack *u, int fd, const char *name, struct err *err)
{
	const char *attribute =
		u->options->for_user ? UNPACK_USER_XATTRS "opaque" : UNPACK_OPAQUE_XATTR;
	_cleanup_close_ int folder =
		openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (folder < 0 || fsetxattr(folder, attribute, "y", 1, 0) < 0)
		return unpack_fail(err, -errno, "cannot mark as opaque", name);
	return 0;
}

/*
 * Makes room for path when making it said EEXIST: 1 if it is a folder and may stay, 0 if what an
 * earlier entry put there is gone. A folder that takes the place of a whiteout must be opaque.
 */
static int unpack_replace(struct unpack *u, int parent, const struct unpack_path *path,
			  int is_folder, int *ret_opaque, struct err *err)
{
	struct stat st;
	int r;

	if (fstatat(parent, path->base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return unpack_fail(err, -errno, "cannot look at", path->text);
	if (is_folder && S_ISDIR(st.st_mode))
		return 1;
	*ret_opaque = is_folder && unpack_is_whiteout(&st);
	u->parent_stale = 1; /* the way to it may lead through what goes */
	r = file_remove_tree(parent, path->base);
	return r < 0 ? unpack_fail(err, r, "cannot replace", path->text) : 0;
}

static int unpack_keeps_xattr(const struct unpack *u, const char *name)
{
	if (u->options->for_user && !strncmp(name, UNPACK_USER_XATTRS, strlen(UNPACK_USER_XATTRS)))
		return 0;
	return !strncmp(name, "user.", 5) || !strcmp(name, "security.capability");
}

/* Owner before mode before attributes: each of them clears what comes after it. */
static int unpack_attributes(struct unpack *u, int fd, const struct unpack_path *path,
			     const struct tar_item *item, struct err *err)
{
	const char *name;
	const void *value;
	size_t len;

	if (u->options->plain_files)
		return 0;
	if (!u->options->one_owner && fchown(fd, (uid_t)item->uid, (gid_t)item->gid) < 0)
		return unpack_fail(err, -errno, "cannot set the owner of", path->text);
	if (fchmod(fd, item->mode & 07777) < 0)
		return unpack_fail(err, -errno, "cannot set the mode of", path->text);
	while (tar_reader_xattr(u->reader, &name, &value, &len)) {
		if (unpack_keeps_xattr(u, name) && fsetxattr(fd, name, value, len, 0) < 0)
			return unpack_fail(err, -errno, "cannot set an extended attribute of",
					   path->text);
	}
	return 0;
}

static void unpack_times(const struct tar_item *item, struct timespec times[2])
{
	times[0] = times[1] = item->mtime;
}

/* Remembers a folder's time, which the entries in it will change. */
static int unpack_remember(struct unpack *u, const struct unpack_path *path,
			   const struct tar_item *item, struct err *err)
{
	u->names += (int64_t)strlen(path->text) + (int64_t)sizeof(*u->folders);
	if (u->names > UNPACK_NAMES_MAX)
		return err_set(err, -EFBIG, "it has too many folders");
	if (u->n_folders == u->folders_size) {
		u->folders_size = u->folders_size ? 2 * u->folders_size : 256;
		u->folders = mem_realloc(u->folders, u->folders_size, sizeof(*u->folders));
	}
	u->folders[u->n_folders++] =
		(struct unpack_folder){ .path = mem_strdup(path->text), .mtime = item->mtime };
	return 0;
}

static int unpack_folder(struct unpack *u, int parent, const struct unpack_path *path,
			 const struct tar_item *item, struct err *err)
{
	const char *base = *path->base ? path->base : ".";
	_cleanup_close_ int fd = -EBADF;
	int opaque = 0, r;

	if (*path->base && mkdirat(parent, base, 0700) < 0) {
		if (errno != EEXIST)
			return unpack_fail(err, -errno, "cannot make the folder", path->text);
		r = unpack_replace(u, parent, path, 1, &opaque, err);
		if (r < 0)
			return r;
		if (!r && mkdirat(parent, base, 0700) < 0)
			return unpack_fail(err, -errno, "cannot make the folder", path->text);
	}
	if (opaque && unpack_set_opaque(u, parent, base, err) < 0)
		return err->code;
	fd = openat(parent, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return unpack_fail(err, -errno, "cannot open the folder", path->text);
	r = unpack_attributes(u, fd, path, item, err);
	return r < 0 ? r : unpack_remember(u, path, item, err);
}

static void unpack_tell(struct unpack *u)
{
	int64_t position;

	if (!u->options->progress)
		return;
	position = tar_stream_position(u->stream);
	if (position < u->next_progress)
		return;
	u->next_progress = position + UNPACK_PROGRESS_STEP;
	u->options->progress(u->options->progress_ctx, position);
}

static int unpack_write(int fd, const char *data, size_t len, int64_t offset)
{
	while (len) {
		ssize_t n = pwrite(fd, data, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
		offset += n;
	}
	return 0;
}

static int unpack_data(struct unpack *u, int fd, const struct unpack_path *path, int64_t size,
		       struct err *err)
{
	int64_t offset = 0, position = 0;
	const void *data = NULL;
	size_t len = 0;
	int r;

	while ((r = tar_reader_data(u->reader, &data, &len, &offset, err)) > 0) {
		if (offset < position || offset > size || (int64_t)len > size - offset)
			return err_set(err, -EBADMSG, "it is damaged: the data of %.200s overlaps",
				       path->text);
		if (unpack_charge(u, (int64_t)len, err) < 0)
			return err->code;
		r = unpack_write(fd, data, len, offset);
		if (r < 0)
			return unpack_fail(err, r, "cannot write", path->text);
		u->result->holes += offset - position;
		position = offset + (int64_t)len;
		unpack_tell(u);
	}
	if (r == 0 && position < size) {
		u->result->holes += size - position;
		if (ftruncate(fd, size) < 0)
			return unpack_fail(err, -errno, "cannot write", path->text);
	}
	return r;
}

static int unpack_file(struct unpack *u, int parent, const struct unpack_path *path,
		       const struct tar_item *item, struct err *err)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	_cleanup_close_ int fd = openat(parent, path->base, flags, 0600);
	struct timespec times[2];
	int opaque;

	if (fd < 0 && errno == EEXIST) {
		if (unpack_replace(u, parent, path, 0, &opaque, err) < 0)
			return err->code;
		fd = openat(parent, path->base, flags, 0600);
	}
	if (fd < 0)
		return unpack_fail(err, -errno, "cannot make", path->text);
	if (item->size < 0 || item->size > UNPACK_APPARENT_MAX - u->apparent)
		return err_set(err, -EFBIG, "its files are larger than %lld GiB together",
			       (long long)(UNPACK_APPARENT_MAX >> 30));
	u->apparent += item->size;
	if (unpack_data(u, fd, path, item->size, err) < 0 ||
	    unpack_attributes(u, fd, path, item, err) < 0)
		return err->code;
	unpack_times(item, times);
	if (futimens(fd, times) < 0)
		return unpack_fail(err, -errno, "cannot set the time of", path->text);
	return 0;
}

/* What the entries without content have in common: being made, and being made again. */
static int unpack_make_node(int parent, const struct unpack_path *path, const struct tar_item *item)
{
	if (S_ISLNK(item->mode))
		return symlinkat(item->link, parent, path->base) < 0 ? -errno : 0;
	return mknodat(parent, path->base, item->mode & (S_IFMT | 07777),
		       makedev((unsigned int)item->major, (unsigned int)item->minor)) < 0
		       ? -errno
		       : 0;
}

static int unpack_node_attributes(const struct unpack *u, int parent,
				  const struct unpack_path *path, const struct tar_item *item)
{
	struct timespec times[2];

	if (!u->options->one_owner && fchownat(parent, path->base, (uid_t)item->uid,
					       (gid_t)item->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISLNK(item->mode) && fchmodat(parent, path->base, item->mode & 07777, 0) < 0)
		return -errno;
	unpack_times(item, times);
	return utimensat(parent, path->base, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* Symbolic links, devices and fifos. */
static int unpack_node(struct unpack *u, int parent, const struct unpack_path *path,
		       const struct tar_item *item, struct err *err)
{
	int opaque, r;

	if (u->options->plain_files && !S_ISLNK(item->mode))
		return err_set(err, -EPERM, "%.200s is no file", path->text);
	if (item->major < 0 || item->major >= 1 << 12 || item->minor < 0 || item->minor >= 1 << 20)
		return err_set(err, -EINVAL, "%.200s has a device number that Linux has not",
			       path->text);
	if (S_ISLNK(item->mode) && !item->link)
		return err_set(err, -EBADMSG, "it is damaged: the link %.200s has no target",
			       path->text);
	/* the kernel lets no user make one, and where it lay it could not be opened */
	if (u->options->for_user && (S_ISCHR(item->mode) || S_ISBLK(item->mode)) &&
	    (item->major || item->minor))
		return 0;
	r = unpack_make_node(parent, path, item);
	if (r == -EEXIST) {
		if (unpack_replace(u, parent, path, 0, &opaque, err) < 0)
			return err->code;
		r = unpack_make_node(parent, path, item);
	}
	if (r == 0 && !u->options->plain_files)
		r = unpack_node_attributes(u, parent, path, item);
	return r < 0 ? unpack_fail(err, r, "cannot make", path->text) : 0;
}

static int unpack_hard_link(struct unpack *u, int parent, const struct unpack_path *path,
			    const struct tar_item *item, struct err *err)
{
	_cleanup_close_ int from = -EBADF;
	struct unpack_path target = { .base = "" };
	int opaque, r;

	if (unpack_parse_path(item->link, &target, err) < 0)
		return err->code;
	if (!strcmp(target.text, path->text))
		return 0;
	if (target.parent_len)
		target.text[target.parent_len] = '\0'; /* base stays behind it */
	from = unpack_open_folder(u, target.parent_len ? target.text : "");
	if (from < 0)
		return unpack_fail(err, from, "cannot link to", item->link);
	r = linkat(from, target.base, parent, path->base, 0) < 0 ? -errno : 0;
	if (r == -EEXIST) {
		if (unpack_replace(u, parent, path, 0, &opaque, err) < 0)
			return err->code;
		r = linkat(from, target.base, parent, path->base, 0) < 0 ? -errno : 0;
	}
	if (r == -ENOENT)
		return err_set(err, r, "%.200s is a hard link to %.200s, which is not there",
			       path->text, item->link);
	return r < 0 ? unpack_fail(err, r, "cannot link", path->text) : 0;
}

/*
 * A whiteout hides what lower layers have; what this layer itself has under the name stays, but a
 * folder of it shows nothing from below any more.
 */
static int unpack_whiteout(const struct unpack *u, int parent, const struct unpack_path *path,
			   struct err *err)
{
	const char *name = path->base + strlen(UNPACK_WHITEOUT);
	struct stat st;

	if (!strcmp(path->base, UNPACK_WHITEOUT_OPAQUE))
		return unpack_set_opaque(u, parent, ".", err);
	if (!strncmp(path->base, UNPACK_WHITEOUT_META, strlen(UNPACK_WHITEOUT_META)))
		return 0;
	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return err_set(err, -EBADMSG, "%.200s is not a valid whiteout", path->text);
	if (mknodat(parent, name, S_IFCHR, makedev(0, 0)) == 0)
		return 0;
	if (errno != EEXIST || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return unpack_fail(err, -errno, "cannot make the whiteout", path->text);
	return S_ISDIR(st.st_mode) ? unpack_set_opaque(u, parent, name, err) : 0;
}

static int unpack_item(struct unpack *u, const struct unpack_path *path,
		       const struct tar_item *item, struct err *err)
{
	int parent;

	if (item->uid < 0 || item->uid >= UINT32_MAX || item->gid < 0 || item->gid >= UINT32_MAX)
		return err_set(err, -EINVAL, "%.200s has an owner that Linux has not", path->text);
	if (!*path->base && (item->is_hard_link || !S_ISDIR(item->mode)))
		return err_set(err, -EBADMSG, "the root of the archive is no folder");
	parent = unpack_parent(u, path, err);
	if (parent < 0)
		return parent;
	if (!u->options->plain_files &&
	    !strncmp(path->base, UNPACK_WHITEOUT, strlen(UNPACK_WHITEOUT)))
		return unpack_whiteout(u, parent, path, err);
	if (item->is_hard_link)
		return unpack_hard_link(u, parent, path, item, err);
	switch (item->mode & S_IFMT) {
	case S_IFDIR:
		return unpack_folder(u, parent, path, item, err);
	case S_IFREG:
		return unpack_file(u, parent, path, item, err);
	case S_IFLNK:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
		return unpack_node(u, parent, path, item, err);
	case S_IFSOCK: /* has no meaning without the process that made it */
		return 0;
	default:
		return err_set(err, -EBADMSG, "%.200s is of an unknown type", path->text);
	}
}

/* The names at the top of OCI and docker archives; see docs/formats.md. */
static int unpack_is_image_name(const char *path)
{
	static const char *const names[] = { "oci-layout",   "index.json", "manifest.json",
					     "repositories", "blobs",	   "blobs/sha256" };
	static const char *const ends[] = { "", ".tar", ".json" };
	char hex[DIGEST_HEX_SIZE] = "";

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(path, names[i]))
			return 1;
	}
	if (!strncmp(path, "blobs/sha256/", strlen("blobs/sha256/")))
		return 1;
	if (strlen(path) < DIGEST_HEX_LEN)
		return 0;
	memcpy(hex, path, DIGEST_HEX_LEN);
	if (!digest_is_hex(hex))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		if (!strcmp(path + DIGEST_HEX_LEN, ends[i]))
			return 1;
	}
	return path[DIGEST_HEX_LEN] == '/';
}

static int unpack_items(struct unpack *u, struct err *err)
{
	int seen = 0, r;

	for (;;) {
		struct unpack_path path = { .base = "" };
		struct tar_item item = { .size = 0 };

		r = tar_reader_next(u->reader, &item, err);
		if (r <= 0)
			return r;
		if (unpack_parse_path(item.path, &path, err) < 0)
			return err->code;
		if (u->options->plain_files && !seen && *path.base) {
			u->result->is_root = !unpack_is_image_name(path.text);
			u->result->is_export = reroot_is_name(path.text);
			if (u->result->is_root)
				return 0;
			seen = 1;
		}
		if (unpack_charge_entry(u, err) < 0 || unpack_item(u, &path, &item, err) < 0)
			return err->code;
		unpack_tell(u);
	}
}

/* A folder that is gone again, or is something else now, needs no time. */
static int unpack_folder_times(struct unpack *u, struct err *err)
{
	for (size_t i = 0; i < u->n_folders; i++) {
		const struct timespec times[2] = { u->folders[i].mtime, u->folders[i].mtime };
		_cleanup_close_ int fd = file_open_scoped(u->root, u->folders[i].path,
							  O_RDONLY | O_DIRECTORY, RESOLVE_BENEATH);

		if (fd >= 0 && futimens(fd, times) < 0)
			return unpack_fail(err, -errno, "cannot set the time of",
					   u->folders[i].path);
	}
	return 0;
}

static void unpack_release(struct unpack *u)
{
	for (size_t i = 0; i < u->n_folders; i++)
		free(u->folders[i].path);
	free(u->folders);
	fd_close(u->parent_fd);
	tar_reader_free(u->reader);
	tar_stream_free(u->stream);
}

int unpack_archive(int fd, int folder_fd, const struct unpack_options *options,
		   struct unpack_result *ret, struct err *err)
{
	_cleanup_(unpack_release) struct unpack u = {
		.options = options,
		.result = ret,
		.root = folder_fd,
		.parent_fd = -EBADF,
	};
	_cleanup_close_ int init = -EBADF;
	int r;

	*ret = (struct unpack_result){ .entries = 0 };
	if (tar_stream_open(fd, &u.stream, err) < 0 ||
	    tar_reader_open(u.stream, &u.reader, err) < 0)
		return err->code;
	r = unpack_items(&u, err);
	if (r < 0 || ret->is_root)
		return r;
	if (tar_reader_finish(u.reader, options->want_end, err) < 0)
		return err->code;
	tar_stream_digest(u.stream, ret->digest);
	init = file_open_scoped(folder_fd, "sbin/init", O_PATH, RESOLVE_IN_ROOT);
	ret->has_init = init >= 0;
	return options->plain_files ? 0 : unpack_folder_times(&u, err);
}

int unpack_limits(int folder_fd, struct unpack_options *options, struct err *err)
{
	int64_t available, reserve;
	struct statvfs st;

	if (fstatvfs(folder_fd, &st) < 0)
		return err_errno(err, -errno, "cannot see how much room the disk has");
	reserve = (int64_t)(st.f_blocks / 20 * st.f_frsize);
	if (reserve > UNPACK_RESERVE_MAX)
		reserve = UNPACK_RESERVE_MAX;
	available = (int64_t)(st.f_bavail * st.f_frsize) - reserve;
	options->bytes_max = available > 0 ? available / 2 : 0;
	options->entries_max = UNPACK_ENTRIES_MAX;
	/* Some file systems have no fixed number of inodes, and say 0. */
	if (st.f_files && (int64_t)st.f_favail < options->entries_max)
		options->entries_max = (int64_t)st.f_favail;
	return 0;
}
