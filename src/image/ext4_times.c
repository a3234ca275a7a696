// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The folder is gone through; of each folder that leads to where it stands, the names that the file system has there are
 * known, with their inodes.
 */
#include "image/ext4_times.h"
#include "base/mem.h"
#include "image/ext4_reader-internal.h"

#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct ext4_times_name {
	ext2_ino_t ino;
	char *text;
};

struct ext4_times_folder {
	struct ext4_times_name *names; /* sorted */
	size_t n, room;
};

struct ext4_times {
	ext2_filsys fs;
	struct ext4_times_folder *folders; /* by how deep they are */
	size_t n;
};

static int ext4_times_failed(const char *what, errcode_t code, struct err *err)
{
	return err_set(err, -EIO, "cannot %s the new disk: %.150s", what, error_message(code));
}

static void ext4_times_folder_release(struct ext4_times_folder *folder)
{
	for (size_t i = 0; i < folder->n; i++)
		free(folder->names[i].text);
	free(folder->names);
	*folder = (struct ext4_times_folder){ NULL };
}

static void ext4_times_release(struct ext4_times *times)
{
	for (size_t i = 0; i < times->n; i++)
		ext4_times_folder_release(&times->folders[i]);
	free(times->folders);
	if (times->fs)
		ext2fs_free(times->fs);
}

static int ext4_times_compare(const void *a, const void *b)
{
	const struct ext4_times_name *one = a, *other = b;

	return strcmp(one->text, other->text);
}

static int ext4_times_on_name(struct ext2_dir_entry *entry, int offset _unused_,
			      int blocksize _unused_, char *buf _unused_, void *ctx)
{
	struct ext4_times_folder *folder = ctx;

	if (folder->n == folder->room) {
		folder->room = folder->room ? 2 * folder->room : 16;
		folder->names = mem_realloc(folder->names, folder->room, sizeof(*folder->names));
	}
	folder->names[folder->n++] = (struct ext4_times_name){
		.ino = entry->inode,
		.text = mem_strndup(entry->name, (size_t)ext2fs_dirent_name_len(entry)),
	};
	return 0;
}

static int ext4_times_enter(struct ext4_times *times, size_t level, ext2_ino_t ino, struct err *err)
{
	struct ext4_times_folder *folder;
	errcode_t code;

	if (level == times->n) {
		times->folders = mem_realloc(times->folders, times->n + 1, sizeof(*times->folders));
		times->folders[times->n++] = (struct ext4_times_folder){ NULL };
	}
	folder = &times->folders[level];
	ext4_times_folder_release(folder);
	code = ext2fs_dir_iterate(times->fs, ino, 0, NULL, ext4_times_on_name, folder);
	if (code)
		return ext4_times_failed("read", code, err);
	if (folder->n)
		qsort(folder->names, folder->n, sizeof(*folder->names), ext4_times_compare);
	return 0;
}

/* 0: mke2fs has left it out. */
static ext2_ino_t ext4_times_find(const struct ext4_times *times, const FTSENT *entry)
{
	const struct ext4_times_name key = { .text = (char *)(uintptr_t)entry->fts_name },
				     *found = NULL;
	const struct ext4_times_folder *folder;

	if (entry->fts_level == FTS_ROOTLEVEL)
		return EXT2_ROOT_INO;
	folder = &times->folders[entry->fts_level - 1];
	if (folder->n)
		found = bsearch(&key, folder->names, folder->n, sizeof(key), ext4_times_compare);
	return found ? found->ino : 0;
}

/* fs/ext4/ext4.h: two bits more of seconds, above them nanoseconds. */
static int ext4_times_give(const struct ext4_times *times, ext2_ino_t ino,
			   const struct timespec *mtime, struct err *err)
{
	size_t end = offsetof(struct ext2_inode_large, i_mtime_extra) + sizeof(uint32_t);
	struct ext2_inode_large inode = { 0 };
	errcode_t code =
		ext2fs_read_inode_full(times->fs, ino, EXT2_INODE(&inode), (int)sizeof(inode));
	int64_t low = (int32_t)(uint32_t)mtime->tv_sec;

	if (code)
		return ext4_times_failed("read", code, err);
	inode.i_mtime = (uint32_t)mtime->tv_sec;
	if (EXT2_INODE_SIZE(times->fs->super) >= end &&
	    EXT2_GOOD_OLD_INODE_SIZE + (size_t)inode.i_extra_isize >= end)
		inode.i_mtime_extra =
			(uint32_t)((mtime->tv_sec - low) >> 32 & 3) | (uint32_t)mtime->tv_nsec << 2;
	code = ext2fs_write_inode_full(times->fs, ino, EXT2_INODE(&inode), (int)sizeof(inode));
	return code ? ext4_times_failed("write", code, err) : 0;
}

static int ext4_times_on_entry(struct ext4_times *times, const FTSENT *entry, struct err *err)
{
	ext2_ino_t ino;
	int r;

	switch (entry->fts_info) {
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		return err_errno(err, -entry->fts_errno, "cannot read '%.200s'", entry->fts_name);
	case FTS_DP:
		return 0;
	default:
		ino = ext4_times_find(times, entry);
	}
	if (!ino)
		return 0;
	r = ext4_times_give(times, ino, &entry->fts_statp->st_mtim, err);
	return r == 0 && entry->fts_info == FTS_D
		       ? ext4_times_enter(times, (size_t)entry->fts_level, ino, err)
		       : r;
}

static int ext4_times_walk(struct ext4_times *times, const char *folder, struct err *err)
{
	_cleanup_free_ char *path = mem_strdup(folder);
	char *paths[] = { path, NULL };
	FTS *walk = fts_open(paths, FTS_PHYSICAL, NULL);
	FTSENT *entry;
	int r = 0;

	if (!walk)
		return err_errno(err, -errno, "cannot read %s", folder);
	while (r == 0 && (errno = 0, entry = fts_read(walk)))
		r = ext4_times_on_entry(times, entry, err);
	if (r == 0 && errno)
		r = err_errno(err, -errno, "cannot read %s", folder);
	(void)fts_close(walk);
	return r;
}

int ext4_times_set(const char *disk, const char *folder, struct err *err)
{
	_cleanup_(ext4_times_release) struct ext4_times times = { NULL };
	errcode_t code;
	int r;

	initialize_ext2_error_table();
	code = ext2fs_open(disk, EXT2_FLAG_RW | EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &times.fs);
	if (code)
		return ext4_times_failed("open", code, err);
	r = ext4_times_walk(&times, folder, err);
	if (r < 0)
		return r;
	code = ext2fs_close_free(&times.fs);
	return code ? ext4_times_failed("write", code, err) : 0;
}
