/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_EXT4_READER_INTERNAL_H
#define IMAGE_EXT4_READER_INTERNAL_H

#include <ext2fs/ext2fs.h>

#include "proto/tree_stream.h"

/* What the two files of the reader share. */
struct ext4_reader {
	int image;
	ext2_filsys fs;
	struct tree_stream stream;
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

/* A file's data and its end. */
int ext4_reader_data(struct ext4_reader *reader, ext2_ino_t ino, struct ext2_inode_large *inode);
/* At most max bytes of what is small (a symlink's target); returns how many. */
ssize_t ext4_reader_data_small(struct ext4_reader *reader, ext2_ino_t ino,
			       struct ext2_inode_large *inode, char *buf, size_t max);

#endif
