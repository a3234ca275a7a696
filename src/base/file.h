/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Whole-file and whole-tree helpers. dirfd may be AT_FDCWD. Errors are -errno; no messages. */

/* Reads at most max bytes as a NUL-terminated string (caller frees); -EFBIG if there is more.
 * Works on /proc and /sys files. ret_len may be NULL. */
int file_read(int dirfd, const char *path, size_t max, char **ret, size_t *ret_len);

/* Writes an existing file in one write(2), as /proc, /sys and cgroup files want it. */
int file_write_value(int dirfd, const char *path, const char *value);

/* Replaces a file: temporary name, write, (fsync if durable), rename, (fsync of the folder). On a full disk it writes to
 * the spare, if there is one. */
int file_replace(int dirfd, const char *path, const void *data, size_t len, mode_t mode,
		 int durable);

/* Makes the spare of a file: room for size bytes of what will replace it when the disk is full, again and again. It goes
 * with file_replace_leftovers(). */
int file_spare(int dirfd, const char *path, size_t size, mode_t mode);

/* The files that file_replace() of this path has left where it was killed: how many there are; they go if remove is set.
 * A path that ends in '/' is all files of the folder. Nobody else may be replacing the file meanwhile. */
int file_replace_leftovers(int at, const char *path, int remove);

int file_write_all(int fd, const void *data, size_t len);
/* Copies everything from fd in to fd out, keeping holes. */
int file_copy_sparse(int in, int out);

/*
 * Opens a path that others have a hand in: resolve is RESOLVE_IN_ROOT or RESOLVE_BENEATH of openat2(2), and more if
 * wanted. "" is the folder itself. Where ".." leads the kernel cannot tell while anything on the host is renamed or mounted,
 * and is asked again, FILE_SCOPED_TRIES times at most: then it is -EAGAIN.
 */
#define FILE_SCOPED_TRIES 1000
int file_open_scoped(int dirfd, const char *path, int flags, uint64_t resolve);

/* mkdir -p; existing folders are fine. */
int file_mkdir_p(const char *path, mode_t mode);

/* Removes a folder with all below it, or a file; never follows a symlink nor crosses a mount.
 * A path that is not there is success. */
int file_remove_tree(int dirfd, const char *path);

/* flock(2), which signals do not break off. operation: LOCK_EX or LOCK_SH, and LOCK_NB. */
int file_lock(int fd, int operation);

/* Opens /dev/null, for reading, in the place of each of stdin, stdout and stderr that the caller had closed:
 * no file that is opened later becomes one of them, and what is written to them is still an error. */
void file_fill_stdio(void);

#endif
