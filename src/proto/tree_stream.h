/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_TREE_STREAM_H
#define PROTO_TREE_STREAM_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "proto/tree.h"
#include "proto/tree_since.h"

/*
 * How a tree stream (proto/tree.h; the format is in tree.c) is written, for senders that have their files from
 * elsewhere than a folder. In order: start; the thing's entry, behind a file's entry its data and file_end, behind a
 * folder's its entries and dir_end; end. All but the putting together return 0, or -errno with stream->err set.
 */

/* What a sender may count on being taken. */
#define TREE_STREAM_DATA_MAX   (64U << 10)
#define TREE_STREAM_XATTRS_MAX (256U << 10)
/* Each level holds a descriptor on both sides. */
#define TREE_STREAM_DEPTH_MAX 500
/* Files with several links, in a stream and in an exact one. */
#define TREE_STREAM_SHARED_MAX	     (64U << 10)
#define TREE_STREAM_SHARED_EXACT_MAX (1U << 20)

/* Flags of a stream, at its front. */
#define TREE_STREAM_CONTENTS 0x01 /* the thing is a folder, and only what is in it counts */
#define TREE_STREAM_EXACT    0x02 /* see tree_send_exact() */
#define TREE_STREAM_LIST     0x04 /* of an exact one: there is no data, see tree_send_list() */
#define TREE_STREAM_SINCE    0x08 /* of an exact one: an increment, see proto/tree_since.h */

struct tree_entry {
	uint32_t mode, uid, gid;
	uint64_t mtime; /* seconds, two's complement */
	uint32_t mtime_ns;
	uint32_t major, minor; /* of a device */
	uint32_t shared;       /* number of a file with several links; 0: it has one */
	uint32_t again;	       /* 1: a further link to it */
	char *name, *target;
	struct buf xattrs; /* as they are on the wire, without the count */
	uint32_t n_xattrs;
};

void tree_stream_entry_release(struct tree_entry *entry);
#define _cleanup_tree_entry_ _cleanup_(tree_stream_entry_release)

void tree_stream_add_xattr(struct tree_entry *entry, const char *name, const void *value,
			   size_t len);

struct tree_stream {
	int fd;
	const struct tree_sink *sink; /* instead of fd; NULL: none */
	struct err *err;
	struct buf out;
	size_t begin; /* of the record that is being written */
};

void tree_stream_release(struct tree_stream *stream);
#define _cleanup_tree_stream_ _cleanup_(tree_stream_release)

int tree_stream_start(struct tree_stream *stream, unsigned int flags);
int tree_stream_entry(struct tree_stream *stream, const struct tree_entry *entry);
/* Where TREE_STREAM_DATA_MAX bytes of a file at offset can be put; then data_done() with how many were. */
void *tree_stream_data(struct tree_stream *stream, uint64_t offset);
int tree_stream_data_done(struct tree_stream *stream, size_t len);
/* A block that the other end has, instead of its data. */
int tree_stream_same(struct tree_stream *stream, uint64_t offset, size_t len,
		     const uint8_t digest[TREE_SINCE_DIGEST_SIZE]);
int tree_stream_file_end(struct tree_stream *stream, uint64_t size);
int tree_stream_dir_end(struct tree_stream *stream);
int tree_stream_end(struct tree_stream *stream);

#endif
