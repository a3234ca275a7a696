// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/acpi/aml.h"

#include <ctype.h>
#include <string.h>

/* ACPI 6.5, table 20.2; two bytes where the first is the prefix of extended opcodes. */
enum aml_op {
	AML_ZERO = 0x00,
	AML_ONE = 0x01,
	AML_NAME = 0x08,
	AML_BYTE = 0x0a,
	AML_WORD = 0x0b,
	AML_DWORD = 0x0c,
	AML_STRING = 0x0d,
	AML_QWORD = 0x0e,
	AML_SCOPE = 0x10,
	AML_BUFFER = 0x11,
	AML_PACKAGE = 0x12,
	AML_METHOD = 0x14,
	AML_DUAL_NAME = 0x2e,
	AML_EXTENDED = 0x5b,
	AML_AND = 0x7b,
	AML_NOTIFY = 0x86,
	AML_IF = 0xa0,
	AML_REGION = 0x80, /* extended, and the next two */
	AML_FIELD = 0x81,
	AML_DEVICE = 0x82,
};

#define AML_SEGMENT 4

/* Tags of resource descriptors: 6.4.2, 6.4.3. */
enum aml_tag {
	AML_TAG_IO = 0x47,
	AML_TAG_END = 0x79,
	AML_TAG_MEMORY32_FIXED = 0x86,
	AML_TAG_DWORD_SPACE = 0x87,
	AML_TAG_WORD_SPACE = 0x88,
	AML_TAG_INTERRUPT = 0x89,
};

enum aml_space { AML_SPACE_MEMORY = 0, AML_SPACE_BUS = 2 };

static void aml_byte(struct buf *aml, uint8_t byte)
{
	buf_add(aml, &byte, 1);
}

/* Little-endian, as all of AML. */
static void aml_number(struct buf *aml, uint64_t value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		aml_byte(aml, (uint8_t)(value >> (8 * i)));
}

/* NameString: an optional root, one or two segments. */
static void aml_path(struct buf *aml, const char *name)
{
	if (*name == '\\') {
		aml_byte(aml, '\\');
		name++;
	}
	if (strlen(name) > AML_SEGMENT) {
		aml_byte(aml, AML_DUAL_NAME);
		buf_add(aml, name, AML_SEGMENT);
		name += AML_SEGMENT + 1;
	}
	buf_add(aml, name, AML_SEGMENT);
}

static void aml_insert(struct buf *aml, size_t at, const uint8_t *bytes, size_t n)
{
	buf_add(aml, bytes, n);
	memmove(aml->data + at + n, aml->data + at, aml->len - n - at);
	memcpy(aml->data + at, bytes, n);
}

/* PkgLength, which counts itself: 20.2.4. */
void aml_end(struct buf *aml, size_t start)
{
	size_t len = aml->len - start, more = len + 1 < 0x40 ? 0 : len + 2 < 0x1000 ? 1 : 2;
	uint8_t bytes[3];

	len += more + 1;
	bytes[0] = (uint8_t)(more ? more << 6 | (len & 0xf) : len);
	bytes[1] = (uint8_t)(len >> 4);
	bytes[2] = (uint8_t)(len >> 12);
	aml_insert(aml, start, bytes, more + 1);
}

size_t aml_scope(struct buf *aml, const char *name)
{
	size_t start;

	aml_byte(aml, AML_SCOPE);
	start = aml->len;
	aml_path(aml, name);
	return start;
}

size_t aml_device(struct buf *aml, const char *name)
{
	size_t start;

	aml_byte(aml, AML_EXTENDED);
	aml_byte(aml, AML_DEVICE);
	start = aml->len;
	aml_path(aml, name);
	return start;
}

size_t aml_method(struct buf *aml, const char *name, unsigned int args)
{
	size_t start;

	aml_byte(aml, AML_METHOD);
	start = aml->len;
	aml_path(aml, name);
	aml_byte(aml, (uint8_t)(args | 1 << 3));
	return start;
}

size_t aml_package(struct buf *aml, unsigned int elements)
{
	size_t start;

	aml_byte(aml, AML_PACKAGE);
	start = aml->len;
	aml_byte(aml, (uint8_t)elements);
	return start;
}

size_t aml_if(struct buf *aml)
{
	aml_byte(aml, AML_IF);
	return aml->len;
}

void aml_name(struct buf *aml, const char *name)
{
	aml_byte(aml, AML_NAME);
	aml_path(aml, name);
}

void aml_reference(struct buf *aml, const char *name)
{
	aml_path(aml, name);
}

void aml_integer(struct buf *aml, uint64_t value)
{
	size_t len = value <= UINT8_MAX ? 1 : value <= UINT16_MAX ? 2 : value <= UINT32_MAX ? 4 : 8;

	if (value <= 1) {
		aml_byte(aml, value ? AML_ONE : AML_ZERO);
		return;
	}
	aml_byte(aml, len == 1 ? AML_BYTE : len == 2 ? AML_WORD : len == 4 ? AML_DWORD : AML_QWORD);
	aml_number(aml, value, len);
}

void aml_string(struct buf *aml, const char *s)
{
	aml_byte(aml, AML_STRING);
	buf_add(aml, s, strlen(s) + 1);
}

static unsigned int aml_digit(char c)
{
	return (unsigned int)(isdigit((unsigned char)c) ? c - '0' : c - 'A' + 10);
}

/* Three letters of 5 bits and four digits of 4, big-endian: 19.3.4. */
void aml_eisa_id(struct buf *aml, const char *id)
{
	uint32_t value = 0;

	for (int i = 0; i < 3; i++)
		value = value << 5 | (uint32_t)(id[i] - '@');
	for (int i = 3; i < 7; i++)
		value = value << 4 | aml_digit(id[i]);
	aml_byte(aml, AML_DWORD);
	aml_number(aml, __builtin_bswap32(value), 4);
}

void aml_ports(struct buf *aml, const char *name, uint16_t port, uint8_t len)
{
	aml_byte(aml, AML_EXTENDED);
	aml_byte(aml, AML_REGION);
	aml_path(aml, name);
	aml_byte(aml, 1); /* SystemIO */
	aml_integer(aml, port);
	aml_integer(aml, len);
}

size_t aml_field(struct buf *aml, const char *region)
{
	size_t start;

	aml_byte(aml, AML_EXTENDED);
	aml_byte(aml, AML_FIELD);
	start = aml->len;
	aml_path(aml, region);
	aml_byte(aml, 1); /* ByteAcc, NoLock, Preserve */
	return start;
}

void aml_field_byte(struct buf *aml, const char *name)
{
	buf_add(aml, name, AML_SEGMENT);
	aml_byte(aml, 8); /* bits, as a PkgLength */
}

void aml_and(struct buf *aml)
{
	aml_byte(aml, AML_AND);
}

void aml_nothing(struct buf *aml)
{
	aml_byte(aml, AML_ZERO);
}

void aml_notify(struct buf *aml, const char *device, uint8_t value)
{
	aml_byte(aml, AML_NOTIFY);
	aml_path(aml, device);
	aml_integer(aml, value);
}

size_t aml_resources(struct buf *aml)
{
	aml_byte(aml, AML_BUFFER);
	return aml->len;
}

void aml_io(struct buf *aml, uint16_t port, uint8_t len)
{
	aml_byte(aml, AML_TAG_IO);
	aml_byte(aml, 1); /* decodes 16 bits */
	aml_number(aml, port, 2);
	aml_number(aml, port, 2);
	aml_byte(aml, 1);
	aml_byte(aml, len);
}

void aml_memory(struct buf *aml, uint32_t base, uint32_t len)
{
	aml_byte(aml, AML_TAG_MEMORY32_FIXED);
	aml_number(aml, 9, 2);
	aml_byte(aml, 1);
	aml_number(aml, base, 4);
	aml_number(aml, len, 4);
}

void aml_interrupt(struct buf *aml, uint32_t gsi, int edge)
{
	aml_byte(aml, AML_TAG_INTERRUPT);
	aml_number(aml, 6, 2);
	aml_byte(aml, (uint8_t)(1 | (edge ? 1 << 1 : 0))); /* ResourceConsumer, ActiveHigh */
	aml_byte(aml, 1);
	aml_number(aml, gsi, 4);
}

/* Both ends fixed, positive decode, this device's to hand out. */
static void aml_window(struct buf *aml, enum aml_space space, uint8_t flags, uint64_t first,
		       uint64_t last)
{
	size_t width = space == AML_SPACE_BUS ? 2 : 4;

	aml_byte(aml, width == 2 ? AML_TAG_WORD_SPACE : AML_TAG_DWORD_SPACE);
	aml_number(aml, 3 + 5 * width, 2);
	aml_byte(aml, (uint8_t)space);
	aml_byte(aml, 0x0c);
	aml_byte(aml, flags);
	aml_number(aml, 0, width); /* granularity */
	aml_number(aml, first, width);
	aml_number(aml, last, width);
	aml_number(aml, 0, width); /* translation */
	aml_number(aml, last - first + 1, width);
}

void aml_window_bus(struct buf *aml, uint8_t first, uint8_t last)
{
	aml_window(aml, AML_SPACE_BUS, 0, first, last);
}

void aml_window_memory(struct buf *aml, uint32_t base, uint32_t len)
{
	aml_window(aml, AML_SPACE_MEMORY, 1, base, (uint64_t)base + len - 1);
}

/* Before the descriptors: how long the buffer is, twice. */
void aml_resources_end(struct buf *aml, size_t start)
{
	size_t len;
	uint8_t size[3] = { AML_WORD };

	aml_byte(aml, AML_TAG_END);
	aml_byte(aml, 0); /* no checksum */
	len = aml->len - start;
	size[1] = (uint8_t)len;
	size[2] = (uint8_t)(len >> 8);
	aml_insert(aml, start, size, sizeof(size));
	aml_end(aml, start);
}
