// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Out: a token bucket as the interface's root. In: the same bucket without a queue, as an action of a filter on clsact,
 * where packets pass before a bridge or the host sees them. Sizes of buckets: what a rate carries in 10 ms, as the tick of
 * a kernel is 4 ms or less, but not less than one packet as it is before it is cut for the wire, 64 KiB, and one that
 * follows it.
 */
#include "sys/rate.h"
#include "sys/netlink.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define RATE_BURST_MIN ((uint64_t)128 << 10)
#define RATE_CLSACT    TC_H_MAKE(TC_H_CLSACT, 0)
#define RATE_INGRESS   TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
#define RATE_PRIORITY  1
#define RATE_TICK      6 /* PSCHED_SHIFT of net/pkt_sched.h: a tick is 64 ns */
#define RATE_TABLE \
	1024 /* TC_RTAB_SIZE. Nothing is looked up in it since Linux 3.8, but it is asked for */

static uint32_t rate_cut(uint64_t value)
{
	return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

static uint32_t rate_burst(uint64_t bytes)
{
	return rate_cut(bytes / 100 > RATE_BURST_MIN ? bytes / 100 : RATE_BURST_MIN);
}

static struct tc_ratespec rate_spec(uint64_t bytes)
{
	return (struct tc_ratespec){ .cell_log = 16,
				     .linklayer = TC_LINKLAYER_ETHERNET,
				     .rate = rate_cut(bytes) };
}

static void rate_begin(struct netlink_request *request, uint16_t type, uint16_t flags, int link,
		       uint32_t parent, uint32_t handle, uint32_t info)
{
	const struct tcmsg header = { .tcm_family = AF_UNSPEC,
				      .tcm_ifindex = link,
				      .tcm_parent = parent,
				      .tcm_handle = handle,
				      .tcm_info = info };

	netlink_begin(request, type, NLM_F_ACK | flags, &header, sizeof(header));
}

/* -ENOENT and -EINVAL: there is none, or but the one that each interface is born with. */
static int rate_remove(int sock, int link, uint32_t parent, uint32_t handle, struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;
	struct err problem = ERR_INIT;
	int r;

	rate_begin(&request, RTM_DELQDISC, 0, link, parent, handle, 0);
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
	struct tc_tbf_qopt options = { .rate = rate_spec(bytes) };
	size_t place;

	if (!bytes)
		return rate_remove(sock, link, TC_H_ROOT, 0, err);
	options.limit = rate_cut(bytes / 20 + rate_burst(bytes));
	rate_begin(&request, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, link, TC_H_ROOT, 0, 0);
	netlink_put_string(&request, TCA_KIND, "tbf");
	place = netlink_nest(&request, TCA_OPTIONS);
	netlink_put(&request, TCA_TBF_PARMS, &options, sizeof(options));
	netlink_put_u32(&request, TCA_TBF_BURST, rate_burst(bytes));
	netlink_put_u64(&request, TCA_TBF_RATE64, bytes);
	netlink_end(&request, place);
	if (netlink_ask(sock, &request, NULL, NULL, err) < 0)
		return err_wrap(err, "cannot limit the rate of a network interface");
	return 0;
}

static void rate_put_police(struct netlink_request *request, uint64_t bytes)
{
	static const char table[RATE_TABLE];
	uint64_t burst = rate_burst(bytes) * (uint64_t)1000000000 / bytes;
	const struct tc_police police = { .action = TC_ACT_SHOT,
					  .burst = rate_cut(burst >> RATE_TICK),
					  .mtu = UINT32_MAX,
					  .rate = rate_spec(bytes) };
	size_t actions = netlink_nest(request, TCA_MATCHALL_ACT), one = netlink_nest(request, 1),
	       options;

	netlink_put_string(request, TCA_ACT_KIND, "police");
	options = netlink_nest(request, TCA_ACT_OPTIONS);
	netlink_put(request, TCA_POLICE_TBF, &police, sizeof(police));
	netlink_put(request, TCA_POLICE_RATE, table, sizeof(table));
	netlink_put_u64(request, TCA_POLICE_RATE64, bytes);
	netlink_end(request, options);
	netlink_end(request, one);
	netlink_end(request, actions);
}

static int rate_add_clsact(int sock, int link, struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;

	rate_begin(&request, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, link, TC_H_CLSACT,
		   RATE_CLSACT, 0);
	netlink_put_string(&request, TCA_KIND, "clsact");
	return netlink_ask(sock, &request, NULL, NULL, err);
}

static int rate_add_filter(int sock, int link, uint64_t bytes, struct err *err)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;
	size_t place;

	rate_begin(&request, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, link, RATE_INGRESS, 0,
		   TC_H_MAKE(RATE_PRIORITY << 16, htons(ETH_P_ALL)));
	netlink_put_string(&request, TCA_KIND, "matchall");
	place = netlink_nest(&request, TCA_OPTIONS);
	rate_put_police(&request, bytes);
	netlink_end(&request, place);
	return netlink_ask(sock, &request, NULL, NULL, err);
}

int rate_limit_in(int sock, int link, uint64_t bits, struct err *err)
{
	struct err ignored = ERR_INIT;
	int r = rate_remove(sock, link, TC_H_CLSACT, RATE_CLSACT, err);

	if (r < 0 || bits < 8)
		return r;
	r = rate_add_clsact(sock, link, err);
	if (r == 0) {
		r = rate_add_filter(sock, link, bits / 8, err);
		if (r < 0)
			(void)rate_remove(sock, link, TC_H_CLSACT, RATE_CLSACT, &ignored);
	}
	return r < 0 ? err_wrap(err, "cannot limit what a network interface takes in") : 0;
}
