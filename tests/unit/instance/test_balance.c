// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A simulator: instances with a load of their own on a host, and the policy between them, round by round. In every
 * round it holds that nobody has been left less than it was promised, and that no order is beyond what it is about.
 */
#include "instance/balance.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/param.h>
#include <cmocka.h>

#define MIB UINT64_C(1048576)
#define GIB (1024 * MIB)

struct load {
	uint64_t demand; /* what it works on */
	uint64_t ram;	 /* a VM's memory; 0: a container, which has what it takes */
	uint64_t
		cache; /* files that it has read: cold, and it reads more of them as long as there is room */
	int swaps;		   /* a VM's guest has swap; a container's host always has */
	int lies;		   /* its balloon says yes and gives nothing */
	unsigned int waited;	   /* rounds on end */
	unsigned int taken, given; /* in what round last; 0: never */
};

struct sim {
	struct balance_host host;
	struct balance_policy policy;
	struct balance_member *members;
	struct load *loads;
	struct balance_order *orders;
	size_t n, n_orders;
	unsigned int round, unwilling;
};

static void sim_init(struct sim *sim, uint64_t total, size_t n)
{
	*sim = (struct sim){ .host = { total, total }, .policy = balance_policy_default, .n = n };
	sim->members = mem_zalloc(n * sizeof(*sim->members));
	sim->loads = mem_zalloc(n * sizeof(*sim->loads));
	sim->orders = mem_zalloc(n * sizeof(*sim->orders));
	for (size_t i = 0; i < n; i++)
		sim->members[i] = (struct balance_member){ .name = "x",
							   .size = UINT64_MAX,
							   .shares = BALANCE_SHARES,
							   .past = BALANCE_PAST_SETTLED };
}

static void sim_release(struct sim *sim)
{
	free(sim->members);
	free(sim->loads);
	free(sim->orders);
}

static void sim_vm(struct sim *sim, size_t i, uint64_t ram, uint64_t min)
{
	sim->loads[i].ram = ram;
	sim->members[i].size = ram;
	sim->members[i].min = min;
}

static uint64_t sim_used(const struct sim *sim)
{
	uint64_t used = sim->host.total / 32; /* the host's own */

	for (size_t i = 0; i < sim->n; i++)
		used += sim->members[i].used;
	return used;
}

/* What it works on comes in first, then files, as far as the host and its own bound let it. */
static void sim_live(struct sim *sim, size_t i)
{
	struct balance_member *member = &sim->members[i];
	struct load *load = &sim->loads[i];
	uint64_t room = sim->host.total - MIN(sim_used(sim), sim->host.total);
	uint64_t wish = MIN(load->demand, member->size), active, files;

	active = MIN(wish, member->used + room);
	member->used = MAX(member->used, active);
	room = sim->host.total - MIN(sim_used(sim), sim->host.total);
	files = MIN(load->cache, 64 * MIB);
	files = MIN(files, MIN(room, member->size - member->used));
	member->used += files;
	load->cache -= files;
	member->host = member->used;
	member->cold = member->used - active;
	member->warm = !load->ram || load->swaps ? active : 0;
	member->pressure = active < load->demand ? 4000 : 0;
	load->waited = member->pressure ? load->waited + 1 : 0;
}

static void sim_check_taken(struct sim *sim, const struct balance_order *order)
{
	const struct balance_member *member = &sim->members[order->member];
	const struct load *load = &sim->loads[order->member];
	uint64_t bytes = (uint64_t)-order->bytes;
	int above = sim_used(sim) > sim->host.total / 1000 * sim->policy.ceiling;

	assert_true(bytes <= member->used && member->used - bytes >= member->min);
	assert_true(!load->ram || MIN(member->size, member->used) - bytes >= member->min);
	assert_true(!member->fixed);
	assert_true(bytes <= MAX(16 * MIB, member->used / 8));
	assert_true(bytes <= member->cold || above || order->reason == BALANCE_FOR_OTHER);
	assert_true(!member->pressure || above);
	assert_true(!load->given || sim->round - load->given >= BALANCE_REST || above);
}

static void sim_check_given(struct sim *sim, const struct balance_order *order)
{
	const struct load *load = &sim->loads[order->member];
	uint64_t bytes = (uint64_t)order->bytes;
	unsigned int bound = order->reason == BALANCE_ROOM ? sim->policy.ease : sim->policy.ceiling;

	assert_true(bytes <= sim->members[order->member].held);
	assert_true(sim_used(sim) + bytes <= sim->host.total / 1000 * bound);
	assert_true(order->reason == BALANCE_WAITING || !load->taken ||
		    sim->round - load->taken >= BALANCE_REST);
}

/* As long as the round's figures hold. */
static void sim_check(struct sim *sim, const struct balance_order *order)
{
	if (order->reason == BALANCE_UNWILLING)
		assert_int_equal(order->bytes, 0);
	else if (order->bytes < 0)
		sim_check_taken(sim, order);
	else
		sim_check_given(sim, order);
}

static void sim_obey(struct sim *sim, const struct balance_order *order)
{
	struct balance_member *member = &sim->members[order->member];
	struct load *load = &sim->loads[order->member];
	uint64_t held = balance_held(order, member);

	sim->unwilling += order->reason == BALANCE_UNWILLING;
	if (order->bytes > 0)
		load->given = sim->round;
	else if (order->bytes < 0)
		load->taken = sim->round;
	if (load->ram && order->bytes) {
		assert_true(held <= load->ram - member->min);
		member->held = held;
		member->size = load->ram - held;
	}
	if (load->lies)
		return;
	if (load->ram)
		member->used = MIN(member->used, member->size);
	else if (order->bytes < 0)
		member->used -= (uint64_t)-order->bytes;
}

static void sim_round(struct sim *sim)
{
	for (size_t i = 0; i < sim->n; i++)
		sim_live(sim, i);
	sim->host.available = sim->host.total - MIN(sim_used(sim), sim->host.total);
	sim->n_orders = balance_round(&sim->policy, &sim->host, sim->members, sim->n, sim->orders);
	assert_true(sim->n_orders <= sim->n);
	sim->round++;
	for (size_t i = 0; i < sim->n_orders; i++)
		sim_check(sim, &sim->orders[i]);
	for (size_t i = 0; i < sim->n_orders; i++) {
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(sim->orders[i].member, sim->orders[j].member);
		sim_obey(sim, &sim->orders[i]);
	}
}

static void sim_rounds(struct sim *sim, unsigned int n)
{
	while (n-- > 0)
		sim_round(sim);
}

/* Rounds until nobody waits for memory any more, at most max + 1. */
static unsigned int sim_until_relieved(struct sim *sim, unsigned int max)
{
	for (unsigned int round = 0; round <= max; round++) {
		unsigned int waiting = 0;

		sim_round(sim);
		for (size_t i = 0; i < sim->n; i++)
			waiting += sim->loads[i].waited > 0;
		if (!waiting)
			return round;
	}
	return max + 1;
}

static void a_host_with_room_is_left_alone(void **state _unused_)
{
	struct sim sim;

	sim_init(&sim, 16 * GIB, 20);
	for (size_t i = 0; i < sim.n; i++) {
		sim_vm(&sim, i, 2 * GIB, 0);
		sim.loads[i].demand = 300 * MIB;
	}
	for (int i = 0; i < 100; i++) {
		sim_round(&sim);
		assert_int_equal(sim.n_orders, 0);
	}
	sim_release(&sim);
}

static void the_idle_pay_and_the_busy_do_not(void **state _unused_)
{
	struct sim sim;

	sim_init(&sim, 8 * GIB, 8);
	for (size_t i = 0; i < sim.n; i++) {
		sim.loads[i].demand = i < 4 ? 800 * MIB : 100 * MIB;
		sim.loads[i].cache = i < 4 ? 0 : 1 * GIB;
	}
	sim_rounds(&sim, 60);
	assert_true(sim_used(&sim) <= sim.host.total / 1000 * sim.policy.target + MIB);
	for (size_t i = 0; i < 4; i++)
		assert_true(sim.members[i].used >= 800 * MIB);
	sim_release(&sim);
}

static void what_is_promised_is_kept_though_the_host_is_full(void **state _unused_)
{
	struct sim sim;

	sim_init(&sim, 8 * GIB, 16);
	for (size_t i = 0; i < sim.n; i++) {
		sim_vm(&sim, i, 2 * GIB, i < 8 ? 600 * MIB : 64 * MIB);
		sim.loads[i].demand = i < 8 ? 100 * MIB : 1500 * MIB;
		sim.loads[i].cache = 1 * GIB;
	}
	sim_rounds(&sim, 200); /* sim_check() looks */
	for (size_t i = 0; i < 8; i++) {
		sim.loads[i].demand = 600 * MIB;
		assert_true(sim.members[i].size >= 600 * MIB);
	}
	sim_release(&sim);
}

/* 8 VMs with twice the host's memory between them; one after the other works, the others have it lying about. */
static void a_load_that_wanders_is_followed(void **state _unused_)
{
	struct sim sim;

	sim_init(&sim, 8 * GIB, 8);
	for (size_t i = 0; i < sim.n; i++) {
		sim_vm(&sim, i, 2 * GIB, 128 * MIB);
		sim.loads[i].demand = 128 * MIB;
	}
	for (unsigned int turn = 0; turn < 24; turn++) {
		size_t now = turn % 8, before = (turn + 7) % 8;

		sim.loads[before].demand = 128 * MIB;
		sim.loads[before].cache = 1800 * MIB;
		sim.loads[now].demand = 2000 * MIB;
		assert_true(sim_until_relieved(&sim, 16) <= 16);
		sim_rounds(&sim, 20);
	}
	sim_release(&sim);
}

static void a_load_that_stands_still_ends_in_no_orders(void **state _unused_)
{
	struct sim sim;
	uint64_t seed = 1;

	sim_init(&sim, 64 * GIB, 300);
	for (size_t i = 0; i < sim.n; i++) {
		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
		if (i % 3)
			sim_vm(&sim, i, (256 + (seed >> 40) % 512) * MIB, 64 * MIB);
		sim.loads[i].demand = (20 + (seed >> 50) % 150) * MIB;
		sim.loads[i].cache = (seed >> 33) % 600 * MIB;
		sim.members[i].shares = 100 + (seed >> 20) % 2000;
	}
	sim_rounds(&sim, 400);
	for (int i = 0; i < 100; i++) {
		sim_round(&sim);
		assert_int_equal(sim.n_orders, 0);
	}
	assert_true(sim_used(&sim) <= sim.host.total / 1000 * sim.policy.ceiling);
	sim_release(&sim);
}

/* Whatever the load does: who works on no more than it was promised waits for a few rounds at most. */
static void made_up_loads_break_no_promise(void **state _unused_)
{
	uint64_t seed = 7;
	struct sim sim;

	sim_init(&sim, 32 * GIB, 200);
	for (size_t i = 0; i < sim.n; i++) {
		if (i % 2)
			sim_vm(&sim, i, 512 * MIB, 100 * MIB);
		else
			sim.members[i].min = 100 * MIB;
	}
	for (unsigned int round = 0; round < 1500; round++) {
		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
		sim.loads[(seed >> 40) % 200].demand = (seed >> 33) % 140 * MIB;
		sim.loads[(seed >> 45) % 200].cache = (seed >> 30) % 500 * MIB;
		sim_round(&sim);
		for (size_t i = 0; i < sim.n; i++)
			assert_true(sim.loads[i].demand > 100 * MIB || sim.loads[i].waited <= 4);
	}
	sim_release(&sim);
}

/* One whose balloon holds half of its memory, and one that has all of its own, and swap; 4 MiB are left on the host. */
static void sim_pair(struct sim *sim, uint64_t cold)
{
	sim_init(sim, 4 * GIB, 2);
	sim->policy.target = sim->policy.ceiling = 1000;
	sim_vm(sim, 0, 2 * GIB, 0);
	sim_vm(sim, 1, 4 * GIB, 0);
	sim->members[0].held = sim->members[0].size = 1 * GIB;
	sim->loads[0].demand = 2 * GIB;
	sim->members[1].used = sim->host.total - sim->host.total / 32 - 1 * GIB - 4 * MIB;
	sim->loads[1].demand = sim->members[1].used - cold;
	sim->loads[1].swaps = 1;
}

static void idle_memory_goes_to_one_that_waits(void **state _unused_)
{
	struct sim sim;

	sim_pair(&sim, 1200 * MIB);
	assert_true(sim_until_relieved(&sim, 12) <= 12);
	sim_release(&sim);
}

static void memory_in_use_goes_to_one_that_is_dearer_and_to_no_other(void **state _unused_)
{
	struct sim sim;

	sim_pair(&sim, 0);
	sim.members[0].shares = BALANCE_SHARES / 3;
	sim_rounds(&sim, 20);
	assert_int_equal(sim.members[1].held, 0);
	sim_release(&sim);
	sim_pair(&sim, 0);
	sim.members[0].shares = 8 * BALANCE_SHARES;
	sim_rounds(&sim, 20);
	assert_true(sim.members[1].held >= 512 * MIB);
	sim_release(&sim);
}

static void above_the_ceiling_memory_in_use_is_taken(void **state _unused_)
{
	struct sim sim;

	sim_init(&sim, 8 * GIB, 8);
	for (size_t i = 0; i < sim.n; i++)
		sim.loads[i].demand = 950 * MIB;
	sim_round(&sim);
	assert_true(sim.n_orders > 0);
	sim_release(&sim);
}

static void between_ease_and_target_nothing_is_done_unasked(void **state _unused_)
{
	struct sim sim;

	sim_init(&sim, 8 * GIB, 4);
	for (size_t i = 0; i < sim.n; i++) {
		sim_vm(&sim, i, 2 * GIB, 0);
		sim.members[i].held = 128 * MIB;
		sim.members[i].size -= 128 * MIB;
		sim.loads[i].demand = 1700 * MIB;
	}
	sim_rounds(&sim, 40);
	assert_int_equal(sim.members[0].held, 128 * MIB);
	for (size_t i = 0; i < sim.n; i++)
		sim.loads[i].demand = sim.members[i].used = 512 * MIB;
	sim_rounds(&sim, 40);
	assert_int_equal(sim.members[0].held, 0);
	sim_release(&sim);
}

static void what_was_just_taken_is_not_given_back(void **state _unused_)
{
	struct sim sim;

	sim_init(&sim, 8 * GIB, 1);
	sim_vm(&sim, 0, 2 * GIB, 0);
	sim.members[0].held = sim.members[0].size = 1 * GIB;
	sim.members[0].past.taken = 0;
	sim_rounds(&sim, BALANCE_REST - 1);
	assert_int_equal(sim.members[0].held, 1 * GIB);
	sim_rounds(&sim, 4);
	assert_int_equal(sim.members[0].held, 0);
	sim_release(&sim);
}

/* The same memory, half of it idle with one of them. */
static void the_idle_are_asked_before_those_that_have_more(void **state _unused_)
{
	struct sim sim;

	sim_init(&sim, 8 * GIB, 2);
	sim.loads[0].demand = 4000 * MIB;
	sim.members[0].used = 4100 * MIB;
	sim.loads[1].demand = 1600 * MIB;
	sim.members[1].used = 3200 * MIB;
	sim_round(&sim);
	assert_int_equal(sim.n_orders, 1);
	assert_int_equal(sim.orders[0].member, 1);
	sim_release(&sim);
}

/*
 * A made-up day of eight machines: MiB that the guests work on, and that they read of files. Web servers by day, a build in
 * the evening, a backup at night, and two that are never busy.
 */
static const unsigned short sim_day[24][8][2] = {
#define SIM_NIGHT                                                                       \
	{ 90, 300 }, { 95, 280 }, { 110, 700 }, { 60, 200 }, { 300, 1500 }, { 80, 90 }, \
	{                                                                               \
		70, 60                                                                  \
	}
#define SIM_DAY                                                                           \
	{ 620, 900 }, { 580, 950 }, { 700, 1200 }, { 90, 250 }, { 150, 900 }, { 85, 90 }, \
	{                                                                                 \
		70, 60                                                                    \
	}
#define SIM_EVE                                                                            \
	{ 300, 500 }, { 280, 450 }, { 900, 900 }, { 1700, 200 }, { 160, 800 }, { 85, 90 }, \
	{                                                                                  \
		70, 60                                                                     \
	}
	{ SIM_NIGHT, { 400, 1600 } }, { SIM_NIGHT, { 1500, 400 } }, { SIM_NIGHT, { 1600, 300 } },
	{ SIM_NIGHT, { 400, 1600 } }, { SIM_NIGHT, { 120, 1000 } }, { SIM_NIGHT, { 120, 900 } },
	{ SIM_NIGHT, { 110, 800 } },  { SIM_DAY, { 110, 600 } },    { SIM_DAY, { 140, 500 } },
	{ SIM_DAY, { 150, 500 } },    { SIM_DAY, { 220, 800 } },    { SIM_DAY, { 160, 500 } },
	{ SIM_DAY, { 150, 500 } },    { SIM_DAY, { 150, 450 } },    { SIM_DAY, { 150, 450 } },
	{ SIM_DAY, { 150, 400 } },    { SIM_EVE, { 150, 400 } },    { SIM_EVE, { 140, 400 } },
	{ SIM_EVE, { 140, 300 } },    { SIM_EVE, { 140, 300 } },    { SIM_NIGHT, { 130, 300 } },
	{ SIM_NIGHT, { 130, 400 } },  { SIM_NIGHT, { 150, 900 } },  { SIM_NIGHT, { 300, 1500 } },
};

static void a_day_on_half_the_memory_has_nobody_wait_for_long(void **state _unused_)
{
	struct sim sim;

	sim_init(&sim, 8 * GIB, 8);
	for (size_t i = 0; i < sim.n; i++)
		sim_vm(&sim, i, 2 * GIB, 128 * MIB);
	for (unsigned int hour = 0; hour < 48; hour++) {
		for (size_t i = 0; i < sim.n; i++) {
			sim.loads[i].demand = sim_day[hour % 24][i][0] * MIB;
			sim.loads[i].cache = sim_day[hour % 24][i][1] * MIB;
		}
		assert_true(sim_until_relieved(&sim, 16) <= 16);
		sim_rounds(&sim, 100);
		for (unsigned int i = 0; i < 20; i++) {
			sim_round(&sim);
			assert_int_equal(sim.n_orders, 0);
		}
	}
	sim_release(&sim);
}

static void who_lies_is_let_be_and_stops_nobody(void **state _unused_)
{
	struct sim sim;

	sim_init(&sim, 8 * GIB, 8);
	sim.policy = (struct balance_policy){ 400, 500, 970 };
	for (size_t i = 0; i < sim.n; i++) {
		sim_vm(&sim, i, 2 * GIB, 0);
		sim.loads[i].demand = 200 * MIB;
		sim.loads[i].cache = 700 * MIB;
		sim.loads[i].lies = i < 6;
	}
	sim_rounds(&sim, 60);
	assert_int_equal(sim.unwilling, 6);
	for (size_t i = 6; i < sim.n; i++)
		assert_true(sim.members[i].used <= 210 * MIB);
	sim_release(&sim);
}

static void who_is_fixed_is_not_asked(void **state _unused_)
{
	struct sim sim;

	sim_init(&sim, 4 * GIB, 4);
	for (size_t i = 0; i < sim.n; i++) {
		sim.loads[i].demand = 100 * MIB;
		sim.loads[i].cache = 2 * GIB;
		sim.members[i].fixed = 1; /* sim_check() looks */
	}
	sim_rounds(&sim, 50);
	sim_release(&sim);
}

static void more_shares_keep_more(void **state _unused_)
{
	struct sim sim;

	sim_init(&sim, 4 * GIB, 2);
	sim.policy = (struct balance_policy){ 700, 800, 920 };
	for (size_t i = 0; i < sim.n; i++) {
		sim.loads[i].demand = 100 * MIB;
		sim.loads[i].cache = 2 * GIB;
	}
	sim.members[1].shares = 4 * BALANCE_SHARES;
	sim_rounds(&sim, 80);
	assert_true(sim.members[1].used > 2 * sim.members[0].used);
	sim_release(&sim);
}

static void an_order_says_why(void **state _unused_)
{
	struct balance_host host = { 100 * GIB, 10 * GIB };
	struct balance_member members[] = {
		{ .name = "web", .used = 2 * GIB, .cold = GIB, .size = 4 * GIB, .min = GIB },
		{ .name = "db", .used = GIB, .size = GIB, .held = GIB, .pressure = 2512 },
	};
	struct balance_order orders[] = { { .member = 0, .bytes = -(int64_t)GIB },
					  { 0, -(int64_t)GIB, BALANCE_FOR_OTHER, 1 },
					  { 1, (int64_t)GIB, BALANCE_WAITING, 1 } };
	char text[BALANCE_TEXT_MAX];

	assert_string_equal(balance_explain(&orders[0], &host, members, text),
			    "web: takes 1.0G of 2.0G (at least 1.0G): the host uses 89 %");
	assert_string_equal(balance_explain(&orders[1], &host, members, text),
			    "web: takes 1.0G of 2.0G (at least 1.0G): db waits for memory");
	assert_string_equal(balance_explain(&orders[2], &host, members, text),
			    "db: gives 1.0G to its 1.0G: it waits 25.12 % of the time");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_host_with_room_is_left_alone),
		cmocka_unit_test(the_idle_pay_and_the_busy_do_not),
		cmocka_unit_test(what_is_promised_is_kept_though_the_host_is_full),
		cmocka_unit_test(a_load_that_wanders_is_followed),
		cmocka_unit_test(a_load_that_stands_still_ends_in_no_orders),
		cmocka_unit_test(made_up_loads_break_no_promise),
		cmocka_unit_test(idle_memory_goes_to_one_that_waits),
		cmocka_unit_test(memory_in_use_goes_to_one_that_is_dearer_and_to_no_other),
		cmocka_unit_test(above_the_ceiling_memory_in_use_is_taken),
		cmocka_unit_test(between_ease_and_target_nothing_is_done_unasked),
		cmocka_unit_test(what_was_just_taken_is_not_given_back),
		cmocka_unit_test(the_idle_are_asked_before_those_that_have_more),
		cmocka_unit_test(a_day_on_half_the_memory_has_nobody_wait_for_long),
		cmocka_unit_test(who_lies_is_let_be_and_stops_nobody),
		cmocka_unit_test(who_is_fixed_is_not_asked),
		cmocka_unit_test(more_shares_keep_more),
		cmocka_unit_test(an_order_says_why),
	};

	return cmocka_run_group_tests_name("instance/balance", tests, NULL, NULL);
}
