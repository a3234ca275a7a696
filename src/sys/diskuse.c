// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/diskuse.h"
#include "base/mem.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <fts.h>
#include <search.h>
#include <sys/stat.h>
#include <unistd.h>

#define DISKUSE_BLOCK 512 /* of st_blocks, stat(2) */

struct diskuse_inode {
	dev_t device;
	ino_t inode;
};

static int diskuse_compare(const void *a, const void *b)
{
	const struct diskuse_inode *x = a, *y = b;

	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	return x->inode < y->inode ? -1 : x->inode > y->inode;
}

void diskuse_release(struct diskuse *diskuse)
{
	tdestroy(diskuse->seen, free);
	diskuse->seen = NULL;
}

/* Whether this name is the first one of the file that we meet. */
static int diskuse_is_new(struct diskuse *diskuse, const struct stat *st)
{
	struct diskuse_inode *inode, **found;

	if (S_ISDIR(st->st_mode) || st->st_nlink < 2)
		return 1;
	inode = mem_zalloc(sizeof(*inode));
	inode->device = st->st_dev;
	inode->inode = st->st_ino;
	found = tsearch(inode, &diskuse->seen, diskuse_compare);
	if (found && *found == inode)
		return 1;
	free(inode);
	return 0;
}

static void diskuse_walk(struct diskuse *diskuse, const char *path)
{
	char *paths[] = { (char *)(uintptr_t)path, NULL };
	FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_XDEV, NULL);
	FTSENT *entry;

	while (walk && (entry = fts_read(walk))) {
		int has_stat = entry->fts_info != FTS_NS && entry->fts_info != FTS_ERR;

		if (has_stat && entry->fts_info != FTS_DP &&
		    diskuse_is_new(diskuse, entry->fts_statp))
			diskuse->bytes += entry->fts_statp->st_blocks * DISKUSE_BLOCK;
	}
	if (walk)
		(void)fts_close(walk);
}

struct diskuse_inside {
	const struct diskuse *diskuse;
	const char *path;
};

static int64_t diskuse_walk_inside(void *ctx, struct err *err _unused_)
{
	const struct diskuse_inside *inside = ctx;
	struct diskuse diskuse = *inside->diskuse; /* a copy, as all of this process is */

	diskuse_walk(&diskuse, inside->path);
	return diskuse.bytes;
}

/* What is met there is not remembered: a user's files have no second name in another of brig's folders. */
static int diskuse_add_as_root(struct diskuse *diskuse, const char *path)
{
	struct diskuse_inside inside = { diskuse, path };
	struct err unused = ERR_INIT;
	int64_t bytes = userns_run(diskuse_walk_inside, &inside, &unused);

	if (bytes < 0)
		return (int)bytes;
	diskuse->bytes = bytes;
	return 0;
}

void diskuse_add(struct diskuse *diskuse, const char *path)
{
	if (!geteuid() || diskuse_add_as_root(diskuse, path) < 0)
		diskuse_walk(diskuse, path);
}
