// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/cgroup_bpf.h"
#include "base/mem.h"

#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>

/*
 * Each test loads what it looks at anew. Were it kept in a register, the kernel's verifier would follow what one
 * rule has found out about it through all later ones, and give up on 1024 rules after a second.
 */
#define CGROUP_BPF_CONTEXT BPF_REG_1
#define CGROUP_BPF_VALUE   BPF_REG_2

#define CGROUP_BPF_TYPE_BITS 16
#define CGROUP_BPF_ALL	     (BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE | BPF_DEVCG_ACC_MKNOD)

struct cgroup_bpf {
	struct bpf_insn *insns;
	size_t n;
};

static void cgroup_bpf_put(struct cgroup_bpf *program, uint8_t code, uint8_t dst, uint8_t src,
			   int16_t off, int32_t imm)
{
	program->insns = mem_realloc(program->insns, program->n + 1, sizeof(*program->insns));
	program->insns[program->n++] = (struct bpf_insn){
		.code = code, .dst_reg = dst & 0xf, .src_reg = src & 0xf, .off = off, .imm = imm
	};
}

static void cgroup_bpf_put_load(struct cgroup_bpf *program, size_t offset)
{
	cgroup_bpf_put(program, BPF_LDX | BPF_MEM | BPF_W, CGROUP_BPF_VALUE, CGROUP_BPF_CONTEXT,
		       (int16_t)offset, 0);
}

static void cgroup_bpf_put_change(struct cgroup_bpf *program, uint8_t operation, int32_t operand)
{
	cgroup_bpf_put(program, BPF_ALU | operation | BPF_K, CGROUP_BPF_VALUE, 0, 0, operand);
}

/* Where it jumps to is filled in by cgroup_bpf_put_rule(). */
static void cgroup_bpf_put_test(struct cgroup_bpf *program, uint8_t operation, int32_t operand)
{
	cgroup_bpf_put(program, BPF_JMP | operation | BPF_K, CGROUP_BPF_VALUE, 0, 0, operand);
}

static void cgroup_bpf_put_return(struct cgroup_bpf *program, int allow)
{
	cgroup_bpf_put(program, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, allow);
	cgroup_bpf_put(program, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static int cgroup_bpf_access(const char *text)
{
	return (strchr(text, 'r') ? BPF_DEVCG_ACC_READ : 0) |
	       (strchr(text, 'w') ? BPF_DEVCG_ACC_WRITE : 0) |
	       (strchr(text, 'm') ? BPF_DEVCG_ACC_MKNOD : 0);
}

/* The first word's low half is the type. */
static void cgroup_bpf_put_type(struct cgroup_bpf *program, char type)
{
	cgroup_bpf_put_load(program, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	cgroup_bpf_put_change(program, BPF_AND, (1 << CGROUP_BPF_TYPE_BITS) - 1);
	cgroup_bpf_put_test(program, BPF_JNE,
			    type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
}

/*
 * Its high half is what is asked for. An allowing rule matches what asks for nothing beyond it, a denying one what
 * asks for anything of it.
 */
static void cgroup_bpf_put_access(struct cgroup_bpf *program, int access, int allow)
{
	cgroup_bpf_put_load(program, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	cgroup_bpf_put_change(program, BPF_RSH, CGROUP_BPF_TYPE_BITS);
	cgroup_bpf_put_change(program, BPF_AND, allow ? ~access & CGROUP_BPF_ALL : access);
	cgroup_bpf_put_test(program, allow ? BPF_JNE : BPF_JEQ, 0);
}

/* One rule: tests that jump behind it, then its verdict. */
static void cgroup_bpf_put_rule(struct cgroup_bpf *program, const struct cgroup_device *rule)
{
	int any = rule->type == 'a',
	    access = any ? CGROUP_BPF_ALL : cgroup_bpf_access(rule->access);
	size_t first = program->n;

	if (!any)
		cgroup_bpf_put_type(program, rule->type);
	if (!any && rule->major >= 0) {
		cgroup_bpf_put_load(program, offsetof(struct bpf_cgroup_dev_ctx, major));
		cgroup_bpf_put_test(program, BPF_JNE, (int32_t)rule->major);
	}
	if (!any && rule->minor >= 0) {
		cgroup_bpf_put_load(program, offsetof(struct bpf_cgroup_dev_ctx, minor));
		cgroup_bpf_put_test(program, BPF_JNE, (int32_t)rule->minor);
	}
	if (access != CGROUP_BPF_ALL)
		cgroup_bpf_put_access(program, access, rule->allow);
	cgroup_bpf_put_return(program, rule->allow);
	for (size_t i = first; i < program->n; i++) {
		if (BPF_CLASS(program->insns[i].code) == BPF_JMP &&
		    BPF_OP(program->insns[i].code) != BPF_EXIT)
			program->insns[i].off = (int16_t)(program->n - i - 1);
	}
}

/* From the last rule to the first, so that the first match is what counts. */
static void cgroup_bpf_build(struct cgroup_bpf *program, const struct cgroup_device *rules,
			     size_t n)
{
	for (size_t i = n; i-- > 0;) {
		cgroup_bpf_put_rule(program, &rules[i]);
		/* nothing passes it, and the kernel refuses what cannot be reached */
		if (rules[i].type == 'a')
			return;
	}
	cgroup_bpf_put_return(program, 1);
}

static int cgroup_bpf_load(const struct cgroup_bpf *program)
{
	union bpf_attr attr;
	long fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t)(uintptr_t)program->insns;
	attr.insn_cnt = (uint32_t)program->n;
	attr.license = (uint64_t)(uintptr_t) "GPL";
	fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	return fd < 0 ? -errno : (int)fd;
}

int cgroup_bpf_attach(int fd, const struct cgroup_device *rules, size_t n)
{
	struct cgroup_bpf program = { 0 };
	_cleanup_close_ int loaded = -EBADF;
	union bpf_attr attr;

	cgroup_bpf_build(&program, rules, n);
	loaded = cgroup_bpf_load(&program);
	free(program.insns);
	if (loaded < 0)
		return loaded;
	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)fd;
	attr.attach_bpf_fd = (uint32_t)loaded;
	attr.attach_type = BPF_CGROUP_DEVICE;
	if (syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)) == 0)
		return 0;
	if (errno != EPERM)
		return -errno;
	/* beside one of systemd's, where both have to allow a device */
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	return syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

int cgroup_bpf_is_attached(int fd)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.query.target_fd = (uint32_t)fd;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.query_flags = BPF_F_QUERY_EFFECTIVE;
	if (syscall(SYS_bpf, BPF_PROG_QUERY, &attr, sizeof(attr)) < 0)
		return -errno;
	return attr.query.prog_cnt > 0;
}
