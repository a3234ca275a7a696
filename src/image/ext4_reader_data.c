// SPDX-License-Identifier: GPL-2.0-or-later
/* Where a file's data is: in extents, in blocks that are listed one by one, or in the inode. */
#include "base/mem.h"
#include "image/ext4_reader-internal.h"

#include <string.h>

/* A file whose data is looked for. */
struct ext4_reader_search {
	struct ext4_reader *reader;
	ext2_ino_t ino;
	struct ext4_reader_file *file;
	uint64_t next; /* the first logical block behind what was found */
	int result;
};

void ext4_reader_file_release(struct ext4_reader_file *file)
{
	free(file->extents);
	free(file->inlined);
}

static int ext4_reader_data_charge(struct ext4_reader *reader, ext2_ino_t ino, uint64_t bytes)
{
	reader->budget -= (int64_t)bytes;
	return reader->budget < 0
		       ? ext4_reader_damaged(reader, ino, "more data than it can have", 0)
		       : 0;
}

static void ext4_reader_add_extent(struct ext4_reader_file *file, uint64_t offset, uint64_t from,
				   uint64_t len)
{
	struct ext4_reader_extent *last = file->n ? &file->extents[file->n - 1] : NULL;

	if (last && last->offset + last->len == offset && last->from + last->len == from) {
		last->len += len;
		return;
	}
	if (file->n == file->room) {
		file->room = file->room ? 2 * file->room : 4;
		file->extents = mem_realloc(file->extents, file->room, sizeof(*file->extents));
	}
	file->extents[file->n++] = (struct ext4_reader_extent){ offset, from, len };
}

/* What lies behind the file's end (verity's hashes) is not of its data. */
static int ext4_reader_add_blocks(struct ext4_reader_search *search, uint64_t at, uint64_t from,
				  uint64_t len)
{
	struct ext4_reader *reader = search->reader;
	uint64_t blocks = ext2fs_blocks_count(reader->fs->super), block = reader->fs->blocksize;
	uint64_t size = search->file->size, bytes;

	if (at < search->next || !len || from >= blocks || len > blocks - from)
		return ext4_reader_damaged(reader, search->ino, "blocks where none can be", 0);
	search->next = at + len;
	if (at * block >= size)
		return 0;
	bytes = len * block < size - at * block ? len * block : size - at * block;
	ext4_reader_add_extent(search->file, at * block, from * block, bytes);
	return ext4_reader_data_charge(reader, search->ino, bytes);
}

static int ext4_reader_extents(struct ext4_reader_search *search, struct ext2_inode_large *inode)
{
	struct ext4_reader *reader = search->reader;
	struct ext2fs_extent extent;
	ext2_extent_handle_t handle;
	int op = EXT2_EXTENT_ROOT, r = 0;
	errcode_t code = ext2fs_extent_open2(reader->fs, search->ino, EXT2_INODE(inode), &handle);

	if (code)
		return ext4_reader_damaged(reader, search->ino, "extents", code);
	while (r == 0 && !(code = ext2fs_extent_get(handle, op, &extent))) {
		op = EXT2_EXTENT_NEXT;
		/* one that nothing was written to yet reads as a hole does */
		if (extent.e_flags & EXT2_EXTENT_FLAGS_LEAF &&
		    !(extent.e_flags & EXT2_EXTENT_FLAGS_UNINIT))
			r = ext4_reader_add_blocks(search, extent.e_lblk, extent.e_pblk,
						   extent.e_len);
	}
	ext2fs_extent_free(handle);
	if (r == 0 && code != EXT2_ET_EXTENT_NO_NEXT)
		r = ext4_reader_damaged(reader, search->ino, "extents", code);
	return r;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): as libext2fs calls it */
static int ext4_reader_on_block(ext2_filsys fs _unused_, blk64_t *block, e2_blkcnt_t at,
				blk64_t ref _unused_, int offset _unused_, void *ctx)
{
	struct ext4_reader_search *search = ctx;

	search->result = at < 0 ? -EINVAL : ext4_reader_add_blocks(search, (uint64_t)at, *block, 1);
	return search->result < 0 ? BLOCK_ABORT : 0;
}

static int ext4_reader_blocks(struct ext4_reader_search *search)
{
	struct ext4_reader *reader = search->reader;
	errcode_t code = ext2fs_block_iterate3(reader->fs, search->ino,
					       BLOCK_FLAG_DATA_ONLY | BLOCK_FLAG_READ_ONLY, NULL,
					       ext4_reader_on_block, search);

	if (search->result < 0)
		return search->result;
	return code ? ext4_reader_damaged(reader, search->ino, "blocks", code) : 0;
}

static int ext4_reader_inline(struct ext4_reader_search *search, struct ext2_inode_large *inode)
{
	struct ext4_reader_file *file = search->file;
	ssize_t n;

	file->inlined = mem_zalloc(TREE_STREAM_DATA_MAX);
	n = ext4_reader_data_small(search->reader, search->ino, inode, file->inlined,
				   TREE_STREAM_DATA_MAX);
	if (n < 0)
		return (int)n;
	/* what the inode has room for */
	if ((uint64_t)n > file->size)
		n = (ssize_t)file->size;
	if (!n)
		return 0;
	ext4_reader_add_extent(file, 0, 0, (uint64_t)n);
	return ext4_reader_data_charge(search->reader, search->ino, (uint64_t)n);
}

ssize_t ext4_reader_data_small(struct ext4_reader *reader, ext2_ino_t ino,
			       struct ext2_inode_large *inode, char *buf, size_t max)
{
	unsigned int n = 0;
	ext2_file_t file;
	errcode_t code = ext2fs_file_open2(reader->fs, ino, EXT2_INODE(inode), 0, &file);

	if (code)
		return ext4_reader_damaged(reader, ino, "data", code);
	code = ext2fs_file_read(file, buf, (unsigned int)max, &n);
	(void)ext2fs_file_close(file);
	return code ? ext4_reader_damaged(reader, ino, "data", code) : (ssize_t)n;
}

int ext4_reader_data_find(struct ext4_reader *reader, ext2_ino_t ino,
			  struct ext2_inode_large *inode, struct ext4_reader_file *ret)
{
	struct ext4_reader_search search = { .reader = reader, .ino = ino, .file = ret };

	ret->size = EXT2_I_SIZE(inode);
	if (ret->size > INT64_MAX)
		return ext4_reader_damaged(reader, ino, "size", 0);
	if (inode->i_flags & EXT4_INLINE_DATA_FL)
		return ext4_reader_inline(&search, inode);
	return inode->i_flags & EXT4_EXTENTS_FL ? ext4_reader_extents(&search, inode)
						: ext4_reader_blocks(&search);
}

static int ext4_reader_send_extent(struct ext4_reader *reader, ext2_ino_t ino,
				   const struct ext4_reader_extent *extent)
{
	for (uint64_t done = 0; done < extent->len;) {
		uint64_t left = extent->len - done;
		size_t max = left < TREE_STREAM_DATA_MAX ? (size_t)left : TREE_STREAM_DATA_MAX;
		void *data = reader->sink->data(reader, extent->offset + done);
		ssize_t n = pread(reader->image, data, max,
				  reader->start + (off_t)(extent->from + done));
		int r;

		if (n <= 0)
			return n < 0 ? err_errno(reader->err, -errno, "cannot read the disk")
				     : ext4_reader_damaged(reader, ino, "data beyond its end", 0);
		r = reader->sink->data_done(reader, (size_t)n);
		if (r < 0)
			return r;
		done += (uint64_t)n;
	}
	return 0;
}

int ext4_reader_data_send(struct ext4_reader *reader, ext2_ino_t ino,
			  const struct ext4_reader_file *file)
{
	int r = 0;

	if (file->inlined && file->n) {
		memcpy(reader->sink->data(reader, 0), file->inlined, file->extents[0].len);
		r = reader->sink->data_done(reader, file->extents[0].len);
	}
	for (size_t i = 0; !file->inlined && i < file->n && r == 0; i++)
		r = ext4_reader_send_extent(reader, ino, &file->extents[i]);
	return r < 0 ? r : reader->sink->file_end(reader, file->size);
}
