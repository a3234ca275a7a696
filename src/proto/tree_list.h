/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_TREE_LIST_H
#define PROTO_TREE_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* What is in the upper folder of an overlay, as a stream without data brings it: see tree_send_list(). */

/* Files and folders in one; some 200 bytes of memory each. */
#define TREE_LIST_ENTRIES_MAX (1U << 21)

struct tree_node {
	char *name;
	uint32_t mode, uid, gid;
	uint64_t mtime; /* seconds, two's complement */
	uint32_t mtime_ns;
	uint32_t major, minor; /* of a device */
	uint64_t size;	       /* of a file */
	char *target;	       /* of a symlink */
	uint64_t
		attributes; /* a sum of all but what overlayfs has noted; their order is none of it */
	int opaque;	    /* a folder that hides what is below it */
	struct tree_node **children; /* by name */
	size_t n_children;
};

/* A device that stands for what is deleted. */
int tree_node_is_whiteout(const struct tree_node *node);
/* By name, or NULL; of NULL, too. */
const struct tree_node *tree_node_child(const struct tree_node *folder, const char *name);

void tree_node_free(struct tree_node *node);
static inline void tree_node_free_p(struct tree_node **node)
{
	tree_node_free(*node);
}
#define _cleanup_tree_node_ _cleanup_(tree_node_free_p)

/* Reads a list from fd: its topmost folder. The sender is not trusted. */
int tree_list_read(int fd, struct tree_node **ret, struct err *err);

#endif
