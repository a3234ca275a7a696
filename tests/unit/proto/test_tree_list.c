// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/tree_list.h"
#include "tree_stage.h"

static int rewind_and_read(struct stage *stage, struct tree_node **ret)
{
	stage->err = ERR_INIT;
	assert_int_equal(lseek(stage->stream, 0, SEEK_SET), 0);
	return tree_list_read(stage->stream, ret, &stage->err);
}

static void a_list_has_every_file_and_what_is_noted_of_it(void **state)
{
	struct stage *stage = *state;
	_cleanup_tree_node_ struct tree_node *top = NULL;
	const struct tree_node *a, *d;

	mkdirat(stage->from, "u", 0751);
	mkdirat(stage->from, "u/d", 0700);
	put(stage->from, "u/d/b", "twelve bytes", 0644);
	hard_link(stage->from, "u/d/b", stage->from, "u/a");
	link_to("/some/where", stage->from, "u/l");
	assert_int_equal(mknodat(stage->from, "u/gone", S_IFCHR, 0), 0);
	assert_int_equal(tree_send_list(stage->from, "u", stage->stream, &stage->err), 0);
	assert_int_equal(rewind_and_read(stage, &top), 0);
	assert_int_equal(top->mode, S_IFDIR | 0751);
	assert_int_equal(top->n_children, 4);
	a = tree_node_child(top, "a");
	d = tree_node_child(top, "d");
	assert_int_equal(a->size, 12);
	assert_int_equal(tree_node_child(d, "b")->size, 12);
	assert_string_equal(tree_node_child(top, "l")->target, "/some/where");
	assert_true(tree_node_is_whiteout(tree_node_child(top, "gone")));
	assert_null(tree_node_child(top, "b"));
	assert_null(tree_node_child(NULL, "b"));
}

static void add(struct tree_stream *stream, const char *name, uint32_t mode)
{
	_cleanup_tree_entry_ struct tree_entry entry = { .mode = mode, .name = mem_strdup(name) };

	assert_int_equal(tree_stream_entry(stream, &entry), 0);
	if (S_ISREG(mode))
		assert_int_equal(tree_stream_file_end(stream, 1), 0);
}

/* Writes one folder with these names in it, and reads it. */
static int read_names(struct stage *stage, unsigned int flags, const char *first,
		      const char *second)
{
	_cleanup_tree_node_ struct tree_node *top = NULL;
	_cleanup_tree_stream_ struct tree_stream stream = { .fd = stage->stream,
							    .err = &stage->err };

	assert_int_equal(ftruncate(stage->stream, 0), 0);
	assert_int_equal(lseek(stage->stream, 0, SEEK_SET), 0);
	assert_int_equal(tree_stream_start(&stream, flags), 0);
	add(&stream, "top", S_IFDIR | 0755);
	add(&stream, first, S_IFREG | 0644);
	add(&stream, second, S_IFREG | 0644);
	assert_int_equal(tree_stream_dir_end(&stream), 0);
	assert_int_equal(tree_stream_end(&stream), 0);
	return rewind_and_read(stage, &top);
}

static void what_no_folder_can_have_is_refused(void **state)
{
	unsigned int flags = TREE_STREAM_EXACT | TREE_STREAM_LIST;
	struct stage *stage = *state;

	assert_int_equal(read_names(stage, flags, "a", "b"), 0);
	assert_int_equal(read_names(stage, flags, "a", "a"), -EBADMSG);
	assert_int_equal(read_names(stage, flags, "..", "a"), -EBADMSG);
	assert_int_equal(read_names(stage, flags, "a", "b/c"), -EBADMSG);
	assert_int_equal(read_names(stage, flags, "", "b"), -EBADMSG);
	assert_int_equal(read_names(stage, TREE_STREAM_EXACT, "a", "b"), -EBADMSG);
	assert_true(err_is_set(&stage->err));
}

static void a_list_that_is_cut_is_noticed(void **state)
{
	struct stage *stage = *state;
	off_t whole;

	assert_int_equal(read_names(stage, TREE_STREAM_EXACT | TREE_STREAM_LIST, "a", "b"), 0);
	whole = lseek(stage->stream, 0, SEEK_END);
	for (off_t len = whole - 1; len >= 0; len--) {
		struct tree_node *top = NULL;

		assert_int_equal(ftruncate(stage->stream, len), 0);
		assert_int_equal(rewind_and_read(stage, &top), -EPIPE);
		assert_null(top);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_list_has_every_file_and_what_is_noted_of_it,
						setup, teardown),
		cmocka_unit_test_setup_teardown(what_no_folder_can_have_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_list_that_is_cut_is_noticed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
