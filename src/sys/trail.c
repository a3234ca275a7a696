// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/trail.h"
#include "base/take.h"

#include <errno.h>
#include <fcntl.h>
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

	*trail = TRAIL_INIT;
	for (size_t i = 0; i < TRAIL_MAX; i++)
		trail->held[i] = -1;
	/* close-on-exec, always; and disabled, so that it never does anything */
	trail->ring = (int)syscall(SYS_io_uring_setup, 1, &params);
	if (trail->ring >= 0 &&
	    trail_register(trail, IORING_REGISTER_FILES, trail->held, TRAIL_MAX) < 0)
		trail->ring = fd_close(trail->ring);
}

/* 0 if it has done so. */
static int trail_put(struct trail *trail, unsigned int place, int fd)
{
	struct io_uring_files_update update = { .offset = place, .fds = (uint64_t)(uintptr_t)&fd };

	if (trail_register(trail, IORING_REGISTER_FILES_UPDATE, &update, 1) != 1)
		return -1;
	trail->held[place] = fd;
	return 0;
}

void trail_add(struct trail *trail, int fd)
{
	unsigned int place = 0;

	if (trail->ring < 0 || fd < 0 || trail->n == TRAIL_MAX)
		return;
	while (trail->held[place] >= 0)
		place++;
	if (trail_put(trail, place, fd) == 0)
		trail->n++;
}

void trail_sweep(struct trail *trail)
{
	for (unsigned int place = 0; trail->ring >= 0 && place < TRAIL_MAX; place++) {
		/* F_GETFL, as the jail of a VM's process knows it */
		if (trail->held[place] >= 0 && fcntl(trail->held[place], F_GETFL) < 0 &&
		    trail_put(trail, place, -1) == 0)
			trail->n--;
	}
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
