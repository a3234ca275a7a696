// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Out: a token bucket as the interface's root. In: a bucket without a queue, as a program on clsact, where packets pass
 * before a bridge or the host sees them. It is a program since not every kernel has the action "police".
 *
 * Sizes of buckets. Out: what a rate carries in 10 ms, as the tick of a kernel is 4 ms or less, but not less than one packet
 * as it is before it is cut for the wire, 64 KiB, and one that follows it. In: where nothing waits, TCP sees a full bucket as
 * one loss after another, and with few such packets in it a stream comes to a tenth of its rate. With what a rate carries in
 * 200 ms, and 1 MiB at least, streams of 8 to 80 Mbit/s were measured to come to 94 % of theirs and more.
 */
#include "sys/rate.h"
#include "sys/tc.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/syscall.h>

#define RATE_OUT_MIN  ((uint64_t)128 << 10)
#define RATE_OUT_PART 100 /* of a second */
#define RATE_IN_MIN   ((uint64_t)1 << 20)
#define RATE_IN_PART  5
#define RATE_PRIORITY 1
#define RATE_SECOND   ((uint64_t)1000 * 1000 * 1000) /* ns */

static uint32_t rate_cut(uint64_t value)
{
	return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

static uint32_t rate_burst_out(uint64_t bytes)
{
	uint64_t part = bytes / RATE_OUT_PART;

	return rate_cut(part > RATE_OUT_MIN ? part : RATE_OUT_MIN);
}

static uint64_t rate_burst_in(uint64_t bytes)
{
	uint64_t part = bytes / RATE_IN_PART;

	return part > RATE_IN_MIN ? part : RATE_IN_MIN;
}

/* -ENOENT and -EINVAL: there is none, or but the one that each interface is born with. */
static int rate_remove(int sock, int link, uint32_t parent, uint32_t handle, struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;
	struct err problem = ERR_INIT;
	int r;

	tc_begin(&request, RTM_DELQDISC, NLM_F_ACK, link, parent, handle, 0);
	r = netlink_ask(sock, &request, NULL, NULL, &problem);
	if (r == 0 || r == -ENOENT || r == -EINVAL)
		return 0;
	*err = problem;
	return err_wrap(err, "cannot lift the rate limit of a network interface");
}

int rate_limit_out(int sock, int link, uint64_t bits, struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;
	uint64_t bytes = bits / 8;
	struct tc_tbf_qopt options = { .rate = { .linklayer = TC_LINKLAYER_ETHERNET,
						 .rate = rate_cut(bytes) } };
	size_t place;

	if (!bytes)
		return rate_remove(sock, link, TC_H_ROOT, 0, err);
	options.limit = rate_cut(bytes / 20 + rate_burst_out(bytes));
	tc_begin(&request, RTM_NEWQDISC, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, link, TC_H_ROOT,
		 0, 0);
	netlink_put_string(&request, TCA_KIND, "tbf");
	place = netlink_nest(&request, TCA_OPTIONS);
	netlink_put(&request, TCA_TBF_PARMS, &options, sizeof(options));
	netlink_put_u32(&request, TCA_TBF_BURST, rate_burst_out(bytes));
	netlink_put_u64(&request, TCA_TBF_RATE64, bytes);
	netlink_end(&request, place);
	if (netlink_ask(sock, &request, NULL, NULL, err) < 0)
		return err_wrap(err, "cannot limit the rate of a network interface");
	return 0;
}

/* The one number that a program keeps: when what it let through would have passed at the rate. */
static int rate_make_state(void)
{
	union bpf_attr attr;
	long fd;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = sizeof(uint32_t);
	attr.value_size = sizeof(uint64_t);
	attr.max_entries = 1;
	fd = syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
	return fd < 0 ? -errno : (int)fd;
}

#define RATE_OP(code_, dst, src, off_, imm_)                                         \
	{                                                                            \
		.code = (code_), .dst_reg = BPF_REG_##dst, .src_reg = BPF_REG_##src, \
		.off = (off_), .imm = (imm_)                                         \
	}
#define RATE_SET(dst, kind, low, high)                                              \
	RATE_OP(BPF_LD | BPF_IMM | BPF_DW, dst, kind, 0, (int32_t)(uint32_t)(low)), \
		RATE_OP(0, 0, 0, 0, (int32_t)(uint32_t)(high))
#define RATE_NUMBER(dst, value) RATE_SET(dst, 0, value, (value) >> 32)
#define RATE_EXIT(verdict)                                      \
	RATE_OP(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, verdict), \
		RATE_OP(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

/*
 * Register 0 has the time, 1 the state's address, 2 the state, 6 the packet. Processors may be in it at once: each adds what
 * it lets through, so that the sum is right, and lets through at most one packet too many. That of an idle link is set
 * forward by a plain store, which may undo another's addition: then the bucket was full.
 */
static int rate_load(int state, uint64_t bytes)
{
	const uint64_t burst = rate_burst_in(bytes) * RATE_SECOND / bytes;
	const struct bpf_insn program[] = {
		RATE_OP(BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0),
		RATE_OP(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ktime_get_ns),
		RATE_SET(1, 2, state, 0), /* BPF_PSEUDO_MAP_VALUE: its address */
		RATE_OP(BPF_LDX | BPF_MEM | BPF_DW, 2, 1, 0, 0),
		RATE_OP(BPF_JMP | BPF_JGE | BPF_X, 2, 0, 2, 0),
		RATE_OP(BPF_ALU64 | BPF_MOV | BPF_X, 2, 0, 0, 0),
		RATE_OP(BPF_STX | BPF_MEM | BPF_DW, 1, 2, 0, 0),
		RATE_OP(BPF_ALU64 | BPF_SUB | BPF_X, 2, 0, 0, 0),
		RATE_NUMBER(3, burst),
		RATE_OP(BPF_JMP | BPF_JLE | BPF_X, 2, 3, 2, 0),
		RATE_EXIT(TC_ACT_SHOT),
		RATE_OP(BPF_LDX | BPF_MEM | BPF_W, 4, 6, offsetof(struct __sk_buff, len), 0),
		RATE_NUMBER(3, RATE_SECOND),
		RATE_OP(BPF_ALU64 | BPF_MUL | BPF_X, 4, 3, 0, 0),
		RATE_NUMBER(3, bytes),
		RATE_OP(BPF_ALU64 | BPF_DIV | BPF_X, 4, 3, 0, 0),
		RATE_OP(BPF_STX | BPF_ATOMIC | BPF_DW, 1, 4, 0, BPF_ADD),
		RATE_EXIT(TC_ACT_OK),
	};

	return tc_load(program, ARRAY_SIZE(program));
}

/* The filter keeps the program, and that the state. */
static int rate_add_program(int sock, int link, uint64_t bytes, struct err *err)
{
	_cleanup_close_ int state = rate_make_state(), program = -EBADF;

	if (state < 0)
		return err_errno(err, state, "cannot make a BPF map");
	program = rate_load(state, bytes);
	if (program < 0)
		return err_errno(err, program, "cannot load a BPF program");
	return tc_add_program(sock, link, RATE_PRIORITY, program, "brig", err);
}

int rate_limit_in(int sock, int link, uint64_t bits, struct err *err)
{
	struct err ignored = ERR_INIT;
	int r = rate_remove(sock, link, TC_H_CLSACT, TC_CLSACT, err);

	if (r < 0 || bits < 8)
		return r;
	r = tc_add_clsact(sock, link, err);
	if (r == 0) {
		r = rate_add_program(sock, link, bits / 8, err);
		if (r < 0)
			(void)rate_remove(sock, link, TC_H_CLSACT, TC_CLSACT, &ignored);
	}
	return r < 0 ? err_wrap(err, "cannot limit what a network interface takes in") : 0;
}
