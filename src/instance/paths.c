// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/paths.h"
#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

char *paths_state(const struct instance_home *home, const char *name)
{
	return mem_printf("%s/instances/%s", home->root, name);
}

char *paths_run(const struct instance_home *home, const char *name)
{
	return mem_printf("%s/%s", home->run, name);
}

/* True if path still names the folder behind fd. */
static int paths_is_same(const char *path, int fd)
{
	struct stat a, b;

	return stat(path, &a) == 0 && fstat(fd, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

int paths_lock(const struct instance_home *home, const char *name, int *ret_fd, struct err *err)
{
	_cleanup_free_ char *path = paths_state(home, name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return err_errno(err, -errno, "cannot open %s", path);
	r = file_lock(fd, LOCK_EX);
	if (r < 0)
		return err_errno(err, r, "cannot lock instance '%s'", name);
	if (!paths_is_same(path, fd))
		return err_set(err, -ENOENT, "instance '%s' was removed or renamed meanwhile",
			       name);
	*ret_fd = take_fd(&fd);
	return 0;
}

int paths_keeper_mark(int run_dir_fd, int *ret_fd, struct err *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	_cleanup_close_ int fd =
		openat(run_dir_fd, PATHS_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_errno(err, -errno, "cannot make the keeper's lock");
	if (fcntl(fd, F_SETLK, &lock) < 0)
		return err_set(err, -EBUSY, "it has a keeper already");
	*ret_fd = take_fd(&fd);
	return 0;
}

pid_t paths_keeper_pid(const char *run_dir)
{
	_cleanup_free_ char *path = mem_printf("%s/%s", run_dir, PATHS_LOCK);
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid;
}
