// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What this relies on, whatever comes: a name is one component, records and depth are bounded, and in the earlier tree
 * nothing is opened but a file (a device would hear of it), and no symlink is followed on the way. A block is taken from there once its digest is
 * the one that the stream names.
 */
#include "proto/tree_since.h"
#include "base/mem.h"
#include "proto/tree-internal.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>

/* --- where in a tree one is --- */

void tree_since_enter(struct buf *path, const char *name)
{
	buf_add_str(path, name);
	buf_add_str(path, "/");
}

void tree_since_leave(struct buf *path)
{
	do
		path->len--;
	while (path->len && path->data[path->len - 1] != '/');
}

char *tree_since_path(const struct buf *path, const char *name)
{
	const char *slash = path->len ? memchr(path->data, '/', path->len) : NULL;
	size_t top = slash ? (size_t)(slash + 1 - path->data) : 0;

	return mem_printf("%.*s%s", (int)(path->len - top), path->len ? path->data + top : "",
			  name);
}

/* --- the blocks of an earlier tree --- */

int tree_since_open(const struct tree_since *since, const char *path)
{
	struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
	_cleanup_close_ int top =
		openat(since->dirfd, since->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int fd =
		top < 0 ? top : (int)syscall(SYS_openat2, top, path, &how, sizeof(how));
	_cleanup_free_ char *at = NULL;
	struct stat st;
	int opened;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOENT;
	at = mem_printf("/proc/self/fd/%d", fd);
	opened = open(at, O_RDONLY | O_CLOEXEC);
	return opened < 0 ? -errno : opened;
}

int tree_since_get(const struct tree_since *since, int fd, const char *path,
		   const struct tree_since_block *block, void *data)
{
	uint8_t digest[TREE_SINCE_DIGEST_SIZE];
	size_t done = 0;

	while (done < block->len) {
		ssize_t n = pread(fd, (char *)data + done, block->len - done,
				  (off_t)(block->offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -ESTALE;
		done += (size_t)n;
	}
	since->digest(path, block->offset, data, block->len, digest);
	return memcmp(digest, block->digest, sizeof(digest)) ? -ESTALE : 0;
}

int tree_since_block_get(struct wire_reader *r, struct tree_since_block *ret)
{
	ret->offset = wire_get_u64(r);
	ret->len = wire_get_u32(r);
	if (r->bad || r->left != sizeof(ret->digest) || !ret->len ||
	    ret->len > TREE_STREAM_DATA_MAX || ret->offset > (uint64_t)INT64_MAX - ret->len)
		return -EBADMSG;
	memcpy(ret->digest, r->p, sizeof(ret->digest));
	return 0;
}

/* --- reading for the digests alone --- */

struct tree_since_reader {
	struct tree_input input;
	const struct tree_since_blocks *blocks;
	struct buf path;
	int depth;
};

static int tree_since_read_data(struct tree_since_reader *reader, struct wire_reader *r,
				const char *path)
{
	uint8_t digest[TREE_SINCE_DIGEST_SIZE];
	uint64_t offset = wire_get_u64(r);

	if (r->bad)
		return tree_input_broken(&reader->input);
	reader->blocks->digest(path, offset, r->p, r->left, digest);
	return reader->blocks->each(reader->blocks->ctx, digest, reader->input.err);
}

static int tree_since_read_same(struct tree_since_reader *reader, struct wire_reader *r)
{
	struct tree_since_block block;

	if (tree_since_block_get(r, &block) < 0)
		return tree_input_broken(&reader->input);
	return reader->blocks->each(reader->blocks->ctx, block.digest, reader->input.err);
}

/* Up to FILE_END */
static int tree_since_read_file(struct tree_since_reader *reader, const char *name)
{
	_cleanup_free_ char *path = tree_since_path(&reader->path, name);

	for (;;) {
		struct wire_reader r = { 0 };
		int type = tree_input_next(&reader->input, &r), result;

		if (type < 0)
			return type;
		if (type == TREE_RECORD_FILE_END)
			return 0;
		if (type == TREE_RECORD_DATA)
			result = tree_since_read_data(reader, &r, path);
		else if (type == TREE_RECORD_SAME)
			result = tree_since_read_same(reader, &r);
		else
			result = tree_input_broken(&reader->input);
		if (result != 0)
			return result;
	}
}

static int tree_since_read_entry(struct tree_since_reader *reader, struct wire_reader *r)
{
	_cleanup_tree_entry_ struct tree_entry entry = { 0 };

	if (tree_entry_get(r, &entry) < 0 || !tree_is_name(entry.name))
		return tree_input_broken(&reader->input);
	if (S_ISREG(entry.mode) && !entry.again)
		return tree_since_read_file(reader, entry.name);
	if (!S_ISDIR(entry.mode))
		return 0;
	if (++reader->depth > TREE_STREAM_DEPTH_MAX)
		return tree_input_broken(&reader->input);
	tree_since_enter(&reader->path, entry.name);
	return 0;
}

static int tree_since_read_all(struct tree_since_reader *reader)
{
	for (;;) {
		struct wire_reader r = { 0 };
		int type = tree_input_next(&reader->input, &r), result = 0;

		if (type == TREE_RECORD_ENTRY) {
			result = tree_since_read_entry(reader, &r);
		} else if (type == TREE_RECORD_DIR_END && reader->depth) {
			reader->depth--;
			tree_since_leave(&reader->path);
		} else {
			if (type == TREE_RECORD_END && !reader->depth)
				return 0;
			return type < 0 ? type : tree_input_broken(&reader->input);
		}
		if (result != 0)
			return result;
	}
}

int tree_since_read(int fd, const struct tree_since_blocks *blocks, struct err *err)
{
	struct tree_since_reader reader = { .input = { .fd = fd, .err = err }, .blocks = blocks };
	unsigned int flags = 0;
	int r = tree_input_start(&reader.input, &flags);

	if (r == 0 && (!(flags & TREE_STREAM_EXACT) || flags & TREE_STREAM_LIST))
		r = tree_input_broken(&reader.input);
	if (r == 0)
		r = tree_since_read_all(&reader);
	tree_input_release(&reader.input);
	buf_release(&reader.path);
	return r;
}
