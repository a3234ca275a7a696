// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/tc.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

void tc_begin(struct netlink_request *request, uint16_t type, uint16_t flags, int link,
	      uint32_t parent, uint32_t handle, uint32_t info)
{
	const struct tcmsg header = { .tcm_family = AF_UNSPEC,
				      .tcm_ifindex = link,
				      .tcm_parent = parent,
				      .tcm_handle = handle,
				      .tcm_info = info };

	netlink_begin(request, type, flags, &header, sizeof(header));
}

int tc_load(const struct bpf_insn *program, size_t n)
{
	union bpf_attr attr;
	long fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SCHED_CLS;
	attr.insns = (uint64_t)(uintptr_t)program;
	attr.insn_cnt = (uint32_t)n;
	attr.license = (uint64_t)(uintptr_t) "GPL";
	fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	return fd < 0 ? -errno : (int)fd;
}

int tc_add_clsact(int sock, int link, struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;

	tc_begin(&request, RTM_NEWQDISC, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, link, TC_H_CLSACT,
		 TC_CLSACT, 0);
	netlink_put_string(&request, TCA_KIND, "clsact");
	return netlink_ask(sock, &request, NULL, NULL, err);
}

int tc_add_program(int sock, int link, uint16_t priority, int program, const char *name,
		   struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;
	size_t place;

	tc_begin(&request, RTM_NEWTFILTER, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, link, TC_IN, 0,
		 TC_FILTER(priority));
	netlink_put_string(&request, TCA_KIND, "bpf");
	place = netlink_nest(&request, TCA_OPTIONS);
	netlink_put_u32(&request, TCA_BPF_FD, (uint32_t)program);
	netlink_put_string(&request, TCA_BPF_NAME, name);
	netlink_put_u32(&request, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	netlink_end(&request, place);
	return netlink_ask(sock, &request, NULL, NULL, err);
}
