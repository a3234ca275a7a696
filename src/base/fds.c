// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/fds.h"

#include <sys/syscall.h>

static int fds_compare(const void *a, const void *b)
{
	return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

static void fds_close_row(unsigned int first, unsigned int last)
{
	if (first == last || syscall(SYS_close_range, first, last, 0) < 0)
		for (unsigned int fd = first; fd <= last; fd++)
			close((int)fd);
}

void fds_close(int *fds, size_t n)
{
	int saved = errno;

	if (n)
		qsort(fds, n, sizeof(*fds), fds_compare);
	for (size_t i = 0, next; i < n; i = next) {
		for (next = i + 1; next < n && fds[next] == fds[next - 1] + 1;)
			next++;
		if (fds[i] >= 0)
			fds_close_row((unsigned int)fds[i], (unsigned int)fds[next - 1]);
	}
	for (size_t i = 0; i < n; i++)
		fds[i] = -EBADF;
	errno = saved;
}

int fds_add(struct fds *fds, int fd)
{
	if (fds->n == FDS_MAX)
		fds_release(fds);
	if (fd >= 0)
		fds->list[fds->n++] = fd;
	return fd;
}

void fds_release(struct fds *fds)
{
	fds_close(fds->list, fds->n);
	fds->n = 0;
}
