// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/userns.h"
#include "base/file.h"
#include "sys/idmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int64_t is_root(void *ctx, struct err *err _unused_)
{
	return *(int *)ctx + (getuid() == 0 && getgid() == 0);
}

static void work_is_done_as_root_of_ones_own_ids(void **state _unused_)
{
	struct err err = ERR_INIT;
	int more = 6;
	int64_t r = userns_run(is_root, &more, &err);

	if (r == -EPERM || r == -ENOSPC || r == -EACCES) /* in a sandbox */
		skip();
	assert_int_equal(r, 7);
}

static int64_t fail_inside(void *ctx _unused_, struct err *err)
{
	return err_set(err, -EDOM, "it is out of its domain");
}

static int64_t die_inside(void *ctx _unused_, struct err *err _unused_)
{
	(void)raise(SIGKILL);
	return 0;
}

static void what_fails_there_is_told(void **state _unused_)
{
	struct err err = ERR_INIT;
	int64_t r = userns_run(fail_inside, NULL, &err);

	if (r == -EPERM || r == -ENOSPC || r == -EACCES) /* in a sandbox */
		skip();
	assert_int_equal(r, -EDOM);
	assert_int_equal(err.code, -EDOM);
	assert_string_equal(err.msg, "it is out of its domain");

	err = ERR_INIT;
	assert_int_equal(userns_run(die_inside, NULL, &err), -EIO);
	assert_int_equal(err.code, -EIO);
}

static int64_t count_groups(void *ctx _unused_, struct err *err _unused_)
{
	return getgroups(0, NULL);
}

/* In a process of its own, whose groups are nobody's loss. */
static int groups_that_stay(void)
{
	const gid_t group = 7;
	struct err err = ERR_INIT;

	return setgroups(1, &group) < 0 ? 255 : (int)userns_run(count_groups, NULL, &err) & 0xff;
}

static void roots_other_groups_are_given_up(void **state _unused_)
{
	int status = 0;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	pid = fork();
	if (!pid)
		_exit(groups_that_stay());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void a_user_has_at_least_his_own_id(void **state _unused_)
{
	struct idmap map;

	idmap_of_user(&map);
	assert_int_equal(idmap_uid(&map, 0), getuid());
	assert_int_equal(idmap_gid(&map, 0), getgid());
	assert_true(idmap_is_single(&map) == (idmap_uid(&map, 1) == IDMAP_NONE));
	idmap_release(&map);
}

static void a_tree_that_is_shut_goes(void **state _unused_)
{
	char folder[] = "/tmp/brig-userns-XXXXXX";
	_cleanup_close_ int fd = -EBADF;

	assert_non_null(mkdtemp(folder));
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(fd, "a", 0700), 0);
	assert_int_equal(mkdirat(fd, "a/b", 0700), 0);
	assert_int_equal(fchmodat(fd, "a", 0, 0), 0);
	assert_int_equal(userns_remove_tree(AT_FDCWD, folder), 0);
	assert_int_equal(access(folder, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(work_is_done_as_root_of_ones_own_ids),
		cmocka_unit_test(what_fails_there_is_told),
		cmocka_unit_test(roots_other_groups_are_given_up),
		cmocka_unit_test(a_user_has_at_least_his_own_id),
		cmocka_unit_test(a_tree_that_is_shut_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
