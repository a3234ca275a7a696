// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An archive's entries may come in any order, those of a tree stream are nested. So reading keeps the folder that it is in:
 * for an entry elsewhere it leaves folders and enters others, also such as it has been in. The receiver takes a folder
 * that is there as it is.
 */
#include "image/tree_tar.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "image/disk_layer.h"
#include "image/tar_output.h"
#include "image/tar_reader.h"
#include "image/unpack.h"
#include "image/work.h"
#include "proto/tree_read.h"
#include "proto/wire.h"
#include "sys/confine.h"

#include <fcntl.h>
#include <string.h>

#define TREE_TAR_MEMORY_MAX (UINT64_C(1) << 30)
/* What of the room a file may keep for the next one. */
#define TREE_TAR_KEPT ((int64_t)4 << 20)

/* --- a tree as an archive --- */

struct tree_tar_extent {
	int64_t offset, len;
};

struct tree_tar_writer {
	struct tar_output *tar;
	int room;   /* the file's data, one extent behind the other */
	char *path; /* of the file that is being received */
	struct tar_item item;
	struct tree_tar_extent *extents;
	size_t n, size;
	int64_t stored, end;
};

static int tree_tar_xattrs(struct tree_tar_writer *writer, const struct tree_entry *entry,
			   struct err *err)
{
	struct wire_reader r = wire_read(entry->xattrs.data, entry->xattrs.len);

	for (uint32_t i = 0; i < entry->n_xattrs && !r.bad; i++) {
		_cleanup_free_ char *name = wire_get_str(&r);
		size_t len = 0;
		const uint8_t *value = wire_get_bytes(&r, &len);

		if (!r.bad)
			tar_output_xattr(writer->tar, name, value, len);
	}
	return wire_end(&r) < 0 ? err_set(err, -EBADMSG, "the files arrived broken") : 0;
}

static int tree_tar_entry(void *ctx, const char *path, const struct tree_entry *entry,
			  const char *first, struct err *err)
{
	struct tree_tar_writer *writer = ctx;
	struct tar_item *item = &writer->item;

	mem_replace(&writer->path, path);
	*item = (struct tar_item){
		.path = writer->path,
		.link = first		       ? first
			: S_ISLNK(entry->mode) ? entry->target
					       : NULL,
		.is_hard_link = first != NULL,
		.mode = entry->mode,
		.uid = entry->uid,
		.gid = entry->gid,
		.mtime = { .tv_sec = (time_t)entry->mtime, .tv_nsec = entry->mtime_ns },
		.major = entry->major,
		.minor = entry->minor,
	};
	if (entry->mtime_ns >= 1000000000)
		return err_set(err, -EBADMSG, "the files arrived broken");
	if (S_ISSOCK(entry->mode))
		return 0;
	if (!first && tree_tar_xattrs(writer, entry, err) < 0)
		return err->code;
	writer->n = 0;
	writer->stored = writer->end = 0;
	/* a file follows with its size */
	return S_ISREG(entry->mode) && !first ? 0 : tar_output_add(writer->tar, item, err);
}

static int tree_tar_data(void *ctx, uint64_t offset, const void *data, size_t len, struct err *err)
{
	struct tree_tar_writer *writer = ctx;
	struct tree_tar_extent *last = writer->n ? &writer->extents[writer->n - 1] : NULL;

	if ((int64_t)offset < writer->end)
		return err_set(err, -EBADMSG, "the files arrived broken");
	if (pwrite(writer->room, data, len, writer->stored) != (ssize_t)len)
		return err_errno(err, errno ? -errno : -ENOSPC, "cannot keep '%.100s'",
				 writer->path);
	if (last && last->offset + last->len == (int64_t)offset) {
		last->len += (int64_t)len;
	} else {
		if (writer->n == writer->size) {
			writer->size = writer->size ? 2 * writer->size : 64;
			writer->extents = mem_realloc(writer->extents, writer->size,
						      sizeof(*writer->extents));
		}
		writer->extents[writer->n++] =
			(struct tree_tar_extent){ (int64_t)offset, (int64_t)len };
	}
	writer->stored += (int64_t)len;
	writer->end = (int64_t)(offset + len);
	return 0;
}

static int tree_tar_put_data(struct tree_tar_writer *writer, struct err *err)
{
	char block[64 << 10];
	int64_t at = 0;

	while (at < writer->stored) {
		int64_t left = writer->stored - at;
		size_t want = left < (int64_t)sizeof(block) ? (size_t)left : sizeof(block);
		ssize_t n = pread(writer->room, block, want, at);

		if (n <= 0)
			return err_errno(err, n ? -errno : -EIO, "cannot read '%.100s'",
					 writer->path);
		if (tar_output_data(writer->tar, block, (size_t)n, err) < 0)
			return err->code;
		at += n;
	}
	return 0;
}

static int tree_tar_file_end(void *ctx, uint64_t size, struct err *err)
{
	struct tree_tar_writer *writer = ctx;
	int r;

	if ((int64_t)size < writer->end)
		return err_set(err, -EBADMSG, "the files arrived broken");
	writer->item.size = (int64_t)size;
	if (writer->stored != (int64_t)size) {
		for (size_t i = 0; i < writer->n; i++)
			tar_output_extent(writer->tar, writer->extents[i].offset,
					  writer->extents[i].len);
		if (writer->end < (int64_t)size)
			tar_output_extent(writer->tar, (int64_t)size, 0);
	}
	r = tar_output_add(writer->tar, &writer->item, err);
	if (r == 0)
		r = tree_tar_put_data(writer, err);
	if (r == 0 && writer->stored > TREE_TAR_KEPT && ftruncate(writer->room, 0) < 0)
		r = err_errno(err, -errno, "cannot give room back");
	return r;
}

int tree_tar_write(int fd, const char *room, int tar, struct err *err)
{
	static const struct tree_reader_ops ops = { .entry = tree_tar_entry,
						    .data = tree_tar_data,
						    .file_end = tree_tar_file_end };
	_cleanup_close_ int file = open(room, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	_cleanup_tar_output_ struct tar_output *output = tar_output_new(tar);
	struct tree_tar_writer writer = { .tar = output, .room = file };
	int r = file < 0 ? err_errno(err, -errno, "cannot make a file in %s", room)
			 : tree_read(fd, &ops, &writer, err);

	if (r == 0)
		r = tar_output_finish(output, err);
	free(writer.extents);
	free(writer.path);
	return r;
}

/* --- an archive as a tree --- */

struct tree_tar_reader {
	struct tar_reader *tar;
	struct tree_stream stream;
	char **at;     /* the folders that it is in */
	char **shared; /* paths of the files that links may be to, by number */
	size_t n_shared, size;
	struct err *err;
};

/* What a path is, without "." and slashes too many; of a folder that it is in itself, nothing. */
static int tree_tar_split(const char *path, char ***ret, struct err *err)
{
	_cleanup_strv_ char **parts = strv_split(path, "/");
	_cleanup_strv_ char **kept = NULL;

	strv_for_each(part, parts) {
		if (!strcmp(*part, ".."))
			return err_set(err, -EBADMSG, "%.200s leads out of the folder", path);
		if (**part && strcmp(*part, ".") != 0)
			strv_add(&kept, *part);
	}
	*ret = take_ptr(kept);
	return 0;
}

static int tree_tar_leave(struct tree_tar_reader *reader, size_t depth)
{
	int r = 0;

	for (size_t n = strv_len(reader->at); n > depth && r == 0; n--) {
		free(reader->at[n - 1]);
		reader->at[n - 1] = NULL;
		r = tree_stream_dir_end(&reader->stream);
	}
	return r;
}

static int tree_tar_enter(struct tree_tar_reader *reader, const char *name,
			  const struct tree_entry *like)
{
	struct tree_entry entry = *like;

	entry.name = (char *)(uintptr_t)name;
	strv_add(&reader->at, name);
	return tree_stream_entry(&reader->stream, &entry);
}

/* So that it is in the first `depth` of those folders. */
static int tree_tar_go(struct tree_tar_reader *reader, char *const *path, size_t depth)
{
	const struct tree_entry like = { .mode = S_IFDIR | 0755,
					 .mtime = (uint64_t)(units_now() / 1000000000) };
	size_t same = 0, has = strv_len(reader->at);
	int r;

	while (same < depth && same < has && !strcmp(path[same], reader->at[same]))
		same++;
	r = tree_tar_leave(reader, same);
	for (size_t i = same; i < depth && r == 0; i++)
		r = tree_tar_enter(reader, path[i], &like);
	return r;
}

/* A file that a link may be to later. */
static uint32_t tree_tar_note(struct tree_tar_reader *reader, char *const *path)
{
	if (reader->n_shared >= TREE_STREAM_SHARED_MAX)
		return 0;
	if (reader->n_shared == reader->size) {
		reader->size = reader->size ? 2 * reader->size : 256;
		reader->shared = mem_realloc(reader->shared, reader->size, sizeof(*reader->shared));
	}
	reader->shared[reader->n_shared++] = strv_join(path, "/");
	return (uint32_t)reader->n_shared;
}

/* The last one of that path counts: it has taken an earlier one's place. */
static int tree_tar_find(const struct tree_tar_reader *reader, const char *link, uint32_t *ret)
{
	_cleanup_strv_ char **path = NULL;
	_cleanup_free_ char *text = NULL;

	if (tree_tar_split(link, &path, reader->err) < 0)
		return reader->err->code;
	text = path ? strv_join(path, "/") : mem_strdup("");
	for (size_t i = reader->n_shared; i > 0; i--) {
		if (!strcmp(reader->shared[i - 1], text)) {
			*ret = (uint32_t)i;
			return 0;
		}
	}
	return err_set(reader->err, -EBADMSG,
		       "the archive has a link to %.200s, and no such file before it", link);
}

static int tree_tar_send_data(struct tree_tar_reader *reader, int64_t size)
{
	const void *data;
	int64_t offset;
	size_t len;
	int r;

	while ((r = tar_reader_data(reader->tar, &data, &len, &offset, reader->err)) > 0) {
		for (size_t done = 0, n; done < len; done += n) {
			void *to = tree_stream_data(&reader->stream, (uint64_t)offset + done);

			n = len - done < TREE_STREAM_DATA_MAX ? len - done : TREE_STREAM_DATA_MAX;
			memcpy(to, (const char *)data + done, n);
			r = tree_stream_data_done(&reader->stream, n);
			if (r < 0)
				return r;
		}
	}
	return r < 0 ? r : tree_stream_file_end(&reader->stream, (uint64_t)size);
}

/* The user's own, and what the kernel takes for file capabilities: no others are copied. */
static void tree_tar_take_xattrs(struct tree_tar_reader *reader, struct tree_entry *entry)
{
	const char *name;
	const void *value;
	size_t len;

	while (tar_reader_xattr(reader->tar, &name, &value, &len)) {
		if ((!strncmp(name, "user.", 5) || !strcmp(name, "security.capability")) &&
		    entry->xattrs.len + len <= TREE_STREAM_XATTRS_MAX)
			tree_stream_add_xattr(entry, name, value, len);
	}
}

static int tree_tar_send(struct tree_tar_reader *reader, const struct tar_item *item,
			 char *const *path, struct tree_entry *entry)
{
	size_t depth = strv_len((char **)path) - 1;
	const char *name = path[depth];
	int r;

	/* it is in there already */
	if (S_ISDIR(entry->mode) && strv_len(reader->at) > depth &&
	    !strcmp(reader->at[depth], name))
		return tree_tar_go(reader, path, depth + 1);
	r = tree_tar_go(reader, path, depth);
	if (r < 0)
		return r;
	if (S_ISDIR(entry->mode))
		return tree_tar_enter(reader, name, entry);
	entry->name = mem_strdup(name);
	if (item->is_hard_link) {
		entry->again = 1;
		r = tree_tar_find(reader, item->link, &entry->shared);
		return r < 0 ? r : tree_stream_entry(&reader->stream, entry);
	}
	if (S_ISREG(entry->mode))
		entry->shared = tree_tar_note(reader, path);
	r = tree_stream_entry(&reader->stream, entry);
	return r == 0 && S_ISREG(entry->mode) ? tree_tar_send_data(reader, item->size) : r;
}

static int tree_tar_item(struct tree_tar_reader *reader, const struct tar_item *item)
{
	_cleanup_strv_ char **path = NULL;
	_cleanup_tree_entry_ struct tree_entry entry = {
		.mode = item->is_hard_link ? S_IFREG : item->mode,
		.uid = (uint32_t)item->uid,
		.gid = (uint32_t)item->gid,
		.mtime = (uint64_t)item->mtime.tv_sec,
		.mtime_ns = (uint32_t)item->mtime.tv_nsec,
		.major = (uint32_t)item->major,
		.minor = (uint32_t)item->minor,
	};

	if (tree_tar_split(item->path, &path, reader->err) < 0)
		return reader->err->code;
	if (!path)
		return 0; /* the folder itself is whose it is */
	if (item->uid < 0 || item->uid >= UINT32_MAX || item->gid < 0 || item->gid >= UINT32_MAX)
		return err_set(reader->err, -EINVAL, "%.200s has an owner that Linux has not",
			       item->path);
	if (S_ISLNK(entry.mode) && !item->is_hard_link)
		entry.target = mem_strdup(item->link ? item->link : "");
	if (!item->is_hard_link)
		tree_tar_take_xattrs(reader, &entry);
	return tree_tar_send(reader, item, path, &entry);
}

static int tree_tar_read_items(struct tree_tar_reader *reader)
{
	const struct tree_entry top = { .mode = S_IFDIR | 0755,
					.mtime = (uint64_t)(units_now() / 1000000000),
					.name = (char *)(uintptr_t) "archive" };
	struct tar_item item;
	int r = tree_stream_start(&reader->stream, TREE_STREAM_CONTENTS);

	if (r == 0)
		r = tree_stream_entry(&reader->stream, &top);
	while (r == 0) {
		r = tar_reader_next(reader->tar, &item, reader->err);
		if (r <= 0)
			break;
		r = tree_tar_item(reader, &item);
	}
	if (r == 0)
		r = tar_reader_finish(reader->tar, 1, reader->err);
	if (r == 0)
		r = tree_tar_leave(reader, 0);
	if (r == 0)
		r = tree_stream_dir_end(&reader->stream);
	return r < 0 ? r : tree_stream_end(&reader->stream);
}

int tree_tar_read_here(int tar, int fd, struct err *err)
{
	struct tree_tar_reader reader = { .stream = { .fd = fd, .err = err }, .err = err };
	struct tar_stream *stream = NULL;
	int r = tar_stream_open(tar, &stream, err);

	if (r == 0)
		r = tar_reader_open(stream, &reader.tar, err);
	if (r == 0)
		r = tree_tar_read_items(&reader);
	tar_reader_free(reader.tar);
	tar_stream_free(stream);
	tree_stream_release(&reader.stream);
	strv_free(reader.at);
	for (size_t i = 0; i < reader.n_shared; i++)
		free(reader.shared[i]);
	free(reader.shared);
	return r;
}

struct tree_tar_task {
	int tar, fd;
};

static int tree_tar_task_read(void *ctx, int report_fd _unused_, void *result _unused_,
			      struct err *err)
{
	const struct tree_tar_task *task = ctx;

	return tree_tar_read_here(task->tar, task->fd, err);
}

int tree_tar_read(int tar, const char *root, int fd, struct err *err)
{
	_cleanup_confine_ struct confine_child child = CONFINE_CHILD_INIT;
	_cleanup_work_ struct work work = WORK_INIT;
	/* which has no standard streams */
	_cleanup_close_ int jail = -EBADF, ours = fcntl(tar, F_DUPFD_CLOEXEC, 3);
	struct tree_tar_task task = { .tar = ours, .fd = fd };
	struct confine_spec spec = {
		.fn = tree_tar_task_read,
		.ctx = &task,
		.keep_fds = { ours, fd },
		.syscalls = unpack_syscalls,
		.memory_max = TREE_TAR_MEMORY_MAX,
	};
	int64_t done;
	char nothing;
	int r = ours < 0 ? err_errno(err, -errno, "cannot read the archive")
			 : work_open(root, &work, err);

	if (r == 0)
		r = jail = disk_layer_jail(&work, err);
	if (r < 0)
		return r;
	spec.root_fd = jail;
	r = confine_start(&spec, &child, err);
	while (r == 0 && (r = confine_read(&child, &done, &nothing, 0, err)) > 0)
		r = 0;
	return r;
}
