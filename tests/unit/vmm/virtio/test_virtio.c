// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/virtio.h"
#include "ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define ACK	    VIRTIO_STATUS_ACKNOWLEDGE
#define DRIVER	    (ACK | VIRTIO_STATUS_DRIVER)
#define FEATURES_OK (DRIVER | VIRTIO_STATUS_FEATURES_OK)
#define DRIVER_OK   (FEATURES_OK | VIRTIO_STATUS_DRIVER_OK)

#define VERSION_1  ((uint64_t)1 << VIRTIO_F_VERSION_1)
#define RING_RESET ((uint64_t)1 << VIRTIO_F_RING_RESET)
#define A_FEATURE  ((uint64_t)1 << 5)

/* A kind of device, its transport and its driver. */
struct bench {
	struct ram *ram;
	struct virtio *virtio;
	struct ring ring[2];
	uint64_t features; /* what activate() got */
	int activate_result, reset_result;
	int activated, resets, queue_resets, freed, kicks[2];
	int config_raised, queue_raised[2], taken[2];
	uint8_t config[6];
};

static int kind_activate(void *ctx, uint64_t features)
{
	struct bench *b = ctx;

	b->activated++;
	b->features = features;
	return b->activate_result;
}

static void kind_kick(void *ctx, unsigned int queue)
{
	((struct bench *)ctx)->kicks[queue]++;
}

static int kind_reset(void *ctx)
{
	struct bench *b = ctx;

	b->resets++;
	return b->reset_result;
}

static int kind_reset_queue(void *ctx, unsigned int queue _unused_)
{
	struct bench *b = ctx;

	b->queue_resets++;
	return b->reset_result;
}

static void kind_free(void *ctx)
{
	((struct bench *)ctx)->freed++;
}

static void kind_config_read(void *ctx, uint32_t offset, void *data, size_t len)
{
	struct bench *b = ctx;

	assert_true(offset + len <= sizeof(b->config));
	memcpy(data, b->config + offset, len);
}

static void kind_config_write(void *ctx, uint32_t offset, const void *data, size_t len)
{
	struct bench *b = ctx;

	assert_true(offset + len <= sizeof(b->config));
	memcpy(b->config + offset, data, len);
}

static const struct virtio_ops kind_ops = {
	.config_read = kind_config_read,
	.config_write = kind_config_write,
	.activate = kind_activate,
	.kick = kind_kick,
	.reset = kind_reset,
	.free = kind_free,
	.reset_queue = kind_reset_queue,
};

static void transport_raise(void *ctx, int queue)
{
	struct bench *b = ctx;

	if (queue < 0)
		b->config_raised++;
	else
		b->queue_raised[queue]++;
}

static void transport_take_kicks(void *ctx, unsigned int queue, int take)
{
	((struct bench *)ctx)->taken[queue] = take;
}

static int transport_kick_fd(void *ctx _unused_, unsigned int queue)
{
	return 100 + (int)queue;
}

static int transport_call_fd(void *ctx _unused_, unsigned int queue)
{
	return 200 + (int)queue;
}

static const struct virtio_transport_ops transport_ops = {
	.raise = transport_raise,
	.take_kicks = transport_take_kicks,
	.kick_fd = transport_kick_fd,
	.call_fd = transport_call_fd,
};

static void setup(struct bench *b)
{
	struct ram_options options = { .size = (uint64_t)2 << 20 };
	struct virtio_kind kind = { .name = "test",
				    .type = 42,
				    .features = A_FEATURE,
				    .n_queues = 2,
				    .queue_size = 8,
				    .config_size = sizeof(b->config),
				    .ops = &kind_ops };
	struct err err = ERR_INIT;
	struct virtio_host host = { 0 };

	*b = (struct bench){ .taken = { 1, 1 } };
	assert_int_equal(ram_new(&options, &b->ram, &err), 0);
	host.ram = b->ram;
	b->virtio = virtio_new(&host, &kind, b);
	virtio_attach(b->virtio, &transport_ops, b);
	for (unsigned int i = 0; i < 2; i++)
		ring_init(&b->ring[i], b->ram, 0x10000ULL * (i + 1), 8);
}

static void teardown(struct bench *b)
{
	virtio_free(b->virtio);
	assert_int_equal(b->freed, 1);
	ram_free(b->ram);
}

static void accept(struct virtio *virtio, uint64_t features)
{
	virtio_accept(virtio, 0, (uint32_t)features);
	virtio_accept(virtio, 1, (uint32_t)(features >> 32));
}

/* Up to DRIVER_OK, with queue 0 enabled. */
static void start(struct bench *b, uint64_t features)
{
	virtio_set_status(b->virtio, ACK);
	virtio_set_status(b->virtio, DRIVER);
	accept(b->virtio, features);
	virtio_set_status(b->virtio, FEATURES_OK);
	virtio_enable_queue(b->virtio, 0, &b->ring[0].setup);
	virtio_set_status(b->virtio, DRIVER_OK);
}

static void a_driver_goes_up_step_by_step(void **state _unused_)
{
	struct bench b;

	setup(&b);
	assert_true(virtio_offered(b.virtio) & VERSION_1);
	start(&b, VERSION_1 | A_FEATURE);
	assert_int_equal(virtio_status(b.virtio), DRIVER_OK);
	assert_int_equal(b.activated, 1);
	assert_true(b.features == (VERSION_1 | A_FEATURE));
	assert_true(virtio_has(b.virtio, 5));
	assert_false(virtio_has(b.virtio, VIRTIO_F_EVENT_IDX));
	assert_true(virtio_active(b.virtio));
	virtio_set_status(b.virtio, DRIVER_OK);
	assert_int_equal(b.activated, 1);
	teardown(&b);
}

static void a_step_that_misses_the_one_before_is_not_taken(void **state _unused_)
{
	struct bench b;

	setup(&b);
	virtio_set_status(b.virtio, VIRTIO_STATUS_DRIVER);
	assert_int_equal(virtio_status(b.virtio), 0);
	virtio_set_status(b.virtio, ACK | VIRTIO_STATUS_FEATURES_OK);
	assert_int_equal(virtio_status(b.virtio), ACK);
	virtio_set_status(b.virtio, DRIVER | VIRTIO_STATUS_DRIVER_OK);
	assert_int_equal(virtio_status(b.virtio), DRIVER);
	virtio_set_status(b.virtio, ACK);
	assert_int_equal(virtio_status(b.virtio), DRIVER);
	assert_int_equal(b.activated, 0);
	virtio_set_status(b.virtio, VIRTIO_STATUS_FAILED);
	accept(b.virtio, VERSION_1);
	virtio_set_status(b.virtio, DRIVER_OK);
	assert_int_equal(virtio_status(b.virtio), DRIVER | VIRTIO_STATUS_FAILED);
	virtio_set_status(b.virtio, 0);
	assert_int_equal(virtio_status(b.virtio), 0);
	teardown(&b);
}

static void features_are_refused_unless_they_were_offered_and_modern(void **state _unused_)
{
	struct bench b;

	setup(&b);
	virtio_set_status(b.virtio, DRIVER);
	accept(b.virtio, A_FEATURE);
	virtio_set_status(b.virtio, DRIVER_OK);
	assert_int_equal(virtio_status(b.virtio), DRIVER);
	accept(b.virtio, VERSION_1 | A_FEATURE << 1);
	virtio_set_status(b.virtio, FEATURES_OK);
	assert_int_equal(virtio_status(b.virtio), DRIVER);
	accept(b.virtio, VERSION_1);
	virtio_set_status(b.virtio, FEATURES_OK);
	assert_int_equal(virtio_status(b.virtio), FEATURES_OK);
	teardown(&b);
}

static void features_and_queues_are_set_in_their_windows(void **state _unused_)
{
	struct bench b;

	setup(&b);
	accept(b.virtio, VERSION_1);
	assert_int_equal(virtio_accepted(b.virtio), 0);
	virtio_set_status(b.virtio, DRIVER);
	accept(b.virtio, VERSION_1);
	virtio_accept(b.virtio, 2, UINT32_MAX);
	virtio_enable_queue(b.virtio, 0, &b.ring[0].setup);
	assert_false(queue_enabled(virtio_queue(b.virtio, 0)));
	virtio_set_status(b.virtio, FEATURES_OK);
	accept(b.virtio, 0);
	assert_true(virtio_accepted(b.virtio) == VERSION_1);
	virtio_enable_queue(b.virtio, 0, &b.ring[0].setup);
	virtio_enable_queue(b.virtio, 2, &b.ring[0].setup);
	assert_true(queue_enabled(virtio_queue(b.virtio, 0)));
	assert_null(virtio_queue(b.virtio, 2));
	virtio_set_status(b.virtio, DRIVER_OK);
	virtio_enable_queue(b.virtio, 1, &b.ring[1].setup);
	assert_false(queue_enabled(virtio_queue(b.virtio, 1)));
	virtio_reset_queue(b.virtio, 0);
	assert_true(queue_enabled(virtio_queue(b.virtio, 0)));
	assert_int_equal(b.queue_resets, 0);
	teardown(&b);
}

static void kicks_reach_an_active_device_and_enabled_queues(void **state _unused_)
{
	struct bench b;

	setup(&b);
	virtio_kicked(b.virtio, 0);
	ring_set(&b.ring[0], 0, 0x1000, 16, 0, 0);
	ring_offer(&b.ring[0], 0);
	start(&b, VERSION_1);
	assert_int_equal(b.kicks[0], 1); /* what was there before DRIVER_OK */
	virtio_kicked(b.virtio, 0);
	virtio_kicked(b.virtio, 1);
	virtio_kicked(b.virtio, 2);
	virtio_kicked(b.virtio, UINT32_MAX);
	assert_int_equal(b.kicks[0], 2);
	assert_int_equal(b.kicks[1], 0);
	virtio_break(b.virtio);
	virtio_kicked(b.virtio, 0);
	virtio_set_status(b.virtio, 0);
	virtio_kicked(b.virtio, 0);
	assert_int_equal(b.kicks[0], 2);
	teardown(&b);
}

static void a_queue_raises_its_own_interrupt(void **state _unused_)
{
	struct queue_chain chain;
	struct bench b;

	setup(&b);
	start(&b, VERSION_1);
	ring_set(&b.ring[0], 0, 0x1000, 16, 0, 0);
	ring_offer(&b.ring[0], 0);
	assert_int_equal(queue_pop(virtio_queue(b.virtio, 0), &chain), 1);
	queue_push(virtio_queue(b.virtio, 0), 0, 0);
	queue_raise(virtio_queue(b.virtio, 0));
	assert_int_equal(b.queue_raised[0], 1);
	assert_int_equal(b.queue_raised[1], 0);
	assert_int_equal(b.config_raised, 0);
	teardown(&b);
}

static void a_device_that_cannot_start_needs_a_reset(void **state _unused_)
{
	struct bench b;

	setup(&b);
	b.activate_result = -EIO;
	start(&b, VERSION_1);
	assert_int_equal(virtio_status(b.virtio), DRIVER_OK | VIRTIO_STATUS_NEEDS_RESET);
	assert_int_equal(b.config_raised, 1);
	assert_false(virtio_active(b.virtio));
	b.activate_result = 0;
	virtio_set_status(b.virtio, DRIVER_OK | VIRTIO_STATUS_NEEDS_RESET);
	assert_int_equal(b.activated, 1);
	virtio_set_status(b.virtio, 0);
	start(&b, VERSION_1);
	assert_int_equal(virtio_status(b.virtio), DRIVER_OK);
	assert_int_equal(b.activated, 2);
	teardown(&b);
}

static void a_queue_outside_of_memory_breaks_the_device(void **state _unused_)
{
	struct bench b;

	setup(&b);
	b.ring[0].setup.device = UINT64_MAX - 7;
	start(&b, VERSION_1);
	assert_int_equal(virtio_status(b.virtio), DRIVER_OK | VIRTIO_STATUS_NEEDS_RESET);
	assert_int_equal(b.activated, 0);
	teardown(&b);
}

static void a_broken_device_tells_its_driver_once(void **state _unused_)
{
	struct bench b;

	setup(&b);
	virtio_break(b.virtio);
	assert_int_equal(virtio_status(b.virtio), 0);
	start(&b, VERSION_1);
	virtio_break(b.virtio);
	virtio_break(b.virtio);
	assert_int_equal(b.config_raised, 1);
	virtio_set_status(b.virtio, DRIVER_OK);
	assert_int_equal(virtio_status(b.virtio), DRIVER_OK | VIRTIO_STATUS_NEEDS_RESET);
	teardown(&b);
}

static void a_reset_restores_what_there_was_at_power_on(void **state _unused_)
{
	struct bench b;

	setup(&b);
	virtio_set_status(b.virtio, 0);
	assert_int_equal(b.resets, 0);
	start(&b, VERSION_1 | A_FEATURE);
	virtio_set_status(b.virtio, 0);
	assert_int_equal(b.resets, 1);
	assert_int_equal(virtio_status(b.virtio), 0);
	assert_int_equal(virtio_accepted(b.virtio), 0);
	assert_false(queue_enabled(virtio_queue(b.virtio, 0)));
	start(&b, VERSION_1);
	assert_int_equal(b.activated, 2);
	teardown(&b);
}

static void a_reset_may_take_its_time(void **state _unused_)
{
	struct bench b;

	setup(&b);
	virtio_reset_done(b.virtio);
	start(&b, VERSION_1);
	b.reset_result = 1;
	virtio_set_status(b.virtio, 0);
	assert_int_equal(virtio_status(b.virtio), DRIVER_OK);
	assert_false(virtio_active(b.virtio));
	assert_true(queue_enabled(virtio_queue(b.virtio, 0)));
	virtio_set_status(b.virtio, 0);
	virtio_set_status(b.virtio, VIRTIO_STATUS_FAILED);
	virtio_kicked(b.virtio, 0);
	virtio_config_changed(b.virtio);
	virtio_config_write(b.virtio, 0, "x", 1);
	assert_int_equal(b.resets, 1);
	assert_int_equal(b.kicks[0], 0);
	assert_int_equal(b.config_raised, 0);
	assert_int_equal(b.config[0], 0);
	virtio_reset_done(b.virtio);
	assert_int_equal(virtio_status(b.virtio), 0);
	assert_false(queue_enabled(virtio_queue(b.virtio, 0)));
	start(&b, VERSION_1);
	assert_true(virtio_active(b.virtio));
	teardown(&b);
}

static void a_driver_may_reset_one_queue(void **state _unused_)
{
	struct bench b;

	setup(&b);
	start(&b, VERSION_1 | RING_RESET);
	virtio_reset_queue(b.virtio, 1);
	assert_int_equal(b.queue_resets, 0);
	virtio_reset_queue(b.virtio, 0);
	assert_int_equal(b.queue_resets, 1);
	assert_false(queue_enabled(virtio_queue(b.virtio, 0)));
	virtio_enable_queue(b.virtio, 0, &b.ring[0].setup);
	assert_true(queue_enabled(virtio_queue(b.virtio, 0)));
	b.reset_result = 1;
	virtio_reset_queue(b.virtio, 0);
	virtio_reset_queue(b.virtio, 0);
	assert_int_equal(b.queue_resets, 2);
	assert_true(virtio_queue_resetting(b.virtio, 0));
	virtio_enable_queue(b.virtio, 0, &b.ring[0].setup);
	virtio_kicked(b.virtio, 0);
	assert_int_equal(b.kicks[0], 0);
	virtio_reset_queue_done(b.virtio, 0);
	assert_false(virtio_queue_resetting(b.virtio, 0));
	assert_false(virtio_queue_resetting(b.virtio, 9));
	assert_false(queue_enabled(virtio_queue(b.virtio, 0)));
	teardown(&b);
}

static void a_new_configuration_is_told_when_the_driver_is_ready(void **state _unused_)
{
	struct bench b;
	uint8_t before;

	setup(&b);
	before = virtio_generation(b.virtio);
	virtio_config_changed(b.virtio);
	assert_int_not_equal(virtio_generation(b.virtio), before);
	assert_int_equal(b.config_raised, 0);
	start(&b, VERSION_1);
	virtio_config_changed(b.virtio);
	assert_int_equal(b.config_raised, 1);
	teardown(&b);
}

static void what_is_beyond_the_configuration_reads_as_0(void **state _unused_)
{
	struct bench b;
	uint8_t data[8];

	setup(&b);
	virtio_config_write(b.virtio, 0, "abcdefgh", 8);
	virtio_config_write(b.virtio, 6, "x", 1);
	virtio_config_write(b.virtio, UINT64_MAX, "x", 1);
	virtio_config_read(b.virtio, 4, data, 8);
	assert_memory_equal(data, "ef\0\0\0\0\0\0", 8);
	memset(data, 0xff, sizeof(data));
	virtio_config_read(b.virtio, UINT64_MAX - 3, data, 8);
	assert_memory_equal(data, "\0\0\0\0\0\0\0\0", 8);
	teardown(&b);
}

static void an_offloaded_queue_comes_back_with_a_reset(void **state _unused_)
{
	struct bench b;

	setup(&b);
	start(&b, VERSION_1);
	virtio_offload(b.virtio, 0, 1);
	assert_int_equal(b.taken[0], 0);
	assert_int_equal(virtio_kick_fd(b.virtio, 1), 101);
	assert_int_equal(virtio_call_fd(b.virtio, 1), 201);
	virtio_set_status(b.virtio, 0);
	assert_int_equal(b.taken[0], 1);
	teardown(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_driver_goes_up_step_by_step),
		cmocka_unit_test(a_step_that_misses_the_one_before_is_not_taken),
		cmocka_unit_test(features_are_refused_unless_they_were_offered_and_modern),
		cmocka_unit_test(features_and_queues_are_set_in_their_windows),
		cmocka_unit_test(kicks_reach_an_active_device_and_enabled_queues),
		cmocka_unit_test(a_queue_raises_its_own_interrupt),
		cmocka_unit_test(a_device_that_cannot_start_needs_a_reset),
		cmocka_unit_test(a_queue_outside_of_memory_breaks_the_device),
		cmocka_unit_test(a_broken_device_tells_its_driver_once),
		cmocka_unit_test(a_reset_restores_what_there_was_at_power_on),
		cmocka_unit_test(a_reset_may_take_its_time),
		cmocka_unit_test(a_driver_may_reset_one_queue),
		cmocka_unit_test(a_new_configuration_is_told_when_the_driver_is_ready),
		cmocka_unit_test(what_is_beyond_the_configuration_reads_as_0),
		cmocka_unit_test(an_offloaded_queue_comes_back_with_a_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
