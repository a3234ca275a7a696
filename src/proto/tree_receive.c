// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the receiver relies on, whatever comes:
 *  1. A name is one component and neither "." nor ".."; it is used only relative to a folder that was opened
 *     without following a symlink, from the place that the path led to inside of the root.
 *  2. Nothing existing is written to: a file is made anew, in the place of what was there; an existing folder
 *     is only added to.
 *  3. A further link is made only to a file that this stream has brought, which is still what it was.
 *  4. Without TREE_ARCHIVE nobody gets a device, a set-id bit or another owner out of a stream.
 *  5. Records, depth, and the number of shared files are bounded; of an exact stream also how much it brings.
 *  6. An exact stream makes one new folder. What is in there has whatever the stream says, so that folder is in
 *     one that nobody but us may enter.
 */
#include "proto/tree.h"
#include "base/mem.h"
#include "proto/tree-internal.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define TREE_BLOCK	   4096
#define TREE_PROGRESS_STEP ((int64_t)4 << 20)

struct tree_folder {
	int fd;
	char *name;
	int is_new; /* one that was there keeps its owner, mode and time */
	uint32_t mode, uid, gid;
	struct timespec mtime;
	struct tree_entry
		attributes; /* of an exact one: set at its end, for what is made in it inherits some */
};

struct tree_shared {
	char *path; /* below the folder that the thing is in */
	mode_t type;
	dev_t dev;
	ino_t ino; /* which a file that is made later may get again */
};

struct tree_receiver {
	struct tree_input input;
	unsigned int flags;
	int contents;
	/* folders[0] is where the thing goes and not of the stream */
	struct tree_folder *folders;
	size_t depth;
	const char *top_name; /* instead of the sent one; NULL: none */
	int has_top, top_is_folder;
	struct tree_shared *shared;
	size_t n_shared;
	const struct tree_bounds *exact; /* NULL: it is not */
	int64_t taken, told;
	struct err *err;
};

static int tree_receive_broken(struct tree_receiver *receiver)
{
	return tree_input_broken(&receiver->input);
}

/* What the file system needs for it, about: blocks for data, and for an entry an inode and its names. */
static int tree_receive_take(struct tree_receiver *receiver, size_t bytes)
{
	const struct tree_bounds *exact = receiver->exact;

	if (!exact)
		return 0;
	receiver->taken += (int64_t)((bytes + TREE_BLOCK - 1) / TREE_BLOCK * TREE_BLOCK);
	if (receiver->taken > exact->bytes_max)
		return err_set(receiver->err, -ENOSPC, "there is no room for the files");
	if (exact->progress && receiver->taken >= receiver->told + TREE_PROGRESS_STEP) {
		receiver->told = receiver->taken;
		exact->progress(exact->ctx, receiver->taken);
	}
	return 0;
}

static int tree_receive_failed(struct tree_receiver *receiver, int code, const char *name)
{
	if (code == -ENODATA && receiver->exact)
		return err_set(receiver->err, -EOPNOTSUPP,
			       "'%s' has attributes here, but its data in the image (overlayfs's "
			       "metacopy); write to it once, and it has both",
			       tree_show(name).text);
	return err_errno(receiver->err, code, "cannot make '%s'", tree_show(name).text);
}

static struct tree_folder *tree_receive_top(struct tree_receiver *receiver)
{
	return &receiver->folders[receiver->depth - 1];
}

static void tree_receive_push(struct tree_receiver *receiver, struct tree_folder folder)
{
	receiver->folders =
		mem_realloc(receiver->folders, receiver->depth + 1, sizeof(*receiver->folders));
	receiver->folders[receiver->depth++] = folder;
}

static void tree_receive_pop(struct tree_receiver *receiver)
{
	struct tree_folder *folder = tree_receive_top(receiver);

	fd_close(folder->fd);
	free(folder->name);
	tree_stream_entry_release(&folder->attributes);
	receiver->depth--;
}

/* Owner, mode and time. The mode comes after the owner, whose change takes set-id bits away. */
static int tree_receive_finish(const struct tree_receiver *receiver, int fd, uint32_t mode,
			       uint32_t uid, uint32_t gid, struct timespec mtime)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, mtime };
	int archive = receiver->flags & TREE_ARCHIVE;

	if (archive && fchown(fd, uid, gid) < 0)
		return -errno;
	if (fchmod(fd, mode & (archive ? 07777 : 0777)) < 0)
		return -errno;
	return futimens(fd, times) < 0 ? -errno : 0;
}

/* 1: it is set; 0: it is left out. */
static int tree_receive_wants_xattr(const struct tree_receiver *receiver, const char *name)
{
	if (!receiver->exact)
		return tree_is_kept_xattr(name) ? 1 : -EBADMSG;
	return tree_is_metacopy(name) ? -ENODATA : tree_is_exact_xattr(name);
}

/* at: a path that leads to the file itself, if there is no descriptor. */
static int tree_receive_set_xattrs(const struct tree_receiver *receiver, int fd, const char *at,
				   const struct tree_entry *entry)
{
	struct wire_reader r = wire_read(entry->xattrs.data, entry->xattrs.len);

	for (uint32_t i = 0; i < entry->n_xattrs && !r.bad; i++) {
		_cleanup_free_ char *name = wire_get_str(&r);
		size_t len = 0;
		const uint8_t *value = wire_get_bytes(&r, &len);
		int wants = r.bad ? -EBADMSG : tree_receive_wants_xattr(receiver, name), n;

		if (wants < 0)
			return wants;
		if (!wants)
			continue;
		n = fd >= 0 ? fsetxattr(fd, name, value, len, 0)
			    : lsetxattr(at, name, value, len, 0);
		if (n < 0 && (errno != ENOTSUP || receiver->exact))
			return -errno;
	}
	return wire_end(&r);
}

static struct timespec tree_receive_mtime(const struct tree_entry *entry)
{
	return (struct timespec){ .tv_sec = (time_t)entry->mtime, .tv_nsec = entry->mtime_ns };
}

/* Nothing that is there is written to: it goes, unless it is a folder. In an exact stream's new folder there is nothing. */
static int tree_receive_make_way(const struct tree_receiver *receiver, int dirfd, const char *name)
{
	if (receiver->exact)
		return 0;
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	return -errno;
}

static int tree_receive_folder(struct tree_receiver *receiver, struct tree_entry *entry)
{
	int parent = tree_receive_top(receiver)->fd, r = 0;
	struct tree_folder folder = { .mode = entry->mode,
				      .uid = entry->uid,
				      .gid = entry->gid,
				      .mtime = tree_receive_mtime(entry) };

	if (receiver->depth > TREE_STREAM_DEPTH_MAX)
		return err_set(receiver->err, -ELOOP, "folders are nested deeper than %d",
			       TREE_STREAM_DEPTH_MAX);
	folder.is_new = mkdirat(parent, entry->name, 0700) == 0;
	if (!folder.is_new && (errno != EEXIST || receiver->exact))
		return tree_receive_failed(receiver, -errno, entry->name);
	folder.fd = openat(parent, entry->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder.fd < 0)
		return tree_receive_failed(receiver, -errno, entry->name);
	folder.name = mem_strdup(entry->name);
	tree_receive_push(receiver, folder);
	if (receiver->exact) {
		struct tree_folder *top = tree_receive_top(receiver);

		top->attributes.xattrs = entry->xattrs;
		top->attributes.n_xattrs = entry->n_xattrs;
		entry->xattrs = BUF_INIT;
	} else if (folder.is_new && receiver->flags & TREE_ARCHIVE) {
		r = tree_receive_set_xattrs(receiver, folder.fd, NULL, entry);
	}
	return r < 0 ? tree_receive_failed(receiver, r, entry->name) : 0;
}

static int tree_receive_folder_end(struct tree_receiver *receiver)
{
	struct tree_folder *folder;
	int r = 0;

	if (receiver->depth < 2)
		return tree_receive_broken(receiver);
	folder = tree_receive_top(receiver);
	if (folder->is_new)
		r = tree_receive_finish(receiver, folder->fd, folder->mode, folder->uid,
					folder->gid, folder->mtime);
	if (r == 0 && receiver->exact)
		r = tree_receive_set_xattrs(receiver, folder->fd, NULL, &folder->attributes);
	if (r < 0)
		return tree_receive_failed(receiver, r, folder->name);
	tree_receive_pop(receiver);
	return 0;
}

/* The path of name in the topmost folder, from the folder `from` on: 1 is the one that the thing is in. */
static char *tree_receive_path_below(const struct tree_receiver *receiver, size_t from,
				     const char *name)
{
	struct buf path = BUF_INIT;

	for (size_t i = from; i < receiver->depth; i++)
		buf_printf(&path, "%s/", receiver->folders[i].name);
	buf_add_str(&path, name);
	return buf_take(&path);
}

/* Of what was just made. */
static int tree_receive_note_shared(struct tree_receiver *receiver, const struct tree_entry *entry)
{
	size_t max = receiver->exact ? TREE_STREAM_SHARED_EXACT_MAX : TREE_STREAM_SHARED_MAX;
	struct stat st;

	if (!entry->shared)
		return 0;
	if (entry->shared != receiver->n_shared + 1 || receiver->n_shared >= max ||
	    fstatat(tree_receive_top(receiver)->fd, entry->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return tree_receive_broken(receiver);
	receiver->shared =
		mem_realloc(receiver->shared, receiver->n_shared + 1, sizeof(*receiver->shared));
	receiver->shared[receiver->n_shared++] =
		(struct tree_shared){ .path = tree_receive_path_below(receiver, 1, entry->name),
				      .type = st.st_mode & S_IFMT,
				      .dev = st.st_dev,
				      .ino = st.st_ino };
	return 0;
}

static int tree_receive_again(struct tree_receiver *receiver, const struct tree_entry *entry)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
	_cleanup_free_ char *path = NULL, *name = NULL;
	_cleanup_close_ int fd = -EBADF;
	const struct tree_shared *shared;
	struct stat st;
	int r;

	if (!entry->shared || entry->shared > receiver->n_shared)
		return tree_receive_broken(receiver);
	shared = &receiver->shared[entry->shared - 1];
	path = mem_strdup(shared->path);
	name = tree_split(path);
	fd = (int)syscall(SYS_openat2, receiver->folders[0].fd, *path ? path : ".", &how,
			  sizeof(how));
	if (fd < 0 || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return tree_receive_failed(receiver, -errno, entry->name);
	if ((st.st_mode & S_IFMT) != shared->type || st.st_dev != shared->dev ||
	    st.st_ino != shared->ino)
		return tree_receive_failed(receiver, -EAGAIN, entry->name);
	r = tree_receive_make_way(receiver, tree_receive_top(receiver)->fd, entry->name);
	if (r == 0 && linkat(fd, name, tree_receive_top(receiver)->fd, entry->name, 0) < 0)
		r = -errno;
	return r < 0 ? tree_receive_failed(receiver, r, entry->name) : 0;
}

static int tree_receive_write_at(int fd, const uint8_t *data, size_t len, uint64_t offset)
{
	if (offset > INT64_MAX - len)
		return -EFBIG;
	while (len) {
		ssize_t n = pwrite(fd, data, len, (off_t)offset);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
			offset += (uint64_t)n;
		}
	}
	return 0;
}

/* A block of the earlier tree, whose file is opened with the first one. */
struct tree_receive_earlier {
	char *path;
	int fd;
	uint8_t *data;
};

static void tree_receive_earlier_release(struct tree_receive_earlier *earlier)
{
	free(earlier->path);
	fd_close(earlier->fd);
	free(earlier->data);
}

static int tree_receive_no_base(struct tree_receiver *receiver, int code, const char *path)
{
	if (code != -ENOENT && code != -ESTALE && code != -ENOTDIR && code != -ELOOP)
		return tree_receive_failed(receiver, code, path);
	return err_set(receiver->err, -ESTALE,
		       "'%s' is not there as it has to be for this increment",
		       tree_show(path).text);
}

/* The earlier tree's block is written to fd, by reference where the file system can. Where it ends, or -errno. */
static int64_t tree_receive_same(struct tree_receiver *receiver,
				 struct tree_receive_earlier *earlier, struct wire_reader *wire,
				 int fd, const char *name)
{
	const struct tree_since *since = receiver->exact ? receiver->exact->since : NULL;
	struct tree_since_block block;
	off_t from, to;
	int r;

	if (!since || tree_since_block_get(wire, &block) < 0)
		return tree_receive_broken(receiver);
	if (!earlier->path) {
		earlier->path = tree_receive_path_below(receiver, 2, name);
		earlier->data = mem_zalloc(TREE_STREAM_DATA_MAX);
		earlier->fd = tree_since_open(since, earlier->path);
	}
	r = earlier->fd < 0
		    ? earlier->fd
		    : tree_since_get(since, earlier->fd, earlier->path, &block, earlier->data);
	if (r < 0)
		return tree_receive_no_base(receiver, r, earlier->path);
	r = tree_receive_take(receiver, block.len);
	if (r < 0)
		return r;
	from = to = (off_t)block.offset;
	if (copy_file_range(earlier->fd, &from, fd, &to, block.len, 0) != (ssize_t)block.len)
		r = tree_receive_write_at(fd, earlier->data, block.len, block.offset);
	return r < 0 ? tree_receive_failed(receiver, r, name) : (int64_t)(block.offset + block.len);
}

/* DATA and SAME up to FILE_END */
static int tree_receive_data(struct tree_receiver *receiver, int fd, const char *name)
{
	_cleanup_(tree_receive_earlier_release) struct tree_receive_earlier earlier = {
		.fd = -EBADF
	};
	uint64_t end = 0; /* of what was written last */

	for (;;) {
		struct wire_reader r = { 0 };
		int type = tree_input_next(&receiver->input, &r), result;
		uint64_t number;

		if (type < 0)
			return type;
		if (type == TREE_RECORD_SAME) {
			int64_t same = tree_receive_same(receiver, &earlier, &r, fd, name);

			if (same < 0)
				return (int)same;
			end = (uint64_t)same;
			continue;
		}
		number = wire_get_u64(&r);
		if (type == TREE_RECORD_FILE_END && wire_end(&r) == 0 && number <= INT64_MAX)
			return number != end && ftruncate(fd, (off_t)number) < 0
				       ? tree_receive_failed(receiver, -errno, name)
				       : 0;
		if (type != TREE_RECORD_DATA || r.bad)
			return tree_receive_broken(receiver);
		result = tree_receive_take(receiver, r.left);
		if (result < 0)
			return result;
		result = tree_receive_write_at(fd, r.p, r.left, number);
		if (result < 0)
			return tree_receive_failed(receiver, result, name);
		end = number + r.left;
	}
}

static int tree_receive_file(struct tree_receiver *receiver, const struct tree_entry *entry)
{
	int dirfd = tree_receive_top(receiver)->fd,
	    r = tree_receive_make_way(receiver, dirfd, entry->name);
	_cleanup_close_ int fd = -EBADF;

	if (r < 0)
		return tree_receive_failed(receiver, r, entry->name);
	fd = openat(dirfd, entry->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return tree_receive_failed(receiver, -errno, entry->name);
	r = tree_receive_note_shared(receiver, entry);
	if (r == 0)
		r = tree_receive_data(receiver, fd, entry->name);
	if (r < 0)
		return r;
	r = tree_receive_finish(receiver, fd, entry->mode, entry->uid, entry->gid,
				tree_receive_mtime(entry));
	if (r == 0 && receiver->flags & TREE_ARCHIVE)
		r = tree_receive_set_xattrs(receiver, fd, NULL, entry);
	return r < 0 ? tree_receive_failed(receiver, r, entry->name) : 0;
}

/* Modes of symlinks are nobody's. */
static int tree_receive_finish_exact(const struct tree_receiver *receiver, int dirfd,
				     const struct tree_entry *entry)
{
	_cleanup_free_ char *at = NULL;

	if (!S_ISLNK(entry->mode) && fchmodat(dirfd, entry->name, entry->mode & 07777, 0) < 0)
		return -errno;
	if (!entry->n_xattrs)
		return 0;
	at = mem_printf("/proc/self/fd/%d/%s", dirfd, entry->name);
	return tree_receive_set_xattrs(receiver, -EBADF, at, entry);
}

/* Symlinks and nodes have no descriptor to finish them by. */
static int tree_receive_finish_at(struct tree_receiver *receiver, int dirfd,
				  const struct tree_entry *entry)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, tree_receive_mtime(entry) };
	int r = 0;

	if (receiver->flags & TREE_ARCHIVE &&
	    fchownat(dirfd, entry->name, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (receiver->exact)
		r = tree_receive_finish_exact(receiver, dirfd, entry);
	if (r == 0 && utimensat(dirfd, entry->name, times, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	return r < 0 || !receiver->exact ? r : tree_receive_note_shared(receiver, entry);
}

static int tree_receive_symlink(struct tree_receiver *receiver, const struct tree_entry *entry)
{
	int dirfd = tree_receive_top(receiver)->fd,
	    r = tree_receive_make_way(receiver, dirfd, entry->name);

	if (r == 0 && symlinkat(entry->target, dirfd, entry->name) < 0)
		r = -errno;
	if (r == 0)
		r = tree_receive_finish_at(receiver, dirfd, entry);
	return r < 0 ? tree_receive_failed(receiver, r, entry->name) : 0;
}

/* Devices only for those who asked for everything as it was; who may not make one goes without. */
static int tree_receive_node(struct tree_receiver *receiver, const struct tree_entry *entry)
{
	int is_device = S_ISCHR(entry->mode) || S_ISBLK(entry->mode);
	int dirfd = tree_receive_top(receiver)->fd, r;

	if (is_device && !(receiver->flags & TREE_ARCHIVE))
		return 0;
	r = tree_receive_make_way(receiver, dirfd, entry->name);
	if (r == 0 && mknodat(dirfd, entry->name, entry->mode & (S_IFMT | 0777),
			      is_device ? makedev(entry->major, entry->minor) : 0) < 0) {
		if (errno == EPERM && !receiver->exact)
			return 0;
		if (errno == EPERM && is_device)
			return err_set(receiver->err, -EPERM,
				       "'%s' is a device, which only the host's root can make",
				       tree_show(entry->name).text);
		r = -errno;
	}
	if (r == 0)
		r = tree_receive_finish_at(receiver, dirfd, entry);
	return r < 0 ? tree_receive_failed(receiver, r, entry->name) : 0;
}

/* The thing itself: there is one, and it may have got another name. */
static int tree_receive_check_top(struct tree_receiver *receiver, struct tree_entry *entry)
{
	int is_folder = S_ISDIR(entry->mode);

	if (receiver->has_top || (receiver->contents && !is_folder))
		return tree_receive_broken(receiver);
	receiver->has_top = 1;
	if (receiver->top_is_folder && !is_folder)
		return err_set(receiver->err, -ENOTDIR, "the folder to copy into does not exist");
	if (!receiver->top_name)
		return tree_is_name(entry->name) ? 0 : tree_receive_broken(receiver);
	mem_replace(&entry->name, receiver->top_name);
	return 0;
}

static int tree_receive_entry(struct tree_receiver *receiver, struct wire_reader *r)
{
	_cleanup_tree_entry_ struct tree_entry entry = { 0 };
	int result = 0;

	if (tree_entry_get(r, &entry) < 0)
		return tree_receive_broken(receiver);
	if (receiver->depth == 1)
		result = tree_receive_check_top(receiver, &entry);
	else if (!tree_is_name(entry.name))
		result = tree_receive_broken(receiver);
	if (result == 0)
		result = tree_receive_take(receiver, 1);
	if (result < 0)
		return result;
	if (receiver->exact && entry.again)
		return tree_receive_again(receiver, &entry);
	switch (entry.mode & S_IFMT) {
	case S_IFDIR:
		return tree_receive_folder(receiver, &entry);
	case S_IFREG:
		return entry.again ? tree_receive_again(receiver, &entry)
				   : tree_receive_file(receiver, &entry);
	case S_IFLNK:
		return tree_receive_symlink(receiver, &entry);
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		return tree_receive_node(receiver, &entry);
	default:
		return tree_receive_broken(receiver);
	}
}

static int tree_receive_start(struct tree_receiver *receiver)
{
	unsigned int flags = 0;
	int r = tree_input_start(&receiver->input, &flags);

	if (r < 0)
		return r;
	receiver->contents = (flags & TREE_STREAM_CONTENTS) != 0;
	if (flags & TREE_STREAM_LIST || !(flags & TREE_STREAM_EXACT) != !receiver->exact ||
	    (flags & TREE_STREAM_SINCE && !(receiver->exact && receiver->exact->since)))
		return tree_receive_broken(receiver);
	return 0;
}

static int tree_receive_all(struct tree_receiver *receiver)
{
	for (;;) {
		struct wire_reader r = { 0 };
		int type = tree_input_next(&receiver->input, &r), result;

		if (type < 0)
			return type;
		if (type == TREE_RECORD_ENTRY)
			result = tree_receive_entry(receiver, &r);
		else if (type == TREE_RECORD_DIR_END)
			result = tree_receive_folder_end(receiver);
		else if (type == TREE_RECORD_END && receiver->depth == 1 && receiver->has_top)
			return 0;
		else
			result = tree_receive_broken(receiver);
		if (result < 0)
			return result;
	}
}

/* Where the thing goes: into the folder that the place is, or to the place itself. */
static int tree_receive_at(struct tree_receiver *receiver, const struct tree_place *place)
{
	int is_folder = place->exists && S_ISDIR(place->st.st_mode);
	int into = is_folder && !receiver->contents;
	struct tree_folder base = { .fd = -EBADF };

	if (place->exists && !is_folder && place->wants_folder)
		return err_set(receiver->err, -ENOTDIR, "the target is not a folder");
	receiver->top_is_folder = place->wants_folder && !is_folder;
	receiver->top_name = into ? NULL : place->name;
	base.fd = openat(place->parent, into ? place->name : ".",
			 O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (base.fd < 0)
		return err_errno(receiver->err, -errno, "cannot open the target folder");
	tree_receive_push(receiver, base);
	return tree_receive_all(receiver);
}

static void tree_receive_release(struct tree_receiver *receiver)
{
	while (receiver->depth)
		tree_receive_pop(receiver);
	free(receiver->folders);
	for (size_t i = 0; i < receiver->n_shared; i++)
		free(receiver->shared[i].path);
	free(receiver->shared);
	tree_input_release(&receiver->input);
}

int tree_receive(int rootfd, const char *path, unsigned int flags, int fd, struct err *err)
{
	_cleanup_tree_place_ struct tree_place place = { .parent = -EBADF };
	struct tree_receiver receiver = { .input = { .fd = fd, .err = err },
					  .flags = flags,
					  .err = err };
	int r = tree_place_find(rootfd, path, 1, &place);

	if (r < 0)
		return err_errno(err, r, "cannot copy to '%s'", tree_show(path).text);
	r = tree_receive_start(&receiver);
	if (r == 0)
		r = tree_receive_at(&receiver, &place);
	tree_receive_release(&receiver);
	return r;
}

int tree_receive_exact(int dirfd, const char *name, const struct tree_bounds *bounds, int fd,
		       struct err *err)
{
	struct tree_receiver receiver = {
		.input = { .fd = fd, .err = err },
		.flags = TREE_ARCHIVE,
		.exact = bounds,
		.top_name = name,
		.top_is_folder = 1,
		.err = err,
	};
	struct tree_folder base = { .fd = openat(dirfd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC) };
	int r;

	if (base.fd < 0)
		return err_errno(err, -errno, "cannot open the target folder");
	tree_receive_push(&receiver, base);
	r = tree_receive_start(&receiver);
	if (r == 0)
		r = tree_receive_all(&receiver);
	tree_receive_release(&receiver);
	return r;
}
