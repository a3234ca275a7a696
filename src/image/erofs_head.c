// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/erofs_head.h"
#include "proto/wire.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define EROFS_HEAD_AT 1024
#define EROFS_HEAD_BLOCK \
	4096 /* of which the superblock's checksum is the part from EROFS_HEAD_AT on */
#define EROFS_HEAD_MAGIC    UINT32_C(0xe0f5e1e2)
#define EROFS_HEAD_CHECKSUM 4 /* where it is in the superblock; it counts as 0 */
#define EROFS_HEAD_BITS	    12
#define EROFS_HEAD_POLY	    UINT32_C(0x82f63b78) /* CRC32C, reflected */

static uint32_t erofs_head_crc(const uint8_t *data, size_t len)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? EROFS_HEAD_POLY : 0);
	}
	return crc;
}

struct erofs_head {
	uint32_t magic, checksum, blocks;
	uint8_t bits;
	const uint8_t *uuid;
};

/* In the order of struct erofs_super_block. */
static struct erofs_head erofs_head_read(const uint8_t *data, size_t len)
{
	struct wire_reader r = wire_read(data, len);
	struct erofs_head head = { .magic = wire_get_u32(&r), .checksum = wire_get_u32(&r) };

	(void)wire_get_u32(&r); /* feature_compat */
	head.bits = wire_get_u8(&r);
	(void)wire_get_u8(&r);	/* sb_extslots */
	(void)wire_get_u16(&r); /* root_nid */
	(void)wire_get_u64(&r); /* inos */
	(void)wire_get_u64(&r); /* build_time */
	(void)wire_get_u32(&r); /* build_time_nsec */
	head.blocks = wire_get_u32(&r);
	(void)wire_get_u32(&r); /* meta_blkaddr */
	(void)wire_get_u32(&r); /* xattr_blkaddr */
	head.uuid = r.p;
	return head;
}

static int erofs_head_is_of(const struct erofs_head *head, const char *diff_id)
{
	char hex[33];

	for (size_t i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", head->uuid[i]);
	return !strncmp(hex, diff_id, 32);
}

const char *erofs_head_check(int fd, const char *diff_id)
{
	uint8_t block[EROFS_HEAD_BLOCK - EROFS_HEAD_AT];
	struct erofs_head head;
	struct stat st;

	if (fstat(fd, &st) < 0 ||
	    pread(fd, block, sizeof(block), EROFS_HEAD_AT) != (ssize_t)sizeof(block))
		return "is too short for a file system";
	head = erofs_head_read(block, sizeof(block));
	if (head.magic != EROFS_HEAD_MAGIC || head.bits != EROFS_HEAD_BITS)
		return "is no erofs image of ours";
	memset(block + EROFS_HEAD_CHECKSUM, 0, sizeof(head.checksum));
	if (erofs_head_crc(block, sizeof(block)) != head.checksum)
		return "has a damaged superblock";
	if (!erofs_head_is_of(&head, diff_id))
		return "is another layer's";
	return st.st_size == (off_t)head.blocks << EROFS_HEAD_BITS
		       ? NULL
		       : "has another size than its head says";
}
