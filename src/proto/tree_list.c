// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What this relies on, whatever comes: a name is one component, and a folder has it once; records, depth and the number
 * of entries are bounded; the topmost thing is a folder.
 */
#include "proto/tree_list.h"
#include "base/fnv.h"
#include "base/mem.h"
#include "proto/tree-internal.h"

#include <stdlib.h>
#include <string.h>

struct tree_list {
	struct tree_input input;
	uint64_t *sizes; /* of the files that are numbered, from 1 */
	size_t n_sizes, n_entries;
	int depth;
};

int tree_node_is_whiteout(const struct tree_node *node)
{
	return S_ISCHR(node->mode) && !node->major && !node->minor;
}

void tree_node_free(struct tree_node *node)
{
	if (!node)
		return;
	for (size_t i = 0; i < node->n_children; i++)
		tree_node_free(node->children[i]);
	free(node->children);
	free(node->name);
	free(node->target);
	free(node);
}

static int tree_list_compare(const void *a, const void *b)
{
	return strcmp((*(struct tree_node *const *)a)->name, (*(struct tree_node *const *)b)->name);
}

const struct tree_node *tree_node_child(const struct tree_node *folder, const char *name)
{
	const struct tree_node key = { .name = (char *)(uintptr_t)name }, *wanted = &key;
	struct tree_node **found = folder && folder->n_children
					   ? bsearch(&wanted, folder->children, folder->n_children,
						     sizeof(struct tree_node *), tree_list_compare)
					   : NULL;

	return found ? *found : NULL;
}

/* Of name and value: what is told apart is the user's own, so nothing hangs on collisions. */
static uint64_t tree_list_hash(const char *name, const uint8_t *value, size_t len)
{
	return fnv_mix64(fnv_mix64(FNV_64, name, strlen(name) + 1), value, len);
}

static int tree_list_take_xattrs(struct tree_node *node, const struct tree_entry *entry)
{
	static const char *const prefixes[] = { "trusted.overlay.", "user.overlay." };
	struct wire_reader r = wire_read(entry->xattrs.data, entry->xattrs.len);

	for (uint32_t i = 0; i < entry->n_xattrs && !r.bad; i++) {
		_cleanup_free_ char *name = wire_get_str(&r);
		size_t len = 0;
		const uint8_t *value = wire_get_bytes(&r, &len);
		const char *noted = NULL;

		for (size_t j = 0; j < ARRAY_SIZE(prefixes); j++) {
			if (!strncmp(name, prefixes[j], strlen(prefixes[j])))
				noted = name + strlen(prefixes[j]);
		}
		if (!noted)
			node->attributes += tree_list_hash(name, value, len);
		else if (!strcmp(noted, "opaque"))
			node->opaque = len == 1 && *value == 'y';
	}
	return wire_end(&r);
}

static int tree_list_read_size(struct tree_list *list, uint64_t *ret)
{
	struct wire_reader r = { 0 };
	int type = tree_input_next(&list->input, &r);

	if (type < 0)
		return type;
	*ret = wire_get_u64(&r);
	return type != TREE_RECORD_FILE_END || wire_end(&r) < 0 ? tree_input_broken(&list->input)
								: 0;
}

/* The size of a file, which comes with its first name alone. */
static int tree_list_take_size(struct tree_list *list, const struct tree_entry *entry,
			       struct tree_node *node)
{
	int r = 0;

	if (entry->again) {
		if (!entry->shared || entry->shared > list->n_sizes)
			return tree_input_broken(&list->input);
		node->size = list->sizes[entry->shared - 1];
		return 0;
	}
	if (S_ISREG(entry->mode))
		r = tree_list_read_size(list, &node->size);
	if (r < 0 || !entry->shared)
		return r;
	if (entry->shared != list->n_sizes + 1 || list->n_sizes >= TREE_STREAM_SHARED_EXACT_MAX)
		return tree_input_broken(&list->input);
	list->sizes = mem_realloc(list->sizes, list->n_sizes + 1, sizeof(*list->sizes));
	list->sizes[list->n_sizes++] = node->size;
	return 0;
}

static int tree_list_read_entry(struct tree_list *list, struct wire_reader *r,
				struct tree_node *node);

static int tree_list_read_folder(struct tree_list *list, struct tree_node *folder)
{
	size_t room = 0;
	int type, result;

	if (++list->depth > TREE_STREAM_DEPTH_MAX)
		return tree_input_broken(&list->input);
	for (;;) {
		struct wire_reader r = { 0 };

		type = tree_input_next(&list->input, &r);
		if (type != TREE_RECORD_ENTRY)
			break;
		if (folder->n_children == room) {
			room = room ? room * 2 : 8;
			folder->children =
				mem_realloc(folder->children, room, sizeof(struct tree_node *));
		}
		folder->children[folder->n_children] = mem_zalloc(sizeof(struct tree_node));
		result = tree_list_read_entry(list, &r, folder->children[folder->n_children++]);
		if (result < 0)
			return result;
	}
	if (type != TREE_RECORD_DIR_END)
		return type < 0 ? type : tree_input_broken(&list->input);
	list->depth--;
	if (folder->n_children)
		qsort(folder->children, folder->n_children, sizeof(struct tree_node *),
		      tree_list_compare);
	for (size_t i = 1; i < folder->n_children; i++) {
		if (!strcmp(folder->children[i - 1]->name, folder->children[i]->name))
			return tree_input_broken(&list->input);
	}
	return 0;
}

static int tree_list_read_entry(struct tree_list *list, struct wire_reader *r,
				struct tree_node *node)
{
	_cleanup_tree_entry_ struct tree_entry entry = { 0 };

	if (tree_entry_get(r, &entry) < 0 || !tree_is_name(entry.name) ||
	    tree_list_take_xattrs(node, &entry) < 0)
		return tree_input_broken(&list->input);
	if (++list->n_entries > TREE_LIST_ENTRIES_MAX)
		return err_set(list->input.err, -E2BIG, "there are more than %u files to compare",
			       TREE_LIST_ENTRIES_MAX);
	node->name = take_ptr(entry.name);
	node->target = take_ptr(entry.target);
	node->mode = entry.mode;
	node->uid = entry.uid;
	node->gid = entry.gid;
	node->mtime = entry.mtime;
	node->mtime_ns = entry.mtime_ns;
	node->major = entry.major;
	node->minor = entry.minor;
	if (S_ISDIR(entry.mode))
		return entry.again ? tree_input_broken(&list->input)
				   : tree_list_read_folder(list, node);
	return tree_list_take_size(list, &entry, node);
}

static int tree_list_read_top(struct tree_list *list, struct tree_node *node)
{
	struct wire_reader r = { 0 };
	unsigned int flags = 0;
	int type, result = tree_input_start(&list->input, &flags);

	if (result < 0)
		return result;
	if (!(flags & TREE_STREAM_LIST) || !(flags & TREE_STREAM_EXACT))
		return tree_input_broken(&list->input);
	type = tree_input_next(&list->input, &r);
	if (type != TREE_RECORD_ENTRY)
		return type < 0 ? type : tree_input_broken(&list->input);
	result = tree_list_read_entry(list, &r, node);
	if (result < 0)
		return result;
	type = tree_input_next(&list->input, &r);
	if (type < 0)
		return type;
	return type != TREE_RECORD_END || !S_ISDIR(node->mode) ? tree_input_broken(&list->input)
							       : 0;
}

int tree_list_read(int fd, struct tree_node **ret, struct err *err)
{
	_cleanup_tree_node_ struct tree_node *node = mem_zalloc(sizeof(*node));
	struct tree_list list = { .input = { .fd = fd, .err = err } };
	int r = tree_list_read_top(&list, node);

	tree_input_release(&list.input);
	free(list.sizes);
	if (r == 0)
		*ret = take_ptr(node);
	return r;
}
