// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/table.h"

#include "stdout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static char *printed(const struct table *table, int with_header)
{
	stdout_begin();
	table_print(table, with_header);
	return stdout_end();
}

static struct table *table_of(const char *const *cells, size_t rows)
{
	static const char *const headings[] = { "NAME", "IMAGE", "UP", NULL };
	struct table *table = table_new(headings);

	for (size_t i = 0; i < rows; i++)
		table_add(table, (char *const *)(uintptr_t)(cells + i * 3));
	return table;
}

static void columns_are_as_wide_as_their_widest_cell_and_no_line_ends_in_blanks(
	void **state _unused_)
{
	static const char *const cells[] = { "a", "debian:bookworm", "3m", "longer-name", "x", "" };
	_cleanup_table_ struct table *table = table_of(cells, 2);
	_cleanup_free_ char *text = printed(table, 1);

	assert_string_equal(text, "NAME         IMAGE            UP\n"
				  "a            debian:bookworm  3m\n"
				  "longer-name  x                -\n");
}

static void without_a_header_its_width_does_not_count(void **state _unused_)
{
	static const char *const cells[] = { "a", "b", "c" };
	_cleanup_table_ struct table *table = table_of(cells, 1);
	_cleanup_free_ char *text = printed(table, 0);

	assert_string_equal(text, "a  b  c\n");
}

static void letters_of_several_bytes_take_one_column(void **state _unused_)
{
	static const char *const cells[] = { "\xc3\xa9t\xc3\xa9", "b", "c", "four", "b", "c" };
	_cleanup_table_ struct table *table = table_of(cells, 2);
	_cleanup_free_ char *text = printed(table, 0);

	assert_string_equal(text, "\xc3\xa9t\xc3\xa9   b  c\nfour  b  c\n");
}

static void control_bytes_do_not_reach_the_terminal(void **state _unused_)
{
	static const char *const cells[] = { "a\033[31m", "b\nc", "\177" };
	_cleanup_table_ struct table *table = table_of(cells, 1);
	_cleanup_free_ char *text = printed(table, 0);

	assert_string_equal(text, "a?[31m  b?c  ?\n");
}

static void no_rows_are_a_header_alone(void **state _unused_)
{
	_cleanup_table_ struct table *table = table_of(NULL, 0);
	_cleanup_free_ char *with = printed(table, 1), *without = printed(table, 0);

	assert_string_equal(with, "NAME  IMAGE  UP\n");
	assert_string_equal(without, "");
}

static void put_number(const void *item, struct buf *out)
{
	buf_printf(out, "%d", *(const int *)item);
}

static void put_nothing(const void *item _unused_, struct buf *out _unused_)
{
}

static void items_stand_by_their_columns(void **state _unused_)
{
	static const struct table_column columns[] = { { "N", put_number },
						       { "NOTE", put_nothing },
						       { "AGAIN", put_number } };
	static const int items[] = { 7, -12 };
	_cleanup_table_ struct table *all = table_new_of(columns, 3, items, 2, sizeof(*items));
	_cleanup_table_ struct table *one = table_new_of(columns, 1, items, 2, sizeof(*items));
	_cleanup_free_ char *of_all = printed(all, 1), *of_one = printed(one, 1);

	assert_string_equal(of_all, "N    NOTE  AGAIN\n7    -     7\n-12  -     -12\n");
	assert_string_equal(of_one, "N\n7\n-12\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			columns_are_as_wide_as_their_widest_cell_and_no_line_ends_in_blanks),
		cmocka_unit_test(without_a_header_its_width_does_not_count),
		cmocka_unit_test(letters_of_several_bytes_take_one_column),
		cmocka_unit_test(control_bytes_do_not_reach_the_terminal),
		cmocka_unit_test(no_rows_are_a_header_alone),
		cmocka_unit_test(items_stand_by_their_columns),
	};

	return cmocka_run_group_tests_name("base/table", tests, NULL, NULL);
}
