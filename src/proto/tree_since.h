/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_TREE_SINCE_H
#define PROTO_TREE_SINCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Trees as increments: an exact stream in which a block of a file is named by its digest where an earlier tree has the
 * same at the same place. All else, every name and attribute, comes as ever, so what is not in the stream is gone, and
 * whether a block is right is known from the block itself.
 */
#define TREE_SINCE_DIGEST_SIZE 32
/* What lies deeper is sent whole: it could not be opened by its path. */
#define TREE_SINCE_PATH_MAX 4000

/* Of a block and where it stands: path is that of its file below the topmost folder. Blocks end at multiples of
 * TREE_STREAM_DATA_MAX in their file. */
typedef void (*tree_since_digest_fn)(const char *path, uint64_t offset, const void *data,
				     size_t len, uint8_t ret[TREE_SINCE_DIGEST_SIZE]);

/* The earlier tree, for tree_receive_exact(): a folder that nobody but us changes meanwhile. */
struct tree_since {
	int dirfd;
	const char *name;
	tree_since_digest_fn digest;
};

/* Who hears of the blocks of a stream. Non-zero ends it: -errno with err set. */
struct tree_since_blocks {
	tree_since_digest_fn digest;
	int (*each)(void *ctx, const uint8_t digest[TREE_SINCE_DIGEST_SIZE], struct err *err);
	void *ctx;
};

/* Reads an exact stream, an increment or not, for the digests of all its blocks. The sender is not trusted. */
int tree_since_read(int fd, const struct tree_since_blocks *blocks, struct err *err);

#endif
