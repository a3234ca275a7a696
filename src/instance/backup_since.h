/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_BACKUP_SINCE_H
#define INSTANCE_BACKUP_SINCE_H

#include "instance/backup.h"
#include "instance/backup_reader.h"
#include "proto/tree_since.h"

/* What is known of an earlier backup, for an increment on it: its head, its checksum, and of which blocks it is. */
struct backup_since {
	struct backup head;
	char checksum[DIGEST_HEX_SIZE];
	uint8_t (*digests)[TREE_SINCE_DIGEST_SIZE]; /* sorted */
	size_t n, size;
};

/* Reads the file, whole or an increment, in a confined process. Release in both cases. */
int backup_since_read(struct backup_since *since, const struct instance_home *home,
		      const struct backup_file *file, struct err *err);
int backup_since_has(const struct backup_since *since,
		     const uint8_t digest[TREE_SINCE_DIGEST_SIZE]);
void backup_since_release(struct backup_since *since);

/* tree_since_digest_fn: SHA-256 of the path and its NUL, the offset in 64 bits, and the data. */
void backup_since_digest(const char *path, uint64_t offset, const void *data, size_t len,
			 uint8_t ret[TREE_SINCE_DIGEST_SIZE]);

#endif
