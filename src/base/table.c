// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/table.h"
#include "base/mem.h"

#include <ctype.h>
#include <string.h>

struct table {
	size_t columns;
	size_t rows; /* the headings are row 0 */
	char **cells;
};

struct table *table_new(const char *const *headings)
{
	struct table *table = mem_zalloc(sizeof(*table));

	while (headings[table->columns])
		table->columns++;
	table_add(table, (char *const *)headings);
	return table;
}

struct table *table_free(struct table *table)
{
	if (!table)
		return NULL;
	for (size_t i = 0; i < table->rows * table->columns; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table);
	return NULL;
}

void table_add(struct table *table, char *const *cells)
{
	size_t at = table->rows * table->columns;

	table->cells = mem_realloc(table->cells, at + table->columns, sizeof(char *));
	for (size_t i = 0; i < table->columns; i++) {
		char *cell = mem_strdup(cells[i] && *cells[i] ? cells[i] : "-");

		for (char *p = cell; *p; p++) {
			if (iscntrl((unsigned char)*p))
				*p = '?';
		}
		table->cells[at + i] = cell;
	}
	table->rows++;
}

/* Columns on a terminal: UTF-8 continuation bytes take none. */
static void table_add_item(struct table *table, const struct table_column *columns,
			   const void *item)
{
	struct buf cells[TABLE_COLUMNS_MAX] = { BUF_INIT };
	char *texts[TABLE_COLUMNS_MAX];

	for (size_t i = 0; i < table->columns; i++) {
		columns[i].put(item, &cells[i]);
		texts[i] = cells[i].data;
	}
	table_add(table, texts);
	for (size_t i = 0; i < table->columns; i++)
		buf_release(&cells[i]);
}

struct table *table_new_of(const struct table_column *columns, size_t n, const void *items,
			   size_t n_items, size_t item_size)
{
	const char *headings[TABLE_COLUMNS_MAX + 1] = { NULL };
	struct table *table;

	for (size_t i = 0; i < n && i < TABLE_COLUMNS_MAX; i++)
		headings[i] = columns[i].heading;
	table = table_new(headings);
	for (size_t i = 0; i < n_items; i++)
		table_add_item(table, columns, (const char *)items + i * item_size);
	return table;
}

static size_t table_cell_width(const char *cell)
{
	size_t width = 0;

	for (; *cell; cell++)
		width += ((unsigned char)*cell & 0xc0) != 0x80;
	return width;
}

static size_t table_column_width(const struct table *table, size_t column, size_t first)
{
	size_t width = 0;

	for (size_t row = first; row < table->rows; row++) {
		size_t w = table_cell_width(table->cells[row * table->columns + column]);

		if (w > width)
			width = w;
	}
	return width;
}

void table_format(const struct table *table, int with_header, struct buf *out)
{
	_cleanup_free_ size_t *widths = mem_zalloc(table->columns * sizeof(*widths));
	size_t first = with_header ? 0 : 1;

	for (size_t i = 0; i < table->columns; i++)
		widths[i] = table_column_width(table, i, first);
	for (size_t row = first; row < table->rows; row++) {
		for (size_t i = 0; i < table->columns; i++) {
			const char *cell = table->cells[row * table->columns + i];
			size_t pad = widths[i] - table_cell_width(cell);

			buf_add_str(out, cell);
			if (i + 1 < table->columns)
				buf_printf(out, "%*s", (int)pad + 2, "");
		}
		buf_add_str(out, "\n");
	}
}

void table_print(const struct table *table, int with_header)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	table_format(table, with_header, &text);
	fwrite(text.data, 1, text.len, stdout);
}
