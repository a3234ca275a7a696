// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/balance_mark.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#define BALANCE_MARK ".balance"

int balance_mark_take(const char *run, int *ret_fd, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/" BALANCE_MARK, run);
	_cleanup_close_ int fd = -EBADF;
	int r = file_mkdir_p(run, 0755);

	if (r == 0)
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(err, r < 0 ? r : -errno, "cannot open %s", path);
	if (file_lock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(err, -EBUSY,
			       "another 'brig balance' runs already; 'systemctl stop brig-balance' "
			       "ends it if it is the service's");
	*ret_fd = take_fd(&fd);
	return 0;
}

int balance_mark_is_taken(const char *run)
{
	_cleanup_free_ char *path = mem_printf("%s/" BALANCE_MARK, run);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 && file_lock(fd, LOCK_SH | LOCK_NB) < 0;
}
