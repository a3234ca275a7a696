/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include "base/buf.h"
#include "base/strv.h"

/*
 * Output in aligned columns without borders: as wide as the widest cell, two blanks between, no blanks
 * at line ends. Control characters in cells are printed as '?', since cells hold outside bytes.
 */
struct table;

struct table *table_new(const char *const *headings);	 /* NULL-terminated */
struct table *table_free(struct table *table);		 /* returns NULL */
void table_add(struct table *table, char *const *cells); /* as many as headings; copied */
void table_print(const struct table *table, int with_header);
void table_format(const struct table *table, int with_header, struct buf *out); /* the same */

/* How things of one kind stand in a table: a column's heading, and what it has of an item. */
struct table_column {
	const char *heading;
	void (*put)(const void *item, struct buf *out);
};
#define TABLE_COLUMNS_MAX 32
/* n columns, at most TABLE_COLUMNS_MAX, and a row for each of n_items, which are item_size bytes each, one behind the other. */
struct table *table_new_of(const struct table_column *columns, size_t n, const void *items,
			   size_t n_items, size_t item_size);

static inline void table_freep(struct table **table)
{
	*table = table_free(*table);
}
#define _cleanup_table_ _cleanup_(table_freep)

#endif
