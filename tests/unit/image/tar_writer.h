/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_IMAGE_TAR_WRITER_H
#define TESTS_IMAGE_TAR_WRITER_H

#include "base/buf.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Tars for the tests, entry by entry, as good or bad as the test wants them. */
#define TAR_WRITER_BLOCK 512

static inline void tar_writer_number(char *field, size_t size, size_t value)
{
	char digits[32];

	snprintf(digits, sizeof(digits), "%0*zo", (int)size - 1, value);
	memcpy(field, digits, size);
}

/* type: '0' file, '1' hard link, '2' symbolic link, '3' character device, '5' folder, '6' fifo. */
static inline void tar_writer_add(struct buf *tar, char type, const char *path, const char *link,
				  const char *data)
{
	size_t size = data ? strlen(data) : 0;
	char header[TAR_WRITER_BLOCK] = "", padding[TAR_WRITER_BLOCK] = "";
	unsigned int sum = 0;

	snprintf(header, 100, "%s", path);
	tar_writer_number(header + 100, 8, type == '5' ? 0755 : 0644);
	tar_writer_number(header + 108, 8, getuid());
	tar_writer_number(header + 116, 8, getgid());
	tar_writer_number(header + 124, 12, size);
	tar_writer_number(header + 136, 12, 1000000000);
	memset(header + 148, ' ', 8);
	header[156] = type;
	snprintf(header + 157, 100, "%s", link ? link : "");
	memcpy(header + 257, "ustar\00000", 8);
	tar_writer_number(header + 329, 8, 1); /* /dev/null */
	tar_writer_number(header + 337, 8, 3);
	for (size_t i = 0; i < sizeof(header); i++)
		sum += (unsigned char)header[i];
	tar_writer_number(header + 148, 8, sum);
	buf_add(tar, header, sizeof(header));
	buf_add(tar, data ? data : "", size);
	if (size % TAR_WRITER_BLOCK)
		buf_add(tar, padding, TAR_WRITER_BLOCK - size % TAR_WRITER_BLOCK);
}

static inline void tar_writer_end(struct buf *tar)
{
	static const char zeroes[2 * TAR_WRITER_BLOCK];

	buf_add(tar, zeroes, sizeof(zeroes));
}

#endif
