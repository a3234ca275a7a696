// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/trail.h"
#include "base/take.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

static int trail_register(const struct trail *trail, unsigned int what, void *data, unsigned int n)
{
	return (int)syscall(SYS_io_uring_register, trail->ring, what, data, n);
}

void trail_open(struct trail *trail)
{
	struct io_uring_params params = { .flags = IORING_SETUP_R_DISABLED };
	int none[TRAIL_MAX];

	*trail = TRAIL_INIT;
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		none[i] = -1;
	/* close-on-exec, always; and disabled, so that it never does anything */
	trail->ring = (int)syscall(SYS_io_uring_setup, 1, &params);
	if (trail->ring >= 0 &&
	    trail_register(trail, IORING_REGISTER_FILES, none, ARRAY_SIZE(none)) < 0)
		trail->ring = fd_close(trail->ring);
}

void trail_add(struct trail *trail, int fd)
{
	struct io_uring_files_update update = { .offset = trail->n,
						.fds = (uint64_t)(uintptr_t)&fd };

	if (trail->ring >= 0 && fd >= 0 && trail->n < TRAIL_MAX &&
	    trail_register(trail, IORING_REGISTER_FILES_UPDATE, &update, 1) == 1)
		trail->n++;
}

void trail_close(struct trail *trail)
{
	trail->ring = fd_close(trail->ring);
}

void trail_drop(int fd)
{
	struct trail trail;

	trail_open(&trail);
	trail_add(&trail, fd);
	fd_close(fd);
	trail_close(&trail);
}
