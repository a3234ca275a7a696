// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/lower.h"
#include "base/file.h"
#include "base/mem.h"
#include "image/store.h"
#include "sys/mnt.h"

#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

void lower_release(struct lower *lower)
{
	for (size_t i = 0; i < lower->n; i++)
		fd_close(lower->fds[i]);
	free(lower->fds);
	*lower = (struct lower){ 0 };
}

static int lower_open_folder(int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* A user's is a folder; who can mount it has an erofs image. */
static int lower_open_layer(const char *path, struct err *err)
{
	_cleanup_close_ int mount = -EBADF;
	int fd = lower_open_folder(AT_FDCWD, path);

	if (fd == -ENOTDIR) {
		if (mnt_erofs(path, &mount, err) < 0)
			return err->code;
		fd = lower_open_folder(mount, ".");
	}
	return fd < 0 ? err_errno(err, fd, "cannot open the layer %s", path) : fd;
}

int lower_open(const char *root, char *const *layers, struct lower *ret, struct err *err)
{
	size_t n = strv_len(layers);

	*ret = (struct lower){ .fds = n ? mem_zalloc(n * sizeof(*ret->fds)) : NULL };
	while (n-- > 0) {
		_cleanup_free_ char *path = store_layer_path(root, layers[n]);
		int fd = lower_open_layer(path, err);

		if (fd < 0)
			return fd;
		ret->fds[ret->n++] = fd;
	}
	return 0;
}

static int lower_is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

int lower_stat(const struct lower *lower, const char *name, struct stat *ret)
{
	for (size_t i = 0; i < lower->n; i++) {
		if (fstatat(lower->fds[i], name, ret, AT_SYMLINK_NOFOLLOW) == 0)
			return !lower_is_whiteout(ret);
		if (errno != ENOENT)
			return -errno;
	}
	return 0;
}

static int lower_is_opaque(int fd)
{
	char value;

	return (fgetxattr(fd, "trusted.overlay.opaque", &value, 1) == 1 ||
		fgetxattr(fd, "user.overlay.opaque", &value, 1) == 1) &&
	       value == 'y';
}

int lower_enter(const struct lower *lower, const char *name, struct lower *ret)
{
	*ret = (struct lower){ .fds = lower->n ? mem_zalloc(lower->n * sizeof(*ret->fds)) : NULL };
	for (size_t i = 0; i < lower->n; i++) {
		int fd = lower_open_folder(lower->fds[i], name);

		if (fd == -ENOENT)
			continue;
		/* whatever else it is hides what is below */
		if (fd == -ENOTDIR || fd == -ELOOP)
			return 0;
		if (fd < 0)
			return fd;
		ret->fds[ret->n++] = fd;
		if (lower_is_opaque(fd))
			return 0;
	}
	return 0;
}

static int lower_names_of(int folder, char ***names)
{
	int fd = lower_open_folder(folder, ".");
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return fd < 0 ? fd : (fd_close(fd), -ENOMEM);
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			strv_add(names, entry->d_name);
	}
	return 0;
}

int lower_names(const struct lower *lower, char ***names)
{
	int r = 0;

	for (size_t i = 0; i < lower->n && r == 0; i++)
		r = lower_names_of(lower->fds[i], names);
	return r;
}
