// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A program of two calls' length at the interface's ingress. Where the kernel has links for that (tcx, Linux 6.6), one holds
 * it there, and is a descriptor: nothing is left by who is killed. Else it is a filter of tc-bpf(8) on clsact, at a priority
 * that is ours; clsact, which may be somebody else's, goes with the last filter on it.
 */
#include "sys/ingress.h"
#include "base/file.h"
#include "sys/tc.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/syscall.h>

#define INGRESS_TCX	 46 /* BPF_TCX_INGRESS: older headers have it not */
#define INGRESS_NAME	 "brig-redirect"
#define INGRESS_PRIORITY 0xb416U

/* return bpf_redirect(to, 0) */
static int ingress_load(int to)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = to },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 0 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return tc_load(program, ARRAY_SIZE(program));
}

int ingress_redirect_held(int from, int to, int *ret_hold, struct err *err)
{
	_cleanup_close_ int program = ingress_load(to);
	union bpf_attr attr;
	long fd;

	if (program < 0)
		return err_errno(err, program, "cannot load a BPF program");
	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (uint32_t)program;
	attr.link_create.target_fd = (uint32_t)from; /* an interface's index, for this kind */
	attr.link_create.attach_type = INGRESS_TCX;
	fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
	if (fd < 0)
		return err_errno(err, -errno, "cannot attach a BPF program");
	*ret_hold = (int)fd;
	return 0;
}

/* It may be there already, and somebody else's. */
static int ingress_add_clsact(int sock, int link, struct err *err)
{
	struct err problem = ERR_INIT;
	int r = tc_add_clsact(sock, link, &problem);

	if (r == -EEXIST)
		return 0;
	if (r < 0)
		*err = problem;
	return r;
}

int ingress_redirect_left(int sock, int from, int to, struct err *err)
{
	_cleanup_close_ int program = ingress_load(to);
	struct err ignored = ERR_INIT;
	int r;

	if (program < 0)
		return err_errno(err, program, "cannot load a BPF program");
	r = ingress_clear(sock, from, err);
	if (r == 0)
		r = ingress_add_clsact(sock, from, err);
	if (r == 0) {
		r = tc_add_program(sock, from, INGRESS_PRIORITY, program, INGRESS_NAME, err);
		if (r < 0)
			(void)ingress_clear(sock, from, &ignored);
	}
	return r < 0 ? err_wrap(err, "cannot redirect what comes in by an interface") : 0;
}

int ingress_redirect(int sock, int from, int to, int *ret_hold, struct err *err)
{
	struct err ignored = ERR_INIT;

	*ret_hold = -EBADF;
	if (ingress_redirect_held(from, to, ret_hold, &ignored) == 0)
		return 0;
	return ingress_redirect_left(sock, from, to, err);
}

/* What is not there need not be removed: -ENOENT or -EINVAL, and -ENODEV of the interface itself. */
static int ingress_remove(int sock, uint16_t type, int link, uint32_t parent, uint32_t handle,
			  uint32_t info, struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;
	struct err problem = ERR_INIT;
	int r;

	tc_begin(&request, type, NLM_F_ACK, link, parent, handle, info);
	r = netlink_ask(sock, &request, NULL, NULL, &problem);
	if (r == 0 || r == -ENOENT || r == -EINVAL || r == -ENODEV)
		return r == 0;
	*err = problem;
	return r;
}

static void ingress_count(void *ctx, const struct nlmsghdr *message)
{
	*(int *)ctx += message->nlmsg_type == RTM_NEWTFILTER;
}

static int ingress_list(int sock, int link, uint32_t parent, int *count, struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;

	tc_begin(&request, RTM_GETTFILTER, NLM_F_DUMP, link, parent, 0, 0);
	return netlink_ask(sock, &request, ingress_count, count, err);
}

int ingress_clear(int sock, int from, struct err *err)
{
	int r = ingress_remove(sock, RTM_DELTFILTER, from, TC_IN, 0, TC_FILTER(INGRESS_PRIORITY),
			       err);
	int others = 0;

	/* there was none, and clsact, if there is one, is not ours */
	if (r == 0)
		return 0;
	if (r > 0)
		r = ingress_list(sock, from, TC_IN, &others, err);
	if (r == 0)
		r = ingress_list(sock, from, TC_OUT, &others, err);
	if (r == 0 && !others)
		r = ingress_remove(sock, RTM_DELQDISC, from, TC_H_CLSACT, TC_CLSACT, 0, err);
	return r < 0 ? err_wrap(err, "cannot lift the redirection of an interface") : 0;
}
