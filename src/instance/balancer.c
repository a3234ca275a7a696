// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: a round reads the host's memory and looks who is there, which costs two stat(2) for each instance. While
 * there is room it reads figures only of those of which it holds something, so a host at ease costs next to nothing. Otherwise
 * all figures are read together, and each instance has its past from the round before.
 *
 * The hands. A container's idle memory is taken by memory.reclaim, which sets no limit. A VM's is taken by its balloon, through
 * its keeper, which keeps what is held (keeper_balance.c). So nothing of it is here: it can be killed at any moment, and the
 * next one goes on from what it finds.
 *
 * 1. Nobody is waited for longer than BALANCER_TELL_MS, or than a chunk's swapping out takes.
 */
#include "instance/balancer.h"
#include "base/mem.h"
#include "base/units.h"
#include "instance/balance_mark.h"
#include "instance/balancer-internal.h"
#include "proto/wire.h"
#include "sys/cgroup.h"

#include <stdio.h>
#include <string.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <sys/time.h>

#define BALANCER_TELL_MS    500
#define BALANCER_RECLAIM_NS (INT64_C(500) * 1000 * 1000)
#define BALANCER_CHUNK	    (UINT64_C(32) << 20)

struct balancer {
	struct balance_policy policy;
	balancer_tell_fn tell;
	void *ctx;
	int dry, mark;
	struct balancer_watch watch;
};

/* members and of run alike. */
struct balancer_cast {
	struct balance_member *members;
	struct balancer_item **of;
	struct balance_order *orders;
	size_t n, n_orders;
};

static void balancer_cast_release(struct balancer_cast *cast)
{
	free(cast->members);
	free(cast->of);
	free(cast->orders);
}

static void balancer_tell_fixed(struct balancer *balancer, struct balancer_item *item,
				const char *why)
{
	_cleanup_free_ char *text = NULL;

	if (item->told == why)
		return;
	item->told = why;
	text = mem_printf("%s: %s%s", item->name, why ? "is left alone: " : "is looked after",
			  why ? why : "");
	balancer->tell(
		balancer->ctx,
		&(struct balancer_news){ .name = item->name, .reason = "fixed", .text = text });
}

static void balancer_fill(struct balancer *balancer, int only_held, struct balancer_cast *cast)
{
	struct balancer_watch *watch = &balancer->watch;

	cast->members = mem_zalloc(watch->n * sizeof(*cast->members) + 1);
	cast->of = mem_zalloc(watch->n * sizeof(struct balancer_item *) + 1);
	cast->orders = mem_zalloc(watch->n * sizeof(*cast->orders) + 1);
	for (size_t i = 0; i < watch->n; i++) {
		struct balancer_item *item = &watch->items[i];
		const char *why = NULL;

		if ((only_held && !item->view.run.memory_held) ||
		    !balancer_watch_member(watch, item, &cast->members[cast->n], &why))
			continue;
		balancer_tell_fixed(balancer, item, why);
		cast->of[cast->n++] = item;
	}
}

/* A keeper that does not answer is stopped or gone, and delays nobody. */
static int balancer_hold(const struct balancer *balancer, const char *name, uint64_t bytes,
			 struct err *err)
{
	const struct timeval patience = { .tv_usec = INT64_C(1000) * BALANCER_TELL_MS };
	_cleanup_buf_ struct buf payload = BUF_INIT, buf = BUF_INIT;
	_cleanup_close_ int fd = -EBADF;
	struct frame frame = { 0 };
	int r = instance_connect(balancer->watch.home, name, &fd, err);

	if (r < 0)
		return r;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	wire_put_u64(&payload, bytes);
	if (frame_send(fd, 0, MESSAGE_BALANCE, payload.data, payload.len) < 0 ||
	    frame_receive(fd, &buf, &frame) < 0)
		return err_set(err, -ETIMEDOUT, "its keeper does not answer");
	if (frame.type == MESSAGE_ERROR)
		return message_get_error(&frame, err);
	return frame.type == MESSAGE_OK ? 0 : err_set(err, -EBADMSG, "unexpected answer");
}

static int balancer_reclaim(const struct balancer_item *item, uint64_t bytes, struct err *err)
{
	int64_t end = units_monotonic() + BALANCER_RECLAIM_NS;
	uint64_t files = item->group.file_idle > 0 ? (uint64_t)item->group.file_idle : 0;
	int r = 0;

	while (r == 0 && bytes && units_monotonic() < end) {
		uint64_t chunk = MIN(bytes, BALANCER_CHUNK);

		r = cgroup_reclaim(item->view.run.cgroup, chunk, files);
		bytes -= chunk;
		files = 0;
	}
	/* the next round sees how much it was; one that has ended meanwhile has given all */
	if (r == 0 || r == -EAGAIN || r == -ENOENT || r == -ENODEV)
		return 0;
	return err_errno(err, r, "cannot write memory.reclaim");
}

static void balancer_act(struct balancer *balancer, const struct balance_host *host,
			 const struct balancer_cast *cast, const struct balance_order *order)
{
	struct balancer_item *item = cast->of[order->member];
	const struct balance_member *member = &cast->members[order->member];
	struct balancer_news news = { .name = item->name,
				      .reason = balance_reason_names[order->reason],
				      .bytes = order->bytes };
	_cleanup_free_ char *failure = NULL;
	char text[BALANCE_TEXT_MAX];
	struct err err = ERR_INIT;
	int r = 0;

	news.text = balance_explain(order, host, cast->members, text);
	balancer->tell(balancer->ctx, &news);
	if (balancer->dry || !order->bytes)
		return;
	if (item->view.record.kind == INSTANCE_VM)
		r = balancer_hold(balancer, item->name, balance_held(order, member), &err);
	else
		r = balancer_reclaim(item, (uint64_t)-order->bytes, &err);
	if (r == 0)
		return;
	failure = mem_printf("%s: that failed: %s", item->name, err.msg);
	news.reason = "failed";
	news.text = failure;
	balancer->tell(balancer->ctx, &news);
}

int balancer_round(struct balancer *balancer, int all, struct balancer_round *ret, struct err *err)
{
	_cleanup_(balancer_cast_release) struct balancer_cast cast = { .n = 0 };
	struct balancer_watch *watch = &balancer->watch;
	int calm, r = balancer_watch_host(watch, err);

	*ret = (struct balancer_round){ .host = { watch->total, watch->available } };
	calm = r == 0 && !all &&
	       watch->total - watch->available <= watch->total / 1000 * balancer->policy.target;
	if (r == 0)
		r = balancer_watch_list(watch, err);
	if (r < 0 || (calm && !watch->held))
		return r;
	balancer_watch_figures(watch, calm);
	balancer_fill(balancer, calm, &cast);
	cast.n_orders =
		balance_round(&balancer->policy, &ret->host, cast.members, cast.n, cast.orders);
	ret->orders = cast.n_orders;
	for (size_t i = 0; i < cast.n_orders; i++)
		balancer_act(balancer, &ret->host, &cast, &cast.orders[i]);
	for (size_t i = 0; i < cast.n; i++) {
		cast.of[i]->past = cast.members[i].past;
		ret->waiting += cast.members[i].held && cast.members[i].pressure >= BALANCE_WAITS;
	}
	return 0;
}

int balancer_new(const struct instance_home *home, const struct balance_policy *policy, int dry,
		 balancer_tell_fn tell, void *ctx, struct balancer **ret, struct err *err)
{
	_cleanup_balancer_ struct balancer *balancer = mem_zalloc(sizeof(*balancer));
	int r;

	*balancer = (struct balancer){ .policy = *policy,
				       .tell = tell,
				       .ctx = ctx,
				       .dry = dry,
				       .mark = -EBADF,
				       .watch = { .home = home } };
	r = dry ? 0 : balance_mark_take(home->run, &balancer->mark, err);
	if (r == 0)
		*ret = take_ptr(balancer);
	return r;
}

struct balancer *balancer_free(struct balancer *balancer)
{
	if (!balancer)
		return NULL;
	balancer_watch_release(&balancer->watch);
	fd_close(balancer->mark);
	free(balancer);
	return NULL;
}
