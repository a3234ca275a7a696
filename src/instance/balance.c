// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/balance.h"
#include "base/mem.h"
#include "base/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/param.h>

#define BALANCE_MIB	 (UINT64_C(1) << 20)
#define BALANCE_STEP_MIN (16 * BALANCE_MIB)
/* Less is not worth a round of anybody's. */
#define BALANCE_STEP_WORTH BALANCE_MIB

const struct balance_policy balance_policy_default = { .ease = 800, .target = 900, .ceiling = 950 };

const char *const balance_reason_names[] = { "full", "other", "waiting", "room", "unwilling" };

struct balance_view {
	uint64_t used, ease, target, ceiling; /* bytes of the host's memory */
	struct balance_member *members;
	size_t n;
	size_t *by_price;
	struct balance_order *orders;
	size_t n_orders;
};

static uint64_t balance_less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* The price is shares by this; in KiB, so that products stay in 64 bits. */
static uint64_t balance_cost(const struct balance_member *member)
{
	uint64_t cold = MIN(member->cold, member->host);

	return (member->host + 3 * cold) / 1024 + 1;
}

/* Whether a's memory is cheaper than b's, by more than 1 to ratio in quarters. */
static int balance_is_cheaper(const struct balance_member *a, const struct balance_member *b,
			      unsigned int quarters)
{
	return (uint64_t)MAX(a->shares, 1U) * balance_cost(b) / 4 * quarters <
	       (uint64_t)MAX(b->shares, 1U) * balance_cost(a);
}

static int balance_compare(const void *a, const void *b, void *ctx)
{
	const struct balance_member *members = ctx;
	size_t i = *(const size_t *)a, j = *(const size_t *)b;

	if (balance_is_cheaper(&members[i], &members[j], 4))
		return -1;
	if (balance_is_cheaper(&members[j], &members[i], 4))
		return 1;
	return i < j ? -1 : i > j;
}

static int balance_waits(const struct balance_member *member)
{
	return member->pressure >= BALANCE_WAITS;
}

static void balance_add(struct balance_view *view, size_t i, int64_t bytes,
			enum balance_reason reason, size_t other)
{
	struct balance_member *member = &view->members[i];

	view->orders[view->n_orders++] = (struct balance_order){
		.member = i, .bytes = bytes, .reason = reason, .other = other
	};
	member->past.ordered = 1;
	member->past.asked = bytes < 0 ? -bytes : 0;
	member->past.host = member->host;
	member->past.slow = 0;
	if (bytes > 0)
		member->past.given = 0;
	else if (bytes < 0)
		member->past.taken = 0;
}

/* A guest that takes its time: its balloon is still on the way to where it was sent. */
static int balance_is_at_it(const struct balance_member *member)
{
	return member->past.slow < BALANCE_SLOW &&
	       balance_less(member->used, member->size) > (uint64_t)member->past.asked / 8;
}

/* What came of the last order. */
static void balance_look_back(struct balance_view *view, size_t i)
{
	struct balance_member *member = &view->members[i];
	struct balance_past *past = &member->past;
	uint64_t came = balance_less(past->host, member->host), asked = (uint64_t)past->asked;

	past->ordered = 0;
	past->given = MIN(past->given + 1, (unsigned int)BALANCE_REST);
	past->taken = MIN(past->taken + 1, (unsigned int)BALANCE_REST);
	past->truce = past->truce ? past->truce - 1 : 0;
	past->slow++;
	if (!asked || balance_is_at_it(member))
		return;
	past->asked = 0;
	past->failed = came < asked / 8 ? past->failed + 1 : 0;
	if (past->failed < BALANCE_TRIES)
		return;
	past->failed = 0;
	past->truce = BALANCE_TRUCE;
	balance_add(view, i, 0, BALANCE_UNWILLING, i);
}

/* What can be had from it in this round: rules 1 to 6. */
static uint64_t balance_takeable(const struct balance_view *view, size_t i, int in_use)
{
	const struct balance_member *member = &view->members[i];
	const struct balance_past *past = &member->past;
	int above = view->used > view->ceiling;
	uint64_t bytes = balance_less(MIN(member->used, member->size), member->min);

	if (member->fixed || past->truce || past->ordered || past->asked ||
	    (!above && (balance_waits(member) || past->given < BALANCE_REST)))
		return 0;
	bytes = MIN(bytes, member->cold + (in_use ? member->warm : 0));
	return MIN(bytes, MAX(BALANCE_STEP_MIN, member->used / 8));
}

/* The cheapest first, until there is enough. How much there is. */
static uint64_t balance_take(struct balance_view *view, uint64_t need, int in_use,
			     enum balance_reason reason, size_t other)
{
	uint64_t got = 0;

	for (size_t k = 0; k < view->n && got < need; k++) {
		size_t i = view->by_price[k];
		uint64_t bytes;

		if (reason == BALANCE_FOR_OTHER &&
		    (i == other ||
		     (in_use && !balance_is_cheaper(&view->members[i], &view->members[other], 5))))
			continue;
		bytes = MIN(balance_takeable(view, i, in_use), need - got);
		if (bytes < BALANCE_STEP_WORTH)
			continue;
		balance_add(view, i, -(int64_t)bytes, reason, other);
		got += bytes;
	}
	return got;
}

static uint64_t balance_step_up(const struct balance_member *member)
{
	return MIN(member->held, MAX(2 * BALANCE_STEP_MIN, (member->size + member->held) / 4));
}

/* To those that wait, the dearest first, as far as there is room; for the rest of it others are asked. */
static void balance_give_waiting(struct balance_view *view, uint64_t *room)
{
	for (size_t k = view->n; k-- > 0;) {
		size_t i = view->by_price[k];
		struct balance_member *member = &view->members[i];
		uint64_t want = balance_step_up(member), bytes = MIN(want, *room);

		if (!balance_waits(member) || want < BALANCE_STEP_WORTH || member->past.ordered)
			continue;
		if (bytes >= BALANCE_STEP_WORTH) {
			balance_add(view, i, (int64_t)bytes, BALANCE_WAITING, i);
			*room -= bytes;
			want -= bytes;
		}
		want -= balance_take(view, want, 0, BALANCE_FOR_OTHER, i);
		balance_take(view, want, 1, BALANCE_FOR_OTHER, i);
	}
}

static void balance_give_back(struct balance_view *view, uint64_t room)
{
	for (size_t k = view->n; k-- > 0;) {
		size_t i = view->by_price[k];
		struct balance_member *member = &view->members[i];
		uint64_t bytes = MIN(balance_step_up(member), room);

		if (member->past.ordered || bytes < BALANCE_STEP_WORTH ||
		    member->past.taken < BALANCE_REST)
			continue;
		balance_add(view, i, (int64_t)bytes, BALANCE_ROOM, i);
		room -= bytes;
	}
}

size_t balance_round(const struct balance_policy *policy, const struct balance_host *host,
		     struct balance_member *members, size_t n, struct balance_order *orders)
{
	_cleanup_free_ size_t *by_price = mem_zalloc(n * sizeof(*by_price));
	struct balance_view view = {
		.used = balance_less(host->total, host->available),
		.ease = host->total / 1000 * policy->ease,
		.target = host->total / 1000 * policy->target,
		.ceiling = host->total / 1000 * policy->ceiling,
		.members = members,
		.n = n,
		.by_price = by_price,
		.orders = orders,
	};
	uint64_t over = balance_less(view.used, view.target), room, got;

	for (size_t i = 0; i < n; i++) {
		by_price[i] = i;
		balance_look_back(&view, i);
	}
	qsort_r(by_price, n, sizeof(*by_price), balance_compare, members);
	got = balance_take(&view, over, 0, BALANCE_HOST_FULL, 0);
	if (view.used > view.ceiling)
		balance_take(&view, balance_less(over, got), 1, BALANCE_HOST_FULL, 0);
	room = balance_less(view.ceiling, view.used);
	balance_give_waiting(&view, &room);
	balance_give_back(&view, MIN(room, balance_less(view.ease, view.used)));
	return view.n_orders;
}

uint64_t balance_held(const struct balance_order *order, const struct balance_member *member)
{
	uint64_t bytes = (uint64_t)(order->bytes < 0 ? -order->bytes : order->bytes);

	if (order->bytes >= 0)
		return balance_less(member->held, bytes);
	return member->held + balance_less(member->size, member->used) + bytes;
}

const char *balance_explain(const struct balance_order *order, const struct balance_host *host,
			    const struct balance_member *members, char text[BALANCE_TEXT_MAX])
{
	const struct balance_member *member = &members[order->member];
	char bytes[UNITS_TEXT_MAX], used[UNITS_TEXT_MAX], promised[UNITS_TEXT_MAX];
	uint64_t percent = balance_less(host->total, host->available) / (host->total / 100 + 1);
	int n = BALANCE_TEXT_MAX;

	units_format_size(order->bytes < 0 ? -order->bytes : order->bytes, bytes);
	units_format_size((int64_t)member->used, used);
	units_format_size((int64_t)member->min, promised);
	switch (order->reason) {
	case BALANCE_HOST_FULL:
		(void)snprintf(text, n, "%s: takes %s of %s (at least %s): the host uses %lu %%",
			       member->name, bytes, used, promised, (unsigned long)percent);
		break;
	case BALANCE_FOR_OTHER:
		(void)snprintf(text, n, "%s: takes %s of %s (at least %s): %s waits for memory",
			       member->name, bytes, used, promised, members[order->other].name);
		break;
	case BALANCE_WAITING:
		(void)snprintf(text, n, "%s: gives %s to its %s: it waits %u.%02u %% of the time",
			       member->name, bytes, used, member->pressure / 100,
			       member->pressure % 100);
		break;
	case BALANCE_ROOM:
		(void)snprintf(text, n, "%s: gives %s to its %s: the host uses %lu %% alone",
			       member->name, bytes, used, (unsigned long)percent);
		break;
	case BALANCE_UNWILLING:
		(void)snprintf(text, n,
			       "%s: gave nothing when asked %d times; is let be for %d rounds",
			       member->name, BALANCE_TRIES, BALANCE_TRUCE);
		break;
	}
	return text;
}
