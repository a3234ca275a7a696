// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "image/partition.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

/* A disk that is this long is not all there: what is behind the input reads as zeroes. */
#define DISK_SIZE (4 << 20)

/* Whatever a table says, partitions lie within the disk, or it is an error. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_close_ int fd = memfd_create("disk", MFD_CLOEXEC);
	struct partition_table table;
	struct err err = ERR_INIT;
	int r;

	if (size > DISK_SIZE)
		return 0;
	if (file_write_all(fd, data, size) < 0 || ftruncate(fd, DISK_SIZE) < 0)
		abort();
	(void)partition_is_disk(fd, DISK_SIZE);
	r = partition_read(fd, DISK_SIZE, &table, &err);
	if ((r < 0) != err_is_set(&err) || (r == 0 && table.n > PARTITION_MAX))
		abort();
	for (uint32_t i = 0; r == 0 && i < table.n; i++) {
		const struct partition *partition = &table.partitions[i];

		if (partition->start < 0 || partition->len <= 0 ||
		    partition->len > DISK_SIZE - partition->start)
			abort();
		if (!partition_type_name(partition->type) ||
		    !partition_system_name(partition->system))
			abort();
	}
	return 0;
}
