// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/partition.h"
#include "base/take.h"

#include <endian.h>
#include <string.h>

#define PARTITION_SECTOR      512
#define PARTITION_MBR_TABLE   446
#define PARTITION_MBR_ENTRY   16
#define PARTITION_MBR_SIGN    510
#define PARTITION_MBR_CHAIN   64 /* logical partitions that are looked at */
#define PARTITION_GPT_SIGN    "EFI PART"
#define PARTITION_GPT_ENTRIES 1024
#define PARTITION_GPT_ENTRY   128 /* the least that an entry has */

/* --- file systems --- */

/* The first that fits counts: a boot sector, which is vfat's and others', comes last. */
static const struct partition_magic {
	enum partition_system system;
	int64_t offset;
	const char *bytes;
	size_t len;
} partition_magics[] = {
	{ PARTITION_LUKS, 0, "LUKS\xba\xbe", 6 },
	{ PARTITION_LVM, 512, "LABELONE", 8 },
	{ PARTITION_XFS, 0, "XFSB", 4 },
	{ PARTITION_BTRFS, 65600, "_BHRfS_M", 8 },
	{ PARTITION_EXT, 1080, "\x53\xef", 2 },
	{ PARTITION_F2FS, 1024, "\x10\x20\xf5\xf2", 4 },
	{ PARTITION_EROFS, 1024, "\xe2\xe1\xf5\xe0", 4 },
	{ PARTITION_SQUASHFS, 0, "hsqs", 4 },
	{ PARTITION_SWAP, 4086, "SWAPSPACE2", 10 },
	{ PARTITION_ISO9660, 32769, "CD001", 5 },
	{ PARTITION_NTFS, 3, "NTFS    ", 8 },
	{ PARTITION_VFAT, 54, "FAT", 3 },
	{ PARTITION_VFAT, 82, "FAT32", 5 },
};

static const char *const partition_system_names[PARTITION_SYSTEMS] = {
	[PARTITION_UNKNOWN] = "no file system that is known here",
	[PARTITION_EXT] = "ext4",
	[PARTITION_XFS] = "xfs",
	[PARTITION_BTRFS] = "btrfs",
	[PARTITION_F2FS] = "f2fs",
	[PARTITION_NTFS] = "ntfs",
	[PARTITION_EROFS] = "erofs",
	[PARTITION_SQUASHFS] = "squashfs",
	[PARTITION_ISO9660] = "iso9660",
	[PARTITION_LUKS] = "encrypted by LUKS",
	[PARTITION_LVM] = "volumes of LVM",
	[PARTITION_SWAP] = "swap",
	[PARTITION_VFAT] = "vfat",
};

static int partition_has(int fd, int64_t at, const char *bytes, size_t len)
{
	char found[16];

	return pread(fd, found, len, at) == (ssize_t)len && !memcmp(found, bytes, len);
}

static enum partition_system partition_probe(int fd, int64_t start, int64_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(partition_magics); i++) {
		const struct partition_magic *magic = &partition_magics[i];

		if (magic->offset + (int64_t)magic->len <= len &&
		    partition_has(fd, start + magic->offset, magic->bytes, magic->len))
			return magic->system;
	}
	return PARTITION_UNKNOWN;
}

/* --- types --- */

static const char *const partition_type_names[PARTITION_TYPES] = {
	[PARTITION_OTHER] = "a partition of another kind",
	[PARTITION_LINUX] = "a Linux partition",
	[PARTITION_ROOT] = "a root partition",
	[PARTITION_HOME] = "the partition of /home",
	[PARTITION_BOOT] = "the partition of /boot",
	[PARTITION_EFI] = "the EFI system partition",
	[PARTITION_BIOS] = "the partition of the boot loader",
	[PARTITION_TYPE_SWAP] = "a swap partition",
	[PARTITION_TYPE_LVM] = "a partition of LVM",
};

/* As they are on the disk: the first three fields of a GUID have their bytes the other way round. */
static const struct {
	const char *guid;
	enum partition_type type;
} partition_guids[] = {
	{ "\xaf\x3d\xc6\x0f\x83\x84\x72\x47\x8e\x79\x3d\x69\xd8\x47\x7d\xe4", PARTITION_LINUX },
#if defined(__x86_64__)
	{ "\xe3\xbc\x68\x4f\xcd\xe8\xb1\x4d\x96\xe7\xfb\xca\xf9\x84\xb7\x09", PARTITION_ROOT },
#elif defined(__aarch64__)
	{ "\x45\xb0\x21\xb9\xf0\x1d\xc3\x41\xaf\x44\x4c\x6f\x28\x0d\x3f\xae", PARTITION_ROOT },
#endif
	{ "\xe1\xc7\x3a\x93\xb4\x2e\x13\x4f\xb8\x44\x0e\x14\xe2\xae\xf9\x15", PARTITION_HOME },
	{ "\xff\xc2\x13\xbc\xe6\x59\x62\x42\xa3\x52\xb2\x75\xfd\x6f\x71\x72", PARTITION_BOOT },
	{ "\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b", PARTITION_EFI },
	{ "\x48\x61\x68\x21\x49\x64\x6f\x6e\x74\x4e\x65\x65\x64\x45\x46\x49", PARTITION_BIOS },
	{ "\x6d\xfd\x57\x06\xab\xa4\xc4\x43\x84\xe5\x09\x33\xc8\x4b\x4f\x4f", PARTITION_TYPE_SWAP },
	{ "\x79\xd3\xd6\xe6\x07\xf5\xc2\x44\xa2\x3c\x23\x8f\x2a\x3d\xf9\x28", PARTITION_TYPE_LVM },
};

static const struct {
	uint8_t mbr;
	enum partition_type type;
} partition_mbrs[] = {
	{ 0x83, PARTITION_LINUX }, { 0x8e, PARTITION_TYPE_LVM }, { 0x82, PARTITION_TYPE_SWAP },
	{ 0xef, PARTITION_EFI },   { 0xea, PARTITION_BOOT },
};

static enum partition_type partition_of_guid(const char *guid)
{
	for (size_t i = 0; i < ARRAY_SIZE(partition_guids); i++) {
		if (!memcmp(partition_guids[i].guid, guid, 16))
			return partition_guids[i].type;
	}
	return PARTITION_OTHER;
}

static enum partition_type partition_of_mbr(uint8_t mbr)
{
	for (size_t i = 0; i < ARRAY_SIZE(partition_mbrs); i++) {
		if (partition_mbrs[i].mbr == mbr)
			return partition_mbrs[i].type;
	}
	return PARTITION_OTHER;
}

const char *partition_type_name(enum partition_type type)
{
	return partition_type_names[type < PARTITION_TYPES ? type : PARTITION_OTHER];
}

const char *partition_system_name(enum partition_system system)
{
	return partition_system_names[system < PARTITION_SYSTEMS ? system : PARTITION_UNKNOWN];
}

/* --- tables --- */

struct partition_disk {
	int fd;
	int64_t size;
	struct partition_table *table;
	struct err *err;
};

/* first and n: sectors of so many bytes */
static int partition_add(struct partition_disk *disk, uint64_t first, uint64_t n, int64_t sector,
			 unsigned int number, enum partition_type type)
{
	uint64_t sectors = (uint64_t)(disk->size / sector);
	struct partition *partition;

	if (!n || first >= sectors || n > sectors - first)
		return err_set(disk->err, -EBADMSG,
			       "partition %u is not within the disk: was the image cut short?",
			       number);
	if (disk->table->n == PARTITION_MAX)
		return err_set(disk->err, -EFBIG, "the disk has more than %d partitions",
			       PARTITION_MAX);
	partition = &disk->table->partitions[disk->table->n++];
	*partition = (struct partition){ .start = (int64_t)first * sector,
					 .len = (int64_t)n * sector,
					 .number = (uint16_t)number,
					 .type = (uint8_t)type };
	partition->system = (uint8_t)partition_probe(disk->fd, partition->start, partition->len);
	return 0;
}

static int partition_get(const struct partition_disk *disk, int64_t at, void *bytes, size_t len)
{
	if (at < 0 || at > disk->size - (int64_t)len)
		return -EBADMSG;
	return pread(disk->fd, bytes, len, at) == (ssize_t)len ? 0 : -EIO;
}

static uint32_t partition_get32(const char *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return le32toh(value);
}

static uint64_t partition_get64(const char *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return le64toh(value);
}

static int partition_read_gpt(struct partition_disk *disk, int64_t sector)
{
	char header[92], entry[PARTITION_GPT_ENTRY];
	static const char none[16];
	uint32_t n, size;
	uint64_t lba;

	if (partition_get(disk, sector, header, sizeof(header)) < 0)
		return err_set(disk->err, -EBADMSG, "the disk's GPT cannot be read");
	lba = partition_get64(header + 72);
	n = partition_get32(header + 80);
	size = partition_get32(header + 84);
	if (lba > (uint64_t)(disk->size / sector) || n > PARTITION_GPT_ENTRIES ||
	    size < PARTITION_GPT_ENTRY || size > 4096)
		return err_set(disk->err, -EBADMSG, "the disk's GPT is damaged");
	for (uint32_t i = 0; i < n; i++) {
		uint64_t first, last;

		if (partition_get(disk, (int64_t)lba * sector + (int64_t)i * size, entry,
				  sizeof(entry)) < 0)
			return err_set(disk->err, -EBADMSG, "the disk's GPT is cut short");
		if (!memcmp(entry, none, sizeof(none)))
			continue;
		first = partition_get64(entry + 32);
		last = partition_get64(entry + 40);
		if (last < first || last - first == UINT64_MAX)
			return err_set(disk->err, -EBADMSG, "partition %u has no valid size",
				       i + 1);
		if (partition_add(disk, first, last - first + 1, sector, i + 1,
				  partition_of_guid(entry)) < 0)
			return disk->err->code;
	}
	return 0;
}

static int partition_is_extended(uint8_t type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
}

/* A chain of tables with one logical partition and the next table in each; places count from the first of them. */
static int partition_read_logical(struct partition_disk *disk, uint32_t base)
{
	char table[PARTITION_SECTOR];
	uint64_t at = base;

	for (unsigned int i = 0; i < PARTITION_MBR_CHAIN; i++) {
		const char *entry = table + PARTITION_MBR_TABLE;
		const char *next = entry + PARTITION_MBR_ENTRY;

		if (partition_get(disk, (int64_t)at * PARTITION_SECTOR, table, sizeof(table)) < 0 ||
		    memcmp(table + PARTITION_MBR_SIGN, "\x55\xaa", 2) != 0)
			return err_set(disk->err, -EBADMSG,
				       "the disk's logical partitions cannot be read");
		if (entry[4] && partition_add(disk, at + partition_get32(entry + 8),
					      partition_get32(entry + 12), PARTITION_SECTOR, i + 5,
					      partition_of_mbr((uint8_t)entry[4])) < 0)
			return disk->err->code;
		if (!next[4])
			return 0;
		at = (uint64_t)base + partition_get32(next + 8);
	}
	return err_set(disk->err, -EFBIG, "the disk has more than %d logical partitions",
		       PARTITION_MBR_CHAIN);
}

static int partition_read_mbr(struct partition_disk *disk)
{
	char table[PARTITION_SECTOR];

	if (partition_get(disk, 0, table, sizeof(table)) < 0 ||
	    memcmp(table + PARTITION_MBR_SIGN, "\x55\xaa", 2) != 0)
		return 0;
	for (unsigned int i = 0; i < 4; i++) {
		const char *entry = table + PARTITION_MBR_TABLE + i * PARTITION_MBR_ENTRY;
		uint8_t type = (uint8_t)entry[4];
		int r = 0;

		if (partition_is_extended(type))
			r = partition_read_logical(disk, partition_get32(entry + 8));
		else if (type)
			r = partition_add(disk, partition_get32(entry + 8),
					  partition_get32(entry + 12), PARTITION_SECTOR, i + 1,
					  partition_of_mbr(type));
		if (r < 0)
			return r;
	}
	return 0;
}

int partition_read(int fd, int64_t size, struct partition_table *ret, struct err *err)
{
	struct partition_disk disk = { .fd = fd, .size = size, .table = ret, .err = err };

	ret->n = 0;
	for (int64_t sector = PARTITION_SECTOR; sector <= 4096; sector *= 8) {
		if (partition_has(fd, sector, PARTITION_GPT_SIGN, strlen(PARTITION_GPT_SIGN)))
			return partition_read_gpt(&disk, sector);
	}
	if (size >= PARTITION_SECTOR && partition_probe(fd, 0, size) != PARTITION_UNKNOWN)
		return partition_add(&disk, 0, (uint64_t)(size / PARTITION_SECTOR),
				     PARTITION_SECTOR, 0, PARTITION_OTHER);
	return partition_read_mbr(&disk);
}

int partition_is_disk(int fd, int64_t size)
{
	if (size < PARTITION_SECTOR || partition_has(fd, 257, "ustar", 5))
		return 0;
	return partition_has(fd, PARTITION_MBR_SIGN, "\x55\xaa", 2) ||
	       partition_probe(fd, 0, size) != PARTITION_UNKNOWN;
}
