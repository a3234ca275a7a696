// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: an erofs image that is mounted by file has pages of its own in memory for each time that it is mounted,
 * but a mount can be cloned. So each keeper holds the mounts of its layers, with their ids shifted, and says so by an empty file
 * DIR/LAYER-MAP/PID.START.FD.DEV.INO: the process, its start time, its descriptor, the device number of the mount, and the inode of
 * the image's file. Who starts takes a clone by way of /proc from anybody there.
 *
 * Invariants:
 *  1. A note is a hint: a mount is taken only of a process that is the one that wrote the note (by pid and start time,
 *     before and after), and only an erofs with the device number that it had, of the file that is wanted now.
 *  2. Nothing is kept for its own sake: a mount goes with the last keeper and container that has it. Notes of whom was killed
 *     go when the next one looks, or what he left is cleaned.
 *  3. Whatever fails here, the image is mounted once more.
 *
 * The last close of a detached mount waits for a grace period, so a thread of the kernel's does it (sys/trail.h).
 */
#include "container/layer_share.h"
#include "base/file.h"
#include "base/fnv.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "sys/mnt.h"
#include "sys/procstat.h"
#include "sys/trail.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

struct layer_share_held {
	char *layer, *note; /* a folder of dir, and the file in it */
	int fd;
};

struct layer_share {
	char *dir;
	uint64_t start; /* our own */
	struct layer_share_held *held;
	size_t n;
};

struct layer_share_note {
	pid_t pid;
	int fd;
	int64_t start, dev, ino;
};

static char *layer_share_path(const struct layer_share *share, const char *layer, const char *note)
{
	return mem_printf("%s/%s%s%s", share->dir, layer, note ? "/" : "", note ? note : "");
}

/* Shifted by another map it is another one. */
static char *layer_share_name(const char *path, const struct idmap *map)
{
	const char *name = strrchr(path, '/');
	uint64_t hash = fnv_mix64(FNV_64, map->uids, map->n_uids * sizeof(*map->uids));

	hash = fnv_mix64(hash, map->gids, map->n_gids * sizeof(*map->gids));
	return mem_printf("%s-%016" PRIx64, name ? name + 1 : path, hash);
}

static int layer_share_is(pid_t pid, int64_t start)
{
	struct procstat stat;

	return procstat_read(pid, &stat) == 0 && (int64_t)stat.start_time == start;
}

/* What the note leads to: a descriptor, or -ESRCH if there is nothing any more. */
static int layer_share_open(const struct layer_share_note *note)
{
	char path[64];
	struct statfs fs;
	struct stat st;
	int fd, is_it;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", note->pid, note->fd);
	if (!layer_share_is(note->pid, note->start))
		return -ESRCH;
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -ESRCH;
	is_it = layer_share_is(note->pid, note->start) && fstatfs(fd, &fs) == 0 &&
		fs.f_type == EROFS_SUPER_MAGIC_V1 && fstat(fd, &st) == 0 &&
		(int64_t)st.st_dev == note->dev;
	if (is_it)
		return fd;
	fd_close(fd);
	return -ESRCH;
}

static int layer_share_parse(const char *name, struct layer_share_note *ret)
{
	_cleanup_strv_ char **words = strv_split(name, ".");
	int64_t numbers[5];
	struct err ignored = ERR_INIT;

	if (strv_len(words) != ARRAY_SIZE(numbers))
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (units_parse_int(words[i], 0, i % 2 ? INT64_MAX : INT_MAX, &numbers[i],
				    &ignored) < 0)
			return -EINVAL;
	}
	*ret = (struct layer_share_note){ (pid_t)numbers[0], (int)numbers[2], numbers[1],
					  numbers[3], numbers[4] };
	return 0;
}

/* Anybody's, of the file with that inode. What leads to nobody goes. */
static int layer_share_find(const char *folder, ino_t ino, int *ret_fd)
{
	_cleanup_closedir_ DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		struct layer_share_note note;
		_cleanup_close_ int theirs = -EBADF;
		struct err ignored = ERR_INIT;

		if (layer_share_parse(entry->d_name, &note) < 0)
			continue;
		theirs = layer_share_open(&note);
		if (theirs < 0)
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
		else if (note.ino == (int64_t)ino &&
			 mnt_clone_peer(theirs, "", 0, ret_fd, &ignored) == 0)
			return 0;
	}
	return -ENOENT;
}

void layer_share_clean(const char *dir)
{
	_cleanup_closedir_ DIR *opened = opendir(dir);
	struct dirent *entry;

	while (opened && (entry = readdir(opened))) {
		_cleanup_free_ char *folder = mem_printf("%s/%s", dir, entry->d_name);

		if (*entry->d_name == '.')
			continue;
		(void)layer_share_find(folder, 0, NULL);
		(void)rmdir(folder); /* unless others are in it */
	}
	(void)rmdir(dir);
}

/* It may as well not be known. */
static void layer_share_tell(const struct layer_share *share, struct layer_share_held *held,
			     ino_t ino)
{
	_cleanup_free_ char *folder = layer_share_path(share, held->layer, NULL), *path = NULL;
	struct stat st;

	if (fstat(held->fd, &st) < 0 || file_mkdir_p(folder, 0700) < 0)
		return;
	held->note = mem_printf("%d.%" PRIu64 ".%d.%" PRIu64 ".%" PRIu64, getpid(), share->start,
				held->fd, (uint64_t)st.st_dev, (uint64_t)ino);
	path = layer_share_path(share, held->layer, held->note);
	(void)mknod(path, S_IFREG | 0600, 0);
}

struct layer_share *layer_share_new(const char *dir)
{
	struct layer_share *share = mem_zalloc(sizeof(*share));
	struct procstat self;

	share->dir = mem_strdup(dir);
	if (procstat_read(getpid(), &self) == 0)
		share->start = self.start_time;
	return share;
}

struct layer_share *layer_share_free(struct layer_share *share)
{
	for (size_t i = 0; share && i < share->n; i++) {
		struct layer_share_held *held = &share->held[i];
		_cleanup_free_ char *folder = layer_share_path(share, held->layer, NULL);
		_cleanup_free_ char *path = layer_share_path(share, held->layer, held->note);

		if (held->note)
			(void)unlink(path);
		(void)rmdir(folder);
		trail_drop(held->fd);
		free(held->layer);
		free(held->note);
	}
	if (share) {
		(void)rmdir(share->dir);
		free(share->held);
		free(share->dir);
	}
	free(share);
	return NULL;
}

int layer_share_take(const struct layer_share *share, const char *path, const struct idmap *map,
		     int *ret_fd)
{
	_cleanup_free_ char *layer = layer_share_name(path, map), *folder = NULL;
	struct stat st;

	if (!share || stat(path, &st) < 0)
		return -ENOENT;
	folder = layer_share_path(share, layer, NULL);
	return layer_share_find(folder, st.st_ino, ret_fd);
}

void layer_share_hold(struct layer_share *share, const char *path, const struct idmap *map, int mnt)
{
	struct layer_share_held *held;
	struct stat st;
	int fd;

	if (!share || stat(path, &st) < 0)
		return;
	fd = fcntl(mnt, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return;
	share->held = mem_realloc(share->held, share->n + 1, sizeof(*share->held));
	held = &share->held[share->n++];
	*held = (struct layer_share_held){ .layer = layer_share_name(path, map), .fd = fd };
	layer_share_tell(share, held, st.st_ino);
}
