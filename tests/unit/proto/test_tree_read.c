// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/tree_read.h"
#include "tree_stage.h"

/* What was read, as text. */
struct seen {
	struct buf text;
	int fails_at; /* the how manieth entry; 0: none */
};

static int see_entry(void *ctx, const char *path, const struct tree_entry *entry, const char *first,
		     struct err *err)
{
	struct seen *seen = ctx;

	buf_printf(&seen->text, "%s %o%s%s\n", path, entry->mode & S_IFMT, first ? " is " : "",
		   first ? first : "");
	return --seen->fails_at == 0 ? err_set(err, -ENOSPC, "no more") : 0;
}

static int see_data(void *ctx, uint64_t offset, const void *data, size_t len,
		    struct err *err _unused_)
{
	buf_printf(&((struct seen *)ctx)->text, "%ju: %.*s\n", (uintmax_t)offset, (int)len,
		   (const char *)data);
	return 0;
}

static int see_end(void *ctx, uint64_t size, struct err *err _unused_)
{
	buf_printf(&((struct seen *)ctx)->text, "%ju bytes\n", (uintmax_t)size);
	return 0;
}

static const struct tree_reader_ops see_ops = { see_entry, see_data, see_end };

static int read_all(struct stage *stage, struct seen *seen)
{
	assert_int_equal(lseek(stage->stream, 0, SEEK_SET), 0);
	buf_release(&seen->text);
	return tree_read(stage->stream, &see_ops, seen, &stage->err);
}

static void a_folder_is_read_with_what_is_in_it(void **state)
{
	struct stage *stage = *state;
	struct seen seen = { .fails_at = 0 };

	assert_int_equal(mkdirat(stage->from, "d", 0755), 0);
	put(stage->from, "d/f", "text", 0644);
	assert_int_equal(linkat(stage->from, "d/f", stage->from, "d/g", 0), 0);
	assert_int_equal(tree_send(stage->from, "/d", 0, stage->stream, &stage->err), 0);
	assert_int_equal(read_all(stage, &seen), 0);
	if (strstr(seen.text.data, "d/g 100000 is"))
		assert_string_equal(seen.text.data, "d 40000\nd/f 100000\n0: text\n4 bytes\n"
						    "d/g 100000 is d/f\n");
	else
		assert_string_equal(seen.text.data, "d 40000\nd/g 100000\n0: text\n4 bytes\n"
						    "d/f 100000 is d/g\n");
	seen.fails_at = 2;
	assert_int_equal(read_all(stage, &seen), -ENOSPC);
	assert_string_equal(stage->err.msg, "no more");
	buf_release(&seen.text);
}

static void of_contents_the_folder_has_no_name(void **state)
{
	struct stage *stage = *state;
	struct seen seen = { .fails_at = 0 };

	put(stage->from, "f", "", 0644);
	assert_int_equal(tree_send(stage->from, "/", TREE_CONTENTS, stage->stream, &stage->err), 0);
	assert_int_equal(read_all(stage, &seen), 0);
	assert_string_equal(seen.text.data, ". 40000\n./f 100000\n0 bytes\n");
	buf_release(&seen.text);
}

static void start(struct stage *stage, struct tree_stream *stream)
{
	assert_int_equal(ftruncate(stage->stream, 0), 0);
	assert_int_equal(lseek(stage->stream, 0, SEEK_SET), 0);
	stage->err = ERR_INIT;
	assert_int_equal(tree_stream_start(stream, 0), 0);
}

static void what_breaks_the_rules_is_refused(void **state)
{
	struct stage *stage = *state;
	struct seen seen = { .fails_at = 0 };
	_cleanup_tree_stream_ struct tree_stream stream = { .fd = stage->stream,
							    .err = &stage->err };
	struct tree_entry folder = { .mode = S_IFDIR | 0755, .name = (char *)(uintptr_t) "d" };
	struct tree_entry file = { .mode = S_IFREG | 0644, .name = (char *)(uintptr_t) ".." };
	struct tree_entry again = {
		.mode = S_IFREG | 0644, .name = (char *)(uintptr_t) "g", .shared = 1, .again = 1
	};

	/* a name that leads out */
	start(stage, &stream);
	assert_int_equal(tree_stream_entry(&stream, &file), 0);
	assert_int_equal(tree_stream_end(&stream), 0);
	assert_int_equal(read_all(stage, &seen), -EBADMSG);
	/* a further link to nothing */
	start(stage, &stream);
	assert_int_equal(tree_stream_entry(&stream, &again), 0);
	assert_int_equal(tree_stream_end(&stream), 0);
	assert_int_equal(read_all(stage, &seen), -EBADMSG);
	/* a folder without an end, two things, and an end of nothing */
	start(stage, &stream);
	assert_int_equal(tree_stream_entry(&stream, &folder), 0);
	assert_int_equal(tree_stream_end(&stream), 0);
	assert_int_equal(read_all(stage, &seen), -EBADMSG);
	start(stage, &stream);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(tree_stream_entry(&stream, &folder), 0);
		assert_int_equal(tree_stream_dir_end(&stream), 0);
	}
	assert_int_equal(tree_stream_end(&stream), 0);
	assert_int_equal(read_all(stage, &seen), -EBADMSG);
	start(stage, &stream);
	assert_int_equal(tree_stream_dir_end(&stream), 0);
	assert_int_equal(tree_stream_end(&stream), 0);
	assert_int_equal(read_all(stage, &seen), -EBADMSG);
	buf_release(&seen.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_folder_is_read_with_what_is_in_it),
		TEST(of_contents_the_folder_has_no_name),
		TEST(what_breaks_the_rules_is_refused),
	};

	return cmocka_run_group_tests_name("proto/tree_read", tests, NULL, NULL);
}
