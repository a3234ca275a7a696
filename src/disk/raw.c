// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/raw.h"
#include "base/mem.h"

struct raw {
	struct format format;
	struct blockfile file;
};

static struct raw *raw_of(struct format *format)
{
	return (struct raw *)format; /* its first member */
}

static int raw_read(struct format *format, const struct vector *v, uint64_t offset)
{
	return blockfile_read(&raw_of(format)->file, v, offset);
}

static int raw_write(struct format *format, const struct vector *v, uint64_t offset)
{
	return blockfile_write(&raw_of(format)->file, v, offset);
}

static int raw_flush(struct format *format)
{
	return blockfile_sync(&raw_of(format)->file);
}

static int raw_discard(struct format *format, uint64_t offset, uint64_t len)
{
	return blockfile_discard(&raw_of(format)->file, offset, len);
}

static int raw_zero(struct format *format, uint64_t offset, uint64_t len, int unmap)
{
	return blockfile_zero(&raw_of(format)->file, offset, len, unmap);
}

static void raw_free(struct format *format)
{
	blockfile_close(&raw_of(format)->file);
	free(format);
}

static const struct format_ops raw_ops = {
	.name = "raw",
	.read = raw_read,
	.write = raw_write,
	.flush = raw_flush,
	.discard = raw_discard,
	.zero = raw_zero,
	.free = raw_free,
};

int raw_open(struct blockfile *file, int writable, struct format **ret, struct err *err)
{
	uint32_t block = file->block < 512 ? 512 : file->block;
	uint64_t size = file->size + (writable ? 0 : block - 1);
	struct raw *raw;

	size -= size % block;
	if (size == 0) {
		blockfile_close(file);
		return err_set(err, -EINVAL, "the disk is empty");
	}
	raw = mem_zalloc(sizeof(*raw));
	*raw = (struct raw){
		.format = { .ops = &raw_ops,
			    .size = size,
			    .block = block,
			    .physical = file->physical < block ? block : file->physical,
			    .plain = &raw->file },
		.file = *file,
	};
	file->fd = -EBADF;
	*ret = &raw->format;
	return 0;
}
