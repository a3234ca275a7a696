// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "proto/tree.h"
#include "proto/tree_list.h"
#include "proto/tree_read.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static void digest(const char *path, uint64_t offset, const void *data, size_t len,
		   uint8_t ret[TREE_SINCE_DIGEST_SIZE])
{
	(void)path;
	(void)offset;
	memset(ret, 0, TREE_SINCE_DIGEST_SIZE);
	memcpy(ret, data, len < TREE_SINCE_DIGEST_SIZE ? len : TREE_SINCE_DIGEST_SIZE);
}

static int each(void *ctx, const uint8_t found[TREE_SINCE_DIGEST_SIZE], struct err *err)
{
	(void)err;
	*(uint8_t *)ctx ^= found[0];
	return 0;
}

/* An increment on a tree that has one file; what it may take from there is in that tree. */
static int receive_since(int in, int stream, struct err *err)
{
	const struct tree_since since = { .dirfd = in, .name = "old", .digest = digest };
	const struct tree_bounds bounds = { .bytes_max = 1 << 20, .since = &since };
	_cleanup_close_ int old = -EBADF;

	if (mkdirat(in, "old", 0700) < 0 || symlinkat("../../out", in, "old/d") < 0)
		abort();
	old = openat(in, "old/f", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (file_write_all(old, "old", 3) < 0)
		abort();
	return tree_receive_exact(in, "new", &bounds, stream, err);
}

/* Of what is read without making files: a path has no way out. */
static int entry(void *ctx, const char *path, const struct tree_entry *found, const char *first,
		 struct err *err)
{
	(void)ctx;
	(void)found;
	(void)first;
	(void)err;
	if (path[0] == '/' || !strncmp(path, "../", 3) || strstr(path, "/../"))
		abort();
	return 0;
}

static int data(void *ctx, uint64_t offset, const void *bytes, size_t len, struct err *err)
{
	(void)ctx;
	(void)bytes;
	(void)err;
	if (offset > INT64_MAX || len > (size_t)INT64_MAX - offset)
		abort();
	return 0;
}

static int file_end(void *ctx, uint64_t size, struct err *err)
{
	(void)ctx;
	(void)err;
	return size <= INT64_MAX ? 0 : (abort(), 0);
}

static const struct tree_reader_ops reader_ops = { .entry = entry,
						   .data = data,
						   .file_end = file_end };

static int receive(int in, uint8_t how, int stream, struct err *err)
{
	const struct tree_bounds bounds = { .bytes_max = 1 << 20 };
	_cleanup_tree_node_ struct tree_node *list = NULL;
	uint8_t seen = 0;
	const struct tree_since_blocks blocks = { .digest = digest, .each = each, .ctx = &seen };

	if ((how & 192) == 192)
		return tree_read(stream, &reader_ops, NULL, err);
	if (how & 128)
		return tree_since_read(stream, &blocks, err);
	if (how & 64)
		return receive_since(in, stream, err);
	if (how & 32)
		return tree_list_read(stream, &list, err);
	return how & 16 ? tree_receive_exact(in, "new", &bounds, stream, err)
			: tree_receive(in, how & 8 ? "/" : "new", how & 7, stream, err);
}

/* A stream may do what it likes in box/in, and never touches box/out, which box/in has a symlink to. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char box[] = "/dev/shm/brig-fuzz-XXXXXX";
	_cleanup_close_ int stream = memfd_create("stream", MFD_CLOEXEC), boxfd = -EBADF,
			    in = -EBADF;
	struct err err = ERR_INIT;
	struct stat before, after;

	if (!size || !mkdtemp(box) || file_write_all(stream, data + 1, size - 1) < 0)
		return 0;
	boxfd = open(box, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(boxfd, "in", 0755) < 0 || mkdirat(boxfd, "out", 0755) < 0 ||
	    symlinkat("../out", boxfd, "in/d") < 0 || fstatat(boxfd, "out", &before, 0) < 0)
		abort();
	in = openat(boxfd, "in", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (lseek(stream, 0, SEEK_SET) < 0)
		abort();
	if ((receive(in, data[0], stream, &err) < 0) != err_is_set(&err))
		abort();
	if (fstatat(boxfd, "out", &after, 0) < 0 || memcmp(&before.st_mtim, &after.st_mtim, 16) ||
	    before.st_mode != after.st_mode || before.st_uid != after.st_uid)
		abort();
	if (file_remove_tree(AT_FDCWD, box) < 0)
		abort();
	return 0;
}
