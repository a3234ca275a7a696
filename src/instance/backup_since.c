// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/backup_since.h"
#include "base/buf.h"
#include "base/mem.h"
#include "image/work.h"
#include "proto/wire.h"

#include <stdlib.h>
#include <string.h>

/* 32 bytes of memory each, and a TiB of data. What is more is brought by the increment itself. */
#define BACKUP_SINCE_BLOCKS_MAX ((size_t)1 << 24)

void backup_since_digest(const char *path, uint64_t offset, const void *data, size_t len,
			 uint8_t ret[TREE_SINCE_DIGEST_SIZE])
{
	_cleanup_digest_ struct digest *digest = digest_new();
	_cleanup_buf_ struct buf head = BUF_INIT;

	buf_add(&head, path, strlen(path) + 1);
	wire_put_u64(&head, offset);
	digest_add(digest, head.data, head.len);
	digest_add(digest, data, len);
	digest_bytes(digest, ret);
}

/* Sorted, not hashed: whoever made the backup may have chosen the digests. */
static int backup_since_compare(const void *a, const void *b)
{
	return memcmp(a, b, TREE_SINCE_DIGEST_SIZE);
}

int backup_since_has(const struct backup_since *since, const uint8_t digest[TREE_SINCE_DIGEST_SIZE])
{
	return since->n && bsearch(digest, since->digests, since->n, sizeof(*since->digests),
				   backup_since_compare) != NULL;
}

static int backup_since_note(void *ctx, const uint8_t digest[TREE_SINCE_DIGEST_SIZE],
			     struct err *err _unused_)
{
	struct backup_since *since = ctx;

	if (since->n == BACKUP_SINCE_BLOCKS_MAX)
		return 0;
	if (since->n == since->size) {
		since->size = since->size ? 2 * since->size : 1024;
		since->digests = mem_realloc(since->digests, since->size, sizeof(*since->digests));
	}
	memcpy(since->digests[since->n++], digest, TREE_SINCE_DIGEST_SIZE);
	return 0;
}

static int backup_since_receive(struct backup_since *since, int in, struct err *err)
{
	const struct tree_since_blocks blocks = { .digest = backup_since_digest,
						  .each = backup_since_note,
						  .ctx = since };
	int r = backup_reader_head(in, &since->head, err);

	return r < 0 ? r : tree_since_read(in, &blocks, err);
}

int backup_since_read(struct backup_since *since, const struct instance_home *home,
		      const struct backup_file *file, struct err *err)
{
	_cleanup_(backup_reader_release) struct backup_reader reader = BACKUP_READER_INIT;
	_cleanup_work_ struct work work = WORK_INIT;
	struct err received = ERR_INIT;
	int r = work_open(home->root, &work, err);

	if (r == 0)
		r = backup_reader_start(&reader, file->fd, work.fd, "jail", err);
	if (r < 0)
		return r;
	r = backup_since_receive(since, reader.in, &received);
	r = backup_reader_end(&reader, r, &received, since->checksum, err);
	if (r < 0)
		return err_wrap(err, "%s", file->path);
	if (since->n)
		qsort(since->digests, since->n, sizeof(*since->digests), backup_since_compare);
	return 0;
}

void backup_since_release(struct backup_since *since)
{
	backup_release(&since->head);
	free(since->digests);
}
