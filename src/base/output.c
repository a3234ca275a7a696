// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/output.h"
#include "base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int output_make_file(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *folder =
		slash ? mem_strndup(path, (size_t)(slash - path) + 1) : mem_strdup(".");
	int fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return fd < 0 ? -errno : fd;
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? -errno : fd;
}

int output_open(const char *path, struct output *ret, struct err *err)
{
	_cleanup_free_ char *name = mem_printf("%s.%d.new", path, getpid());
	struct stat st;
	int fd;

	if (stat(path, &st) < 0 || S_ISREG(st.st_mode)) {
		fd = output_make_file(path, name);
		if (fd < 0)
			return err_errno(err, fd, "cannot make %s", path);
	} else {
		fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		if (fd < 0)
			return err_errno(err, -errno, "cannot open %s", path);
		mem_replace(&name, NULL);
	}
	*ret = (struct output){ .fd = fd, .path = mem_strdup(path), .name = take_ptr(name) };
	return 0;
}

static int output_give_name(const struct output *output)
{
	_cleanup_free_ char *from = mem_printf("/proc/self/fd/%d", output->fd);
	struct stat st;

	if (fsync(output->fd) < 0 || fstat(output->fd, &st) < 0)
		return -errno;
	if (!st.st_nlink) {
		/* Killed between two steps we would leave the other name, so where nothing is to be replaced it is one. */
		if (linkat(AT_FDCWD, from, AT_FDCWD, output->path, AT_SYMLINK_FOLLOW) == 0)
			return 0;
		if (errno != EEXIST ||
		    linkat(AT_FDCWD, from, AT_FDCWD, output->name, AT_SYMLINK_FOLLOW) < 0)
			return -errno;
	}
	return rename(output->name, output->path) < 0 ? -errno : 0;
}

int output_publish(struct output *output, struct err *err)
{
	int r;

	if (!output->name)
		return 0;
	r = output_give_name(output);
	if (r < 0)
		return err_errno(err, r, "cannot make %s", output->path);
	mem_replace(&output->name, NULL);
	return 0;
}

void output_release(struct output *output)
{
	if (output->name)
		(void)unlink(output->name);
	output->fd = fd_close(output->fd);
	free(output->path);
	free(output->name);
	output->path = output->name = NULL;
}
