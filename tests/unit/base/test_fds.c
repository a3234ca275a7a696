// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/fds.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static int is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* n copies of a descriptor, from `first` up. */
static void open_row(int *fds, size_t n, int first)
{
	for (size_t i = 0; i < n; i++) {
		fds[i] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, first);
		assert_true(fds[i] >= 0);
	}
}

static void what_is_listed_is_closed_and_nothing_else(void **state)
{
	int row[6], list[7];

	(void)state;
	open_row(row, 6, 100);
	/* out of order, one left out, one that is none */
	list[0] = row[5];
	list[1] = row[0];
	list[2] = -EBADF;
	list[3] = row[3];
	list[4] = row[1];
	fds_close(list, 5);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(is_open(row[i]), i == 2 || i == 4);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(list[i], -EBADF);
	list[0] = row[2];
	list[1] = row[4];
	fds_close(list, 2);
	assert_false(is_open(row[2]));
	fds_close(list, 0);
}

static void a_descriptor_that_has_others_for_neighbours_goes_alone(void **state)
{
	int row[3], list[1];

	(void)state;
	open_row(row, 3, 200);
	list[0] = row[1];
	errno = ENOENT;
	fds_close(list, 1);
	assert_int_equal(errno, ENOENT);
	assert_true(is_open(row[0]));
	assert_false(is_open(row[1]));
	assert_true(is_open(row[2]));
	fds_close(row, 3);
}

static void more_than_there_is_room_for_are_closed_on_the_way(void **state)
{
	struct fds fds = FDS_INIT;
	int row[FDS_MAX + 3];

	(void)state;
	open_row(row, FDS_MAX + 3, 300);
	assert_int_equal(fds_add(&fds, -ENOENT), -ENOENT);
	for (size_t i = 0; i < FDS_MAX + 3; i++)
		assert_int_equal(fds_add(&fds, row[i]), row[i]);
	assert_false(is_open(row[0]));
	assert_true(is_open(row[FDS_MAX]));
	fds_release(&fds);
	for (size_t i = 0; i < FDS_MAX + 3; i++)
		assert_false(is_open(row[i]));
	assert_int_equal(fds.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_listed_is_closed_and_nothing_else),
		cmocka_unit_test(a_descriptor_that_has_others_for_neighbours_goes_alone),
		cmocka_unit_test(more_than_there_is_room_for_are_closed_on_the_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
