// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "base/buf.h"
#include "base/mem.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

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

int file_replace(int dirfd, const char *path, const void *data, size_t len, mode_t mode,
		 int durable)
{
	_cleanup_free_ char *temporary = mem_printf("%s.%d.tmp", path, getpid());
	_cleanup_close_ int fd = -EBADF;
	int r;

	fd = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -errno;
	r = file_write_all(fd, data, len);
	if (r == 0 && durable && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(dirfd, temporary, dirfd, path) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dirfd, temporary, 0);
		return r;
	}
	return durable ? file_sync_parent(dirfd, path) : 0;
}

static int file_copy_range(int in, int out, off_t from, off_t to)
{
	while (from < to) {
		off_t at = from;
		ssize_t n = copy_file_range(in, &from, out, &at, (size_t)(to - from), 0);

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

int file_mkdir_p(const char *path, mode_t mode)
{
	_cleanup_free_ char *copy = mem_strdup(path);

	for (char *p = copy + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(copy, mode) < 0 && errno != EEXIST ? -errno : 0;
}

static int file_remove_at(int dirfd, const char *name, dev_t dev);

/* Empties the folder behind fd, which it takes over. */
static int file_empty_take(int fd, dev_t dev)
{
	_cleanup_closedir_ DIR *dir = fdopendir(fd);
	struct dirent *entry;
	int result = 0, r;

	if (!dir) {
		fd_close(fd);
		return -ENOMEM;
	}
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		r = file_remove_at(dirfd(dir), entry->d_name, dev);
		if (r < 0)
			result = r;
	}
	return result;
}

static int file_remove_at(int dirfd, const char *name, dev_t dev)
{
	struct stat st;
	int fd, r;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISDIR(st.st_mode))
		return unlinkat(dirfd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
	if (dev && st.st_dev != dev)
		return -EXDEV;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = file_empty_take(fd, st.st_dev);
	if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return r < 0 ? r : -errno;
	return 0;
}

int file_remove_tree(int dirfd, const char *path)
{
	return file_remove_at(dirfd, path, 0);
}
