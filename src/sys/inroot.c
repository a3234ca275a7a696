// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/inroot.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/take.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

int inroot_open(int root, const char *path, int flags)
{
	if (!(flags & O_PATH))
		flags |= O_NOCTTY;
	return file_open_scoped(root, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

static int inroot_open_parent(int root, const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *parent = slash ? mem_strndup(path, (size_t)(slash - path)) : NULL;

	return inroot_open(root, parent ? parent : ".", O_PATH | O_DIRECTORY);
}

/* Makes the last part of the path; that it is there already is for the caller to look at. */
static int inroot_make_last(int root, const char *path, int is_dir, mode_t mode)
{
	_cleanup_close_ int parent = inroot_open_parent(root, path), file = -EBADF;
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	if (parent < 0)
		return parent;
	if (is_dir)
		return mkdirat(parent, name, mode) < 0 && errno != EEXIST ? -errno : 0;
	file = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	return file < 0 && errno != EEXIST ? -errno : 0;
}

static int inroot_make_parents(int root, const char *path)
{
	_cleanup_free_ char *copy = mem_strdup(path);
	int r = 0;

	for (char *end = strchr(copy + 1, '/'); end && r == 0; end = strchr(end + 1, '/')) {
		*end = '\0';
		if (end[-1] != '/')
			r = inroot_make_last(root, copy, 1, 0755);
		*end = '/';
	}
	return r;
}

static int inroot_make(int root, const char *given, int is_dir, mode_t mode)
{
	int flags = is_dir ? O_PATH | O_DIRECTORY : O_PATH;
	_cleanup_free_ char *path = mem_strdup(given);
	int r = inroot_open(root, path, flags);

	/* "/data/" is "/data" */
	for (size_t len = strlen(path); len > 1 && path[len - 1] == '/'; len--)
		path[len - 1] = '\0';
	if (r != -ENOENT)
		return r;
	r = inroot_make_last(root, path, is_dir, mode);
	if (r == -ENOENT) {
		r = inroot_make_parents(root, path);
		if (r == 0)
			r = inroot_make_last(root, path, is_dir, mode);
	}
	return r < 0 ? r : inroot_open(root, path, flags);
}

int inroot_make_dir(int root, const char *path, mode_t mode)
{
	return inroot_make(root, path, 1, mode);
}

int inroot_make_file(int root, const char *path, mode_t mode)
{
	return inroot_make(root, path, 0, mode);
}
