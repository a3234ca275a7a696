// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/tree_read.h"
#include "base/mem.h"
#include "base/strv.h"
#include "proto/tree-internal.h"

#include <string.h>

struct tree_reader {
	struct tree_input input;
	const struct tree_reader_ops *ops;
	void *ctx;
	struct buf path; /* of the folder that it is in, with a slash at its end */
	size_t depth;
	int contents, has_top;
	char **shared; /* paths of files with several links, by number */
	size_t n_shared;
};

static int tree_reader_broken(struct tree_reader *reader)
{
	return tree_input_broken(&reader->input);
}

/* DATA up to FILE_END */
static int tree_reader_file(struct tree_reader *reader)
{
	for (;;) {
		struct wire_reader r = { 0 };
		int type = tree_input_next(&reader->input, &r), result;
		uint64_t number;

		if (type < 0)
			return type;
		number = wire_get_u64(&r);
		if (r.bad || number > INT64_MAX - r.left)
			return tree_reader_broken(reader);
		if (type == TREE_RECORD_FILE_END)
			return r.left ? tree_reader_broken(reader)
				      : reader->ops->file_end(reader->ctx, number,
							      reader->input.err);
		if (type != TREE_RECORD_DATA)
			return tree_reader_broken(reader);
		result = reader->ops->data(reader->ctx, number, r.p, r.left, reader->input.err);
		if (result < 0)
			return result;
	}
}

/* Which earlier file it is again; NULL: it is a new one. */
static int tree_reader_share(struct tree_reader *reader, const struct tree_entry *entry,
			     const char *path, const char **ret_first)
{
	*ret_first = NULL;
	if (entry->again) {
		if (!S_ISREG(entry->mode) || !entry->shared || entry->shared > reader->n_shared)
			return tree_reader_broken(reader);
		*ret_first = reader->shared[entry->shared - 1];
		return 0;
	}
	if (!entry->shared)
		return 0;
	if (!S_ISREG(entry->mode) || entry->shared != reader->n_shared + 1 ||
	    reader->n_shared >= TREE_STREAM_SHARED_MAX)
		return tree_reader_broken(reader);
	reader->shared = mem_realloc(reader->shared, reader->n_shared + 1, sizeof(*reader->shared));
	reader->shared[reader->n_shared++] = mem_strdup(path);
	return 0;
}

static int tree_reader_is_known(uint32_t mode)
{
	return S_ISDIR(mode) || S_ISREG(mode) || S_ISLNK(mode) || S_ISCHR(mode) || S_ISBLK(mode) ||
	       S_ISFIFO(mode) || S_ISSOCK(mode);
}

static int tree_reader_enter(struct tree_reader *reader, const char *path)
{
	if (++reader->depth > TREE_STREAM_DEPTH_MAX)
		return err_set(reader->input.err, -ELOOP, "folders are nested deeper than %d",
			       TREE_STREAM_DEPTH_MAX);
	reader->path.len = 0;
	buf_printf(&reader->path, "%s/", path);
	return 0;
}

/* Where it is: the thing has no name in a stream of contents. */
static char *tree_reader_path(const struct tree_reader *reader, const struct tree_entry *entry)
{
	if (!reader->depth && reader->contents)
		return mem_strdup(".");
	return mem_printf("%.*s%s", (int)reader->path.len,
			  reader->path.len ? reader->path.data : "", entry->name);
}

static int tree_reader_entry(struct tree_reader *reader, struct wire_reader *r)
{
	_cleanup_tree_entry_ struct tree_entry entry = { 0 };
	_cleanup_free_ char *path = NULL;
	const char *first;
	int result;

	if (tree_entry_get(r, &entry) < 0 || !tree_reader_is_known(entry.mode) ||
	    (!reader->depth && reader->has_top) ||
	    (!reader->depth && reader->contents ? !S_ISDIR(entry.mode) : !tree_is_name(entry.name)))
		return tree_reader_broken(reader);
	reader->has_top = 1;
	path = tree_reader_path(reader, &entry);
	result = tree_reader_share(reader, &entry, path, &first);
	if (result == 0)
		result = reader->ops->entry(reader->ctx, path, &entry, first, reader->input.err);
	if (result == 0 && S_ISDIR(entry.mode))
		return tree_reader_enter(reader, path);
	return result == 0 && S_ISREG(entry.mode) && !first ? tree_reader_file(reader) : result;
}

static int tree_reader_leave(struct tree_reader *reader)
{
	struct buf *path = &reader->path;

	if (!reader->depth)
		return tree_reader_broken(reader);
	reader->depth--;
	for (path->len--; path->len && path->data[path->len - 1] != '/'; path->len--)
		continue;
	return 0;
}

static int tree_reader_all(struct tree_reader *reader)
{
	unsigned int flags = 0;
	int result = tree_input_start(&reader->input, &flags);

	if (result == 0 && flags & ~(unsigned int)TREE_STREAM_CONTENTS)
		result = tree_reader_broken(reader);
	reader->contents = flags & TREE_STREAM_CONTENTS;
	while (result == 0) {
		struct wire_reader r = { 0 };
		int type = tree_input_next(&reader->input, &r);

		if (type < 0)
			return type;
		if (type == TREE_RECORD_END)
			return reader->depth || !reader->has_top ? tree_reader_broken(reader) : 0;
		if (type == TREE_RECORD_ENTRY)
			result = tree_reader_entry(reader, &r);
		else
			result = type == TREE_RECORD_DIR_END ? tree_reader_leave(reader)
							     : tree_reader_broken(reader);
	}
	return result;
}

int tree_read(int fd, const struct tree_reader_ops *ops, void *ctx, struct err *err)
{
	struct tree_reader reader = { .input = { .fd = fd, .err = err }, .ops = ops, .ctx = ctx };
	int r = tree_reader_all(&reader);

	for (size_t i = 0; i < reader.n_shared; i++)
		free(reader.shared[i]);
	free(reader.shared);
	buf_release(&reader.path);
	tree_input_release(&reader.input);
	return r;
}
