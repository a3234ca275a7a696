// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/reroot.h"
#include "base/file.h"
#include "base/mem.h"
#include "image/layer_attribute.h"
#include "image/tar_output.h"
#include "image/tar_reader.h"

#include <fcntl.h>
#include <string.h>

/* Where roots are, and settings; LXC and an image of Incus have no folder around them. */
static const char *const reroot_roots[] = { "rootfs", "backup/container/rootfs",
					    "backup/instance/rootfs" };

static const struct {
	const char *path, *name;
} reroot_settings[] = {
	{ "metadata.yaml", REROOT_METADATA },
	{ "backup/index.yaml", REROOT_INDEX },
	{ "config", REROOT_CONFIG },
};

struct reroot {
	struct tar_stream *stream;
	struct tar_reader *reader;
	struct tar_output *out;
	int folder;
	struct reroot_found *found;
};

static void reroot_release(struct reroot *reroot)
{
	tar_output_free(reroot->out);
	tar_reader_free(reroot->reader);
	tar_stream_free(reroot->stream);
}

static const char *reroot_skip(const char *path)
{
	while (*path == '/' || (*path == '.' && (path[1] == '/' || !path[1])))
		path++;
	return path;
}

/* What is behind the folder, "" for that itself; NULL: it is not in there. */
static const char *reroot_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	if (strncmp(path, folder, len) != 0 || (path[len] && path[len] != '/'))
		return NULL;
	return reroot_skip(path + len);
}

int reroot_is_name(const char *path)
{
	static const char *const first[] = { "rootfs", "templates", "backup", "metadata.yaml",
					     "config" };

	for (size_t i = 0; i < ARRAY_SIZE(first); i++) {
		if (reroot_below(path, first[i]))
			return 1;
	}
	return 0;
}

static int reroot_save(struct reroot *reroot, const struct tar_item *item, const char *name,
		       struct err *err)
{
	_cleanup_close_ int fd = openat(
		reroot->folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	const void *data = NULL;
	int64_t offset = 0;
	size_t len = 0;
	int r;

	if (fd < 0)
		return err_errno(err, -errno, "cannot keep its %s", name);
	if (!S_ISREG(item->mode) || item->is_hard_link || item->size > REROOT_SETTINGS_MAX)
		return err_set(err, -EBADMSG, "its %s is no file of at most %lld KiB", name,
			       (long long)(REROOT_SETTINGS_MAX >> 10));
	while ((r = tar_reader_data(reroot->reader, &data, &len, &offset, err)) > 0) {
		if (offset > REROOT_SETTINGS_MAX || (int64_t)len > REROOT_SETTINGS_MAX - offset)
			return err_set(err, -EBADMSG, "its %s is too long", name);
		r = file_write_all(fd, data, len);
		if (r < 0)
			return err_errno(err, r, "cannot keep its %s", name);
	}
	reroot->found->has_settings = 1;
	reroot->found->has_metadata |= strcmp(name, REROOT_CONFIG) != 0;
	return r;
}

static int64_t reroot_owner(struct reroot *reroot, int64_t id, int64_t base)
{
	if (id >= base)
		return id - base;
	reroot->found->foreign++;
	return 0;
}

static int reroot_xattrs(struct reroot *reroot)
{
	const char *name = NULL;
	const void *value = NULL;
	size_t len = 0;
	char copy[64];

	while (tar_reader_xattr(reroot->reader, &name, &value, &len)) {
		if (!layer_attribute_is_kept(name))
			continue;
		if (strcmp(name, LAYER_ATTRIBUTE_CAPABILITY) != 0) {
			tar_output_xattr(reroot->out, name, value, len);
			continue;
		}
		if (len > sizeof(copy))
			continue;
		memcpy(copy, value, len);
		len = layer_attribute_capability(copy, len, (uint32_t)reroot->found->uid_base);
		if (len)
			tar_output_xattr(reroot->out, name, copy, len);
	}
	return 0;
}

/* Bytes of data that will come, with the places of them announced; -errno if they overlap. */
static int64_t reroot_extents(struct reroot *reroot, const struct tar_item *item)
{
	int64_t offset = 0, len = 0, end = 0, bytes = 0;
	int sparse = 0;

	if (item->size < 0)
		return -EBADMSG;
	while (tar_reader_extent(reroot->reader, &offset, &len)) {
		if (offset < end || len < 0 || offset > item->size || len > item->size - offset)
			return -EBADMSG;
		tar_output_extent(reroot->out, offset, len);
		sparse = 1;
		end = offset + len;
		bytes += len;
	}
	if (sparse && end < item->size)
		tar_output_extent(reroot->out, item->size, 0);
	return sparse ? bytes : item->size;
}

static int reroot_data(struct reroot *reroot, const char *path, int64_t bytes, struct err *err)
{
	const void *data = NULL;
	int64_t offset = 0;
	size_t len = 0;
	int r;

	while ((r = tar_reader_data(reroot->reader, &data, &len, &offset, err)) > 0) {
		bytes -= (int64_t)len;
		if (bytes < 0)
			break;
		r = tar_output_data(reroot->out, data, len, err);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	return bytes ? err_set(err, -EBADMSG, "it is damaged: the data of %.200s", path) : 0;
}

static int reroot_put(struct reroot *reroot, struct tar_item *item, const char *path,
		      const char *root, struct err *err)
{
	struct reroot_found *found = reroot->found;
	int has_data = S_ISREG(item->mode) && !item->is_hard_link;
	int64_t bytes = 0;

	if (!*path && !found->has_root) {
		found->uid_base = item->uid < UINT32_MAX ? item->uid : 0;
		found->gid_base = item->gid < UINT32_MAX ? item->gid : 0;
	}
	found->has_root = 1;
	if (S_ISSOCK(item->mode) || (S_ISCHR(item->mode) && !item->major && !item->minor))
		return 0;
	if (item->is_hard_link) {
		item->link = reroot_below(reroot_skip(item->link), root);
		if (!item->link || !*item->link)
			return err_set(err, -EBADMSG, "%.200s is a link to what is not in its root",
				       path);
		item->size = 0;
	}
	item->path = *path ? path : "./";
	item->uid = reroot_owner(reroot, item->uid, found->uid_base);
	item->gid = reroot_owner(reroot, item->gid, found->gid_base);
	if (!item->is_hard_link && !S_ISLNK(item->mode))
		(void)reroot_xattrs(reroot);
	if (has_data) {
		bytes = reroot_extents(reroot, item);
		if (bytes < 0)
			return err_set(err, -EBADMSG, "it is damaged: the data of %.200s", path);
	}
	if (tar_output_add(reroot->out, item, err) < 0)
		return err->code;
	return has_data ? reroot_data(reroot, path, bytes, err) : 0;
}

/* What is neither of the root nor settings. */
static void reroot_note(struct reroot_found *found, const char *path)
{
	found->has_templates |= reroot_below(path, "templates") != NULL ||
				reroot_below(path, "backup/container/templates") != NULL;
	found->has_snapshots |= reroot_below(path, "backup/snapshots") != NULL;
	found->is_vm |= reroot_below(path, "backup/virtual-machine.img") != NULL ||
			reroot_below(path, "rootfs.img") != NULL;
	found->is_optimized |= reroot_below(path, "backup/container.bin") != NULL ||
			       reroot_below(path, "backup/virtual-machine.bin") != NULL;
}

static int reroot_item(struct reroot *reroot, struct tar_item *item, struct err *err)
{
	const char *path = reroot_skip(item->path);

	for (size_t i = 0; i < ARRAY_SIZE(reroot_roots); i++) {
		const char *below = reroot_below(path, reroot_roots[i]);

		if (below)
			return reroot_put(reroot, item, below, reroot_roots[i], err);
	}
	for (size_t i = 0; i < ARRAY_SIZE(reroot_settings); i++) {
		if (!strcmp(path, reroot_settings[i].path))
			return S_ISDIR(item->mode)
				       ? 0
				       : reroot_save(reroot, item, reroot_settings[i].name, err);
	}
	reroot_note(reroot->found, path);
	return 0;
}

int reroot_archive(int in, int out, int folder, void (*progress)(void *ctx, int64_t position),
		   void *ctx, struct reroot_found *ret, struct err *err)
{
	_cleanup_(reroot_release) struct reroot reroot = { .folder = folder, .found = ret };
	int r;

	*ret = (struct reroot_found){ .has_root = 0 };
	reroot.out = tar_output_new(out);
	if (tar_stream_open(in, &reroot.stream, err) < 0 ||
	    tar_reader_open(reroot.stream, &reroot.reader, err) < 0)
		return err->code;
	for (;;) {
		struct tar_item item = { .size = 0 };

		r = tar_reader_next(reroot.reader, &item, err);
		if (r <= 0)
			break;
		r = reroot_item(&reroot, &item, err);
		if (r < 0)
			break;
		if (progress)
			progress(ctx, tar_stream_position(reroot.stream));
	}
	if (r == 0)
		r = tar_reader_finish(reroot.reader, 1, err);
	return r < 0 ? r : tar_output_finish(reroot.out, err);
}
