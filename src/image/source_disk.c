// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/buf.h"
#include "image/disk_image.h"
#include "image/disk_layer.h"
#include "image/source.h"

#include <string.h>
#include <sys/stat.h>

/*
 * Disk images, as distributions have them for clouds: the root file system on one becomes the one layer of an image, all
 * of it; what else is on the disk is not carried, and told. The host's kernel sees nothing of a disk but its bytes.
 */

#define SOURCE_DISK_QCOW2 "QFI\xfb"

static const struct {
	int64_t offset;
	const char *bytes;
	size_t len;
	const char *name;
} source_disk_others[] = {
	{ 0, "KDMV", 4, "VMDK" },
	{ 0, "# Disk DescriptorFile", 21, "VMDK" },
	{ 0, "vhdxfile", 8, "VHDX" },
	{ 0, "conectix", 8, "VHD" },
	{ 0x40, "\x7f\x10\xda\xbe", 4, "VDI" },
	{ 0, "QED", 4, "QED" },
};

static int source_disk_has(int fd, int64_t offset, const char *bytes, size_t len)
{
	char found[32];

	return pread(fd, found, len, offset) == (ssize_t)len && !memcmp(found, bytes, len);
}

static const char *source_disk_other(int fd)
{
	for (size_t i = 0; i < ARRAY_SIZE(source_disk_others); i++) {
		if (source_disk_has(fd, source_disk_others[i].offset, source_disk_others[i].bytes,
				    source_disk_others[i].len))
			return source_disk_others[i].name;
	}
	return NULL;
}

static int source_disk_is_qcow2(int fd)
{
	return source_disk_has(fd, 0, SOURCE_DISK_QCOW2, strlen(SOURCE_DISK_QCOW2));
}

int source_is_disk(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || source_compression(fd) != SOURCE_PLAIN)
		return 0;
	return source_disk_is_qcow2(fd) || source_disk_other(fd) ||
	       partition_is_disk(fd, st.st_size);
}

static void source_disk_describe(const struct partition *partition, struct buf *text)
{
	const char *system = partition_system_name(partition->system);

	if (partition->number)
		buf_printf(text, "partition %u (%s, %s)", partition->number,
			   partition_type_name(partition->type), system);
	else
		buf_printf(text, "all of it (%s)", system);
}

static int source_disk_no_root(const struct partition_table *table, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	for (uint32_t i = 0; i < table->n && i < 4; i++) {
		buf_add_str(&text, i ? ", " : ": ");
		source_disk_describe(&table->partitions[i], &text);
	}
	return err_set(err, -EOPNOTSUPP,
		       "it is a disk, and no ext2, ext3 or ext4 file system on it has a root%s; "
		       "bring a tar of others, as with 'virt-tar-out -a DISK / - | brig image "
		       "import --name NAME -'",
		       table->n ? text.data : "");
}

/* The first with a system in it, but one of the type for that before all others. */
static const struct partition *source_disk_choose(const struct partition_table *table)
{
	const struct partition *chosen = NULL;

	for (uint32_t i = 0; i < table->n; i++) {
		const struct partition *partition = &table->partitions[i];

		if (partition->has_root && (!chosen || (chosen->type != PARTITION_ROOT &&
							partition->type == PARTITION_ROOT)))
			chosen = partition;
	}
	return chosen;
}

static void source_disk_tell(const struct source *source, const struct partition_table *table,
			     const struct partition *chosen, int has_fstab)
{
	for (uint32_t i = 0; i < table->n; i++) {
		_cleanup_buf_ struct buf text = BUF_INIT;

		if (&table->partitions[i] == chosen)
			continue;
		source_disk_describe(&table->partitions[i], &text);
		source_note(source, "not carried: %s", text.data);
	}
	source_note(source, "not used: a boot loader and kernels that are in it; a VM boots one of "
			    "'brig kernel ls'");
	if (has_fstab)
		source_note(source, "/etc/fstab is now /etc/fstab.imported: what it mounts is not "
				    "there");
}

static int source_disk_read(struct source *source, int fd, struct err *err)
{
	const struct import_options *options = source->options;
	struct ext4_layer_found found = { 0 };
	const struct partition *chosen;
	_cleanup_close_ int tar = -EBADF;
	struct partition_table table;

	if (disk_image_find(&source->work, fd, &table, err) < 0)
		return err->code;
	chosen = source_disk_choose(&table);
	if (!chosen)
		return source_disk_no_root(&table, err);
	if (disk_layer_read(&source->work, fd, chosen->start, chosen->len, NULL, options->progress,
			    options->progress_ctx, &tar, &found, err) < 0)
		return err->code;
	source_disk_tell(source, &table, chosen, found.has_fstab);
	return source_read_made(source, tar, "brig image import", err);
}

int source_read_disk(struct source *source, int fd, struct err *err)
{
	const struct import_options *options = source->options;
	const char *other = source_disk_other(fd);
	_cleanup_close_ int raw = -EBADF;

	if (other)
		return err_set(err, -EOPNOTSUPP,
			       "it is a disk image of the format %s: make another of it with "
			       "'qemu-img convert -O qcow2'",
			       other);
	if (!source_disk_is_qcow2(fd))
		return source_disk_read(source, fd, err);
	if (disk_image_unpack(&source->work, fd, options->progress, options->progress_ctx, &raw,
			      err) < 0)
		return err->code;
	return source_disk_read(source, raw, err);
}
