// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "image/tree_tar.h"
#include "proto/tree_read.h"

#include <string.h>
#include <sys/mman.h>

static int entry(void *ctx, const char *path, const struct tree_entry *found, const char *first,
		 struct err *err)
{
	(void)ctx;
	(void)path;
	(void)found;
	(void)first;
	(void)err;
	return 0;
}

static int data(void *ctx, uint64_t offset, const void *bytes, size_t len, struct err *err)
{
	(void)ctx;
	(void)offset;
	(void)bytes;
	(void)len;
	(void)err;
	return 0;
}

static int file_end(void *ctx, uint64_t size, struct err *err)
{
	(void)ctx;
	(void)size;
	(void)err;
	return 0;
}

/* Whatever a tar holds, what comes of it is refused, or is a stream that the other side can read. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const struct tree_reader_ops ops = { .entry = entry,
						    .data = data,
						    .file_end = file_end };
	_cleanup_close_ int tar = memfd_create("tar", MFD_CLOEXEC),
			    stream = memfd_create("stream", MFD_CLOEXEC);
	struct err err = ERR_INIT;

	if (file_write_all(tar, bytes, size) < 0 || lseek(tar, 0, SEEK_SET) < 0)
		abort();
	if (tree_tar_read_here(tar, stream, &err) < 0)
		return err_is_set(&err) ? 0 : (abort(), 0);
	if (lseek(stream, 0, SEEK_SET) < 0)
		abort();
	/* folders may be nested deeper than is taken */
	if (tree_read(stream, &ops, NULL, &err) < 0 && err.code != -ELOOP && err.code != -EBADMSG)
		abort();
	return 0;
}
