/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_TREE_H
#define PROTO_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/take.h"
#include "proto/tree_since.h"

/*
 * A tree stream: files and folders as `brig cp` sends them, one way, both ends ours. A stream is a
 * sequence of entries, each a header (declared in tree.c, versioned at the front of the stream) and for
 * a file its bytes; it ends with an end entry, so a cut stream is noticed.
 */

/* Flags of both directions. */
#define TREE_FOLLOW 0x01 /* send: a symlink named by path itself is followed (cp -L) */
#define TREE_ARCHIVE \
	0x02 /* receive: keep uid and gid (cp -a); else everything is the receiver's user */
#define TREE_CONTENTS 0x04 /* send: path is a folder, send what is in it (cp DIR/. ) */

/*
 * Sends what path below the folder rootfd is, to fd. Paths are resolved inside rootfd (RESOLVE_IN_ROOT).
 * A device node, socket or fifo inside a tree is sent as a node where the receiver may make it.
 */
int tree_send(int rootfd, const char *path, unsigned int flags, int fd, struct err *err);

/*
 * Receives into path below rootfd, as cp does: an existing folder takes the sent thing under the name it
 * was sent with; otherwise the thing itself gets that path, whose parent folder must exist. Names from the
 * stream are single components, never "..", and no symlink in the target is followed while writing.
 */
int tree_receive(int rootfd, const char *path, unsigned int flags, int fd, struct err *err);

/*
 * The same for the folder of an overlay's upper layer, name in dirfd, which goes to another file system whole: with
 * every owner, mode, time of change, attribute of its own (user.*, trusted.*, capabilities, access lists), hard link,
 * hole, device, socket and whiteout. What cannot be kept is an error. A file that has its data in a lower layer
 * (metacopy) is refused, since the mount that reads it there need not look for it.
 */
int tree_send_exact(int dirfd, const char *name, int fd, struct err *err);

/*
 * Where a stream goes that is for no descriptor: write() returns 0, or -errno with err set. With known() it is an
 * increment: 1 and its digest says of a block that an earlier tree has it (proto/tree_since.h).
 */
struct tree_sink {
	int (*write)(void *ctx, const void *data, size_t len, struct err *err);
	int (*known)(void *ctx, const char *path, uint64_t offset, const void *data, size_t len,
		     uint8_t ret[TREE_SINCE_DIGEST_SIZE]);
	void *ctx;
};

/*
 * The same of a folder that is put together: enter() makes it and those in it, root's and closed to others; add() brings
 * what dirfd has by that name, with all in it; leave() ends what enter() has begun, and end() the stream. sink and err
 * stay valid for as long, and err is what all of them set.
 */
struct tree_sender;

struct tree_sender *tree_send_open(const struct tree_sink *sink, struct err *err);
int tree_send_enter(struct tree_sender *sender, const char *name);
int tree_send_add(struct tree_sender *sender, int dirfd, const char *name);
int tree_send_leave(struct tree_sender *sender);
int tree_send_end(struct tree_sender *sender);
void tree_send_free(struct tree_sender *sender);

static inline void tree_send_freep(struct tree_sender **sender)
{
	tree_send_free(*sender);
}
#define _cleanup_tree_sender_ _cleanup_(tree_send_freep)

/* The same without any data, for tree_list_read() (proto/tree_list.h). */
int tree_send_list(int dirfd, const char *name, int fd, struct err *err);

struct tree_bounds {
	/* As much as the files may take, blocks and inodes roughly counted; then it is -ENOSPC. */
	int64_t bytes_max;
	const struct tree_since *since; /* what an increment builds on; NULL: it has to be whole */
	void (*progress)(void *ctx, int64_t bytes); /* may be NULL */
	void *ctx;
};

/*
 * Receives an exact stream as the new folder name in dirfd. The sender is not trusted: nothing outside of that folder is
 * touched, and no more is taken than bounds allow. The caller needs /proc.
 */
int tree_receive_exact(int dirfd, const char *name, const struct tree_bounds *bounds, int fd,
		       struct err *err);

#endif
