// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "base/buf.h"
#include "base/mem.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define FILE_COPY_BLOCK (1 << 20)
/* Levels of a tree that are removed by recursion, with one or two descriptors each. */
#define FILE_REMOVE_DEPTH 32

int file_read(int dirfd, const char *path, size_t max, char **ret, size_t *ret_len)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	_cleanup_buf_ struct buf buf = BUF_INIT;

	if (fd < 0)
		return -errno;
	for (;;) {
		size_t want = buf.len < 4096 ? 4096 : buf.len;
		ssize_t n;

		buf_reserve(&buf, want);
		n = read(fd, buf.data + buf.len, want);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		buf.len += (size_t)n;
		if (buf.len > max)
			return -EFBIG;
	}
	buf.data[buf.len] = '\0';
	if (ret_len)
		*ret_len = buf.len;
	*ret = buf_take(&buf);
	return 0;
}

int file_write_value(int dirfd, const char *path, const char *value)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	size_t len = strlen(value);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, value, len);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int file_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int file_sync_parent(int dirfd, const char *path)
{
	_cleanup_free_ char *parent = mem_strdup(path);
	char *slash = strrchr(parent, '/');
	_cleanup_close_ int fd = -EBADF;

	if (slash == parent)
		slash++;
	if (slash)
		*slash = '\0';
	fd = openat(dirfd, slash ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return fsync(fd) < 0 ? -errno : 0;
}

static int file_write_new(int dirfd, const char *path, const char *temporary, const void *data,
			  size_t len, mode_t mode, int durable)
{
	_cleanup_close_ int fd = openat(
		dirfd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	int r;

	if (fd < 0)
		return -errno;
	r = file_write_all(fd, data, len);
	if (r == 0 && durable && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(dirfd, temporary, dirfd, path) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dirfd, temporary, 0);
	return r;
}

/* Of no process, and a leftover like those of processes. */
static char *file_spare_name(const char *path)
{
	return mem_printf("%s.0.tmp", path);
}

/* What the file was is the spare afterwards, so that there is always one. */
static int file_write_spare(int dirfd, const char *path, const void *data, size_t len, int durable)
{
	_cleanup_free_ char *spare = file_spare_name(path);
	_cleanup_close_ int fd = openat(dirfd, spare, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	int r;

	if (fd < 0)
		return -ENOSPC;
	r = file_write_all(fd, data, len);
	if (r < 0)
		return r;
	if (ftruncate(fd, (off_t)len) < 0 || (durable && fsync(fd) < 0))
		return -errno;
	/* musl has no function for it */
	return syscall(SYS_renameat2, dirfd, spare, dirfd, path, RENAME_EXCHANGE) < 0 ? -errno : 0;
}

int file_replace(int dirfd, const char *path, const void *data, size_t len, mode_t mode,
		 int durable)
{
	_cleanup_free_ char *temporary = mem_printf("%s.%d.tmp", path, getpid());
	int r = file_write_new(dirfd, path, temporary, data, len, mode, durable);

	if (r == -ENOSPC || r == -EDQUOT)
		r = file_write_spare(dirfd, path, data, len, durable);
	if (r < 0)
		return r;
	return durable ? file_sync_parent(dirfd, path) : 0;
}

int file_spare(int dirfd, const char *path, size_t size, mode_t mode)
{
	_cleanup_free_ char *spare = file_spare_name(path);
	_cleanup_close_ int fd =
		openat(dirfd, spare, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	int r = fd < 0 ? -errno : -posix_fallocate(fd, 0, (off_t)size);

	if (r < 0 && fd >= 0)
		unlinkat(dirfd, spare, 0);
	return r;
}

/* Whether it is NAME.PID.tmp; no name is any. */
static int file_is_temporary_of(const char *name, const char *entry)
{
	static const char suffix[] = ".tmp";
	size_t len = strlen(entry), end;

	if (len < strlen(suffix) || strcmp(entry + len - strlen(suffix), suffix) != 0)
		return 0;
	len -= strlen(suffix);
	for (end = len; end && entry[end - 1] >= '0' && entry[end - 1] <= '9'; end--)
		;
	if (end == len || end < 2 || entry[end - 1] != '.')
		return 0;
	return !*name || (strlen(name) == end - 1 && !memcmp(entry, name, end - 1));
}

int file_replace_leftovers(int at, const char *path, int remove)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	_cleanup_free_ char *folder = slash ? mem_strndup(path, (size_t)(name - path)) : NULL;
	_cleanup_closedir_ DIR *dir =
		fdopendir(openat(at, folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *entry;
	int n = 0;

	while (dir && (entry = readdir(dir))) {
		if (!file_is_temporary_of(name, entry->d_name))
			continue;
		n++;
		if (remove)
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	}
	return n;
}

/* The way that works between any two file systems. */
static int file_copy_bytes(int in, int out, off_t from, off_t to)
{
	_cleanup_free_ char *block = mem_zalloc(FILE_COPY_BLOCK);

	while (from < to) {
		size_t want = to - from < FILE_COPY_BLOCK ? (size_t)(to - from) : FILE_COPY_BLOCK;
		ssize_t n = pread(in, block, want, from), done = 0;

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		while (done < n) {
			ssize_t w = pwrite(out, block + done, (size_t)(n - done), from + done);

			if (w < 0)
				return -errno;
			done += w;
		}
		from += n;
	}
	return 0;
}

static int file_copy_range(int in, int out, off_t from, off_t to)
{
	while (from < to) {
		off_t at = from;
		ssize_t n = copy_file_range(in, &from, out, &at, (size_t)(to - from), 0);

		if (n < 0 &&
		    (errno == EXDEV || errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS))
			return file_copy_bytes(in, out, from, to);
		if (n < 0)
			return -errno;
		if (!n)
			return -EIO;
	}
	return 0;
}

int file_copy_sparse(int in, int out)
{
	struct stat st;
	off_t data = 0, hole;
	int r;

	if (fstat(in, &st) < 0 || ftruncate(out, st.st_size) < 0)
		return -errno;
	for (;;) {
		data = lseek(in, data, SEEK_DATA);
		if (data < 0)
			return errno == ENXIO ? 0 : -errno;
		hole = lseek(in, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		r = file_copy_range(in, out, data, hole);
		if (r < 0)
			return r;
		data = hole;
	}
}

static int file_mkdir(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int file_open_scoped(int dirfd, const char *path, int flags, uint64_t resolve)
{
	const struct open_how how = { .flags = (uint64_t)(unsigned int)flags | O_CLOEXEC,
				      .resolve = resolve };
	long fd = -1;

	for (int i = 0; i < FILE_SCOPED_TRIES && fd < 0; i++) {
		fd = syscall(SYS_openat2, dirfd, *path ? path : ".", &how, sizeof(how));
		if (fd < 0 && errno != EAGAIN)
			break;
	}
	return fd < 0 ? -errno : (int)fd;
}

int file_mkdir_p(const char *path, mode_t mode)
{
	_cleanup_free_ char *copy = mem_strdup(path);
	/* mostly it is there */
	int r = file_mkdir(copy, mode);

	for (char *slash = copy; r == -ENOENT && (slash = strchr(slash, '/')); slash++) {
		int parent_r = 0;

		*slash = '\0';
		if (slash != copy)
			parent_r = file_mkdir(copy, mode);
		*slash = '/';
		if (parent_r < 0)
			return parent_r;
	}
	return r == -ENOENT ? file_mkdir(copy, mode) : r;
}

/*
 * Removing a tree: each folder is opened below its parent by openat2(2), which refuses symlinks and
 * every mount, bind mounts of the same device too. Folders at FILE_REMOVE_DEPTH are moved up to the
 * top folder, whose next pass removes them, so a tree of any depth takes a bounded number of
 * descriptors.
 */
struct file_removal {
	int top;	/* the folder that deep ones are moved to */
	unsigned moved; /* so far; makes their names */
	int moved_now;	/* in this pass */
};

static int file_open_inside(int dirfd, const char *name)
{
	const struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS,
	};
	long fd = syscall(SYS_openat2, dirfd, name, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

static int file_move_up(struct file_removal *removal, int dirfd, const char *name)
{
	char moved[64];

	removal->moved_now = 1;
	do {
		snprintf(moved, sizeof(moved), ".moved-%d-%u", getpid(), removal->moved++);
	} while (faccessat(removal->top, moved, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
	return renameat(dirfd, name, removal->top, moved) < 0 ? -errno : 0;
}

static int file_empty(struct file_removal *removal, int fd, int depth);

/* Removes one entry of the folder dirfd. */
static int file_remove_entry(struct file_removal *removal, int dirfd, const char *name, int depth)
{
	_cleanup_close_ int fd = -EBADF;
	int r;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return -errno;
	if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (depth == FILE_REMOVE_DEPTH)
		return file_move_up(removal, dirfd, name);
	fd = file_open_inside(dirfd, name);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	r = file_empty(removal, fd, depth + 1);
	if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return r < 0 ? r : -errno;
	return 0;
}

/* Removes all that is in the folder, as far as it goes; returns the last failure. */
static int file_empty(struct file_removal *removal, int fd, int depth)
{
	_cleanup_close_ int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int result = 0, r;

	dir = copy < 0 ? NULL : fdopendir(copy);
	if (!dir)
		return -errno;
	(void)take_fd(&copy);
	rewinddir(dir); /* the copy shares its position with what an earlier pass read */
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		r = file_remove_entry(removal, fd, entry->d_name, depth);
		if (r < 0)
			result = r;
	}
	return result;
}

static int file_remove_in(int parent, const char *name)
{
	struct file_removal removal = { 0 };
	_cleanup_close_ int top = -EBADF;
	int r;

	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return -errno;
	top = file_open_inside(parent, name);
	if (top < 0)
		return top == -ENOENT ? 0 : top;
	removal.top = top;
	do {
		removal.moved_now = 0;
		r = file_empty(&removal, top, 1);
	} while (r == 0 && removal.moved_now);
	if (r < 0)
		return r;
	return unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

int file_remove_tree(int dirfd, const char *path)
{
	_cleanup_free_ char *copy = mem_strdup(path);
	_cleanup_close_ int parent = -EBADF;
	size_t len = strlen(copy);
	char *slash;

	while (len > 1 && copy[len - 1] == '/')
		copy[--len] = '\0';
	slash = strrchr(copy, '/');
	if (!slash)
		return file_remove_in(dirfd, copy);
	*slash = '\0';
	parent = openat(dirfd, slash == copy ? "/" : copy, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return errno == ENOENT ? 0 : -errno;
	return file_remove_in(parent, slash + 1);
}

int file_lock(int fd, int operation)
{
	while (flock(fd, operation) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

void file_fill_stdio(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	fd_close(fd);
}
