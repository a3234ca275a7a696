// SPDX-License-Identifier: GPL-2.0-or-later
#include "tree_stage.h"

/* A sender that has its files from elsewhere: what it puts together is received as it is. */
static void a_stream_that_was_put_together_is_received(void **state)
{
	struct stage *stage = *state;
	_cleanup_tree_stream_ struct tree_stream stream = { .fd = stage->stream,
							    .err = &stage->err };
	_cleanup_tree_entry_ struct tree_entry file = {
		.mode = S_IFREG | 0640, .mtime = 77, .mtime_ns = 123456789, .name = mem_strdup("f")
	};
	struct tree_entry folder = { .mode = S_IFDIR | 0750, .name = (char *)(uintptr_t) "d" };

	tree_stream_add_xattr(&file, "user.colour", "blue", 4);
	assert_int_equal(tree_stream_start(&stream, 0), 0);
	assert_int_equal(tree_stream_entry(&stream, &folder), 0);
	assert_int_equal(tree_stream_entry(&stream, &file), 0);
	memcpy(tree_stream_data(&stream, 8192), "text", 4);
	assert_int_equal(tree_stream_data_done(&stream, 4), 0);
	(void)tree_stream_data(&stream, 9000);
	assert_int_equal(tree_stream_data_done(&stream, 0), 0);
	assert_int_equal(tree_stream_file_end(&stream, 10000), 0);
	assert_int_equal(tree_stream_dir_end(&stream), 0);
	assert_int_equal(tree_stream_end(&stream), 0);
	assert_int_equal(receive_tree(stage, "/", TREE_ARCHIVE), 0);
	assert_int_equal(stat_of(stage->to, "d").st_mode, S_IFDIR | 0750);
	assert_int_equal(stat_of(stage->to, "d/f").st_size, 10000);
	assert_int_equal(stat_of(stage->to, "d/f").st_mtim.tv_nsec, 123456789);
}

static void who_cannot_send_hears_why(void **state)
{
	struct stage *stage = *state;
	_cleanup_tree_stream_ struct tree_stream stream = { .fd = -EBADF, .err = &stage->err };

	assert_int_equal(tree_stream_start(&stream, 0), 0);
	assert_true(tree_stream_end(&stream) < 0);
	assert_true(err_is_set(&stage->err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_stream_that_was_put_together_is_received),
		TEST(who_cannot_send_hears_why),
	};

	return cmocka_run_group_tests_name("proto/tree_stream", tests, NULL, NULL);
}
