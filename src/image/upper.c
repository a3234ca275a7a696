// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/upper.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/strv.h"
#include "image/layer_attribute.h"
#include "image/tar_output.h"

#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define UPPER_CHUNK	  ((size_t)128 << 10)
#define UPPER_EXTENTS_MAX 65536 /* of a file; what comes after them counts as data */
#define UPPER_WHITEOUT	  ".wh."
#define UPPER_OPAQUE	  ".wh..wh..opq"

/* A file with several links, by where its inode is. */
struct upper_inode {
	dev_t device;
	ino_t inode;
	char *path; /* in the archive */
};

struct upper {
	struct tar_output *tar;
	const struct idmap *shifted;
	struct buf path; /* of the entry, from the top */
	void *inodes;	 /* tsearch(3) */
	char *chunk;
	int64_t (*extents)[2]; /* of the file that is read */
	int depth;
};

static int upper_compare(const void *a, const void *b)
{
	const struct upper_inode *x = a, *y = b;

	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static void upper_free_inode(void *p)
{
	struct upper_inode *inode = p;

	free(inode->path);
	free(inode);
}

static void upper_release(struct upper *upper)
{
	tar_output_free(upper->tar);
	buf_release(&upper->path);
	tdestroy(upper->inodes, upper_free_inode);
	free(upper->chunk);
	free(upper->extents);
}

static int upper_fail(const struct upper *upper, int code, const char *what, struct err *err)
{
	return err_errno(err, code, "cannot %s /%.200s", what,
			 upper->path.len ? upper->path.data : "");
}

/* --- owners and attributes --- */

static int64_t upper_inside(const struct idmap_range *ranges, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++) {
		if (id >= ranges[i].outside && id - ranges[i].outside < ranges[i].count)
			return (int64_t)ranges[i].inside + (id - ranges[i].outside);
	}
	return -1;
}

static int upper_owner(const struct upper *upper, const struct stat *st, struct tar_item *item,
		       struct err *err)
{
	const struct idmap *map = upper->shifted;

	item->uid = map ? upper_inside(map->uids, map->n_uids, st->st_uid) : st->st_uid;
	item->gid = map ? upper_inside(map->gids, map->n_gids, st->st_gid) : st->st_gid;
	if (item->uid < 0 || item->gid < 0)
		return err_set(err, -EOVERFLOW,
			       "/%.200s has an owner, %u:%u, whom the container has not",
			       upper->path.data, st->st_uid, st->st_gid);
	return 0;
}

/* Reads through /proc, since a descriptor of a device or a pipe is not to be had without opening it. */
static int upper_xattr(struct upper *upper, const char *file, const char *name, struct err *err)
{
	_cleanup_free_ char *value = mem_zalloc(XATTR_SIZE_MAX);
	ssize_t len = getxattr(file, name, value, XATTR_SIZE_MAX);
	size_t left = (size_t)len;

	if (len < 0)
		return errno == ENODATA ? 0
					: upper_fail(upper, -errno, "read an attribute of", err);
	if (!strcmp(name, LAYER_ATTRIBUTE_CAPABILITY)) {
		left = layer_attribute_capability(
			value, left, upper->shifted ? idmap_uid(upper->shifted, 0) : 0);
		if (!left)
			return 0;
	}
	tar_output_xattr(upper->tar, name, value, left);
	return 0;
}

static int upper_xattrs(struct upper *upper, int fd, struct err *err)
{
	_cleanup_free_ char *file = mem_printf("/proc/self/fd/%d", fd);
	_cleanup_free_ char *names = mem_zalloc(XATTR_LIST_MAX + 1);
	ssize_t len = listxattr(file, names, XATTR_LIST_MAX);

	if (len < 0)
		return errno == ENOTSUP ? 0
					: upper_fail(upper, -errno, "read the attributes of", err);
	for (const char *name = names; name < names + len; name += strlen(name) + 1) {
		if (layer_attribute_is_partial(name))
			return err_set(err, -EOPNOTSUPP,
				       "/%.200s is not whole in the writable layer: overlayfs "
				       "runs with redirect_dir or metacopy",
				       upper->path.data);
		if (layer_attribute_is_kept(name) && upper_xattr(upper, file, name, err) < 0)
			return err->code;
	}
	return 0;
}

static int upper_is_opaque(int fd)
{
	_cleanup_free_ char *file = mem_printf("/proc/self/fd/%d", fd);
	static const char *const names[] = { LAYER_ATTRIBUTE_OVERLAY "opaque",
					     LAYER_ATTRIBUTE_USER_OVERLAY "opaque" };
	char value;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		ssize_t len = getxattr(file, names[i], &value, 1);

		if (len > 0 && layer_attribute_is_opaque(names[i], &value, (size_t)len))
			return 1;
	}
	return 0;
}

/* --- files --- */

/*
 * Opens for reading what an O_PATH descriptor holds, and was seen to be a file or a folder: its name may have become
 * that of a device meanwhile.
 */
static int upper_reopen(int file, int flags)
{
	_cleanup_free_ char *path = mem_printf("/proc/self/fd/%d", file);

	return open(path, flags | O_CLOEXEC);
}

/* Puts a mark of an image's layer: an empty file. */
static int upper_mark(struct upper *upper, const char *folder, const char *name, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s%s", folder, name);
	const struct tar_item item = { .path = path, .mode = S_IFREG | 0600 };

	return tar_output_add(upper->tar, &item, err);
}

/* Where the data of a file is; the last extent ends where the file does. */
static size_t upper_extents(int fd, int64_t size, int64_t (*extents)[2])
{
	size_t n = 0;

	for (int64_t at = 0; at < size && n < UPPER_EXTENTS_MAX;) {
		int64_t data = lseek(fd, at, SEEK_DATA), hole;

		if (data < 0 || data >= size)
			break;
		hole = n == UPPER_EXTENTS_MAX - 1 ? size : lseek(fd, data, SEEK_HOLE);
		if (hole < 0 || hole > size)
			hole = size;
		extents[n][0] = data;
		extents[n++][1] = hole - data;
		at = hole;
	}
	return n;
}

static int upper_copy(struct upper *upper, int fd, int64_t offset, int64_t len, struct err *err)
{
	while (len > 0) {
		size_t want = len < (int64_t)UPPER_CHUNK ? (size_t)len : UPPER_CHUNK;
		ssize_t n = pread(fd, upper->chunk, want, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? upper_fail(upper, -errno, "read", err)
				     : err_set(err, -EAGAIN, "/%.200s changes while it is read",
					       upper->path.data);
		if (tar_output_data(upper->tar, upper->chunk, (size_t)n, err) < 0)
			return err->code;
		offset += n;
		len -= n;
	}
	return 0;
}

static int upper_regular(struct upper *upper, int file, struct tar_item *item, struct err *err)
{
	_cleanup_close_ int fd = upper_reopen(file, O_RDONLY);
	int64_t(*extents)[2] = upper->extents;
	size_t n;

	if (fd < 0)
		return upper_fail(upper, -errno, "open", err);
	n = upper_extents(fd, item->size, extents);
	if (n == 1 && extents[0][1] == item->size) {
		/* no hole */
	} else if (item->size) {
		for (size_t i = 0; i < n; i++)
			tar_output_extent(upper->tar, extents[i][0], extents[i][1]);
		if (!n || extents[n - 1][0] + extents[n - 1][1] < item->size)
			tar_output_extent(upper->tar, item->size, 0);
	}
	if (tar_output_add(upper->tar, item, err) < 0)
		return err->code;
	for (size_t i = 0; i < n; i++) {
		if (upper_copy(upper, fd, extents[i][0], extents[i][1], err) < 0)
			return err->code;
	}
	return 0;
}

/* The path under which the file is in the archive already, or NULL: it is noted then. */
static const char *upper_first_link(struct upper *upper, const struct stat *st)
{
	struct upper_inode *inode;
	struct upper_inode **found;

	if (S_ISDIR(st->st_mode) || st->st_nlink < 2)
		return NULL;
	inode = mem_zalloc(sizeof(*inode));
	inode->device = st->st_dev;
	inode->inode = st->st_ino;
	found = tsearch(inode, &upper->inodes, upper_compare);
	if (found && *found != inode) {
		free(inode);
		return (*found)->path;
	}
	inode->path = mem_strdup(upper->path.data);
	return NULL;
}

static char *upper_link_target(int file)
{
	char *target = mem_zalloc(PATH_MAX);
	ssize_t n = readlinkat(file, "", target, PATH_MAX - 1);

	if (n < 0)
		free(take_ptr(target));
	return target;
}

static int upper_entry(struct upper *upper, int file, const struct stat *st, struct err *err)
{
	struct tar_item item = { .path = upper->path.data,
				 .mode = st->st_mode,
				 .size = S_ISREG(st->st_mode) ? st->st_size : 0,
				 .mtime = st->st_mtim,
				 .major = major(st->st_rdev),
				 .minor = minor(st->st_rdev) };
	const char *first = upper_first_link(upper, st);
	_cleanup_free_ char *target = NULL;

	if (upper_owner(upper, st, &item, err) < 0)
		return err->code;
	if (first) {
		item.is_hard_link = 1;
		item.link = first;
		return tar_output_add(upper->tar, &item, err);
	}
	if (S_ISLNK(st->st_mode)) {
		item.link = target = upper_link_target(file);
		if (!target)
			return upper_fail(upper, -errno, "read the link", err);
	} else if (upper_xattrs(upper, file, err) < 0) {
		return err->code;
	}
	return S_ISREG(st->st_mode) ? upper_regular(upper, file, &item, err)
				    : tar_output_add(upper->tar, &item, err);
}

/* --- folders --- */

static int upper_folder(struct upper *upper, int fd, struct err *err);

static int upper_names(struct upper *upper, int fd, char ***ret, struct err *err)
{
	_cleanup_closedir_ DIR *dir =
		fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *entry;

	if (!dir)
		return upper_fail(upper, -errno, "read the folder", err);
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			strv_add(ret, entry->d_name);
	}
	return 0;
}

/* One that the path in upper says. */
static int upper_child(struct upper *upper, int parent, const char *folder, const char *name,
		       struct err *err)
{
	_cleanup_close_ int file = openat(parent, name, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_close_ int fd = -EBADF;
	struct stat st;

	if (file < 0 || fstat(file, &st) < 0)
		return upper_fail(upper, -errno, "look at", err);
	if (S_ISCHR(st.st_mode) && !st.st_rdev) {
		_cleanup_free_ char *mark = mem_printf(UPPER_WHITEOUT "%s", name);

		return upper_mark(upper, folder, mark, err);
	}
	if (!strncmp(name, UPPER_WHITEOUT, strlen(UPPER_WHITEOUT)))
		return err_set(err, -EINVAL,
			       "/%.200s has a name that means a deleted file in an image",
			       upper->path.data);
	if (S_ISSOCK(st.st_mode))
		return 0;
	if (upper_entry(upper, file, &st, err) < 0)
		return err->code;
	if (!S_ISDIR(st.st_mode))
		return 0;
	fd = upper_reopen(file, O_RDONLY | O_DIRECTORY);
	return fd < 0 ? upper_fail(upper, -errno, "open", err) : upper_folder(upper, fd, err);
}

/* What is in the folder that the path in upper says. */
static int upper_folder(struct upper *upper, int fd, struct err *err)
{
	_cleanup_free_ char *folder = NULL;
	_cleanup_strv_ char **names = NULL;
	size_t len = upper->path.len;
	int r;

	if (++upper->depth > UPPER_DEPTH_MAX)
		return err_set(err, -ELOOP, "/%.200s... is deeper than %d folders",
			       upper->path.data, UPPER_DEPTH_MAX);
	folder = mem_printf("%s%s", len ? upper->path.data : "", len ? "/" : "");
	r = upper_is_opaque(fd) ? upper_mark(upper, folder, UPPER_OPAQUE, err) : 0;
	if (r == 0)
		r = upper_names(upper, fd, &names, err);
	strv_sort(names);
	strv_for_each(name, names) {
		if (r < 0)
			break;
		buf_printf(&upper->path, "%s%s", len ? "/" : "", *name);
		r = upper_child(upper, fd, folder, *name, err);
		upper->path.len = len;
		upper->path.data[len] = '\0';
	}
	upper->depth--;
	return r;
}

static int upper_root(struct upper *upper, int fd, struct err *err)
{
	struct tar_item item = { .path = "./" };
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_errno(err, -errno, "cannot look at the writable layer");
	item.mode = st.st_mode;
	item.mtime = st.st_mtim;
	if (upper_owner(upper, &st, &item, err) < 0)
		return err->code;
	return tar_output_add(upper->tar, &item, err);
}

int upper_write(int folder, const struct idmap *shifted, int fd, struct err *err)
{
	_cleanup_(upper_release) struct upper upper = { .shifted = shifted };
	int r;

	upper.chunk = mem_zalloc(UPPER_CHUNK);
	upper.extents = mem_zalloc(UPPER_EXTENTS_MAX * sizeof(*upper.extents));
	buf_add_str(&upper.path, "");
	upper.tar = tar_output_new(fd);
	r = upper_root(&upper, folder, err);
	if (r == 0)
		r = upper_folder(&upper, folder, err);
	return r < 0 ? r : tar_output_finish(upper.tar, err);
}
