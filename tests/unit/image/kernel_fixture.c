// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel_fixture.h"
#include "base/mem.h"

#include <elf.h>
#include <lz4.h>
#include <lzma.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <cmocka.h>

#define FIXTURE_PACKED_MAX (1 << 20)
#define FIXTURE_ADDRESS	   0x1000000

/* The file of fixture_elf(), as it stands in it. */
struct fixture_file {
	Elf64_Ehdr header;
	Elf64_Phdr segments[2];
	struct {
		Elf64_Nhdr header;
		char name[4];
		uint64_t entry;
	} note;
	char text[3000];
};

char *fixture_elf(const char *release, size_t *ret_len)
{
	struct fixture_file *file = mem_zalloc(sizeof(*file));
	const size_t text = offsetof(struct fixture_file, text);

	file->header = (Elf64_Ehdr){
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = offsetof(struct fixture_file, segments),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 2,
	};
	file->segments[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
					  .p_offset = text,
					  .p_paddr = FIXTURE_ADDRESS,
					  .p_filesz = sizeof(file->text),
					  .p_memsz = 2 * sizeof(file->text) };
	file->segments[1] = (Elf64_Phdr){ .p_type = PT_NOTE,
					  .p_offset = offsetof(struct fixture_file, note),
					  .p_filesz = sizeof(file->note) };
	file->note.header = (Elf64_Nhdr){ 4, 8, 18 };
	memcpy(file->note.name, "Xen", 4);
	file->note.entry = FIXTURE_ADDRESS + 16;
	snprintf(file->text, sizeof(file->text), "Linux version %s (builder)", release);
	*ret_len = sizeof(*file);
	return (char *)file;
}

static size_t fixture_pack_gzip(const void *data, size_t len, void *out)
{
	z_stream stream = { .next_in = (Bytef *)(uintptr_t)data,
			    .avail_in = (uInt)len,
			    .next_out = out,
			    .avail_out = FIXTURE_PACKED_MAX };

	assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, 0), Z_OK);
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	deflateEnd(&stream);
	return stream.total_out;
}

static size_t fixture_pack_lzma(const void *data, size_t len, char *out, int alone)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	lzma_options_lzma options;

	lzma_lzma_preset(&options, 1);
	assert_int_equal(alone ? lzma_alone_encoder(&stream, &options)
			       : lzma_easy_encoder(&stream, 1, LZMA_CHECK_CRC32),
			 LZMA_OK);
	stream.next_in = data;
	stream.avail_in = len;
	stream.next_out = (uint8_t *)out;
	stream.avail_out = FIXTURE_PACKED_MAX;
	assert_int_equal(lzma_code(&stream, LZMA_FINISH), LZMA_STREAM_END);
	lzma_end(&stream);
	return stream.total_out;
}

static size_t fixture_pack_lz4(const void *data, size_t len, char *out)
{
	int n = LZ4_compress_default(data, out + 8, (int)len, FIXTURE_PACKED_MAX);
	uint32_t head[2] = { 0x184c2102, (uint32_t)n };

	assert_true(n > 0);
	memcpy(out, head, sizeof(head));
	return sizeof(head) + (size_t)n;
}

void fixture_pack(const char *format, const void *data, size_t len, struct buf *ret)
{
	_cleanup_free_ char *out = mem_zalloc(FIXTURE_PACKED_MAX + 8);
	size_t n = 0;

	if (!strcmp(format, "gzip"))
		n = fixture_pack_gzip(data, len, out);
	else if (!strcmp(format, "zstd"))
		n = ZSTD_compress(out, FIXTURE_PACKED_MAX, data, len, 1);
	else if (!strcmp(format, "lz4"))
		n = fixture_pack_lz4(data, len, out);
	else
		n = fixture_pack_lzma(data, len, out, !strcmp(format, "lzma"));
	buf_add(ret, out, n);
}

void fixture_bzimage(const char *release, const struct buf *payload, struct buf *ret)
{
	char head[1024 + 64] = { 0 };
	const uint32_t where[2] = { 64, (uint32_t)payload->len };

	head[0x1f1] = 1; /* set-up sectors, after the boot sector */
	memcpy(head + 0x1fe, "\x55\xaa\0\0HdrS\x0f\x02", 10);
	memcpy(head + 0x20e, "\x60\x00", 2); /* the release, from the end of the boot sector */
	head[0x211] = 1;
	memcpy(head + 0x248, where, sizeof(where));
	snprintf(head + 0x260, 100, "%s (builder@host) #1 SMP", release);
	buf_add(ret, head, sizeof(head));
	buf_add(ret, payload->data, payload->len);
}

void fixture_kernel(const char *format, const char *release, struct buf *ret)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;
	size_t len;
	_cleanup_free_ char *elf = fixture_elf(release, &len);
	uint32_t size = (uint32_t)len;

	fixture_pack(format, elf, len, &payload);
	if (strcmp(format, "gzip"))
		buf_add(&payload, &size, sizeof(size));
	fixture_bzimage(release, &payload, ret);
}
