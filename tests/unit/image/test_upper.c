// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/upper.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "image/tar_reader.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <cmocka.h>

/* A folder to be written, and what became of it. */
struct fixture {
	char path[32];
	int folder, tar;
	struct err err;
};

static int set_up(void **state)
{
	struct fixture *f = mem_zalloc(sizeof(*f));

	snprintf(f->path, sizeof(f->path), "/tmp/brig-upper-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	f->folder = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->tar = memfd_create("tar", MFD_CLOEXEC);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	file_remove_tree(AT_FDCWD, f->path);
	fd_close(f->folder);
	fd_close(f->tar);
	free(f);
	return 0;
}

static void put(struct fixture *f, const char *path, const char *text)
{
	assert_int_equal(file_replace(f->folder, path, text, strlen(text), 0644, 0), 0);
}

/* The archive's entries as "TYPE PATH LINK\n", owners that are not ours besides. */
static char *list(struct fixture *f)
{
	_cleanup_tar_stream_ struct tar_stream *stream = NULL;
	_cleanup_tar_reader_ struct tar_reader *reader = NULL;
	struct buf out = BUF_INIT;
	struct tar_item item;

	assert_int_equal(lseek(f->tar, 0, SEEK_SET), 0);
	assert_int_equal(tar_stream_open(f->tar, &stream, &f->err), 0);
	assert_int_equal(tar_reader_open(stream, &reader, &f->err), 0);
	while (tar_reader_next(reader, &item, &f->err) > 0) {
		buf_printf(&out, "%s%s%s", item.path, item.link ? " " : "",
			   item.link ? item.link : "");
		if (item.uid != (int64_t)getuid() && strncmp(item.path, ".wh.", 4) != 0)
			buf_printf(&out, " %lld", (long long)item.uid);
		buf_add_str(&out, "\n");
	}
	assert_int_equal(tar_reader_finish(reader, 1, &f->err), 0);
	return buf_take(&out);
}

static void entries_come_in_the_order_of_names_and_links_after_their_file(void **state)
{
	_cleanup_free_ char *listed = NULL;
	struct fixture *f = *state;

	assert_int_equal(mkdirat(f->folder, "d", 0755), 0);
	put(f, "d/b", "text");
	assert_int_equal(linkat(f->folder, "d/b", f->folder, "d/c", 0), 0);
	assert_int_equal(linkat(f->folder, "d/b", f->folder, "a", 0), 0);
	assert_int_equal(symlinkat("/nowhere", f->folder, "s"), 0);
	assert_int_equal(upper_write(f->folder, NULL, f->tar, &f->err), 0);
	listed = list(f);
	assert_string_equal(listed, "./\na\nd/\nd/b a\nd/c a\ns /nowhere\n");
}

static void what_is_deleted_is_marked(void **state)
{
	_cleanup_free_ char *listed = NULL;
	struct fixture *f = *state;

	if (mknodat(f->folder, "gone", S_IFCHR, makedev(0, 0)) < 0)
		skip(); /* before Linux 5.8 that takes privilege */
	assert_int_equal(mkdirat(f->folder, "d", 0755), 0);
	assert_int_equal(mknodat(f->folder, "d/too", S_IFCHR, makedev(0, 0)), 0);
	assert_int_equal(upper_write(f->folder, NULL, f->tar, &f->err), 0);
	listed = list(f);
	assert_non_null(strstr(listed, "\n.wh.gone\n"));
	assert_non_null(strstr(listed, "\nd/.wh.too"));
}

static void names_that_would_delete_something_are_refused(void **state)
{
	struct fixture *f = *state;

	put(f, ".wh..wh..opq", "");
	assert_int_equal(upper_write(f->folder, NULL, f->tar, &f->err), -EINVAL);
	assert_non_null(strstr(f->err.msg, "/.wh..wh..opq"));
}

static void ids_on_disk_become_those_inside(void **state)
{
	struct idmap_range range = { .inside = 7, .outside = getuid(), .count = 1 };
	struct idmap_range group = { .inside = 8, .outside = getgid(), .count = 1 };
	const struct idmap map = { .uids = &range, .n_uids = 1, .gids = &group, .n_gids = 1 };
	struct idmap_range other = { .inside = 0, .outside = getuid() + 1, .count = 100 };
	const struct idmap unknown = { .uids = &other, .n_uids = 1, .gids = &group, .n_gids = 1 };
	_cleanup_free_ char *listed = NULL;
	struct fixture *f = *state;

	put(f, "f", "");
	assert_int_equal(upper_write(f->folder, &map, f->tar, &f->err), 0);
	listed = list(f);
	assert_string_equal(listed, "./ 7\nf 7\n");
	assert_int_equal(upper_write(f->folder, &unknown, f->tar, &f->err), -EOVERFLOW);
}

static void what_is_too_deep_is_refused(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int at = dup(f->folder);

	for (int i = 0; i <= UPPER_DEPTH_MAX; i++) {
		int next;

		assert_int_equal(mkdirat(at, "d", 0755), 0);
		next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		fd_close(at);
		at = next;
	}
	assert_int_equal(upper_write(f->folder, NULL, f->tar, &f->err), -ELOOP);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(entries_come_in_the_order_of_names_and_links_after_their_file),
		TEST(what_is_deleted_is_marked),
		TEST(names_that_would_delete_something_are_refused),
		TEST(ids_on_disk_become_those_inside),
		TEST(what_is_too_deep_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
