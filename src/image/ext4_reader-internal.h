/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_EXT4_READER_INTERNAL_H
#define IMAGE_EXT4_READER_INTERNAL_H

#include <ext2fs/ext2fs.h>

#include "proto/tree_stream.h"

struct ext4_reader;

/* Bytes of a file that lie together in the image. */
struct ext4_reader_extent {
	uint64_t offset, from, len;
};

/* Where a file's data is. Extents come in the order of offsets; a file whose data is in its inode has one, and inlined. */
struct ext4_reader_file {
	uint64_t size;
	struct ext4_reader_extent *extents;
	size_t n, room;
	char *inlined;
};

void ext4_reader_file_release(struct ext4_reader_file *file);
#define _cleanup_ext4_reader_file_ _cleanup_(ext4_reader_file_release)

/* Who gets what is read, in the order of a tree stream. All return 0, or -errno with the reader's err set. */
struct ext4_reader_sink {
	/* file: of a regular one that was not there yet, whose data comes next; else NULL */
	int (*entry)(struct ext4_reader *reader, const struct tree_entry *entry,
		     const struct ext4_reader_file *file);
	/* Where TREE_STREAM_DATA_MAX bytes of a file at offset can be put; then data_done() with how many were. */
	void *(*data)(struct ext4_reader *reader, uint64_t offset);
	int (*data_done)(struct ext4_reader *reader, size_t len);
	int (*file_end)(struct ext4_reader *reader, uint64_t size);
	int (*dir_end)(struct ext4_reader *reader);
};

/* What the files of the reader share. */
struct ext4_reader {
	int image;
	int64_t start, len; /* of the file system's place in the image */
	ext2_filsys fs;
	const struct ext4_reader_sink *sink;
	void *ctx;	/* the sink's */
	int64_t budget; /* bytes of data that may still be sent */
	int depth;
	/* folders, and files with several links: a hash table with open addressing; ino 0 is a free place */
	struct ext4_reader_inode *inodes;
	size_t inodes_size, n_inodes;
	uint32_t n_shared;
	struct err *err;
};

/* -EUCLEAN, with the file system's damage said. */
int ext4_reader_damaged(struct ext4_reader *reader, ext2_ino_t ino, const char *what,
			errcode_t code);

/* Opens the file system at start of the image, of which len bytes are its own; 0: to the image's end. */
int ext4_reader_open(struct ext4_reader *reader);
void ext4_reader_close(struct ext4_reader *reader);
/* A file, or a folder with all below it. */
int ext4_reader_send_inode(struct ext4_reader *reader, ext2_ino_t ino, const char *name);

/* Finds a file's data, and sends it and its end. */
int ext4_reader_data_find(struct ext4_reader *reader, ext2_ino_t ino,
			  struct ext2_inode_large *inode, struct ext4_reader_file *ret);
int ext4_reader_data_send(struct ext4_reader *reader, ext2_ino_t ino,
			  const struct ext4_reader_file *file);
/* At most max bytes of what is small (a symlink's target); returns how many. */
ssize_t ext4_reader_data_small(struct ext4_reader *reader, ext2_ino_t ino,
			       struct ext2_inode_large *inode, char *buf, size_t max);

#endif
