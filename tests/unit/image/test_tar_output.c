// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/tar_output.h"
#include "base/buf.h"
#include "base/mem.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#define LONG_NAME                                                                             \
	"a/very/long/name/that/a/header/has/no/room/for/since/it/is/longer/than/one/hundred/" \
	"characters/altogether/\xc3\xa9\xff"

/* An archive in memory that is being written, then read. */
struct fixture {
	int fd;
	struct tar_output *writer;
	struct tar_stream *stream;
	struct tar_reader *reader;
	struct tar_item item;
	struct err err;
};

static struct fixture begin(void)
{
	struct fixture f = { .fd = memfd_create("tar", MFD_CLOEXEC) };

	f.writer = tar_output_new(f.fd);
	return f;
}

static void put(struct fixture *f, struct tar_item item, const char *data)
{
	assert_int_equal(tar_output_add(f->writer, &item, &f->err), 0);
	if (data)
		assert_int_equal(tar_output_data(f->writer, data, strlen(data), &f->err), 0);
}

static void turn(struct fixture *f)
{
	assert_int_equal(tar_output_finish(f->writer, &f->err), 0);
	assert_int_equal(lseek(f->fd, 0, SEEK_END) % 512, 0);
	assert_int_equal(lseek(f->fd, 0, SEEK_SET), 0);
	assert_int_equal(tar_stream_open(f->fd, &f->stream, &f->err), 0);
	assert_int_equal(tar_reader_open(f->stream, &f->reader, &f->err), 0);
}

static const struct tar_item *next(struct fixture *f)
{
	assert_int_equal(tar_reader_next(f->reader, &f->item, &f->err), 1);
	return &f->item;
}

static void end(struct fixture *f)
{
	assert_int_equal(tar_reader_next(f->reader, &f->item, &f->err), 0);
	assert_int_equal(tar_reader_finish(f->reader, 1, &f->err), 0);
	tar_reader_free(f->reader);
	tar_stream_free(f->stream);
	tar_output_free(f->writer);
	close(f->fd);
}

static void every_kind_of_file_comes_back(void **state _unused_)
{
	struct fixture f = begin();
	const struct tar_item *item;

	put(&f, (struct tar_item){ .path = "d", .mode = S_IFDIR | 01777, .uid = 5, .gid = 6 },
	    NULL);
	put(&f, (struct tar_item){ .path = "d/f", .mode = S_IFREG | 04755, .size = 5 }, "hello");
	put(&f, (struct tar_item){ .path = "d/h", .link = "d/f", .is_hard_link = 1 }, NULL);
	put(&f, (struct tar_item){ .path = "d/s", .link = "../x", .mode = S_IFLNK | 0777 }, NULL);
	put(&f,
	    (struct tar_item){ .path = "n", .mode = S_IFBLK | 0600, .major = 259, .minor = 70000 },
	    NULL);
	put(&f, (struct tar_item){ .path = "p", .mode = S_IFIFO | 0600 }, NULL);
	turn(&f);
	item = next(&f);
	assert_string_equal(item->path, "d/");
	assert_int_equal(item->mode, S_IFDIR | 01777);
	assert_int_equal(item->uid, 5);
	assert_int_equal(item->gid, 6);
	item = next(&f);
	assert_int_equal(item->mode, S_IFREG | 04755);
	assert_int_equal(item->size, 5);
	item = next(&f);
	assert_true(item->is_hard_link);
	assert_string_equal(item->link, "d/f");
	assert_string_equal(next(&f)->link, "../x");
	item = next(&f);
	assert_int_equal(item->major, 259);
	assert_int_equal(item->minor, 70000);
	assert_int_equal(next(&f)->mode, S_IFIFO | 0600);
	end(&f);
}

static void what_a_header_has_no_room_for_comes_back(void **state _unused_)
{
	static const struct timespec times[] = {
		{ 0, 1 }, { 1234567890, 123456789 }, { -1, 500000000 }, { -5, 0 }, { 1LL << 34, 0 }
	};
	struct fixture f = begin();
	const struct tar_item *item;

	put(&f,
	    (struct tar_item){ .path = LONG_NAME,
			       .link = LONG_NAME "2",
			       .mode = S_IFLNK | 0777,
			       .uid = 3000000000,
			       .gid = 4000000000 },
	    NULL);
	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		put(&f, (struct tar_item){ .path = "t", .mode = S_IFREG, .mtime = times[i] }, NULL);
	turn(&f);
	item = next(&f);
	assert_string_equal(item->path, LONG_NAME);
	assert_string_equal(item->link, LONG_NAME "2");
	assert_int_equal(item->uid, 3000000000);
	assert_int_equal(item->gid, 4000000000);
	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		item = next(&f);
		if (times[i].tv_sec >=
		    0) { /* libarchive reads what is before the epoch its own way */
			assert_int_equal(item->mtime.tv_sec, times[i].tv_sec);
			assert_int_equal(item->mtime.tv_nsec, times[i].tv_nsec);
		}
	}
	end(&f);
}

static void attributes_come_back_whatever_their_length(void **state _unused_)
{
	char value[2000];
	const char *name;
	const void *bytes;
	size_t len;

	memset(value, '\n', sizeof(value));
	/* lengths around which the number of digits of a record's length changes */
	for (size_t n = 0; n < sizeof(value); n += n < 120 ? 1 : 61) {
		struct fixture f = begin();

		tar_output_xattr(f.writer, "user.x", value, n);
		put(&f, (struct tar_item){ .path = "f", .mode = S_IFREG }, NULL);
		put(&f, (struct tar_item){ .path = "g", .mode = S_IFREG }, NULL);
		turn(&f);
		next(&f);
		assert_int_equal(tar_reader_xattr(f.reader, &name, &bytes, &len), 1);
		assert_string_equal(name, "user.x");
		assert_int_equal(len, n);
		assert_memory_equal(bytes, value, n);
		next(&f);
		assert_int_equal(tar_reader_xattr(f.reader, &name, &bytes, &len), 0);
		end(&f);
	}
}

static void holes_take_no_room_and_come_back(void **state _unused_)
{
	struct fixture f = begin();
	const struct tar_item *item;
	int64_t offset = 0;
	const void *data;
	size_t len;

	tar_output_extent(f.writer, 1 << 20, 4);
	tar_output_extent(f.writer, 1LL << 40, 3);
	put(&f, (struct tar_item){ .path = LONG_NAME, .mode = S_IFREG, .size = (1LL << 40) + 3 },
	    "dataend");
	tar_output_extent(f.writer, 1 << 30, 0);
	put(&f, (struct tar_item){ .path = "hole", .mode = S_IFREG, .size = 1 << 30 }, NULL);
	turn(&f);
	assert_true(lseek(f.fd, 0, SEEK_END) < 16384);
	assert_int_equal(lseek(f.fd, 0, SEEK_SET), 0);
	item = next(&f);
	assert_string_equal(item->path, LONG_NAME);
	assert_int_equal(item->size, (1LL << 40) + 3);
	assert_int_equal(tar_reader_data(f.reader, &data, &len, &offset, &f.err), 1);
	assert_int_equal(offset, 1 << 20);
	assert_memory_equal(data, "data", 4);
	assert_int_equal(tar_reader_data(f.reader, &data, &len, &offset, &f.err), 1);
	assert_int_equal(offset, 1LL << 40);
	assert_memory_equal(data, "end", 3);
	item = next(&f);
	assert_string_equal(item->path, "hole");
	assert_int_equal(item->size, 1 << 30);
	end(&f);
}

static void a_file_that_grows_meanwhile_does_not_spoil_the_archive(void **state _unused_)
{
	struct fixture f = begin();

	put(&f, (struct tar_item){ .path = "f", .mode = S_IFREG, .size = 2 }, "ab");
	assert_int_equal(tar_output_data(f.writer, "c", 1, &f.err), -EFBIG);
	turn(&f);
	assert_int_equal(next(&f)->size, 2);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_file_comes_back),
		cmocka_unit_test(what_a_header_has_no_room_for_comes_back),
		cmocka_unit_test(attributes_come_back_whatever_their_length),
		cmocka_unit_test(holes_take_no_room_and_come_back),
		cmocka_unit_test(a_file_that_grows_meanwhile_does_not_spoil_the_archive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
