// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Freezing waits until all that is dirty is written, so a child does it while the agent serves on. It is in the agent's own
 * root, where the workload cannot reach it, and writes nothing to the disk: it would wait for itself.
 */
#include "guest/freeze.h"
#include "base/take.h"
#include "base/units.h"
#include "guest/disk.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Whether stdin comes to its end in time. */
static int freeze_wait(int64_t deadline_ns)
{
	struct pollfd fd = { .fd = STDIN_FILENO, .events = POLLIN };
	char unused[64];

	for (;;) {
		int64_t left_ms = (deadline_ns - units_monotonic()) / 1000000;
		int n = left_ms > 0 ? poll(&fd, 1, (int)left_ms) : 0;

		if (!n)
			return 0;
		if (n > 0 && read(STDIN_FILENO, unused, sizeof(unused)) == 0)
			return 1;
		if (n < 0 && errno != EINTR)
			return 1;
	}
}

static int freeze_work(void *ctx _unused_, struct err *err)
{
	_cleanup_close_ int fd = open(DISK_DATA, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int in_time;

	/* of a client that goes away: it is the end of stdin, too */
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	if (fd < 0 || ioctl(fd, FIFREEZE, 0) < 0)
		return err_errno(err, -errno, "cannot freeze the file system");
	in_time = write(STDOUT_FILENO, "", 1) == 1 &&
		  freeze_wait(units_monotonic() + (int64_t)FREEZE_MS * 1000000);
	if (ioctl(fd, FITHAW, 0) < 0)
		return err_errno(err, -errno, "the file system did not stand still");
	return in_time ? 0
		       : err_set(err, -ETIMEDOUT, "the file system stood still for %d s already",
				 FREEZE_MS / 1000);
}

int freeze_start(struct launch *ret, struct err *err)
{
	struct launch_spec spec = LAUNCH_SPEC_INIT;

	spec.work = freeze_work;
	return launch_start(&spec, ret, err);
}

void freeze_end(void)
{
	_cleanup_close_ int fd = open(DISK_DATA, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		(void)ioctl(fd, FITHAW, 0);
}
