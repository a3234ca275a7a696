// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/tree_stream.h"
#include "base/file.h"
#include "proto/tree-internal.h"

#include <string.h>

void tree_stream_entry_release(struct tree_entry *entry)
{
	free(entry->name);
	free(entry->target);
	buf_release(&entry->xattrs);
	memset(entry, 0, sizeof(*entry));
}

void tree_stream_add_xattr(struct tree_entry *entry, const char *name, const void *value,
			   size_t len)
{
	wire_put_str(&entry->xattrs, name);
	wire_put_bytes(&entry->xattrs, value, len);
	entry->n_xattrs++;
}

void tree_stream_release(struct tree_stream *stream)
{
	buf_release(&stream->out);
}

static int tree_stream_flush(struct tree_stream *stream)
{
	const struct tree_sink *sink = stream->sink;
	size_t len = stream->out.len;
	int r;

	stream->out.len = 0;
	if (sink)
		return sink->write(sink->ctx, stream->out.data, len, stream->err);
	r = file_write_all(stream->fd, stream->out.data, len);
	return r < 0 ? err_errno(stream->err, r, "cannot send the files") : 0;
}

/* tree_stream_done() fills in its length. */
static void tree_stream_begin(struct tree_stream *stream, enum tree_record type)
{
	wire_put_u8(&stream->out, (uint8_t)type);
	wire_put_u32(&stream->out, 0);
	stream->begin = stream->out.len;
}

static int tree_stream_done(struct tree_stream *stream)
{
	uint32_t len = (uint32_t)(stream->out.len - stream->begin);

	for (size_t i = 0; i < sizeof(len); i++)
		stream->out.data[stream->begin - sizeof(len) + i] = (char)(len >> (8 * i));
	return stream->out.len >= TREE_STREAM_DATA_MAX ? tree_stream_flush(stream) : 0;
}

int tree_stream_start(struct tree_stream *stream, unsigned int flags)
{
	tree_stream_begin(stream, TREE_RECORD_START);
	wire_put_u32(&stream->out, TREE_MAGIC);
	wire_put_u16(&stream->out, TREE_VERSION);
	wire_put_u8(&stream->out, (uint8_t)flags);
	return tree_stream_done(stream);
}

int tree_stream_entry(struct tree_stream *stream, const struct tree_entry *entry)
{
	tree_stream_begin(stream, TREE_RECORD_ENTRY);
	tree_entry_put(&stream->out, entry);
	return tree_stream_done(stream);
}

void *tree_stream_data(struct tree_stream *stream, uint64_t offset)
{
	tree_stream_begin(stream, TREE_RECORD_DATA);
	wire_put_u64(&stream->out, offset);
	buf_reserve(&stream->out, TREE_STREAM_DATA_MAX);
	return stream->out.data + stream->out.len;
}

int tree_stream_data_done(struct tree_stream *stream, size_t len)
{
	if (!len) {
		stream->out.len = stream->begin - TREE_RECORD_HEAD;
		return 0;
	}
	stream->out.len += len;
	return tree_stream_done(stream);
}

int tree_stream_same(struct tree_stream *stream, uint64_t offset, size_t len,
		     const uint8_t digest[TREE_SINCE_DIGEST_SIZE])
{
	tree_stream_begin(stream, TREE_RECORD_SAME);
	wire_put_u64(&stream->out, offset);
	wire_put_u32(&stream->out, (uint32_t)len);
	buf_add(&stream->out, digest, TREE_SINCE_DIGEST_SIZE);
	return tree_stream_done(stream);
}

int tree_stream_file_end(struct tree_stream *stream, uint64_t size)
{
	tree_stream_begin(stream, TREE_RECORD_FILE_END);
	wire_put_u64(&stream->out, size);
	return tree_stream_done(stream);
}

int tree_stream_dir_end(struct tree_stream *stream)
{
	tree_stream_begin(stream, TREE_RECORD_DIR_END);
	return tree_stream_done(stream);
}

int tree_stream_end(struct tree_stream *stream)
{
	int r;

	tree_stream_begin(stream, TREE_RECORD_END);
	r = tree_stream_done(stream);
	return r < 0 ? r : tree_stream_flush(stream);
}
