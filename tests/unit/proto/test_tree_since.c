// SPDX-License-Identifier: GPL-2.0-or-later
#include "tree_stage.h"

static uint8_t known[64][TREE_SINCE_DIGEST_SIZE];
static size_t n_known;

static void digest_of_block(const char *path, uint64_t offset, const void *data, size_t len,
			    uint8_t ret[TREE_SINCE_DIGEST_SIZE])
{
	uint64_t sums[4] = { offset, len, 1, 1 };

	for (const char *p = path; *p; p++)
		sums[2] = sums[2] * 31 + (uint8_t)*p;
	for (size_t i = 0; i < len; i++)
		sums[3] = sums[3] * 31 + ((const uint8_t *)data)[i];
	memcpy(ret, sums, TREE_SINCE_DIGEST_SIZE);
}

static int note(void *ctx _unused_, const uint8_t digest[TREE_SINCE_DIGEST_SIZE],
		struct err *err _unused_)
{
	assert_true(n_known < ARRAY_SIZE(known));
	memcpy(known[n_known++], digest, TREE_SINCE_DIGEST_SIZE);
	return 0;
}

static int is_known(void *ctx _unused_, const char *path, uint64_t offset, const void *data,
		    size_t len, uint8_t ret[TREE_SINCE_DIGEST_SIZE])
{
	digest_of_block(path, offset, data, len, ret);
	for (size_t i = 0; i < n_known; i++) {
		if (!memcmp(known[i], ret, TREE_SINCE_DIGEST_SIZE))
			return 1;
	}
	return 0;
}

static int write_stream(void *ctx, const void *data, size_t len, struct err *err _unused_)
{
	return file_write_all(((struct stage *)ctx)->stream, data, len);
}

/* from/d as a stream, which has n bytes then. */
static off_t send_since(struct stage *stage, int is_increment)
{
	const struct tree_sink sink = { .write = write_stream,
					.known = is_increment ? is_known : NULL,
					.ctx = stage };
	_cleanup_tree_sender_ struct tree_sender *sender = tree_send_open(&sink, &stage->err);

	assert_int_equal(ftruncate(stage->stream, 0), 0);
	assert_int_equal(lseek(stage->stream, 0, SEEK_SET), 0);
	assert_int_equal(tree_send_enter(sender, "top"), 0);
	assert_int_equal(tree_send_add(sender, stage->from, "d"), 0);
	assert_int_equal(tree_send_leave(sender), 0);
	assert_int_equal(tree_send_end(sender), 0);
	return lseek(stage->stream, 0, SEEK_END);
}

static int receive_since(struct stage *stage, const char *name, const char *earlier)
{
	const struct tree_since since = { .dirfd = stage->to,
					  .name = earlier ? earlier : "",
					  .digest = digest_of_block };
	const struct tree_bounds bounds = { .bytes_max = 1 << 24,
					    .since = earlier ? &since : NULL };

	stage->err = ERR_INIT;
	assert_int_equal(lseek(stage->stream, 0, SEEK_SET), 0);
	return tree_receive_exact(stage->to, name, &bounds, stage->stream, &stage->err);
}

static int read_since(struct stage *stage)
{
	const struct tree_since_blocks blocks = { .digest = digest_of_block, .each = note };

	stage->err = ERR_INIT;
	n_known = 0;
	assert_int_equal(lseek(stage->stream, 0, SEEK_SET), 0);
	return tree_since_read(stage->stream, &blocks, &stage->err);
}

/* Three blocks in d/e/f, and a file d/g; received as to/full. */
static void put_full(struct stage *stage)
{
	_cleanup_free_ char *text = mem_zalloc(3 * (size_t)TREE_STREAM_DATA_MAX);

	memset(text, 'x', 3 * (size_t)TREE_STREAM_DATA_MAX - 1);
	assert_int_equal(mkdirat(stage->from, "d", 0755), 0);
	assert_int_equal(mkdirat(stage->from, "d/e", 0755), 0);
	put(stage->from, "d/e/f", text, 0600);
	put(stage->from, "d/g", "gone", 0600);
	assert_true(send_since(stage, 0) > 3 * (off_t)TREE_STREAM_DATA_MAX);
	assert_int_equal(receive_since(stage, "full", NULL), 0);
	assert_int_equal(read_since(stage), 0);
	assert_int_equal(n_known, 4);
}

static void change(struct stage *stage)
{
	int fd = openat(stage->from, "d/e/f", O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, "y", 1, TREE_STREAM_DATA_MAX + 5), 1);
	close(fd);
	assert_int_equal(unlinkat(stage->from, "d/g", 0), 0);
}

static void only_changed_blocks_are_in_an_increment(void **state)
{
	struct stage *stage = *state;
	_cleanup_free_ char *want = NULL, *got = NULL;
	off_t size;

	put_full(stage);
	change(stage);
	size = send_since(stage, 1);
	assert_true(size > TREE_STREAM_DATA_MAX && size < TREE_STREAM_DATA_MAX + 1000);
	assert_int_equal(receive_since(stage, "new", "full"), 0);
	assert_int_equal(file_read(stage->from, "d/e/f", 1 << 20, &want, NULL), 0);
	assert_int_equal(file_read(stage->to, "new/d/e/f", 1 << 20, &got, NULL), 0);
	assert_string_equal(got, want);
	assert_false(is_there(stage->to, "new/d/g"));
	/* and the next one builds on what this one brings and on what it has from before */
	assert_int_equal(read_since(stage), 0);
	assert_int_equal(n_known, 3);
	assert_true(send_since(stage, 1) < 1000);
	assert_int_equal(receive_since(stage, "third", "new"), 0);
}

static void an_increment_comes_on_nothing_but_what_it_builds_on(void **state)
{
	struct stage *stage = *state;

	put_full(stage);
	change(stage);
	send_since(stage, 1);
	assert_int_equal(receive_since(stage, "none", NULL), -EBADMSG);
	put(stage->to, "full/d/e/f", "other", 0600);
	assert_int_equal(receive_since(stage, "short", "full"), -ESTALE);
	assert_int_equal(unlinkat(stage->to, "full/d/e/f", 0), 0);
	assert_int_equal(receive_since(stage, "gone", "full"), -ESTALE);
	assert_non_null(strstr(stage->err.msg, "d/e/f"));
}

/* A name in the earlier tree that leads out of it, or is a device, is not opened. */
static void what_it_builds_on_leads_nowhere_else(void **state)
{
	struct stage *stage = *state;

	put_full(stage);
	send_since(stage, 1);
	assert_int_equal(renameat(stage->to, "full/d/e/f", stage->to, "f"), 0);
	link_to("../../../f", stage->to, "full/d/e/f");
	assert_int_equal(receive_since(stage, "link", "full"), -ESTALE);
	assert_int_equal(unlinkat(stage->to, "full/d/e/f", 0), 0);
	assert_int_equal(mkfifoat(stage->to, "full/d/e/f", 0600), 0);
	assert_int_equal(receive_since(stage, "fifo", "full"), -ESTALE);
}

static void a_cut_stream_is_no_base(void **state)
{
	struct stage *stage = *state;
	off_t size;

	put_full(stage);
	size = send_since(stage, 1);
	assert_int_equal(ftruncate(stage->stream, size - 1), 0);
	assert_int_equal(read_since(stage), -EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_changed_blocks_are_in_an_increment),
		TEST(an_increment_comes_on_nothing_but_what_it_builds_on),
		TEST(what_it_builds_on_leads_nowhere_else),
		TEST(a_cut_stream_is_no_base),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
