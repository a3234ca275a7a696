// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/tree.h"
#include "base/file.h"
#include "base/mem.h"
#include "proto/tree-internal.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

struct tree_inode {
	dev_t dev;
	ino_t ino;
	uint32_t number; /* 0: a free place */
};

struct tree_sender {
	struct tree_stream stream;
	int exact, list;
	char *names, *value; /* room for attributes, once there are any */
	int depth;
	struct buf path; /* of the folder in work, and the file: for increments alone */
	char *file;
	/* files with several links: a hash table with open addressing */
	struct tree_inode *inodes;
	size_t inodes_size;
	uint32_t n_shared;
};

static struct tree_inode *tree_send_inode_place(struct tree_inode *inodes, size_t size,
						const struct stat *st)
{
	size_t i = (size_t)(st->st_ino * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (size - 1);

	while (inodes[i].number && (inodes[i].ino != st->st_ino || inodes[i].dev != st->st_dev))
		i = (i + 1) & (size - 1);
	return &inodes[i];
}

static void tree_send_grow_inodes(struct tree_sender *sender)
{
	size_t size = sender->inodes_size ? sender->inodes_size * 2 : 64;
	struct tree_inode *inodes = mem_zalloc(size * sizeof(*inodes));

	for (size_t i = 0; i < sender->inodes_size; i++) {
		const struct tree_inode *old = &sender->inodes[i];
		struct stat st = { .st_dev = old->dev, .st_ino = old->ino };

		if (old->number)
			*tree_send_inode_place(inodes, size, &st) = *old;
	}
	free(sender->inodes);
	sender->inodes = inodes;
	sender->inodes_size = size;
}

/* Files beyond the bound are sent as if each link were a file of its own. */
static void tree_send_note_links(struct tree_sender *sender, const struct stat *st,
				 struct tree_entry *entry)
{
	uint32_t max = sender->exact ? TREE_STREAM_SHARED_EXACT_MAX : TREE_STREAM_SHARED_MAX;
	struct tree_inode *inode;

	if (st->st_nlink < 2 || S_ISDIR(st->st_mode) || !(sender->exact || S_ISREG(st->st_mode)))
		return;
	if (2 * (size_t)sender->n_shared >= sender->inodes_size)
		tree_send_grow_inodes(sender);
	inode = tree_send_inode_place(sender->inodes, sender->inodes_size, st);
	entry->again = inode->number != 0;
	if (!inode->number && sender->n_shared < max)
		*inode = (struct tree_inode){ .dev = st->st_dev,
					      .ino = st->st_ino,
					      .number = ++sender->n_shared };
	entry->shared = inode->number;
}

static int tree_send_is_since(const struct tree_sender *sender)
{
	return sender->stream.sink && sender->stream.sink->known;
}

static ssize_t tree_send_list_xattrs(struct tree_sender *sender, int fd, const char *at)
{
	if (!sender->names) {
		sender->names = mem_zalloc(XATTR_LIST_MAX);
		sender->value = mem_zalloc(XATTR_SIZE_MAX);
	}
	return fd >= 0 ? flistxattr(fd, sender->names, XATTR_LIST_MAX)
		       : llistxattr(at, sender->names, XATTR_LIST_MAX);
}

/*
 * Of a file or folder that is open, else of what is at the path. File systems without xattrs have none.
 * -ENODATA: see tree_is_metacopy().
 */
static int tree_send_read_xattrs(struct tree_sender *sender, int fd, const char *at,
				 struct tree_entry *entry)
{
	ssize_t len = tree_send_list_xattrs(sender, fd, at);

	if (len < 0)
		return errno == ENOTSUP ? 0 : -errno;
	for (const char *name = sender->names; name < sender->names + len;
	     name += strlen(name) + 1) {
		ssize_t n;

		if (sender->exact && !sender->list && tree_is_metacopy(name))
			return -ENODATA;
		if (!(sender->exact ? tree_is_exact_xattr(name) : tree_is_kept_xattr(name)))
			continue;
		n = fd >= 0 ? fgetxattr(fd, name, sender->value, XATTR_SIZE_MAX)
			    : lgetxattr(at, name, sender->value, XATTR_SIZE_MAX);
		if (n < 0)
			return -errno;
		tree_stream_add_xattr(entry, name, sender->value, (size_t)n);
	}
	return entry->xattrs.len > TREE_STREAM_XATTRS_MAX ? -E2BIG : 0;
}

static int tree_send_entry(struct tree_sender *sender, struct tree_entry *entry,
			   const struct stat *st)
{
	entry->mode = st->st_mode;
	entry->uid = st->st_uid;
	entry->gid = st->st_gid;
	entry->mtime = (uint64_t)st->st_mtim.tv_sec;
	entry->mtime_ns = (uint32_t)st->st_mtim.tv_nsec;
	entry->major = major(st->st_rdev);
	entry->minor = minor(st->st_rdev);
	return tree_stream_entry(&sender->stream, entry);
}

/* What was put behind tree_stream_data(). */
static int tree_send_block(struct tree_sender *sender, off_t offset, const void *data, size_t len)
{
	const struct tree_sink *sink = sender->stream.sink;
	uint8_t digest[TREE_SINCE_DIGEST_SIZE];
	int known = len && tree_send_is_since(sender) &&
		    strlen(sender->file) <= TREE_SINCE_PATH_MAX &&
		    sink->known(sink->ctx, sender->file, (uint64_t)offset, data, len, digest);
	int r = tree_stream_data_done(&sender->stream, known ? 0 : len);

	return r < 0 || !known ? r
			       : tree_stream_same(&sender->stream, (uint64_t)offset, len, digest);
}

/* Sends [from, to) or up to the file's end; returns where it stopped. */
static off_t tree_send_range(struct tree_sender *sender, int fd, off_t from, off_t to)
{
	while (from < to) {
		off_t room = TREE_STREAM_DATA_MAX - from % TREE_STREAM_DATA_MAX;
		size_t max = (size_t)(to - from < room ? to - from : room);
		void *data = tree_stream_data(&sender->stream, (uint64_t)from);
		ssize_t n = pread(fd, data, max, from);
		int r;

		if (n < 0)
			return err_errno(sender->stream.err, -errno, "cannot read a file");
		r = tree_send_block(sender, from, data, (size_t)n);
		if (r < 0)
			return r;
		if (!n)
			break;
		from += n;
	}
	return from;
}

/* What can tell its holes skips them; the others (/proc) are read to their end. */
static int tree_send_data(struct tree_sender *sender, int fd)
{
	off_t at = 0;
	struct stat st;

	for (;;) {
		off_t data = lseek(fd, at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			break;
		if (data < 0)
			data = at;
		hole = lseek(fd, data, SEEK_HOLE);
		at = tree_send_range(sender, fd, data, hole < 0 ? INT64_MAX : hole);
		if (at < 0)
			return (int)at;
		if (hole < 0 || at < hole)
			break;
	}
	if (fstat(fd, &st) == 0 && st.st_size > at)
		at = st.st_size;
	return tree_stream_file_end(&sender->stream, (uint64_t)at);
}

static int tree_send_file(struct tree_sender *sender, int fd, const char *name)
{
	if (tree_send_is_since(sender)) {
		free(sender->file);
		sender->file = tree_since_path(&sender->path, name);
	}
	return tree_send_data(sender, fd);
}

static int tree_send_at(struct tree_sender *sender, int dirfd, const char *name,
			const char *sent_name, const struct stat *parent);

/* Mounts are entered, but not those of the kernel's own insides. */
static int tree_send_is_kernels(int fd, const struct stat *st, const struct stat *parent)
{
	static const long magics[] = { PROC_SUPER_MAGIC,   SYSFS_MAGIC,	  CGROUP2_SUPER_MAGIC,
				       CGROUP_SUPER_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC,
				       SECURITYFS_MAGIC,   BPF_FS_MAGIC,  PSTOREFS_MAGIC,
				       DEVPTS_SUPER_MAGIC };
	struct statfs fs;

	if (!parent || parent->st_dev == st->st_dev || fstatfs(fd, &fs) < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(magics); i++) {
		if ((long)fs.f_type == magics[i])
			return 1;
	}
	return 0;
}

/* fd is taken over. */
static int tree_send_contents(struct tree_sender *sender, int fd, const struct stat *st)
{
	_cleanup_closedir_ DIR *dir = fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		fd_close(fd);
		return err_errno(sender->stream.err, -ENOMEM, "cannot read a folder");
	}
	while ((entry = readdir(dir))) {
		int r;

		if (tree_is_dots(entry->d_name))
			continue;
		r = tree_send_at(sender, dirfd(dir), entry->d_name, entry->d_name, st);
		if (r < 0)
			return r;
	}
	return 0;
}

static int tree_send_folder(struct tree_sender *sender, int *fd, const char *name,
			    const struct stat *st, const struct stat *parent)
{
	int r = 0;

	if (++sender->depth > TREE_STREAM_DEPTH_MAX)
		return err_set(sender->stream.err, -ELOOP, "folders are nested deeper than %d",
			       TREE_STREAM_DEPTH_MAX);
	tree_since_enter(&sender->path, name);
	if (!tree_send_is_kernels(*fd, st, parent))
		r = tree_send_contents(sender, take_fd(fd), st);
	tree_since_leave(&sender->path);
	sender->depth--;
	return r < 0 ? r : tree_stream_dir_end(&sender->stream);
}

static int tree_send_no_xattrs(struct tree_sender *sender, int code, const char *name)
{
	struct tree_shown shown = tree_show(name);

	if (code == -ENODATA && sender->exact)
		return err_set(sender->stream.err, -EOPNOTSUPP,
			       "'%s' has attributes here, but its data in the image (overlayfs's "
			       "metacopy); write to it once, and it has both",
			       shown.text);
	return err_errno(sender->stream.err, code, "cannot read the attributes of '%s'",
			 shown.text);
}

/* What has no descriptor to read attributes by has a path, of which our own folder of descriptors is the beginning. */
static int tree_send_other_xattrs(struct tree_sender *sender, int dirfd, const char *name,
				  struct tree_entry *entry)
{
	_cleanup_free_ char *at = NULL;
	int r;

	if (!sender->exact)
		return 0;
	at = mem_printf("/proc/self/fd/%d/%s", dirfd, name);
	r = tree_send_read_xattrs(sender, -EBADF, at, entry);
	return r < 0 ? tree_send_no_xattrs(sender, r, name) : 0;
}

/* A file or folder; between the look at it and the opening it may have become something else. */
static int tree_send_opened(struct tree_sender *sender, int dirfd, const char *name,
			    struct tree_entry *entry, const struct stat *seen,
			    const struct stat *parent)
{
	int is_folder = S_ISDIR(seen->st_mode), r;
	_cleanup_close_ int fd = openat(dirfd, name,
					O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC |
						(is_folder ? O_DIRECTORY : 0));
	struct tree_shown shown = tree_show(name);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(sender->stream.err, -errno, "cannot open '%s'", shown.text);
	if ((st.st_mode & S_IFMT) != (seen->st_mode & S_IFMT))
		return err_set(sender->stream.err, -EAGAIN, "'%s' changed while it was copied",
			       shown.text);
	r = tree_send_read_xattrs(sender, fd, NULL, entry);
	if (r < 0)
		return tree_send_no_xattrs(sender, r, name);
	tree_send_note_links(sender, &st, entry);
	r = tree_send_entry(sender, entry, &st);
	if (r < 0 || entry->again)
		return r;
	if (is_folder)
		r = tree_send_folder(sender, &fd, entry->name, &st, parent);
	else
		r = sender->list ? tree_stream_file_end(&sender->stream, (uint64_t)st.st_size)
				 : tree_send_file(sender, fd, entry->name);
	return r < 0 ? err_wrap(sender->stream.err, "%s", shown.text) : 0;
}

static int tree_send_at(struct tree_sender *sender, int dirfd, const char *name,
			const char *sent_name, const struct stat *parent)
{
	_cleanup_tree_entry_ struct tree_entry entry = { .name = mem_strdup(sent_name) };
	struct tree_shown shown = tree_show(name);
	char target[PATH_MAX] = "";
	struct stat st;
	int r;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		/* gone since its folder was read */
		if (errno == ENOENT && parent)
			return 0;
		return err_errno(sender->stream.err, -errno, "cannot read '%s'", shown.text);
	}
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
		return tree_send_opened(sender, dirfd, name, &entry, &st, parent);
	if (S_ISLNK(st.st_mode) && readlinkat(dirfd, name, target, sizeof(target) - 1) < 0)
		return err_errno(sender->stream.err, -errno, "cannot read the link '%s'",
				 shown.text);
	entry.target = mem_strdup(target);
	r = tree_send_other_xattrs(sender, dirfd, name, &entry);
	if (r < 0)
		return r;
	tree_send_note_links(sender, &st, &entry);
	return tree_send_entry(sender, &entry, &st);
}

/* The name that the thing is sent with: the last component of the path as it was given. */
static char *tree_send_name_of(const char *path)
{
	_cleanup_free_ char *copy = mem_strdup(path);

	return tree_split(copy);
}

static void tree_send_release(struct tree_sender *sender)
{
	tree_stream_release(&sender->stream);
	buf_release(&sender->path);
	free(sender->file);
	free(sender->inodes);
	free(sender->names);
	free(sender->value);
}

static int tree_send_thing(struct tree_sender *sender, int dirfd, const char *name,
			   const char *sent_name, unsigned int flags)
{
	int r = tree_stream_start(&sender->stream, flags);

	if (r == 0)
		r = tree_send_at(sender, dirfd, name, sent_name, NULL);
	if (r == 0)
		r = tree_stream_end(&sender->stream);
	tree_send_release(sender);
	return r;
}

int tree_send(int rootfd, const char *path, unsigned int flags, int fd, struct err *err)
{
	_cleanup_tree_place_ struct tree_place place = { .parent = -EBADF };
	_cleanup_free_ char *name = tree_send_name_of(path);
	struct tree_sender sender = { .stream = { .fd = fd, .err = err } };
	struct tree_shown shown = tree_show(path);
	int contents, r;

	r = tree_place_find(rootfd, path, flags & TREE_FOLLOW, &place);
	if (r < 0 || !place.exists)
		return err_errno(err, r < 0 ? r : -ENOENT, "cannot copy '%s'", shown.text);
	if ((place.wants_folder || flags & TREE_CONTENTS) && !S_ISDIR(place.st.st_mode))
		return err_set(err, -ENOTDIR, "'%s' is not a folder", shown.text);
	/* a thing without a name of its own (/, ..) can only be sent as what is in it */
	contents = flags & TREE_CONTENTS || !*name || tree_is_dots(name);
	return tree_send_thing(&sender, place.parent, place.name, contents ? "" : name,
			       contents ? TREE_STREAM_CONTENTS : 0);
}

int tree_send_exact(int dirfd, const char *name, int fd, struct err *err)
{
	struct tree_sender sender = { .stream = { .fd = fd, .err = err }, .exact = 1 };

	return tree_send_thing(&sender, dirfd, name, name, TREE_STREAM_EXACT);
}

struct tree_sender *tree_send_open(const struct tree_sink *sink, struct err *err)
{
	struct tree_sender *sender = mem_zalloc(sizeof(*sender));

	*sender = (struct tree_sender){ .stream = { .fd = -EBADF, .sink = sink, .err = err },
					.exact = 1 };
	/* it is too short to be written yet, and so to fail */
	(void)tree_stream_start(&sender->stream,
				TREE_STREAM_EXACT | (sink->known ? TREE_STREAM_SINCE : 0));
	return sender;
}

void tree_send_free(struct tree_sender *sender)
{
	if (!sender)
		return;
	tree_send_release(sender);
	free(sender);
}

int tree_send_enter(struct tree_sender *sender, const char *name)
{
	_cleanup_tree_entry_ struct tree_entry entry = { .name = mem_strdup(name),
							 .mode = S_IFDIR | 0700 };

	sender->depth++;
	tree_since_enter(&sender->path, name);
	return tree_stream_entry(&sender->stream, &entry);
}

int tree_send_add(struct tree_sender *sender, int dirfd, const char *name)
{
	return tree_send_at(sender, dirfd, name, name, NULL);
}

int tree_send_leave(struct tree_sender *sender)
{
	sender->depth--;
	tree_since_leave(&sender->path);
	return tree_stream_dir_end(&sender->stream);
}

int tree_send_end(struct tree_sender *sender)
{
	return tree_stream_end(&sender->stream);
}

int tree_send_list(int dirfd, const char *name, int fd, struct err *err)
{
	struct tree_sender sender = { .stream = { .fd = fd, .err = err }, .exact = 1, .list = 1 };

	return tree_send_thing(&sender, dirfd, name, name, TREE_STREAM_EXACT | TREE_STREAM_LIST);
}
