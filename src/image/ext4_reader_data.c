// SPDX-License-Identifier: GPL-2.0-or-later
/* Where a file's data is: in extents, in blocks that are listed one by one, or in the inode. */
#include "image/ext4_reader-internal.h"

#include <string.h>

struct ext4_reader_run {
	struct ext4_reader *reader;
	ext2_ino_t ino;
	uint64_t size;		/* of the file, in bytes */
	uint64_t next;		/* the first logical block behind what was sent */
	uint64_t at, from, len; /* blocks that are to be sent: logical, physical, how many */
	int result;
};

static int ext4_reader_data_charge(struct ext4_reader *reader, ext2_ino_t ino, ssize_t bytes)
{
	reader->budget -= bytes;
	return reader->budget < 0
		       ? ext4_reader_damaged(reader, ino, "more data than it can have", 0)
		       : 0;
}

static int ext4_reader_send_bytes(struct ext4_reader *reader, ext2_ino_t ino, uint64_t offset,
				  uint64_t from, uint64_t bytes)
{
	while (bytes) {
		size_t max = bytes < TREE_STREAM_DATA_MAX ? (size_t)bytes : TREE_STREAM_DATA_MAX;
		void *data = tree_stream_data(&reader->stream, offset);
		ssize_t n = pread(reader->image, data, max, (off_t)from);
		int r;

		if (n <= 0)
			return n < 0 ? err_errno(reader->err, -errno, "cannot read the disk")
				     : ext4_reader_damaged(reader, ino, "data beyond its end", 0);
		r = ext4_reader_data_charge(reader, ino, n);
		if (r == 0)
			r = tree_stream_data_done(&reader->stream, (size_t)n);
		if (r < 0)
			return r;
		offset += (uint64_t)n;
		from += (uint64_t)n;
		bytes -= (uint64_t)n;
	}
	return 0;
}

/* What was put together; what lies behind the file's end (verity's hashes) is not of its data. */
static int ext4_reader_flush_run(struct ext4_reader_run *run)
{
	struct ext4_reader *reader = run->reader;
	uint64_t block = reader->fs->blocksize, offset = run->at * block, bytes = run->len * block;

	run->len = 0;
	if (offset >= run->size)
		return 0;
	if (bytes > run->size - offset)
		bytes = run->size - offset;
	return ext4_reader_send_bytes(reader, run->ino, offset, run->from * block, bytes);
}

static int ext4_reader_add_run(struct ext4_reader_run *run, uint64_t at, uint64_t from,
			       uint64_t len)
{
	uint64_t blocks = ext2fs_blocks_count(run->reader->fs->super);

	if (at < run->next || !len || from >= blocks || len > blocks - from)
		return ext4_reader_damaged(run->reader, run->ino, "blocks where none can be", 0);
	run->next = at + len;
	if (run->len && run->at + run->len == at && run->from + run->len == from) {
		run->len += len;
		return 0;
	}
	if (run->len) {
		int r = ext4_reader_flush_run(run);

		if (r < 0)
			return r;
	}
	run->at = at;
	run->from = from;
	run->len = len;
	return 0;
}

static int ext4_reader_extents(struct ext4_reader_run *run, struct ext2_inode_large *inode)
{
	struct ext4_reader *reader = run->reader;
	struct ext2fs_extent extent;
	ext2_extent_handle_t handle;
	int op = EXT2_EXTENT_ROOT, r = 0;
	errcode_t code = ext2fs_extent_open2(reader->fs, run->ino, EXT2_INODE(inode), &handle);

	if (code)
		return ext4_reader_damaged(reader, run->ino, "extents", code);
	while (r == 0 && !(code = ext2fs_extent_get(handle, op, &extent))) {
		op = EXT2_EXTENT_NEXT;
		/* one that nothing was written to yet reads as a hole does */
		if (extent.e_flags & EXT2_EXTENT_FLAGS_LEAF &&
		    !(extent.e_flags & EXT2_EXTENT_FLAGS_UNINIT))
			r = ext4_reader_add_run(run, extent.e_lblk, extent.e_pblk, extent.e_len);
	}
	ext2fs_extent_free(handle);
	if (r == 0 && code != EXT2_ET_EXTENT_NO_NEXT)
		r = ext4_reader_damaged(reader, run->ino, "extents", code);
	return r;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): as libext2fs calls it */
static int ext4_reader_on_block(ext2_filsys fs _unused_, blk64_t *block, e2_blkcnt_t at,
				blk64_t ref _unused_, int offset _unused_, void *ctx)
{
	struct ext4_reader_run *run = ctx;

	run->result = at < 0 ? -EINVAL : ext4_reader_add_run(run, (uint64_t)at, *block, 1);
	return run->result < 0 ? BLOCK_ABORT : 0;
}

static int ext4_reader_blocks(struct ext4_reader_run *run)
{
	struct ext4_reader *reader = run->reader;
	errcode_t code = ext2fs_block_iterate3(reader->fs, run->ino,
					       BLOCK_FLAG_DATA_ONLY | BLOCK_FLAG_READ_ONLY, NULL,
					       ext4_reader_on_block, run);

	if (run->result < 0)
		return run->result;
	return code ? ext4_reader_damaged(reader, run->ino, "blocks", code) : 0;
}

static int ext4_reader_inline(struct ext4_reader *reader, ext2_ino_t ino,
			      struct ext2_inode_large *inode)
{
	char *data = tree_stream_data(&reader->stream, 0);
	ssize_t n = ext4_reader_data_small(reader, ino, inode, data, TREE_STREAM_DATA_MAX);

	int r = n < 0 ? (int)n : ext4_reader_data_charge(reader, ino, n);

	return r < 0 ? r : tree_stream_data_done(&reader->stream, (size_t)n);
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

int ext4_reader_data(struct ext4_reader *reader, ext2_ino_t ino, struct ext2_inode_large *inode)
{
	struct ext4_reader_run run = { .reader = reader, .ino = ino, .size = EXT2_I_SIZE(inode) };
	int r;

	if (run.size > INT64_MAX)
		return ext4_reader_damaged(reader, ino, "size", 0);
	if (inode->i_flags & EXT4_INLINE_DATA_FL)
		r = ext4_reader_inline(reader, ino, inode);
	else if (inode->i_flags & EXT4_EXTENTS_FL)
		r = ext4_reader_extents(&run, inode);
	else
		r = ext4_reader_blocks(&run);
	if (r == 0 && run.len)
		r = ext4_reader_flush_run(&run);
	return r < 0 ? r : tree_stream_file_end(&reader->stream, run.size);
}
