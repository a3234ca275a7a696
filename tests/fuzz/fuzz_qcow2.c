// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/take.h"
#include "disk/qcow2.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Two bytes of the input are one operation; an image of some KiB is what the mutator copes with. */
#define OPERATIONS 32
#define BUFFER	   (64 << 10)

static char buffer[BUFFER];

static void operate(struct format *format, uint8_t what, uint8_t where)
{
	uint64_t len = 512 * (1 + (uint64_t)(what >> 3) * 4), offset;
	uint64_t sectors = format->size / 512;
	struct iovec iov;
	struct vector v;

	/* At both ends of the disk, where images have their differences. */
	offset = where & 0x80 ? (sectors - 1 - (where & 0x7f) % sectors) * 512
			      : (where % sectors) * 512;
	if (len > format->size - offset)
		len = format->size - offset;
	if (len > BUFFER)
		len = BUFFER;
	v = vector_of(&iov, buffer, len);
	switch (what & 7) {
	case 0:
	case 1:
		format->ops->read(format, &v, offset);
		break;
	case 2:
	case 3:
	case 4:
		memset(buffer, what, len);
		format->ops->write(format, &v, offset);
		break;
	case 5:
		format->ops->discard(format, offset, len);
		break;
	case 6:
		format->ops->zero(format, offset, len, where & 1);
		break;
	default:
		format->ops->flush(format);
		break;
	}
}

/* What is read of an image that is refused or not says nothing; only that we come to an end, in bounds. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT;
	struct blockfile file;
	struct format *format;
	const size_t head = 1 + 2 * (size_t)OPERATIONS;
	int fd, writable;

	if (size < head)
		return 0;
	fd = memfd_create("image", MFD_CLOEXEC);
	size -= head;
	if (fd < 0 || write(fd, data + head, size) != (ssize_t)size)
		abort();
	writable = data[0] & 1;
	if (blockfile_open(&file, fd, writable, 0, &err) < 0)
		return 0;
	if (qcow2_open(&file, writable, NULL, &format, &err) < 0) {
		if (!err_is_set(&err))
			abort();
		return 0;
	}
	for (int i = 0; i < OPERATIONS && format->size >= 512; i++)
		operate(format, data[1 + 2 * i], data[2 + 2 * i]);
	format->ops->free(format);
	return 0;
}
