/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_TREE_INTERNAL_H
#define PROTO_TREE_INTERNAL_H

#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "proto/tree_since.h"
#include "proto/tree_stream.h"
#include "proto/wire.h"

/* What both ends of a tree stream share; see tree.c for the format. */

#define TREE_MAGIC   UINT32_C(0x45525442) /* "BTRE" */
#define TREE_VERSION 1

#define TREE_RECORD_HEAD 5
#define TREE_RECORD_MAX	 (512U << 10)
/* as the kernel's own bound for a path */
#define TREE_SYMLINKS_MAX 40

enum tree_record {
	TREE_RECORD_START = 1,
	TREE_RECORD_ENTRY,
	TREE_RECORD_DATA,
	TREE_RECORD_FILE_END,
	TREE_RECORD_DIR_END,
	TREE_RECORD_END,
	TREE_RECORD_SAME,
};

/* A stream as it is read. */
struct tree_input {
	int fd;
	struct buf in;
	size_t done; /* of in */
	struct err *err;
};

void tree_input_release(struct tree_input *input);
/* Its front; what the flags mean is the caller's affair. 0, or -errno with input->err set, as below. */
int tree_input_start(struct tree_input *input, unsigned int *ret_flags);
/* The next record's type; its payload stays until the next call. */
int tree_input_next(struct tree_input *input, struct wire_reader *ret);
/* -EBADMSG, with a message. */
int tree_input_broken(struct tree_input *input);

void tree_entry_put(struct buf *out, const struct tree_entry *entry);
/* 0 or -EBADMSG; release the entry in both cases. */
int tree_entry_get(struct wire_reader *r, struct tree_entry *entry);

/* Those that are copied: the user's own, and file capabilities. */
int tree_is_kept_xattr(const char *name);
/*
 * Those of an exact stream: the user's own, file capabilities, access lists, and what overlayfs notes. Not where a
 * file was copied up from (a handle, that the kernel would look up in another mount's layers) nor how many links an
 * index counts, which are notes of one mount; and no labels, which are the host's or the guest's affair.
 */
int tree_is_exact_xattr(const char *name);
/* A file of which the layer holds no data: it is read by mounts alone that were told so. */
int tree_is_metacopy(const char *name);

/* A name for a message: it may come from a stream and go to a terminal. */
struct tree_shown {
	char text[128];
};

struct tree_shown tree_show(const char *name);

/* Where a path leads inside of a root. */
struct tree_place {
	int parent;	/* the folder that it is in */
	char *name;	/* in there; "." if it is the folder itself */
	struct stat st; /* if it exists: */
	int exists;
	int wants_folder; /* the path ended in a slash */
};

void tree_place_release(struct tree_place *place);
#define _cleanup_tree_place_ _cleanup_(tree_place_release)

/* Paths are resolved inside of rootfd. follow: a symlink that the path names is followed too. A thing that does
 * not exist has a place if its folder exists. */
int tree_place_find(int rootfd, const char *path, int follow, struct tree_place *place);

/* Where in a tree one is: into a folder, out of it, and the path of what it has, below the topmost folder (caller frees). */
void tree_since_enter(struct buf *path, const char *name);
void tree_since_leave(struct buf *path);
char *tree_since_path(const struct buf *path, const char *name);

/* A block that is not in the stream. */
struct tree_since_block {
	uint64_t offset;
	uint32_t len; /* at most TREE_STREAM_DATA_MAX */
	uint8_t digest[TREE_SINCE_DIGEST_SIZE];
};

/* 0 or -EBADMSG */
int tree_since_block_get(struct wire_reader *r, struct tree_since_block *ret);
/* The file of the earlier tree, or -errno. */
int tree_since_open(const struct tree_since *since, const char *path);
/* The block, of that file. -ESTALE: it is another one there. */
int tree_since_get(const struct tree_since *since, int fd, const char *path,
		   const struct tree_since_block *block, void *data);

/* Splits the last component off (caller frees); what is left may be empty. */
char *tree_split(char *path);
int tree_is_dots(const char *name);
/* Whether it is a name, and no path. */
int tree_is_name(const char *name);

#endif
