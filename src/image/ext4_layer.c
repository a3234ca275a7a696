// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/ext4_layer.h"
#include "base/mem.h"
#include "base/strv.h"
#include "image/ext4_reader-internal.h"
#include "image/layer_attribute.h"
#include "image/tar_output.h"
#include "proto/wire.h"

#include <string.h>

#define EXT4_LAYER_WHITEOUT ".wh."
#define EXT4_LAYER_OPAQUE   ".wh..wh..opq"
#define EXT4_LAYER_LOST	    "lost+found"

struct ext4_layer {
	const struct ext4_layer_source *source;
	struct tar_output *tar;
	struct buf path;     /* of the folder that is read, from the top */
	char **links;	     /* paths of files with several names, by their number less one */
	int depth, skipping; /* skipping: the depth of a folder that is left out; 0: none */
	int64_t bytes;
	struct ext4_layer_found found;
	char chunk[TREE_STREAM_DATA_MAX];
};

static void ext4_layer_release(struct ext4_layer *layer)
{
	tar_output_free(layer->tar);
	buf_release(&layer->path);
	strv_free(layer->links);
}

static int ext4_layer_mark(struct ext4_layer *layer, const char *folder, const char *prefix,
			   const char *name, struct err *err)
{
	_cleanup_free_ char *path =
		mem_printf("%s%s%s%s", folder, *folder ? "/" : "", prefix, name);
	const struct tar_item item = { .path = path, .mode = S_IFREG | 0600 };

	return tar_output_add(layer->tar, &item, err);
}

static int ext4_layer_attribute(struct ext4_layer *layer, const char *path, const char *name,
				const void *bytes, size_t len, int *ret_opaque, struct err *err)
{
	char value[64];

	if (layer->source->folder) {
		if (layer_attribute_is_partial(name))
			return err_set(err, -EOPNOTSUPP,
				       "/%.200s is not whole in the writable layer: overlayfs runs "
				       "with redirect_dir or metacopy",
				       path);
		*ret_opaque |= layer_attribute_is_opaque(name, bytes, len);
	}
	if (!layer_attribute_is_kept(name))
		return 0;
	if (!strcmp(name, LAYER_ATTRIBUTE_CAPABILITY)) {
		if (len > sizeof(value))
			return 0;
		memcpy(value, bytes, len);
		len = layer_attribute_capability(value, len, 0);
		if (len)
			tar_output_xattr(layer->tar, name, value, len);
		return 0;
	}
	tar_output_xattr(layer->tar, name, bytes, len);
	return 0;
}

static int ext4_layer_attributes(struct ext4_layer *layer, const struct tree_entry *entry,
				 const char *path, int *ret_opaque, struct err *err)
{
	struct wire_reader r = wire_read(entry->xattrs.data, entry->xattrs.len);

	for (uint32_t i = 0; i < entry->n_xattrs; i++) {
		_cleanup_free_ char *name = wire_get_str(&r);
		size_t len = 0;
		const void *value = wire_get_bytes(&r, &len);

		if (r.bad)
			return err_set(err, -EUCLEAN, "/%.200s has an attribute that is damaged",
				       path);
		if (ext4_layer_attribute(layer, path, name, value, len, ret_opaque, err) < 0)
			return err->code;
	}
	return 0;
}

static void ext4_layer_extents(struct ext4_layer *layer, const struct ext4_reader_file *file)
{
	const struct ext4_reader_extent *last = file->n ? &file->extents[file->n - 1] : NULL;

	if (!file->size || (file->n == 1 && last->len == file->size))
		return;
	for (size_t i = 0; i < file->n; i++)
		tar_output_extent(layer->tar, (int64_t)file->extents[i].offset,
				  (int64_t)file->extents[i].len);
	if (!last || last->offset + last->len < file->size)
		tar_output_extent(layer->tar, (int64_t)file->size, 0);
}

/* The links are numbered as they come, from 1. */
static void ext4_layer_link(struct ext4_layer *layer, const struct tree_entry *entry,
			    const char *path, struct tar_item *item)
{
	if (!entry->shared)
		return;
	if (!entry->again) {
		layer->links =
			mem_realloc(layer->links, entry->shared + (size_t)1, sizeof(*layer->links));
		layer->links[entry->shared - 1] = mem_strdup(path);
		layer->links[entry->shared] = NULL;
		return;
	}
	item->is_hard_link = 1;
	item->link = layer->links[entry->shared - 1];
	item->size = 0;
}

static int ext4_layer_put(struct ext4_layer *layer, const struct tree_entry *entry,
			  const struct ext4_reader_file *file, const char *path, struct err *err)
{
	struct tar_item item = { .path = *path ? path : "./",
				 .mode = (mode_t)entry->mode,
				 .uid = entry->uid,
				 .gid = entry->gid,
				 .size = file ? (int64_t)file->size : 0,
				 .mtime = { (time_t)entry->mtime, (long)entry->mtime_ns },
				 .major = entry->major,
				 .minor = entry->minor };
	int opaque = 0;

	if (S_ISLNK(entry->mode))
		item.link = entry->target;
	ext4_layer_link(layer, entry, path, &item);
	if (!item.link && ext4_layer_attributes(layer, entry, path, &opaque, err) < 0)
		return err->code;
	if (file)
		ext4_layer_extents(layer, file);
	if (tar_output_add(layer->tar, &item, err) < 0)
		return err->code;
	return opaque && S_ISDIR(entry->mode)
		       ? ext4_layer_mark(layer, path, "", EXT4_LAYER_OPAQUE, err)
		       : 0;
}

/* Those that have several names, overlayfs' marks among them, have a place all the same. */
static int ext4_layer_skip(struct ext4_layer *layer, const struct tree_entry *entry)
{
	struct tar_item unused = { .path = NULL };

	if (!entry->again)
		ext4_layer_link(layer, entry, "", &unused);
	return 0;
}

static int ext4_layer_entry(struct ext4_reader *reader, const struct tree_entry *entry,
			    const struct ext4_reader_file *file)
{
	_cleanup_free_ char *path = NULL;
	struct ext4_layer *layer = reader->ctx;
	const char *folder = layer->path.data;

	if (S_ISDIR(entry->mode) && layer->depth++ == 0)
		return ext4_layer_put(layer, entry, file, "", reader->err);
	path = mem_printf("%s%s%s", folder, *folder ? "/" : "", entry->name);
	if (!layer->source->folder && !strcmp(path, EXT4_LAYER_FSTAB) && !S_ISDIR(entry->mode)) {
		layer->found.has_fstab = 1;
		free(path);
		path = mem_strdup(EXT4_LAYER_FSTAB_AFTER);
	}
	if (S_ISDIR(entry->mode)) {
		buf_printf(&layer->path, "%s%s", *folder ? "/" : "", entry->name);
		if (!layer->source->folder && !strcmp(path, EXT4_LAYER_LOST))
			layer->skipping = layer->depth;
	}
	if (layer->skipping || S_ISSOCK(entry->mode))
		return ext4_layer_skip(layer, entry);
	if (S_ISCHR(entry->mode) && !entry->major && !entry->minor) {
		(void)ext4_layer_skip(layer, entry);
		return layer->source->folder ? ext4_layer_mark(layer, folder, EXT4_LAYER_WHITEOUT,
							       entry->name, reader->err)
					     : 0;
	}
	if (!strncmp(entry->name, EXT4_LAYER_WHITEOUT, strlen(EXT4_LAYER_WHITEOUT)))
		return err_set(reader->err, -EINVAL,
			       "/%.200s has a name that means a deleted file in an image", path);
	return ext4_layer_put(layer, entry, file, path, reader->err);
}

static void *ext4_layer_data(struct ext4_reader *reader, uint64_t offset _unused_)
{
	return ((struct ext4_layer *)reader->ctx)->chunk;
}

static int ext4_layer_data_done(struct ext4_reader *reader, size_t len)
{
	struct ext4_layer *layer = reader->ctx;

	if (layer->skipping)
		return 0;
	layer->bytes += (int64_t)len;
	if (layer->source->progress)
		layer->source->progress(layer->source->ctx, layer->bytes);
	return tar_output_data(layer->tar, layer->chunk, len, reader->err);
}

static int ext4_layer_file_end(struct ext4_reader *reader _unused_, uint64_t size _unused_)
{
	return 0;
}

static int ext4_layer_dir_end(struct ext4_reader *reader)
{
	struct ext4_layer *layer = reader->ctx;
	const char *slash = strrchr(layer->path.data, '/');

	if (layer->skipping == layer->depth)
		layer->skipping = 0;
	layer->path.len = slash ? (size_t)(slash - layer->path.data) : 0;
	layer->path.data[layer->path.len] = '\0';
	layer->depth--;
	return 0;
}

static const struct ext4_reader_sink ext4_layer_sink = {
	.entry = ext4_layer_entry,
	.data = ext4_layer_data,
	.data_done = ext4_layer_data_done,
	.file_end = ext4_layer_file_end,
	.dir_end = ext4_layer_dir_end,
};

static struct ext4_reader ext4_layer_reader(const struct ext4_layer_source *source,
					    struct ext4_layer *layer, struct err *err)
{
	return (struct ext4_reader){ .image = source->image,
				     .start = source->start,
				     .len = source->len,
				     .sink = &ext4_layer_sink,
				     .ctx = layer,
				     .err = err };
}

static int ext4_layer_write_tree(struct ext4_reader *reader, const char *folder)
{
	struct ext4_layer *layer = reader->ctx;
	ext2_ino_t ino = EXT2_ROOT_INO;
	struct ext2_inode inode;
	errcode_t code = 0;
	int r;

	if (folder)
		code = ext2fs_lookup(reader->fs, EXT2_ROOT_INO, folder, (int)strlen(folder), NULL,
				     &ino);
	if (folder && code == EXT2_ET_FILE_NOT_FOUND) {
		layer->found.absent = 1;
		return 0;
	}
	if (!code)
		code = ext2fs_read_inode(reader->fs, ino, &inode);
	if (code || !S_ISDIR(inode.i_mode))
		return ext4_reader_damaged(reader, ino, "the root", code);
	r = ext4_reader_send_inode(reader, ino, folder ? folder : "/");
	return r < 0 ? r : tar_output_finish(layer->tar, reader->err);
}

int ext4_layer_write(const struct ext4_layer_source *source, int out, struct ext4_layer_found *ret,
		     struct err *err)
{
	_cleanup_(ext4_layer_release) struct ext4_layer layer = { .source = source };
	struct ext4_reader reader = ext4_layer_reader(source, &layer, err);
	int r = ext4_reader_open(&reader);

	buf_add_str(&layer.path, "");
	layer.tar = tar_output_new(out);
	if (r == 0)
		r = ext4_layer_write_tree(&reader, source->folder);
	*ret = layer.found;
	ext4_reader_close(&reader);
	return r;
}

int ext4_layer_has_system(const struct ext4_layer_source *source)
{
	static const char *const signs[] = { "etc/os-release", "usr/lib/os-release", "sbin/init",
					     "usr/sbin/init" };
	struct err ignored = ERR_INIT;
	struct ext4_reader reader = ext4_layer_reader(source, NULL, &ignored);
	int r = ext4_reader_open(&reader), found = 0;
	ext2_ino_t ino;

	/* one that was not unmounted can be looked at */
	if (r < 0 && !reader.fs)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(signs) && !found; i++)
		found = !ext2fs_namei(reader.fs, EXT2_ROOT_INO, EXT2_ROOT_INO, signs[i], &ino);
	ext4_reader_close(&reader);
	return found;
}
