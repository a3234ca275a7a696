// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/cgroup_bpf.h"
#include "base/mem.h"

#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>

/* Registers: the context, then what is read from it once. */
#define CGROUP_BPF_CONTEXT BPF_REG_1
#define CGROUP_BPF_TYPE	   BPF_REG_2
#define CGROUP_BPF_ACCESS  BPF_REG_3
#define CGROUP_BPF_MAJOR   BPF_REG_4
#define CGROUP_BPF_MINOR   BPF_REG_5
#define CGROUP_BPF_SCRATCH BPF_REG_6

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

static void cgroup_bpf_put_load(struct cgroup_bpf *program, uint8_t reg, size_t offset)
{
	cgroup_bpf_put(program, BPF_LDX | BPF_MEM | BPF_W, reg, CGROUP_BPF_CONTEXT, (int16_t)offset,
		       0);
}

static void cgroup_bpf_put_return(struct cgroup_bpf *program, int allow)
{
	cgroup_bpf_put(program, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, allow);
	cgroup_bpf_put(program, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* The low half of the first word is the type, the high half what is asked for. */
static void cgroup_bpf_put_start(struct cgroup_bpf *program)
{
	cgroup_bpf_put_load(program, CGROUP_BPF_TYPE,
			    offsetof(struct bpf_cgroup_dev_ctx, access_type));
	cgroup_bpf_put(program, BPF_ALU | BPF_MOV | BPF_X, CGROUP_BPF_ACCESS, CGROUP_BPF_TYPE, 0,
		       0);
	cgroup_bpf_put(program, BPF_ALU | BPF_AND | BPF_K, CGROUP_BPF_TYPE, 0, 0,
		       (1 << CGROUP_BPF_TYPE_BITS) - 1);
	cgroup_bpf_put(program, BPF_ALU | BPF_RSH | BPF_K, CGROUP_BPF_ACCESS, 0, 0,
		       CGROUP_BPF_TYPE_BITS);
	cgroup_bpf_put_load(program, CGROUP_BPF_MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
	cgroup_bpf_put_load(program, CGROUP_BPF_MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
}

static int cgroup_bpf_access(const char *text)
{
	return (strchr(text, 'r') ? BPF_DEVCG_ACC_READ : 0) |
	       (strchr(text, 'w') ? BPF_DEVCG_ACC_WRITE : 0) |
	       (strchr(text, 'm') ? BPF_DEVCG_ACC_MKNOD : 0);
}

/*
 * One rule: tests that jump behind it, then its verdict. An allowing rule matches what asks for nothing beyond it,
 * a denying one what asks for anything of it.
 */
static void cgroup_bpf_put_rule(struct cgroup_bpf *program, const struct cgroup_device *rule)
{
	int access = rule->type == 'a' ? CGROUP_BPF_ALL : cgroup_bpf_access(rule->access);
	size_t first = program->n;

	if (rule->type != 'a')
		cgroup_bpf_put(program, BPF_JMP | BPF_JNE | BPF_K, CGROUP_BPF_TYPE, 0, 0,
			       rule->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	if (rule->type != 'a' && rule->major >= 0)
		cgroup_bpf_put(program, BPF_JMP | BPF_JNE | BPF_K, CGROUP_BPF_MAJOR, 0, 0,
			       (int32_t)rule->major);
	if (rule->type != 'a' && rule->minor >= 0)
		cgroup_bpf_put(program, BPF_JMP | BPF_JNE | BPF_K, CGROUP_BPF_MINOR, 0, 0,
			       (int32_t)rule->minor);
	if (access != CGROUP_BPF_ALL) {
		cgroup_bpf_put(program, BPF_ALU | BPF_MOV | BPF_X, CGROUP_BPF_SCRATCH,
			       CGROUP_BPF_ACCESS, 0, 0);
		cgroup_bpf_put(program, BPF_ALU | BPF_AND | BPF_K, CGROUP_BPF_SCRATCH, 0, 0,
			       rule->allow ? ~access & CGROUP_BPF_ALL : access);
		cgroup_bpf_put(program, BPF_JMP | (rule->allow ? BPF_JNE : BPF_JEQ) | BPF_K,
			       CGROUP_BPF_SCRATCH, 0, 0, 0);
	}
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
	cgroup_bpf_put_start(program);
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
	return syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr)) < 0 ? -errno : 0;
}
