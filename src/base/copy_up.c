// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/copy_up.h"
#include "base/file.h"
#include "base/take.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int copy_up_folder(int from, int to, int depth);

static int copy_up_link(int from, int to, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlinkat(target, to, name) < 0 ? -errno : 0;
}

static int copy_up_file(int from, int to, const char *name)
{
	/* O_NONBLOCK for what is no file any more */
	_cleanup_close_ int in =
		openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	_cleanup_close_ int out = -EBADF;
	struct stat st;

	if (in < 0 || fstat(in, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ESTALE;
	out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return out < 0 ? -errno : file_copy_sparse(in, out);
}

static int copy_up_subfolder(int from, int to, const char *name, dev_t device, int depth)
{
	_cleanup_close_ int in =
		openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int out = -EBADF;
	struct stat st;

	if (in < 0 || fstat(in, &st) < 0)
		return -errno;
	if (mkdirat(to, name, 0700) < 0)
		return -errno;
	if (st.st_dev != device || depth >= COPY_UP_DEPTH_MAX)
		return 0;
	out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return out < 0 ? -errno : copy_up_folder(in, out, depth + 1);
}

/* Device nodes cannot be made in a user namespace; nobody inside could have opened them either. */
static int copy_up_node(int to, const char *name, const struct stat *st)
{
	int r = mknodat(to, name, st->st_mode, st->st_rdev) < 0 ? -errno : 0;

	return r == -EPERM ? 0 : r;
}

/* The owner before the mode, which loses its set-user-id bit with a change. */
static int copy_up_attributes(int to, const char *name, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISLNK(st->st_mode) && fchmodat(to, name, st->st_mode & 07777, 0) < 0)
		return -errno;
	return utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int copy_up_entry(int from, int to, const char *name, dev_t device, int depth)
{
	struct stat st;
	int r;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(st.st_mode))
		r = copy_up_subfolder(from, to, name, device, depth);
	else if (S_ISREG(st.st_mode))
		r = copy_up_file(from, to, name);
	else if (S_ISLNK(st.st_mode))
		r = copy_up_link(from, to, name);
	else
		r = copy_up_node(to, name, &st);
	return r < 0 ? r : copy_up_attributes(to, name, &st);
}

static int copy_up_folder(int from, int to, int depth)
{
	_cleanup_close_ int copy = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	struct stat st;
	int r = 0;

	if (!dir || fstat(from, &st) < 0)
		return -errno;
	(void)take_fd(&copy);
	while (r == 0 && (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (name[0] != '.' || (name[1] && (name[1] != '.' || name[2])))
			r = copy_up_entry(from, to, name, st.st_dev, depth);
	}
	return r;
}

int copy_up(int from, int to)
{
	struct stat st;

	if (fstat(from, &st) < 0)
		return -errno;
	if (copy_up_attributes(to, ".", &st) < 0)
		return -errno;
	return copy_up_folder(from, to, 0);
}

/*
 * A folder is filled in two steps, so that one that is half filled is known from one that somebody has used: all is
 * copied into COPY_UP_BEGUN, which then gets the name COPY_UP_WHOLE, and from there comes to its place entry by entry.
 */
#define COPY_UP_BEGUN ".brig.begun"
#define COPY_UP_WHOLE ".brig.whole"

static int copy_up_is_there(int folder, const char *name)
{
	return faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/*
 * Whether it is to be filled; one that cannot be read is not. COPY_UP_WHOLE is looked for last: what was seen may have come
 * from there, and then not all has until it is gone.
 */
static int copy_up_is_due(int folder)
{
	_cleanup_close_ int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	int is_empty = 1;

	if (!dir)
		return 0;
	(void)take_fd(&copy);
	while (is_empty && (entry = readdir(dir)))
		is_empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
			   strcmp(entry->d_name, COPY_UP_BEGUN) == 0;
	return is_empty || copy_up_is_there(folder, COPY_UP_WHOLE);
}

static int copy_up_begin(int from, int to)
{
	_cleanup_close_ int into = -EBADF;
	int r = file_remove_tree(to, COPY_UP_BEGUN);

	if (r < 0 || mkdirat(to, COPY_UP_BEGUN, 0700) < 0)
		return r < 0 ? r : -errno;
	into = openat(to, COPY_UP_BEGUN, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (into < 0)
		return -errno;
	r = copy_up(from, into);
	return r == 0 && renameat(to, COPY_UP_BEGUN, to, COPY_UP_WHOLE) < 0 ? -errno : r;
}

/* What has come into its place meanwhile stays there. */
static int copy_up_finish(int to)
{
	_cleanup_close_ int whole =
		openat(to, COPY_UP_WHOLE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int copy = whole < 0 ? -errno : fcntl(whole, F_DUPFD_CLOEXEC, 3);
	_cleanup_closedir_ DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	struct stat st;
	int r = 0;

	if (!dir || fstat(whole, &st) < 0)
		return -errno;
	(void)take_fd(&copy);
	while ((entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
		    syscall(SYS_renameat2, whole, name, to, name, RENAME_NOREPLACE) < 0 &&
		    errno != EEXIST)
			return -errno;
	}
	r = copy_up_attributes(to, ".", &st);
	return r < 0 ? r : file_remove_tree(to, COPY_UP_WHOLE);
}

static int copy_up_lock(int folder, int operation)
{
	int r;

	if (!copy_up_is_due(folder))
		return 0;
	r = file_lock(folder, operation);
	if (r < 0)
		return r;
	if (copy_up_is_due(folder))
		return 1;
	(void)flock(folder, LOCK_UN);
	return 0;
}

int copy_up_claim(int folder)
{
	return copy_up_lock(folder, LOCK_EX);
}

int copy_up_claim_now(int folder)
{
	return copy_up_lock(folder, LOCK_EX | LOCK_NB);
}

int copy_up_fill(int from, int to)
{
	int r = copy_up_claim(to);

	if (r <= 0)
		return r;
	r = 0;
	if (!copy_up_is_there(to, COPY_UP_WHOLE))
		r = copy_up_begin(from, to);
	return r < 0 ? r : copy_up_finish(to);
}
