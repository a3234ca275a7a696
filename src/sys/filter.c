// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/filter.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#include <linux/bpf_common.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>

/*
 * The file, little-endian: 8 bytes magic with the version, u32 instructions, u32 checksum of the code
 * (FNV-1a), then 8 bytes for each instruction: u16 code, u8 jt, u8 jf, u32 k.
 */
#define FILTER_MAGIC	   "BRIGBPF1"
#define FILTER_HEADER_SIZE 16
#define FILTER_INSN_SIZE   8

void filter_release(struct filter *filter)
{
	free(filter->code);
	*filter = (struct filter){ 0 };
}

int filter_install(const struct filter *filter, struct err *err)
{
	struct sock_fprog program = { .len = (unsigned short)filter->n, .filter = filter->code };

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return err_errno(err, -errno, "cannot set the system call filter");
	return 0;
}

static uint32_t filter_checksum(const uint8_t *data, size_t len)
{
	uint32_t hash = 2166136261U;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ data[i]) * 16777619U;
	return hash;
}

static uint32_t filter_get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void filter_put_u32(struct buf *buf, uint32_t value)
{
	uint8_t bytes[4] = { (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
			     (uint8_t)(value >> 24) };

	buf_add(buf, bytes, sizeof(bytes));
}

static int filter_parse(const uint8_t *data, size_t len, struct filter *ret)
{
	size_t n;

	if (len < FILTER_HEADER_SIZE || memcmp(data, FILTER_MAGIC, strlen(FILTER_MAGIC)) != 0)
		return -EBADMSG;
	n = filter_get_u32(data + 8);
	if (!n || n > BPF_MAXINSNS || len != FILTER_HEADER_SIZE + n * FILTER_INSN_SIZE ||
	    filter_get_u32(data + 12) !=
		    filter_checksum(data + FILTER_HEADER_SIZE, n * FILTER_INSN_SIZE))
		return -EBADMSG;
	*ret = (struct filter){ .code = mem_zalloc(n * sizeof(*ret->code)), .n = n };
	for (size_t i = 0; i < n; i++) {
		const uint8_t *p = data + FILTER_HEADER_SIZE + i * FILTER_INSN_SIZE;

		ret->code[i] = (struct sock_filter){
			.code = (uint16_t)(p[0] | p[1] << 8),
			.jt = p[2],
			.jf = p[3],
			.k = filter_get_u32(p + 4),
		};
	}
	return 0;
}

int filter_load(int dirfd, const char *path, struct filter *ret)
{
	_cleanup_free_ char *data = NULL;
	size_t len = 0;
	int r = file_read(dirfd, path, FILTER_HEADER_SIZE + BPF_MAXINSNS * FILTER_INSN_SIZE, &data,
			  &len);

	return r < 0 ? r : filter_parse((const uint8_t *)data, len, ret);
}

int filter_save(int dirfd, const char *path, const struct filter *filter)
{
	_cleanup_buf_ struct buf code = BUF_INIT, file = BUF_INIT;

	for (size_t i = 0; i < filter->n; i++) {
		const struct sock_filter *insn = &filter->code[i];
		uint8_t head[4] = { (uint8_t)insn->code, (uint8_t)(insn->code >> 8), insn->jt,
				    insn->jf };

		buf_add(&code, head, sizeof(head));
		filter_put_u32(&code, insn->k);
	}
	buf_add_str(&file, FILTER_MAGIC);
	filter_put_u32(&file, (uint32_t)filter->n);
	filter_put_u32(&file, filter_checksum((const uint8_t *)code.data, code.len));
	buf_add(&file, code.data, code.len);
	return file_replace(dirfd, path, file.data, file.len, 0600, 0);
}
