// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/queue.h"
#include "base/take.h"
#include "ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define RAM_SIZE ((uint64_t)2 << 20)
#define BASE	 0x10000
#define DATA	 0x100000
#define TABLE	 0x80000 /* an indirect one */

struct bench {
	struct ram *ram;
	struct queue *queue;
	struct ring ring;
	struct queue_chain chain;
	int raised;
};

static void on_raise(void *ctx)
{
	((struct bench *)ctx)->raised++;
}

static void setup(struct bench *bench, uint16_t size, int event_idx)
{
	struct ram_options options = { .size = RAM_SIZE };
	struct err err = ERR_INIT;

	*bench = (struct bench){ 0 };
	assert_int_equal(ram_new(&options, &bench->ram, &err), 0);
	bench->queue = queue_new(bench->ram, 256, on_raise, bench);
	ring_init(&bench->ring, bench->ram, BASE, size);
	assert_int_equal(queue_enable(bench->queue, &bench->ring.setup, event_idx), 0);
}

static void teardown(struct bench *bench)
{
	queue_free(bench->queue);
	ram_free(bench->ram);
}

static void a_chain_comes_out_as_it_was_offered(void **state _unused_)
{
	struct bench b;
	uint32_t head = 0, written = 0;
	char text[8] = "";

	setup(&b, 8, 0);
	assert_int_equal(queue_pop(b.queue, &b.chain), 0);
	memcpy(ram_at(b.ram, DATA, 6), "abcdef", 6);
	ring_set(&b.ring, 3, DATA, 2, RING_NEXT, 1);
	ring_set(&b.ring, 1, DATA + 2, 4, RING_NEXT, 7);
	ring_set(&b.ring, 7, DATA + 0x1000, 3, RING_NEXT | RING_WRITE, 0);
	ring_set(&b.ring, 0, DATA + 0x2000, 5, RING_WRITE, 0);
	ring_offer(&b.ring, 3);
	assert_int_equal(queue_has(b.queue), 1);
	assert_int_equal(queue_pop(b.queue, &b.chain), 1);
	assert_int_equal(b.chain.head, 3);
	assert_int_equal(b.chain.n_out, 2);
	assert_int_equal(b.chain.n_in, 2);
	assert_int_equal(b.chain.out_len, 6);
	assert_int_equal(b.chain.in_len, 8);
	assert_int_equal(queue_copy_out(&b.chain, 1, text, sizeof(text)), 5);
	assert_string_equal(text, "bcdef");
	assert_int_equal(queue_copy_in(&b.chain, 2, "0123456789", 10), 6);
	assert_memory_equal(ram_at(b.ram, DATA + 0x1002, 1), "0", 1);
	assert_memory_equal(ram_at(b.ram, DATA + 0x2000, 5), "12345", 5);
	assert_int_equal(queue_copy_in(&b.chain, 8, "x", 1), 0);
	assert_int_equal(queue_pop(b.queue, &b.chain), 0);
	queue_push(b.queue, 3, 8);
	assert_int_equal(ring_take(&b.ring, &head, &written), 1);
	assert_int_equal(head, 3);
	assert_int_equal(written, 8);
	assert_int_equal(b.raised, 0);
	queue_raise(b.queue);
	queue_raise(b.queue);
	assert_int_equal(b.raised, 1);
	teardown(&b);
}

static void an_indirect_table_may_end_a_chain(void **state _unused_)
{
	struct bench b;
	struct ring_desc *table;

	setup(&b, 4, 0);
	table = ram_at(b.ram, TABLE, 200 * sizeof(*table));
	for (int i = 0; i < 200; i++)
		table[i] = (struct ring_desc){ .gpa = DATA + 16 * (uint64_t)i,
					       .len = 16,
					       .flags = RING_NEXT | RING_WRITE,
					       .next = (uint16_t)(i + 1) };
	table[199].flags = RING_WRITE;
	ring_set(&b.ring, 0, DATA, 16, RING_NEXT, 1);
	/* that an indirect descriptor is writable means nothing */
	ring_set(&b.ring, 1, TABLE, 200 * 16, RING_INDIRECT | RING_WRITE, 0);
	ring_offer(&b.ring, 0);
	assert_int_equal(queue_pop(b.queue, &b.chain), 1);
	assert_int_equal(b.chain.n_out, 1);
	assert_int_equal(b.chain.n_in, 200);
	assert_int_equal(b.chain.in_len, 3200);
	assert_ptr_equal(b.chain.segments[200].iov_base, ram_at(b.ram, DATA + 199 * 16, 16));
	teardown(&b);
}

/* Offers what broke makes of descriptor 0, and expects that it never comes out. */
static void expect_broken(void (*breach)(struct bench *b), int with_event_idx)
{
	struct bench b;
	uint32_t head, written;

	setup(&b, 8, with_event_idx);
	ring_set(&b.ring, 2, DATA, 16, RING_WRITE, 0);
	ring_offer(&b.ring, 2);
	assert_int_equal(queue_pop(b.queue, &b.chain), 1);
	ring_set(&b.ring, 0, DATA, 16, 0, 0);
	breach(&b);
	ring_offer(&b.ring, 0);
	assert_int_equal(queue_pop(b.queue, &b.chain), -EBADMSG);
	assert_int_equal(queue_pop(b.queue, &b.chain), -EBADMSG);
	assert_int_equal(queue_broken(b.queue), 1);
	assert_int_equal(queue_has(b.queue), 0);
	assert_int_equal(queue_want_kicks(b.queue, 1), 0);
	queue_push(b.queue, 2, 0);
	queue_raise(b.queue);
	assert_int_equal(ring_take(&b.ring, &head, &written), 0);
	assert_int_equal(b.raised, 0);
	queue_reset(b.queue);
	assert_int_equal(queue_pop(b.queue, &b.chain), 0);
	ring_init(&b.ring, b.ram, BASE, 8);
	assert_int_equal(queue_enable(b.queue, &b.ring.setup, 0), 0);
	ring_set(&b.ring, 2, DATA, 16, 0, 0);
	ring_offer(&b.ring, 2);
	assert_int_equal(queue_pop(b.queue, &b.chain), 1);
	teardown(&b);
}

static void breach_empty(struct bench *b)
{
	ring_set(&b->ring, 0, DATA, 0, 0, 0);
}

static void breach_address(struct bench *b)
{
	ring_set(&b->ring, 0, RAM_SIZE - 8, 9, 0, 0);
}

static void breach_wrapping_address(struct bench *b)
{
	ring_set(&b->ring, 0, UINT64_MAX - 8, 64, 0, 0);
}

static void breach_loop(struct bench *b)
{
	ring_set(&b->ring, 0, DATA, 16, RING_NEXT, 0);
}

static void breach_next(struct bench *b)
{
	ring_set(&b->ring, 0, DATA, 16, RING_NEXT, 8);
}

static void breach_order(struct bench *b)
{
	ring_set(&b->ring, 0, DATA, 16, RING_NEXT | RING_WRITE, 1);
	ring_set(&b->ring, 1, DATA, 16, 0, 0);
}

static void breach_index(struct bench *b)
{
	b->ring.avail[1] = (uint16_t)(b->ring.avail[1] + 8);
}

static void breach_head(struct bench *b)
{
	ring_offer(&b->ring, 8);
}

static void breach_twice(struct bench *b)
{
	ring_offer(&b->ring, 2);
}

static void breach_indirect_empty(struct bench *b)
{
	ring_set(&b->ring, 0, TABLE, 0, RING_INDIRECT, 0);
}

static void breach_indirect_odd(struct bench *b)
{
	ring_set(&b->ring, 0, TABLE, 24, RING_INDIRECT, 0);
}

static void breach_indirect_next(struct bench *b)
{
	struct ring_desc *table = ram_at(b->ram, TABLE, sizeof(*table));

	*table = (struct ring_desc){ .gpa = DATA, .len = 1 };
	ring_set(&b->ring, 0, TABLE, 16, RING_INDIRECT | RING_NEXT, 1);
	ring_set(&b->ring, 1, DATA, 16, 0, 0);
}

static void breach_indirect_nested(struct bench *b)
{
	struct ring_desc *table = ram_at(b->ram, TABLE, sizeof(*table));

	*table = (struct ring_desc){ .gpa = TABLE, .len = 16, .flags = RING_INDIRECT };
	ring_set(&b->ring, 0, TABLE, 16, RING_INDIRECT, 0);
}

static void breach_indirect_loop(struct bench *b)
{
	struct ring_desc *table = ram_at(b->ram, TABLE, sizeof(*table));

	*table = (struct ring_desc){ .gpa = DATA, .len = 16, .flags = RING_NEXT };
	ring_set(&b->ring, 0, TABLE, 16, RING_INDIRECT, 0);
}

static void breach_indirect_end(struct bench *b)
{
	struct ring_desc *table = ram_at(b->ram, TABLE, sizeof(*table));

	*table = (struct ring_desc){ .gpa = DATA, .len = 16, .flags = RING_NEXT, .next = 1 };
	ring_set(&b->ring, 0, TABLE, 16, RING_INDIRECT, 0);
}

static void a_broken_ring_is_noticed_and_touched_no_more(void **state _unused_)
{
	static void (*const breaches[])(struct bench *) = {
		breach_empty,
		breach_address,
		breach_wrapping_address,
		breach_loop,
		breach_next,
		breach_order,
		breach_index,
		breach_head,
		breach_twice,
		breach_indirect_empty,
		breach_indirect_odd,
		breach_indirect_next,
		breach_indirect_end,
		breach_indirect_nested,
		breach_indirect_loop,
	};

	for (size_t i = 0; i < ARRAY_SIZE(breaches); i++) {
		expect_broken(breaches[i], 0);
		expect_broken(breaches[i], 1);
	}
}

static void a_chain_of_more_than_4_gib_breaks_the_queue(void **state _unused_)
{
	struct ram_options options = { .size = (uint64_t)3 << 30 };
	struct queue_chain chain;
	struct err err = ERR_INIT;
	struct queue *queue;
	struct ring ring;
	struct ram *ram;

	assert_int_equal(ram_new(&options, &ram, &err), 0);
	queue = queue_new(ram, 8, on_raise, NULL);
	ring_init(&ring, ram, BASE, 8);
	ring_set(&ring, 0, 0, 1U << 31, RING_NEXT, 1);
	ring_set(&ring, 1, 0, 1U << 31, 0, 0);
	assert_int_equal(queue_enable(queue, &ring.setup, 0), 0);
	ring_offer(&ring, 0);
	assert_int_equal(queue_pop(queue, &chain), 1);
	assert_true(chain.out_len == (uint64_t)1 << 32);
	queue_push(queue, 0, 0);
	ring.desc[1].len++;
	ring_offer(&ring, 0);
	assert_int_equal(queue_pop(queue, &chain), -EBADMSG);
	queue_free(queue);
	ram_free(ram);
}

static void rings_that_are_not_memory_are_refused(void **state _unused_)
{
	struct queue_setup good, bad[10];
	struct bench b;

	setup(&b, 8, 0);
	good = b.ring.setup;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = good;
	bad[0].size = 0;
	bad[1].size = 3;
	bad[2].size = 512;
	bad[3].descriptors += 8;
	bad[4].driver += 1;
	bad[5].device += 2;
	bad[6].descriptors = RAM_SIZE - 128 + 16;
	bad[7].driver = RAM_SIZE - 22 + 2;
	bad[8].device = RAM_SIZE - 70 + 2;
	bad[9].device = UINT64_MAX - 3;
	ring_set(&b.ring, 0, DATA, 16, 0, 0);
	ring_offer(&b.ring, 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(queue_enable(b.queue, &bad[i], 0), -EINVAL);
	assert_int_equal(queue_pop(b.queue, &b.chain), 1);
	good.driver = RAM_SIZE - 22;
	assert_int_equal(queue_enable(b.queue, &good, 1), 0);
	teardown(&b);
}

static void a_chain_is_pushed_once(void **state _unused_)
{
	struct bench b;
	uint32_t head, written;

	setup(&b, 4, 0);
	ring_set(&b.ring, 1, DATA, 16, 0, 0);
	ring_offer(&b.ring, 1);
	queue_push(b.queue, 1, 0);
	assert_int_equal(ring_take(&b.ring, &head, &written), 0);
	assert_int_equal(queue_pop(b.queue, &b.chain), 1);
	queue_push(b.queue, 2, 0);
	queue_push(b.queue, 1000, 0);
	queue_push(b.queue, 1, 0);
	queue_push(b.queue, 1, 0);
	assert_int_equal(ring_take(&b.ring, &head, &written), 1);
	assert_int_equal(ring_take(&b.ring, &head, &written), 0);
	teardown(&b);
}

static void a_chain_can_be_put_back(void **state _unused_)
{
	struct bench b;

	setup(&b, 4, 1);
	ring_set(&b.ring, 0, DATA, 16, 0, 0);
	ring_set(&b.ring, 1, DATA, 17, 0, 0);
	ring_offer(&b.ring, 0);
	ring_offer(&b.ring, 1);
	assert_int_equal(queue_pop(b.queue, &b.chain), 1);
	queue_unpop(b.queue);
	queue_unpop(b.queue);
	assert_int_equal(queue_pop(b.queue, &b.chain), 1);
	assert_int_equal(b.chain.head, 0);
	assert_int_equal(queue_pop(b.queue, &b.chain), 1);
	assert_int_equal(b.chain.head, 1);
	queue_push(b.queue, 1, 0);
	queue_unpop(b.queue);
	assert_int_equal(queue_pop(b.queue, &b.chain), 0);
	teardown(&b);
}

static void interrupts_come_when_the_driver_wants_them(void **state _unused_)
{
	struct bench b;

	setup(&b, 4, 0);
	b.ring.avail[0] = 1; /* NO_INTERRUPT */
	for (uint16_t i = 0; i < 2; i++) {
		ring_set(&b.ring, i, DATA, 16, 0, 0);
		ring_offer(&b.ring, i);
		assert_int_equal(queue_pop(b.queue, &b.chain), 1);
		queue_push(b.queue, i, 0);
		queue_raise(b.queue);
		assert_int_equal(b.raised, i);
		b.ring.avail[0] = 0;
	}
	assert_int_equal(b.raised, 1);
	teardown(&b);
}

/* One chain after the other, all with head 0. */
static void turn(struct bench *b, int n)
{
	for (int i = 0; i < n; i++) {
		ring_offer(&b->ring, 0);
		assert_int_equal(queue_pop(b->queue, &b->chain), 1);
		queue_push(b->queue, 0, 0);
	}
	queue_raise(b->queue);
}

static void interrupts_come_at_the_event_index(void **state _unused_)
{
	struct bench b;

	setup(&b, 4, 1);
	ring_set(&b.ring, 0, DATA, 16, 0, 0);
	*ring_used_event(&b.ring) = 2;
	turn(&b, 2);
	assert_int_equal(b.raised, 0);
	turn(&b, 1);
	assert_int_equal(b.raised, 1);
	turn(&b, 1);
	assert_int_equal(b.raised, 1);
	*ring_used_event(&b.ring) = 6;
	turn(&b, 5);
	assert_int_equal(b.raised, 2);
	*ring_used_event(&b.ring) = 1; /* after the index has wrapped */
	turn(&b, 65000);
	assert_int_equal(b.raised, 2);
	turn(&b, 600);
	assert_int_equal(b.raised, 3);
	turn(&b, 70000);
	assert_int_equal(b.raised, 4);
	teardown(&b);
}

static void kicks_are_asked_for_when_all_is_popped(void **state _unused_)
{
	struct bench b;

	setup(&b, 4, 1);
	ring_set(&b.ring, 0, DATA, 16, 0, 0);
	ring_set(&b.ring, 1, DATA, 16, 0, 0);
	ring_offer(&b.ring, 0);
	ring_offer(&b.ring, 1);
	assert_int_equal(queue_pop(b.queue, &b.chain), 1);
	assert_int_equal(queue_pop(b.queue, &b.chain), 1);
	assert_int_equal(*ring_avail_event(&b.ring), 0);
	assert_int_equal(queue_pop(b.queue, &b.chain), 0);
	assert_int_equal(*ring_avail_event(&b.ring), 2);
	queue_push(b.queue, 0, 0);
	queue_push(b.queue, 1, 0);
	assert_int_equal(queue_want_kicks(b.queue, 0), 0);
	ring_offer(&b.ring, 0);
	assert_int_equal(queue_pop(b.queue, &b.chain), 1);
	assert_int_equal(queue_pop(b.queue, &b.chain), 0);
	assert_int_equal(*ring_avail_event(&b.ring), 2);
	assert_int_equal(queue_want_kicks(b.queue, 1), 0);
	assert_int_equal(*ring_avail_event(&b.ring), 3);
	ring_offer(&b.ring, 1);
	assert_int_equal(queue_want_kicks(b.queue, 1), 1);
	teardown(&b);
}

static void kicks_are_asked_for_by_flag_without_event_indices(void **state _unused_)
{
	struct bench b;

	setup(&b, 4, 0);
	assert_int_equal(b.ring.used[0], 0);
	assert_int_equal(queue_want_kicks(b.queue, 0), 0);
	assert_int_equal(b.ring.used[0], 1);
	ring_set(&b.ring, 0, DATA, 16, 0, 0);
	ring_offer(&b.ring, 0);
	assert_int_equal(queue_want_kicks(b.queue, 1), 1);
	assert_int_equal(b.ring.used[0], 0);
	assert_int_equal(*ring_avail_event(&b.ring), 0);
	teardown(&b);
}

static void the_rings_are_told_as_pointers(void **state _unused_)
{
	struct queue_setup told;
	struct bench b;
	void *rings[3];

	setup(&b, 16, 0);
	queue_rings(b.queue, &told, rings);
	assert_memory_equal(&told, &b.ring.setup, sizeof(told));
	assert_ptr_equal(rings[0], b.ring.desc);
	assert_ptr_equal(rings[1], b.ring.avail);
	assert_ptr_equal(rings[2], b.ring.used);
	assert_int_equal(queue_size_max(b.queue), 256);
	assert_int_equal(queue_enabled(b.queue), 1);
	queue_reset(b.queue);
	assert_int_equal(queue_enabled(b.queue), 0);
	teardown(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_comes_out_as_it_was_offered),
		cmocka_unit_test(an_indirect_table_may_end_a_chain),
		cmocka_unit_test(a_broken_ring_is_noticed_and_touched_no_more),
		cmocka_unit_test(a_chain_of_more_than_4_gib_breaks_the_queue),
		cmocka_unit_test(rings_that_are_not_memory_are_refused),
		cmocka_unit_test(a_chain_is_pushed_once),
		cmocka_unit_test(a_chain_can_be_put_back),
		cmocka_unit_test(interrupts_come_when_the_driver_wants_them),
		cmocka_unit_test(interrupts_come_at_the_event_index),
		cmocka_unit_test(kicks_are_asked_for_when_all_is_popped),
		cmocka_unit_test(kicks_are_asked_for_by_flag_without_event_indices),
		cmocka_unit_test(the_rings_are_told_as_pointers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
