/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_TREE_READ_H
#define PROTO_TREE_READ_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/tree_stream.h"

/*
 * A tree stream as tree_send() makes it, read by who makes no files of it. The sender is not trusted: names are single
 * components, folders are no deeper than TREE_STREAM_DEPTH_MAX, data are in a file, and what again names was there.
 */
struct tree_reader_ops {
	/*
	 * path: below the thing, or with its name; "." is the folder of a stream of contents. first: of an entry that is a
	 * further link (again), the path of the one that has the data; else NULL. Both are valid for the call.
	 */
	int (*entry)(void *ctx, const char *path, const struct tree_entry *entry, const char *first,
		     struct err *err);
	/* Of the file that was the last entry, in any order of offsets; offset + len is no more than INT64_MAX. */
	int (*data)(void *ctx, uint64_t offset, const void *data, size_t len, struct err *err);
	int (*file_end)(void *ctx, uint64_t size, struct err *err);
};

/* Reads all of it, unless one of ops fails, which ends it. 0, or -errno with err set. */
int tree_read(int fd, const struct tree_reader_ops *ops, void *ctx, struct err *err);

#endif
