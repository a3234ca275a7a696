// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How a filter that is listened to tells who listens: once it is in force, it decides about the very call that
 * would pass its descriptor on, and nobody could answer yet. So that call has a pass: its three unused
 * arguments are a random number of 192 bits, and what the filter begins with lets a sendmsg() with that
 * number through. The number is known to this process up to its execve() and to the kernel, which shows filters to
 * nobody who is under one.
 */
#include "sys/filter.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/fnv.h"
#include "base/mem.h"

#include <linux/bpf_common.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
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

int filter_install(const struct filter *filter, unsigned int flags, struct err *err)
{
	struct sock_fprog program = { .len = (unsigned short)filter->n, .filter = filter->code };

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) < 0)
		return err_errno(err, -errno, "cannot set the system call filter");
	return 0;
}

/* The kernel looks at the flags before the filter, which is none: EFAULT, not EINVAL, if it knows them. */
int filter_knows_flag(unsigned int flag)
{
	unsigned int with = flag == SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
				    ? SECCOMP_FILTER_FLAG_NEW_LISTENER
				    : 0;

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flag | with, NULL) < 0 &&
	       errno == EFAULT;
}

/* Arguments 3 to 5 of the call that may pass. */
#define FILTER_PASS_FIRST 3
#define FILTER_PASS_WORDS 6 /* of 32 bits */
/* The call's number, each word, and the verdict. */
#define FILTER_PASS_INSNS (2 + 2 * FILTER_PASS_WORDS + 1)

union filter_pass {
	uint32_t words[FILTER_PASS_WORDS];
	long arguments[FILTER_PASS_WORDS / 2];
};

static void filter_put_pass(const union filter_pass *pass, struct sock_filter *code)
{
	unsigned int n = 0;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, nr));
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendmsg, 0,
						 FILTER_PASS_INSNS - 2);
	for (unsigned int i = 0; i < FILTER_PASS_WORDS; i++) {
		unsigned int at = offsetof(struct seccomp_data, args) +
				  FILTER_PASS_FIRST * sizeof(uint64_t) + i * sizeof(uint32_t);

		code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at);
		code[n] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, pass->words[i], 0,
						       (uint8_t)(FILTER_PASS_INSNS - n - 1));
		n++;
	}
	code[n] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
}

static int filter_send(int sock, const void *data, size_t len, int fd,
		       const union filter_pass *pass)
{
	struct iovec part = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
				  .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS } };
	struct msghdr msg = { .msg_iov = &part,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	return syscall(SYS_sendmsg, sock, &msg, MSG_NOSIGNAL, pass->arguments[0],
		       pass->arguments[1], pass->arguments[2]) < 0
		       ? -errno
		       : 0;
}

int filter_install_listener(const struct filter *filter, unsigned int flags, int sock,
			    const void *data, size_t len, struct err *err)
{
	size_t n = filter->n + FILTER_PASS_INSNS;
	_cleanup_free_ struct sock_filter *code = mem_zalloc(n * sizeof(*code));
	struct sock_fprog program = { .len = (unsigned short)n, .filter = code };
	union filter_pass pass;
	int fd, r;

	if (n > BPF_MAXINSNS)
		return err_set(err, -E2BIG, "the system call filter has no room for a listener");
	if (getrandom(&pass, sizeof(pass), 0) != (ssize_t)sizeof(pass))
		return err_errno(err, -errno, "cannot get random bytes");
	filter_put_pass(&pass, code);
	memcpy(code + FILTER_PASS_INSNS, filter->code, filter->n * sizeof(*code));
	flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	/* else the two do not go together (Linux 5.7) */
	if (flags & SECCOMP_FILTER_FLAG_TSYNC)
		flags |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
	fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	if (fd < 0)
		return err_errno(err, -errno, "cannot set the system call filter with a listener");
	/* the descriptor goes at execve(): closing it could be notified, too */
	r = filter_send(sock, data, len, fd, &pass);
	return r < 0 ? err_errno(err, r, "cannot pass the system call filter's listener on") : 0;
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
		    fnv_mix32(FNV_32, data + FILTER_HEADER_SIZE, n * FILTER_INSN_SIZE))
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
	filter_put_u32(&file, fnv_mix32(FNV_32, (const uint8_t *)code.data, code.len));
	buf_add(&file, code.data, code.len);
	return file_replace(dirfd, path, file.data, file.len, 0600, 0);
}
