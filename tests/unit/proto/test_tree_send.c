// SPDX-License-Identifier: GPL-2.0-or-later
#include "tree_stage.h"

static void proc_files_are_read_to_their_end(void **state)
{
	struct stage *stage = *state;
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), from = stage->from;

	stage->from = proc;
	copy(stage, "version", 0, "version", 0);
	stage->from = from;
	close(proc);
	assert_true(stat_of(stage->to, "version").st_size > 10);
}

static void symlinks_are_followed_when_asked_and_stay_in_the_root(void **state)
{
	struct stage *stage = *state;

	mkdirat(stage->from, "etc", 0755);
	put(stage->from, "etc/passwd", "inside", 0644);
	link_to("/etc/passwd", stage->from, "l");
	link_to("../../../../../../etc", stage->from, "up");
	link_to("loop", stage->from, "loop");
	copy(stage, "l", 0, "link", 0);
	assert_true(S_ISLNK(stat_of(stage->to, "link").st_mode));
	copy(stage, "l", TREE_FOLLOW, "l", 0);
	assert_text(stage->to, "l", "inside");
	copy(stage, "up/passwd", 0, "p", 0);
	assert_text(stage->to, "p", "inside");
	copy(stage, "up/", 0, "e", 0);
	assert_text(stage->to, "e/passwd", "inside");
	copy(stage, "etc/../../../etc/passwd", 0, "q", 0);
	assert_text(stage->to, "q", "inside");
	assert_int_equal(send_tree(stage, "loop", TREE_FOLLOW), -ELOOP);
}

static void messages_hold_no_control_characters(void **state)
{
	struct stage *stage = *state;

	assert_true(send_tree(stage, "evil\033[2J\n", 0) < 0);
	assert_null(strpbrk(stage->err.msg, "\033\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(proc_files_are_read_to_their_end),
		TEST(symlinks_are_followed_when_asked_and_stay_in_the_root),
		TEST(messages_hold_no_control_characters),
	};

	return cmocka_run_group_tests_name("proto/tree_send", tests, NULL, NULL);
}
