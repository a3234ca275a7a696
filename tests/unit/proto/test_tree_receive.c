// SPDX-License-Identifier: GPL-2.0-or-later
#include "tree_stage.h"

/* Streams that no sender of ours makes */

static void record(struct buf *out, enum tree_record type, const struct buf *payload)
{
	wire_put_u8(out, (uint8_t)type);
	wire_put_bytes(out, payload ? payload->data : NULL, payload ? payload->len : 0);
}

static void start(struct buf *out)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	wire_put_u32(&payload, TREE_MAGIC);
	wire_put_u16(&payload, TREE_VERSION);
	wire_put_u8(&payload, 0);
	record(out, TREE_RECORD_START, &payload);
}

static void entry(struct buf *out, struct tree_entry entry)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	tree_entry_put(&payload, &entry);
	record(out, TREE_RECORD_ENTRY, &payload);
}

static void file_end(struct buf *out, uint64_t size)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	wire_put_u64(&payload, size);
	record(out, TREE_RECORD_FILE_END, &payload);
}

static int receive_bytes(struct stage *stage, const struct buf *bytes, size_t len)
{
	assert_int_equal(ftruncate(stage->stream, 0), 0);
	assert_int_equal(pwrite(stage->stream, bytes->data, len, 0), (ssize_t)len);
	return receive_tree(stage, "/", TREE_ARCHIVE);
}

static void a_target_that_is_a_symlink_leads_inside_the_root(void **state)
{
	struct stage *stage = *state;

	put(stage->from, "a", "new", 0644);
	mkdirat(stage->to, "run", 0755);
	put(stage->to, "run/conf", "old", 0644);
	link_to("../../run/conf", stage->to, "conf");
	link_to("/run", stage->to, "dir");
	link_to("/run/fresh", stage->to, "dangling");
	copy(stage, "a", 0, "conf", 0);
	assert_text(stage->to, "run/conf", "new");
	assert_true(S_ISLNK(stat_of(stage->to, "conf").st_mode));
	copy(stage, "a", 0, "dir", 0);
	assert_text(stage->to, "run/a", "new");
	copy(stage, "a", 0, "dangling", 0);
	assert_text(stage->to, "run/fresh", "new");
}

static void nothing_is_written_through_what_lies_in_the_target(void **state)
{
	struct stage *stage = *state;
	_cleanup_free_ char *outside = mem_printf("%s/from", stage->path);

	mkdirat(stage->from, "d", 0755);
	mkdirat(stage->from, "d/sub", 0755);
	put(stage->from, "d/sub/x", "new", 0644);
	put(stage->from, "d/f", "new", 0644);
	put(stage->from, "precious", "old", 0644);
	put(stage->to, "linked", "old", 0644);
	mkdirat(stage->to, "d", 0755);
	/* a symlink where a folder should be, one where a file should, and a hard link */
	link_to(outside, stage->to, "d/sub");
	assert_int_equal(send_tree(stage, "d", 0), 0);
	assert_int_equal(receive_tree(stage, "/", 0), -ENOTDIR);
	assert_false(is_there(stage->from, "x"));
	unlinkat(stage->to, "d/sub", 0);
	unlinkat(stage->to, "d/f", 0);
	hard_link(stage->to, "linked", stage->to, "d/f");
	assert_int_equal(receive_tree(stage, "/", 0), 0);
	assert_text(stage->to, "d/f", "new");
	assert_text(stage->to, "linked", "old");
	unlinkat(stage->to, "d/f", 0);
	link_to("../../from/precious", stage->to, "d/f");
	assert_int_equal(receive_tree(stage, "/", 0), 0);
	assert_text(stage->to, "d/f", "new");
	assert_text(stage->from, "precious", "old");
}

static void names_that_lead_elsewhere_are_refused(void **state)
{
	static const char *const names[] = { "", ".", "..", "/", "a/b", "../x", "/etc/x" };
	struct stage *stage = *state;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT, inner = BUF_INIT;
		_cleanup_free_ char *name = mem_strdup(names[i]), *d = mem_strdup("d");

		start(&out);
		entry(&out, (struct tree_entry){ .mode = S_IFREG | 0644, .name = name });
		file_end(&out, 0);
		record(&out, TREE_RECORD_END, NULL);
		assert_int_equal(receive_bytes(stage, &out, out.len), -EBADMSG);
		start(&inner);
		entry(&inner, (struct tree_entry){ .mode = S_IFDIR | 0755, .name = d });
		entry(&inner, (struct tree_entry){ .mode = S_IFDIR | 0755, .name = name });
		record(&inner, TREE_RECORD_DIR_END, NULL);
		record(&inner, TREE_RECORD_DIR_END, NULL);
		record(&inner, TREE_RECORD_END, NULL);
		assert_int_equal(receive_bytes(stage, &inner, inner.len), -EBADMSG);
	}
}

static void links_reach_only_what_the_stream_brought(void **state)
{
	struct stage *stage = *state;
	_cleanup_buf_ struct buf out = BUF_INIT;
	_cleanup_free_ char *d = mem_strdup("d"), *f = mem_strdup("f"), *g = mem_strdup("g");

	put(stage->to, "f", "mine", 0644);
	start(&out);
	entry(&out, (struct tree_entry){ .mode = S_IFDIR | 0755, .name = d });
	entry(&out, (struct tree_entry){ .mode = S_IFREG, .name = g, .shared = 1, .again = 1 });
	assert_int_equal(receive_bytes(stage, &out, out.len), -EBADMSG);
	out.len = 0;
	start(&out);
	entry(&out, (struct tree_entry){ .mode = S_IFDIR | 0755, .name = d });
	entry(&out, (struct tree_entry){ .mode = S_IFREG, .name = f, .shared = 1 });
	file_end(&out, 0);
	/* the file gives way to a symlink before the link to it is asked for */
	entry(&out, (struct tree_entry){ .mode = S_IFLNK, .name = f, .target = f });
	entry(&out, (struct tree_entry){ .mode = S_IFREG, .name = g, .shared = 1, .again = 1 });
	assert_int_equal(receive_bytes(stage, &out, out.len), -EAGAIN);
	assert_false(is_there(stage->to, "d/g"));
}

static void too_deep_a_tree_is_refused(void **state)
{
	struct stage *stage = *state;
	_cleanup_buf_ struct buf out = BUF_INIT;
	_cleanup_free_ char *d = mem_strdup("d");

	start(&out);
	for (int i = 0; i < TREE_STREAM_DEPTH_MAX + 1; i++)
		entry(&out, (struct tree_entry){ .mode = S_IFDIR | 0755, .name = d });
	assert_int_equal(receive_bytes(stage, &out, out.len), -ELOOP);
}

static void impossible_records_are_refused(void **state)
{
	struct stage *stage = *state;
	_cleanup_free_ char *f = mem_strdup("f");
	struct buf out = BUF_INIT, payload = BUF_INIT;

	start(&out);
	record(&out, TREE_RECORD_DIR_END, NULL);
	assert_int_equal(receive_bytes(stage, &out, out.len), -EBADMSG);
	out.len = 0;
	start(&out);
	record(&out, TREE_RECORD_END, NULL);
	assert_int_equal(receive_bytes(stage, &out, out.len), -EBADMSG);
	out.len = 0;
	start(&out);
	entry(&out, (struct tree_entry){ .mode = S_IFREG, .name = f });
	wire_put_u64(&payload, INT64_MAX);
	buf_add_str(&payload, "xy");
	record(&out, TREE_RECORD_DATA, &payload);
	assert_int_equal(receive_bytes(stage, &out, out.len), -EFBIG);
	out.len = 0;
	wire_put_u8(&out, TREE_RECORD_START);
	wire_put_u32(&out, UINT32_MAX);
	assert_int_equal(receive_bytes(stage, &out, out.len), -EBADMSG);
	buf_release(&out);
	buf_release(&payload);
}

static void a_cut_stream_is_always_noticed(void **state)
{
	struct stage *stage = *state;
	struct buf whole = BUF_INIT;
	struct stat st;

	mkdirat(stage->from, "d", 0755);
	put(stage->from, "d/a", "some text", 0644);
	hard_link(stage->from, "d/a", stage->from, "d/b");
	link_to("a", stage->from, "d/l");
	assert_int_equal(send_tree(stage, "d", 0), 0);
	assert_int_equal(fstat(stage->stream, &st), 0);
	buf_reserve(&whole, (size_t)st.st_size);
	whole.len = (size_t)pread(stage->stream, whole.data, (size_t)st.st_size, 0);
	assert_int_equal(receive_bytes(stage, &whole, whole.len), 0);
	for (size_t len = 0; len < whole.len; len++)
		assert_int_equal(receive_bytes(stage, &whole, len), -EPIPE);
	buf_release(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_target_that_is_a_symlink_leads_inside_the_root),
		TEST(nothing_is_written_through_what_lies_in_the_target),
		TEST(names_that_lead_elsewhere_are_refused),
		TEST(links_reach_only_what_the_stream_brought),
		TEST(too_deep_a_tree_is_refused),
		TEST(impossible_records_are_refused),
		TEST(a_cut_stream_is_always_noticed),
	};

	return cmocka_run_group_tests_name("proto/tree_receive", tests, NULL, NULL);
}
