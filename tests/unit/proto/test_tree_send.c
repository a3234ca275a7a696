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

static int sink_write(void *ctx, const void *data, size_t len, struct err *err)
{
	const struct stage *stage = ctx;
	int r = file_write_all(stage->stream, data, len);

	return r < 0 ? err_errno(err, r, "cannot write") : 0;
}

static void a_stream_is_put_together_of_several_things(void **state)
{
	struct stage *stage = *state;
	const struct tree_sink sink = { .write = sink_write, .ctx = stage };
	const struct tree_bounds bounds = { .bytes_max = 1 << 20 };
	_cleanup_tree_sender_ struct tree_sender *sender = tree_send_open(&sink, &stage->err);

	if (geteuid())
		skip(); /* whose folders belong to root */
	mkdirat(stage->from, "d", 0711);
	put(stage->from, "d/x", "x", 0644);
	put(stage->from, "f", "f", 0644);
	put(stage->from, "left", "l", 0644);
	hard_link(stage->from, "f", stage->from, "d/f");
	assert_int_equal(tree_send_enter(sender, "any"), 0);
	assert_int_equal(tree_send_add(sender, stage->from, "d"), 0);
	assert_int_equal(tree_send_enter(sender, "more"), 0);
	assert_int_equal(tree_send_add(sender, stage->from, "f"), 0);
	assert_int_equal(tree_send_leave(sender), 0);
	assert_int_equal(tree_send_leave(sender), 0);
	assert_int_equal(tree_send_end(sender), 0);
	assert_int_equal(lseek(stage->stream, 0, SEEK_SET), 0);
	assert_int_equal(tree_receive_exact(stage->to, "new", &bounds, stage->stream, &stage->err),
			 0);
	assert_int_equal(stat_of(stage->to, "new").st_mode, S_IFDIR | 0700);
	assert_int_equal(stat_of(stage->to, "new/d").st_mode, S_IFDIR | 0711);
	assert_text(stage->to, "new/d/x", "x");
	assert_text(stage->to, "new/more/f", "f");
	assert_int_equal(stat_of(stage->to, "new/more/f").st_ino,
			 stat_of(stage->to, "new/d/f").st_ino);
	assert_true(faccessat(stage->to, "new/left", F_OK, 0) < 0);
}

static void a_sink_that_fails_ends_the_stream(void **state)
{
	struct stage *stage = *state;
	const struct tree_sink sink = { .write = sink_write, .ctx = stage };
	_cleanup_tree_sender_ struct tree_sender *sender = tree_send_open(&sink, &stage->err);

	put(stage->from, "f", "f", 0644);
	stage->stream = fd_close(stage->stream);
	assert_int_equal(tree_send_add(sender, stage->from, "f"), 0);
	assert_int_equal(tree_send_end(sender), -EBADF);
	assert_non_null(strstr(stage->err.msg, "cannot write"));
	stage->stream = memfd_create("stream", MFD_CLOEXEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(proc_files_are_read_to_their_end),
		TEST(symlinks_are_followed_when_asked_and_stay_in_the_root),
		TEST(messages_hold_no_control_characters),
		TEST(a_stream_is_put_together_of_several_things),
		TEST(a_sink_that_fails_ends_the_stream),
	};

	return cmocka_run_group_tests_name("proto/tree_send", tests, NULL, NULL);
}
