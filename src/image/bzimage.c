// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/bzimage.h"
#include "image/decompress.h"

#include <ctype.h>
#include <endian.h>
#include <stdint.h>
#include <string.h>

/* Offsets of the set-up header's fields. */
enum bzimage_field {
	BZIMAGE_SETUP_SECTS = 0x1f1,
	BZIMAGE_BOOT_FLAG = 0x1fe,
	BZIMAGE_HEADER = 0x202,
	BZIMAGE_VERSION = 0x206,
	BZIMAGE_KERNEL_VERSION = 0x20e,
	BZIMAGE_LOADFLAGS = 0x211,
	BZIMAGE_PAYLOAD_OFFSET = 0x248,
	BZIMAGE_PAYLOAD_LENGTH = 0x24c,
	BZIMAGE_HEADER_END = 0x250,
};

#define BZIMAGE_SECTOR	      512
#define BZIMAGE_VERSION_MIN   0x208 /* the first with payload_offset */
#define BZIMAGE_SETUP_DEFAULT 4	    /* what 0 in setup_sects means */
#define BZIMAGE_LOADED_HIGH   1

static uint16_t bzimage_u16(const void *data, size_t at)
{
	uint16_t value;

	memcpy(&value, (const char *)data + at, sizeof(value));
	return le16toh(value);
}

static uint32_t bzimage_u32(const void *data, size_t at)
{
	uint32_t value;

	memcpy(&value, (const char *)data + at, sizeof(value));
	return le32toh(value);
}

int bzimage_is(const void *data, size_t len)
{
	return len >= BZIMAGE_HEADER_END && bzimage_u16(data, BZIMAGE_BOOT_FLAG) == 0xaa55 &&
	       !memcmp((const char *)data + BZIMAGE_HEADER, "HdrS", 4);
}

static int bzimage_check(const void *data, size_t len, struct err *err)
{
	if (!bzimage_is(data, len))
		return err_set(err, -EINVAL, "it is no x86 kernel (bzImage)");
	if (bzimage_u16(data, BZIMAGE_VERSION) < BZIMAGE_VERSION_MIN ||
	    !(((const uint8_t *)data)[BZIMAGE_LOADFLAGS] & BZIMAGE_LOADED_HIGH))
		return err_set(err, -EINVAL, "its boot protocol is older than 2.08 (Linux 2.6.24)");
	return 0;
}

int bzimage_parse_release(const char *text, size_t len, char ret[BZIMAGE_RELEASE_MAX + 1])
{
	size_t n = 0;

	while (n < len && n <= BZIMAGE_RELEASE_MAX &&
	       (isalnum((unsigned char)text[n]) || (text[n] && strchr("._+~-", text[n]))))
		n++;
	if (!n || n > BZIMAGE_RELEASE_MAX || !isalnum((unsigned char)text[0]) ||
	    (n < len && text[n] && !isspace((unsigned char)text[n])))
		return -EINVAL;
	memcpy(ret, text, n);
	ret[n] = '\0';
	return 0;
}

int bzimage_release(const void *data, size_t len, char ret[BZIMAGE_RELEASE_MAX + 1],
		    struct err *err)
{
	size_t at;
	int r = bzimage_check(data, len, err);

	if (r < 0)
		return r;
	at = bzimage_u16(data, BZIMAGE_KERNEL_VERSION);
	if (!at) {
		ret[0] = '\0';
		return 0;
	}
	at += BZIMAGE_SECTOR;
	if (at >= len || bzimage_parse_release((const char *)data + at, len - at, ret) < 0)
		return err_set(err, -EINVAL, "its header names no valid release");
	return 0;
}

/* The packed kernel. Its last 4 bytes are the unpacked size: gzip ends so by itself, to the others
 * the kernel's build appends it. */
struct bzimage_payload {
	const char *data;
	size_t len, unpacked;
};

static int bzimage_find_payload(const void *data, size_t len, struct bzimage_payload *ret,
				struct err *err)
{
	size_t sectors, at, n;

	if (bzimage_check(data, len, err) < 0)
		return err->code;
	sectors = ((const uint8_t *)data)[BZIMAGE_SETUP_SECTS];
	at = ((sectors ? sectors : BZIMAGE_SETUP_DEFAULT) + 1) * BZIMAGE_SECTOR +
	     (size_t)bzimage_u32(data, BZIMAGE_PAYLOAD_OFFSET);
	n = bzimage_u32(data, BZIMAGE_PAYLOAD_LENGTH);
	if (n <= 4 || at > len || n > len - at)
		return err_set(err, -EINVAL, "it is truncated, or its header is wrong");
	ret->data = (const char *)data + at;
	ret->len = n;
	ret->unpacked = bzimage_u32(ret->data, n - 4);
	return 0;
}

static int bzimage_unpack_error(int r, const char *format, struct err *err)
{
	if (r == -ENOMEM)
		return err_set(err, r, "its %s payload needs too much memory to unpack", format);
	if (r == -EOPNOTSUPP)
		return err_set(err, r,
			       "it is packed with %s, which brig does not unpack: use a kernel "
			       "packed with lz4, gzip, xz, zstd or lzma, or its vmlinux",
			       format);
	return err_set(err, -EINVAL, "its %s payload is corrupt", format);
}

int bzimage_unpack(const void *data, size_t len, char **ret, size_t *ret_len, struct err *err)
{
	struct bzimage_payload payload = { .data = NULL };
	const struct decompress_format *format;
	_cleanup_free_ char *out = NULL;
	size_t n = 0;
	int r = bzimage_find_payload(data, len, &payload, err);

	if (r < 0)
		return r;
	format = decompress_detect(payload.data, payload.len);
	if (!format)
		return err_set(err, -EINVAL, "its payload is packed in no known format");
	if (!payload.unpacked || payload.unpacked > BZIMAGE_UNPACKED_MAX)
		return err_set(err, -EINVAL, "its payload claims a size that no kernel has");
	out = malloc(payload.unpacked);
	if (!out)
		return err_set(err, -ENOMEM, "no memory to unpack it");
	/* lz4 has no end mark of its own, so it must not see the size. */
	if (!strcmp(format->name, "lz4"))
		payload.len -= 4;
	r = decompress_into(format, payload.data, payload.len, out, payload.unpacked, &n);
	if (r < 0)
		return bzimage_unpack_error(r, format->name, err);
	if (n != payload.unpacked)
		return err_set(err, -EINVAL, "its %s payload is truncated", format->name);
	*ret = take_ptr(out);
	*ret_len = n;
	return 0;
}
