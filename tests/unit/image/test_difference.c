// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/difference.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <cmocka.h>

#define LOW  "1111111111111111111111111111111111111111111111111111111111111111"
#define HIGH "2222222222222222222222222222222222222222222222222222222222222222"

/* An image of two layers, in folders instead of erofs images; and two states of an instance of it, a/ and b/. */
struct stage {
	char path[64];
	int dir, a, b;
	struct buf seen; /* "A /x\nC /y\n" */
};

static void folder(const struct stage *stage, const char *name)
{
	assert_int_equal(mkdirat(stage->dir, name, 0755), 0);
}

/* With a time of its own, so that a folder is as it is named and not as it was made. */
static void still(const struct stage *stage, const char *name)
{
	const struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };

	assert_int_equal(utimensat(stage->dir, name, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void put(const struct stage *stage, const char *name, const char *text)
{
	assert_int_equal(file_replace(stage->dir, name, text, strlen(text), 0644, 0), 0);
	still(stage, name);
}

static void delete (const struct stage *stage, const char *name)
{
	assert_int_equal(mknodat(stage->dir, name, S_IFCHR, 0), 0);
}

static void make_opaque(const struct stage *stage, const char *name)
{
	_cleanup_free_ char *path = mem_printf("%s/%s", stage->path, name);

	assert_int_equal(setxattr(path, "trusted.overlay.opaque", "y", 1, 0), 0);
}

static int setup(void **state)
{
	struct stage *stage = mem_zalloc(sizeof(*stage));
	static const char *const folders[] = {
		"layers",

		"layers/" LOW ".erofs",

		"layers/" HIGH ".erofs",
		"layers/" LOW ".erofs/etc",
		"layers/" LOW ".erofs/etc/d",
		"layers/" HIGH ".erofs/etc",
		"a",
		"b",
		"a/upper",
		"b/upper",
	};

	memcpy(stage->path, "/var/tmp/brig-test-XXXXXX", 26);
	assert_non_null(mkdtemp(stage->path));
	stage->dir = open(stage->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		folder(stage, folders[i]);
	stage->a = openat(stage->dir, "a", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	stage->b = openat(stage->dir, "b", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(stage, "layers/" LOW ".erofs/etc/hosts", "h");
	put(stage, "layers/" LOW ".erofs/etc/old", "o");
	put(stage, "layers/" LOW ".erofs/etc/d/deep", "d");
	delete (stage, "layers/" HIGH ".erofs/etc/old");
	still(stage, "layers/" LOW ".erofs/etc/d");
	still(stage, "layers/" HIGH ".erofs/etc");
	*state = stage;
	return 0;
}

static int teardown(void **state)
{
	struct stage *stage = *state;

	close(stage->a);
	close(stage->b);
	close(stage->dir);
	buf_release(&stage->seen);
	assert_int_equal(file_remove_tree(AT_FDCWD, stage->path), 0);
	free(stage);
	return 0;
}

static int note(char change, const char *path, void *ctx)
{
	struct stage *stage = ctx;

	buf_printf(&stage->seen, "%c %s\n", change, path);
	return 0;
}

static const char *compare(struct stage *stage, int before, int after)
{
	static char low[] = LOW, high[] = HIGH;
	char *layers[] = { low, high, NULL };
	struct difference difference = {
		.root = stage->path, .layers = layers, .before = before, .after = after
	};
	struct err err = ERR_INIT;

	buf_release(&stage->seen);
	stage->seen = BUF_INIT;
	buf_add_str(&stage->seen, "");
	assert_int_equal(difference_each(&difference, note, stage, &err), 0);
	return stage->seen.data;
}

static void against_the_image_each_file_is_added_changed_or_removed(void **state)
{
	struct stage *stage = *state;

	assert_string_equal(compare(stage, -EBADF, stage->a), "");
	folder(stage, "a/upper/etc");
	put(stage, "a/upper/etc/hosts", "h2");
	put(stage, "a/upper/etc/old", "again");
	put(stage, "a/upper/etc/new", "n");
	still(stage, "a/upper/etc");
	folder(stage, "a/upper/srv");
	put(stage, "a/upper/srv/x", "x");
	assert_string_equal(compare(stage, -EBADF, stage->a),
			    "C /etc/hosts\nA /etc/new\nA /etc/old\nA /srv\nA /srv/x\n");
	delete (stage, "a/upper/etc/d");
	assert_string_equal(compare(stage, -EBADF, stage->a),
			    "C /etc\nD /etc/d\nC /etc/hosts\nA /etc/new\nA /etc/old\nA /srv\n"
			    "A /srv/x\n");
}

static void between_two_states_the_image_is_what_neither_has_written(void **state)
{
	struct stage *stage = *state;

	folder(stage, "a/upper/etc");
	folder(stage, "b/upper/etc");
	put(stage, "a/upper/etc/same", "s");
	put(stage, "b/upper/etc/same", "s");
	put(stage, "a/upper/etc/other", "s");
	put(stage, "b/upper/etc/other", "longer");
	delete (stage, "a/upper/etc/hosts");
	delete (stage, "b/upper/etc/d");
	put(stage, "a/upper/etc/gone", "g");
	still(stage, "a/upper/etc");
	still(stage, "b/upper/etc");
	assert_string_equal(compare(stage, stage->a, stage->b),
			    "D /etc/d\nD /etc/gone\nA /etc/hosts\nC /etc/other\n");
	assert_string_equal(compare(stage, stage->b, stage->a),
			    "A /etc/d\nA /etc/d/deep\nA /etc/gone\nD /etc/hosts\nC /etc/other\n");
	assert_string_equal(compare(stage, stage->a, stage->a), "");
}

static void a_folder_that_was_made_anew_has_lost_what_the_image_has_in_it(void **state)
{
	struct stage *stage = *state;

	folder(stage, "b/upper/etc");
	make_opaque(stage, "b/upper/etc");
	put(stage, "b/upper/etc/hosts", "h");
	still(stage, "b/upper/etc");
	assert_string_equal(compare(stage, stage->a, stage->b), "D /etc/d\nC /etc/hosts\n");
	assert_string_equal(compare(stage, stage->b, stage->a),
			    "A /etc/d\nA /etc/d/deep\nC /etc/hosts\n");
}

static void what_becomes_a_folder_has_all_that_is_new(void **state)
{
	struct stage *stage = *state;

	folder(stage, "b/upper/etc");
	folder(stage, "b/upper/etc/hosts");
	put(stage, "b/upper/etc/hosts/x", "x");
	still(stage, "b/upper/etc");
	assert_string_equal(compare(stage, stage->a, stage->b), "C /etc/hosts\nA /etc/hosts/x\n");
	assert_string_equal(compare(stage, stage->b, stage->a), "C /etc/hosts\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			against_the_image_each_file_is_added_changed_or_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(
			between_two_states_the_image_is_what_neither_has_written, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_folder_that_was_made_anew_has_lost_what_the_image_has_in_it, setup,
			teardown),
		cmocka_unit_test_setup_teardown(what_becomes_a_folder_has_all_that_is_new, setup,
						teardown),
	};

	return geteuid() ? 77 : cmocka_run_group_tests(tests, NULL, NULL);
}
