/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_TC_H
#define SYS_TC_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "sys/netlink.h"

struct bpf_insn;

/*
 * Traffic control over rtnetlink(7), as the rates (sys/rate.h) and redirections (sys/ingress.h) of interfaces need it: queues,
 * and programs of tc-bpf(8) at clsact. sock as in sys/link.h.
 */
#define TC_CLSACT TC_H_MAKE(TC_H_CLSACT, 0)
#define TC_IN	  TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
#define TC_OUT	  TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)
/* tcm_info of a filter for all that passes, at the priority. */
#define TC_FILTER(priority) TC_H_MAKE((uint32_t)(priority) << 16, htons(ETH_P_ALL))

/* Begins a message about a queue or a filter of the link. */
void tc_begin(struct netlink_request *request, uint16_t type, uint16_t flags, int link,
	      uint32_t parent, uint32_t handle, uint32_t info);

/* A program of n instructions for a filter (BPF_PROG_TYPE_SCHED_CLS): its descriptor, or -errno. No message. */
int tc_load(const struct bpf_insn *program, size_t n);

/* -EEXIST, with a message: it is there. */
int tc_add_clsact(int sock, int link, struct err *err);
/* At TC_IN, with the verdict that the program gives. name: as `tc filter` shows it. The filter keeps the program. */
int tc_add_program(int sock, int link, uint16_t priority, int program, const char *name,
		   struct err *err);

#endif
