/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FAKE_HV_H
#define FAKE_HV_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/take.h"
#include "vmm/bus/hv.h"

/*
 * A hypervisor that only keeps the books, and ends the test when it is used against its rules: a route
 * changes under an irqfd, an irqfd has no route, what goes was not there.
 */
#define FAKE_GSIS	256
#define FAKE_IOEVENTFDS 64

struct fake_hv {
	struct {
		uint64_t address;
		uint32_t data;
		int routed, fd; /* fd 0: no irqfd */
	} gsis[FAKE_GSIS];
	struct {
		uint64_t gpa;
		int fd;
	} ioeventfds[FAKE_IOEVENTFDS];		       /* gpa 0: free */
	unsigned int n_routes, n_irqfds, n_ioeventfds; /* calls */
	int fail; /* what the next one that adds something returns, once */
};

static inline int fake_hv_fail(struct fake_hv *hv)
{
	int r = hv->fail;

	hv->fail = 0;
	return r;
}

static inline int fake_hv_route(void *ctx, uint32_t gsi, uint64_t address, uint32_t data)
{
	struct fake_hv *hv = ctx;

	hv->n_routes++;
	if (gsi >= FAKE_GSIS || hv->gsis[gsi].fd)
		abort();
	if (hv->fail)
		return fake_hv_fail(hv);
	hv->gsis[gsi].routed = 1;
	hv->gsis[gsi].address = address;
	hv->gsis[gsi].data = data;
	return 0;
}

static inline int fake_hv_unroute(void *ctx, uint32_t gsi)
{
	struct fake_hv *hv = ctx;

	if (gsi >= FAKE_GSIS || hv->gsis[gsi].fd)
		abort();
	hv->gsis[gsi].routed = 0;
	return 0;
}

static inline int fake_hv_irqfd(void *ctx, uint32_t gsi, int fd, int assign)
{
	struct fake_hv *hv = ctx;

	hv->n_irqfds++;
	if (gsi >= FAKE_GSIS || !hv->gsis[gsi].routed || fd <= 0 ||
	    hv->gsis[gsi].fd != (assign ? 0 : fd))
		abort();
	if (assign && hv->fail)
		return fake_hv_fail(hv);
	hv->gsis[gsi].fd = assign ? fd : 0;
	return 0;
}

static inline int fake_hv_ioeventfd(void *ctx, uint64_t gpa, uint32_t len _unused_, int fd,
				    int assign)
{
	struct fake_hv *hv = ctx;

	hv->n_ioeventfds++;
	if (!gpa || fd <= 0)
		abort();
	if (assign && hv->fail)
		return fake_hv_fail(hv);
	for (int i = 0; i < FAKE_IOEVENTFDS; i++) {
		if (hv->ioeventfds[i].gpa == gpa && assign)
			abort();
	}
	for (int i = 0; i < FAKE_IOEVENTFDS; i++) {
		if (hv->ioeventfds[i].gpa != (assign ? 0 : gpa))
			continue;
		if (!assign && hv->ioeventfds[i].fd != fd)
			abort();
		hv->ioeventfds[i].gpa = assign ? gpa : 0;
		hv->ioeventfds[i].fd = fd;
		return 0;
	}
	abort();
}

static inline int fake_hv_signal(void *ctx _unused_, uint64_t address _unused_,
				 uint32_t data _unused_)
{
	return -ENOSYS;
}

static const struct hv_ops fake_hv_ops = {
	.route = fake_hv_route,
	.unroute = fake_hv_unroute,
	.irqfd = fake_hv_irqfd,
	.ioeventfd = fake_hv_ioeventfd,
	.signal = fake_hv_signal,
};

/* How many are on. */
static inline int fake_hv_ioeventfds(const struct fake_hv *hv)
{
	int n = 0;

	for (int i = 0; i < FAKE_IOEVENTFDS; i++)
		n += hv->ioeventfds[i].gpa != 0;
	return n;
}

static inline int fake_hv_irqfds(const struct fake_hv *hv)
{
	int n = 0;

	for (int i = 0; i < FAKE_GSIS; i++)
		n += hv->gsis[i].fd != 0;
	return n;
}

/* The eventfd that a write to the address signals, or -EBADF. */
static inline int fake_hv_find(const struct fake_hv *hv, uint64_t gpa)
{
	for (int i = 0; i < FAKE_IOEVENTFDS; i++) {
		if (hv->ioeventfds[i].gpa == gpa)
			return hv->ioeventfds[i].fd;
	}
	return -EBADF;
}

#endif
