// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/tree.h"
#include "base/file.h"
#include "base/mem.h"
#include "proto/tree-internal.h"

#include <fcntl.h>
#include <limits.h>
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
	int fd;
	struct buf out;
	int depth;
	/* files with several links: a hash table with open addressing */
	struct tree_inode *inodes;
	size_t inodes_size;
	uint32_t n_shared;
	struct err *err;
};

static int tree_send_flush(struct tree_sender *sender)
{
	int r = file_write_all(sender->fd, sender->out.data, sender->out.len);

	sender->out.len = 0;
	return r < 0 ? err_errno(sender->err, r, "cannot send the files") : 0;
}

/* Begins a record; tree_send_done() fills in its length. */
static size_t tree_send_begin(struct tree_sender *sender, enum tree_record type)
{
	wire_put_u8(&sender->out, (uint8_t)type);
	wire_put_u32(&sender->out, 0);
	return sender->out.len;
}

static int tree_send_done(struct tree_sender *sender, size_t begin)
{
	uint32_t len = (uint32_t)(sender->out.len - begin);

	for (size_t i = 0; i < sizeof(len); i++)
		sender->out.data[begin - sizeof(len) + i] = (char)(len >> (8 * i));
	return sender->out.len >= TREE_DATA_MAX ? tree_send_flush(sender) : 0;
}

static int tree_send_mark(struct tree_sender *sender, enum tree_record type)
{
	return tree_send_done(sender, tree_send_begin(sender, type));
}

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
	struct tree_inode *inode;

	if (st->st_nlink < 2 || !S_ISREG(st->st_mode))
		return;
	if (2 * (size_t)sender->n_shared >= sender->inodes_size)
		tree_send_grow_inodes(sender);
	inode = tree_send_inode_place(sender->inodes, sender->inodes_size, st);
	entry->again = inode->number != 0;
	if (!inode->number && sender->n_shared < TREE_SHARED_MAX)
		*inode = (struct tree_inode){ .dev = st->st_dev,
					      .ino = st->st_ino,
					      .number = ++sender->n_shared };
	entry->shared = inode->number;
}

/* Of a file or folder that is open. File systems without xattrs have none. */
static int tree_send_read_xattrs(int fd, struct tree_entry *entry)
{
	char names[4096], value[4096];
	ssize_t len = flistxattr(fd, names, sizeof(names));

	if (len < 0)
		return errno == ENOTSUP ? 0 : -errno;
	for (const char *name = names; name < names + len; name += strlen(name) + 1) {
		ssize_t n;

		if (!tree_is_kept_xattr(name))
			continue;
		n = fgetxattr(fd, name, value, sizeof(value));
		if (n < 0)
			return -errno;
		wire_put_str(&entry->xattrs, name);
		wire_put_bytes(&entry->xattrs, value, (size_t)n);
		entry->n_xattrs++;
	}
	return entry->xattrs.len > TREE_XATTRS_MAX ? -E2BIG : 0;
}

static int tree_send_entry(struct tree_sender *sender, struct tree_entry *entry,
			   const struct stat *st)
{
	size_t begin = tree_send_begin(sender, TREE_RECORD_ENTRY);

	entry->mode = st->st_mode;
	entry->uid = st->st_uid;
	entry->gid = st->st_gid;
	entry->mtime = (uint64_t)st->st_mtim.tv_sec;
	entry->mtime_ns = (uint32_t)st->st_mtim.tv_nsec;
	entry->major = major(st->st_rdev);
	entry->minor = minor(st->st_rdev);
	tree_entry_put(&sender->out, entry);
	return tree_send_done(sender, begin);
}

/* Sends [from, to) or up to the file's end; returns where it stopped. */
static off_t tree_send_range(struct tree_sender *sender, int fd, off_t from, off_t to)
{
	while (from < to) {
		size_t max = to - from < TREE_DATA_MAX ? (size_t)(to - from) : TREE_DATA_MAX;
		size_t begin = tree_send_begin(sender, TREE_RECORD_DATA);
		ssize_t n;
		int r;

		wire_put_u64(&sender->out, (uint64_t)from);
		buf_reserve(&sender->out, max);
		n = pread(fd, sender->out.data + sender->out.len, max, from);
		if (n < 0)
			return err_errno(sender->err, -errno, "cannot read a file");
		if (!n) {
			sender->out.len = begin - TREE_RECORD_HEAD;
			break;
		}
		sender->out.len += (size_t)n;
		r = tree_send_done(sender, begin);
		if (r < 0)
			return r;
		from += n;
	}
	return from;
}

/* What can tell its holes skips them; the others (/proc) are read to their end. */
static int tree_send_data(struct tree_sender *sender, int fd)
{
	off_t at = 0;
	struct stat st;
	size_t begin;

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
	begin = tree_send_begin(sender, TREE_RECORD_FILE_END);
	wire_put_u64(&sender->out, (uint64_t)at);
	return tree_send_done(sender, begin);
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
		return err_errno(sender->err, -ENOMEM, "cannot read a folder");
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

static int tree_send_folder(struct tree_sender *sender, int *fd, const struct stat *st,
			    const struct stat *parent)
{
	int r = 0;

	if (++sender->depth > TREE_DEPTH_MAX)
		return err_set(sender->err, -ELOOP, "folders are nested deeper than %d",
			       TREE_DEPTH_MAX);
	if (!tree_send_is_kernels(*fd, st, parent))
		r = tree_send_contents(sender, take_fd(fd), st);
	sender->depth--;
	return r < 0 ? r : tree_send_mark(sender, TREE_RECORD_DIR_END);
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
		return err_errno(sender->err, -errno, "cannot open '%s'", shown.text);
	if ((st.st_mode & S_IFMT) != (seen->st_mode & S_IFMT))
		return err_set(sender->err, -EAGAIN, "'%s' changed while it was copied",
			       shown.text);
	r = tree_send_read_xattrs(fd, entry);
	if (r < 0)
		return err_errno(sender->err, r, "cannot read the attributes of '%s'", shown.text);
	tree_send_note_links(sender, &st, entry);
	r = tree_send_entry(sender, entry, &st);
	if (r < 0 || entry->again)
		return r;
	r = is_folder ? tree_send_folder(sender, &fd, &st, parent) : tree_send_data(sender, fd);
	return r < 0 ? err_wrap(sender->err, "%s", shown.text) : 0;
}

static int tree_send_at(struct tree_sender *sender, int dirfd, const char *name,
			const char *sent_name, const struct stat *parent)
{
	_cleanup_tree_entry_ struct tree_entry entry = { .name = mem_strdup(sent_name) };
	struct tree_shown shown = tree_show(name);
	char target[PATH_MAX] = "";
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		/* gone since its folder was read */
		if (errno == ENOENT && parent)
			return 0;
		return err_errno(sender->err, -errno, "cannot read '%s'", shown.text);
	}
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
		return tree_send_opened(sender, dirfd, name, &entry, &st, parent);
	if (S_ISLNK(st.st_mode) && readlinkat(dirfd, name, target, sizeof(target) - 1) < 0)
		return err_errno(sender->err, -errno, "cannot read the link '%s'", shown.text);
	entry.target = mem_strdup(target);
	return tree_send_entry(sender, &entry, &st);
}

static int tree_send_start(struct tree_sender *sender, int contents)
{
	size_t begin = tree_send_begin(sender, TREE_RECORD_START);

	wire_put_u32(&sender->out, TREE_MAGIC);
	wire_put_u16(&sender->out, TREE_VERSION);
	wire_put_u8(&sender->out, (uint8_t)contents);
	return tree_send_done(sender, begin);
}

/* The name that the thing is sent with: the last component of the path as it was given. */
static char *tree_send_name_of(const char *path)
{
	_cleanup_free_ char *copy = mem_strdup(path);

	return tree_split(copy);
}

int tree_send(int rootfd, const char *path, unsigned int flags, int fd, struct err *err)
{
	_cleanup_tree_place_ struct tree_place place = { .parent = -EBADF };
	_cleanup_free_ char *name = tree_send_name_of(path);
	struct tree_sender sender = { .fd = fd, .err = err };
	struct tree_shown shown = tree_show(path);
	int contents, r;

	r = tree_place_find(rootfd, path, flags & TREE_FOLLOW, &place);
	if (r < 0 || !place.exists)
		return err_errno(err, r < 0 ? r : -ENOENT, "cannot copy '%s'", shown.text);
	if ((place.wants_folder || flags & TREE_CONTENTS) && !S_ISDIR(place.st.st_mode))
		return err_set(err, -ENOTDIR, "'%s' is not a folder", shown.text);
	/* a thing without a name of its own (/, ..) can only be sent as what is in it */
	contents = flags & TREE_CONTENTS || !*name || tree_is_dots(name);
	r = tree_send_start(&sender, contents);
	if (r == 0)
		r = tree_send_at(&sender, place.parent, place.name, contents ? "" : name, NULL);
	if (r == 0)
		r = tree_send_mark(&sender, TREE_RECORD_END);
	if (r == 0)
		r = tree_send_flush(&sender);
	buf_release(&sender.out);
	free(sender.inodes);
	return r;
}
