// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/blk.h"
#include "base/take.h"
#include "ring.h"

#include <linux/virtio_blk.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <cmocka.h>

#define RAM_SIZE  ((uint64_t)2 << 20)
#define RING	  0x10000
#define HEADER	  0x40000
#define DATA	  0x80000
#define DISK_SIZE (1 << 20)
#define BIT(n)	  (UINT64_C(1) << (n))

struct bench {
	struct loop *loop;
	struct loop_source *deadline;
	struct ram *ram;
	struct virtio *virtio;
	struct ring ring, second;
	struct blk_options options;
	struct disk_options disk_options;
	int fd; /* the image */
	int raised, end_at_raise;
	uint16_t free; /* the next descriptor */
};

static void on_raise(void *ctx, int queue)
{
	struct bench *b = ctx;

	(void)queue;
	b->raised++;
	if (b->end_at_raise)
		loop_exit(b->loop, 0);
}

static void on_take(void *ctx _unused_, unsigned int queue _unused_, int take _unused_)
{
}

static int on_fd(void *ctx _unused_, unsigned int queue _unused_)
{
	return -EBADF;
}

static const struct virtio_transport_ops transport = { on_raise, on_take, on_fd, on_fd };

static void on_deadline(void *ctx)
{
	loop_exit(((struct bench *)ctx)->loop, -ETIMEDOUT);
}

static void bench_new(struct bench *b)
{
	struct ram_options ram_options = { .size = RAM_SIZE };
	struct disk_file file = { .format = DISK_RAW };
	struct virtio_host host;
	struct disk *disk;
	struct err err = ERR_INIT;

	assert_int_equal(loop_new(&b->loop, &err), 0);
	b->deadline = loop_add_timer(b->loop, on_deadline, b);
	loop_timer_set(b->deadline, 20000);
	assert_int_equal(ram_new(&ram_options, &b->ram, &err), 0);
	b->fd = memfd_create("image", MFD_CLOEXEC);
	assert_int_equal(ftruncate(b->fd, DISK_SIZE), 0);
	file.fd = dup(b->fd);
	b->disk_options.files = &file;
	b->disk_options.n_files = 1;
	assert_int_equal(disk_open(b->loop, &b->disk_options, &disk, &err), 0);
	host = (struct virtio_host){ b->loop, b->ram };
	assert_int_equal(blk_new(&host, disk, &b->options, &b->virtio, &err), 0);
	virtio_attach(b->virtio, &transport, b);
}

static void bench_drive(struct bench *b, uint64_t features)
{
	features |= BIT(VIRTIO_F_VERSION_1);
	virtio_set_status(b->virtio, 1);
	virtio_set_status(b->virtio, 3);
	virtio_accept(b->virtio, 0, (uint32_t)features);
	virtio_accept(b->virtio, 1, (uint32_t)(features >> 32));
	virtio_set_status(b->virtio, 11);
	assert_int_equal(virtio_status(b->virtio), 11);
	ring_init(&b->ring, b->ram, RING, 64);
	virtio_enable_queue(b->virtio, 0, &b->ring.setup);
	if (b->options.n_queues > 1) {
		ring_init(&b->second, b->ram, RING + 0x8000, 64);
		virtio_enable_queue(b->virtio, 1, &b->second.setup);
	}
	virtio_set_status(b->virtio, 15);
	assert_true(virtio_active(b->virtio));
}

static void bench_free(struct bench *b)
{
	virtio_free(b->virtio);
	loop_source_free(b->deadline);
	loop_free(b->loop);
	ram_free(b->ram);
	fd_close(b->fd);
}

/* Header, data of the guest's at gpa, status; returns the head. */
static uint16_t offer(struct bench *b, uint32_t type, uint64_t sector, uint64_t gpa, uint32_t len,
		      int in)
{
	uint16_t head = b->free;
	struct virtio_blk_outhdr header = { .type = type, .sector = sector };
	uint64_t at = HEADER + head * 32ULL;

	assert_int_equal(ram_write(b->ram, at, &header, sizeof(header)), 0);
	*(uint8_t *)ram_at(b->ram, at + 16, 1) = 0xff;
	ring_set(&b->ring, head, at, 16, RING_NEXT, (uint16_t)(head + (len ? 1 : 2)));
	if (len)
		ring_set(&b->ring, head + 1U, gpa, len, in ? RING_NEXT | RING_WRITE : RING_NEXT,
			 (uint16_t)(head + 2));
	ring_set(&b->ring, head + 2U, at + 16, 1, RING_WRITE, 0);
	ring_offer(&b->ring, head);
	b->free = (uint16_t)((head + 3) % 63);
	return head;
}

static uint8_t status_of(struct bench *b, uint16_t head)
{
	return *(uint8_t *)ram_at(b->ram, HEADER + head * 32ULL + 16, 1);
}

/* Kicks, waits for the one request; its status, and what was written. */
static uint8_t finish(struct bench *b, uint16_t head, uint32_t *ret_written)
{
	uint32_t got = 0;

	b->end_at_raise = 0;
	virtio_kicked(b->virtio, 0);
	if (!ring_take(&b->ring, &got, ret_written)) {
		b->end_at_raise = 1;
		assert_int_equal(loop_run(b->loop), 0);
		assert_int_equal(ring_take(&b->ring, &got, ret_written), 1);
	}
	assert_int_equal(got, head);
	return status_of(b, head);
}

static uint8_t ask(struct bench *b, uint32_t type, uint64_t sector, uint32_t len, int in)
{
	uint32_t written;

	return finish(b, offer(b, type, sector, DATA, len, in), &written);
}

static void what_is_written_is_on_the_disk_and_read_again(void **state _unused_)
{
	struct bench b = { 0 };
	uint8_t text[1024];
	uint32_t written = 0;

	bench_new(&b);
	bench_drive(&b, BIT(VIRTIO_BLK_F_FLUSH));
	memset(ram_at(b.ram, DATA, 1024), 'a', 1024);
	assert_int_equal(ask(&b, VIRTIO_BLK_T_OUT, 5, 1024, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(ask(&b, VIRTIO_BLK_T_FLUSH, 0, 0, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(pread(b.fd, text, 1024, 2560), 1024);
	assert_memory_equal(text, ram_at(b.ram, DATA, 1024), 1024);
	memset(ram_at(b.ram, DATA, 1024), 0, 1024);
	assert_int_equal(finish(&b, offer(&b, VIRTIO_BLK_T_IN, 5, DATA, 1024, 1), &written),
			 VIRTIO_BLK_S_OK);
	assert_int_equal(written, 1025);
	assert_memory_equal(text, ram_at(b.ram, DATA, 1024), 1024);
	bench_free(&b);
}

static void ranges_beyond_the_disk_are_errors(void **state _unused_)
{
	const uint64_t end = DISK_SIZE / 512;
	struct bench b = { 0 };

	bench_new(&b);
	bench_drive(&b, BIT(VIRTIO_BLK_F_FLUSH));
	assert_int_equal(ask(&b, VIRTIO_BLK_T_IN, end - 1, 512, 1), VIRTIO_BLK_S_OK);
	assert_int_equal(ask(&b, VIRTIO_BLK_T_IN, end - 1, 1024, 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask(&b, VIRTIO_BLK_T_IN, end, 512, 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask(&b, VIRTIO_BLK_T_OUT, UINT64_MAX, 512, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask(&b, VIRTIO_BLK_T_OUT, UINT64_MAX / 512, 512, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask(&b, VIRTIO_BLK_T_OUT, UINT64_C(1) << 55, 512, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask(&b, VIRTIO_BLK_T_IN, 0, 511, 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask(&b, 77, 0, 512, 1), VIRTIO_BLK_S_UNSUPP);
	assert_true(virtio_active(b.virtio));
	bench_free(&b);
}

static uint8_t ask_range(struct bench *b, uint32_t type, uint64_t sector, uint32_t n,
			 uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes ranges[2];

	ranges[0] = (struct virtio_blk_discard_write_zeroes){ .sector = 3, .num_sectors = 1 };
	ranges[1] = (struct virtio_blk_discard_write_zeroes){ .sector = sector,
							      .num_sectors = n,
							      .flags = flags };
	assert_int_equal(ram_write(b->ram, DATA, ranges, sizeof(ranges)), 0);
	return ask(b, type, 0, sizeof(ranges), 0);
}

static void zeroes_and_discards_have_several_ranges(void **state _unused_)
{
	const uint64_t features = BIT(VIRTIO_BLK_F_WRITE_ZEROES) | BIT(VIRTIO_BLK_F_DISCARD);
	struct bench b = { 0 };
	uint8_t text[16384], zeroes[4096] = { 0 };

	bench_new(&b);
	bench_drive(&b, features);
	memset(text, 'x', sizeof(text));
	assert_int_equal(pwrite(b.fd, text, sizeof(text), 0), sizeof(text));
	assert_int_equal(ask_range(&b, VIRTIO_BLK_T_WRITE_ZEROES, 8, 8, 1), VIRTIO_BLK_S_OK);
	assert_int_equal(pread(b.fd, text, sizeof(text), 0), sizeof(text));
	assert_int_equal(text[3 * 512 - 1], 'x');
	assert_memory_equal(text + 1536, zeroes, 512);
	assert_int_equal(text[2048], 'x');
	assert_memory_equal(&text[4096], zeroes, 4096);
	assert_int_equal(text[8192], 'x');
	assert_int_equal(ask_range(&b, VIRTIO_BLK_T_DISCARD, 16, 8, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(ask_range(&b, VIRTIO_BLK_T_DISCARD, 16, 8, 1), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(ask_range(&b, VIRTIO_BLK_T_WRITE_ZEROES, 16, 8, 2), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(ask_range(&b, VIRTIO_BLK_T_DISCARD, UINT64_MAX, 8, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask_range(&b, VIRTIO_BLK_T_DISCARD, 2040, 9, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask_range(&b, VIRTIO_BLK_T_DISCARD, 0, UINT32_MAX, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask(&b, VIRTIO_BLK_T_DISCARD, 0, 15, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask(&b, VIRTIO_BLK_T_DISCARD, 0, 0, 0), VIRTIO_BLK_S_IOERR);
	bench_free(&b);
}

static void a_read_only_disk_says_so_and_refuses(void **state _unused_)
{
	struct bench b = { .options = { .read_only = 1 } };

	bench_new(&b);
	assert_true(virtio_offered(b.virtio) & BIT(VIRTIO_BLK_F_RO));
	assert_false(virtio_offered(b.virtio) & BIT(VIRTIO_BLK_F_DISCARD));
	bench_drive(&b, BIT(VIRTIO_BLK_F_RO));
	assert_int_equal(ask(&b, VIRTIO_BLK_T_OUT, 0, 512, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask_range(&b, VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(ask(&b, VIRTIO_BLK_T_IN, 0, 512, 1), VIRTIO_BLK_S_OK);
	bench_free(&b);
}

static void the_serial_number_and_the_configuration_are_told(void **state _unused_)
{
	struct bench b = { .options = { .serial = "layer-0", .n_queues = 2 } };
	struct virtio_blk_config config;
	uint32_t written = 0;

	bench_new(&b);
	virtio_config_read(b.virtio, 0, &config, sizeof(config));
	assert_int_equal(config.capacity, DISK_SIZE / 512);
	assert_int_equal(config.blk_size, 512);
	assert_int_equal(config.seg_max, 254);
	assert_int_equal(config.num_queues, 2);
	assert_int_equal(config.wce, 1);
	bench_drive(&b, BIT(VIRTIO_BLK_F_MQ));
	assert_int_equal(finish(&b, offer(&b, VIRTIO_BLK_T_GET_ID, 0, DATA, 20, 1), &written),
			 VIRTIO_BLK_S_OK);
	assert_int_equal(written, 21);
	assert_memory_equal(ram_at(b.ram, DATA, 20), "layer-0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
	assert_int_equal(ask(&b, VIRTIO_BLK_T_GET_ID, 0, 19, 1), VIRTIO_BLK_S_IOERR);
	bench_free(&b);
}

static void the_write_cache_is_the_drivers_to_choose(void **state _unused_)
{
	const uint32_t wce = offsetof(struct virtio_blk_config, wce);
	const uint8_t off = 0;
	struct bench b = { 0 };
	uint8_t value = 9;

	bench_new(&b);
	virtio_config_write(b.virtio, wce, &off, 1); /* not accepted yet */
	virtio_config_read(b.virtio, wce, &value, 1);
	assert_int_equal(value, 1);
	bench_drive(&b, BIT(VIRTIO_BLK_F_FLUSH) | BIT(VIRTIO_BLK_F_CONFIG_WCE));
	virtio_config_write(b.virtio, wce, &off, 1);
	virtio_config_read(b.virtio, wce, &value, 1);
	assert_int_equal(value, 0);
	assert_int_equal(ask(&b, VIRTIO_BLK_T_OUT, 0, 512, 0), VIRTIO_BLK_S_OK);
	virtio_set_status(b.virtio, 0);
	virtio_config_read(b.virtio, wce, &value, 1);
	assert_int_equal(value, 1);
	bench_free(&b);
}

static void many_requests_cost_one_interrupt_each_time_some_are_done(void **state _unused_)
{
	struct bench b = { 0 };
	uint32_t head = 0, written = 0;
	int done = 0;

	bench_new(&b);
	bench_drive(&b, BIT(VIRTIO_BLK_F_FLUSH));
	for (int i = 0; i < 21; i++)
		offer(&b, VIRTIO_BLK_T_IN, (uint64_t)i, DATA + i * 512ULL, 512, 1);
	virtio_kicked(b.virtio, 0);
	b.end_at_raise = 1;
	while (done < 21) {
		while (ring_take(&b.ring, &head, &written)) {
			assert_int_equal(status_of(&b, (uint16_t)head), VIRTIO_BLK_S_OK);
			done++;
		}
		if (done < 21)
			assert_int_equal(loop_run(b.loop), 0);
	}
	assert_in_range(b.raised, 1, 21);
	bench_free(&b);
}

static void a_chain_that_cannot_be_answered_breaks_the_device(void **state _unused_)
{
	struct bench b = { 0 };

	bench_new(&b);
	bench_drive(&b, 0);
	ring_set(&b.ring, 0, HEADER, 16, 0, 0); /* no status */
	ring_offer(&b.ring, 0);
	virtio_kicked(b.virtio, 0);
	assert_true(virtio_status(b.virtio) & VIRTIO_STATUS_NEEDS_RESET);
	virtio_set_status(b.virtio, 0);
	assert_int_equal(virtio_status(b.virtio), 0);
	bench_drive(&b, 0);
	ring_set(&b.ring, 0, HEADER, 15, RING_NEXT, 1);
	ring_set(&b.ring, 1, HEADER + 16, 1, RING_WRITE, 0);
	ring_offer(&b.ring, 0);
	virtio_kicked(b.virtio, 0);
	assert_true(virtio_status(b.virtio) & VIRTIO_STATUS_NEEDS_RESET);
	bench_free(&b);
}

static void on_tick(void *ctx)
{
	loop_exit(((struct bench *)ctx)->loop, 0);
}

/* The loop for a moment. */
static void tick(struct bench *b)
{
	struct loop_source *timer = loop_add_timer(b->loop, on_tick, b);

	loop_timer_set(timer, 1);
	assert_int_equal(loop_run(b->loop), 0);
	loop_source_free(timer);
}

static void a_reset_waits_for_what_is_under_way_and_pushes_nothing(void **state _unused_)
{
	struct bench b = { .disk_options = { .rates.write_operations = 20 } };
	uint32_t head, written;

	bench_new(&b);
	bench_drive(&b, BIT(VIRTIO_BLK_F_FLUSH));
	for (int i = 0; i < 20; i++)
		offer(&b, VIRTIO_BLK_T_OUT, 0, DATA, 4096, 0);
	virtio_kicked(b.virtio, 0);
	virtio_set_status(b.virtio, 0);
	while (virtio_status(b.virtio) != 0)
		tick(&b);
	assert_int_equal(ring_take(&b.ring, &head, &written), 0);
	b.free = 0;
	b.raised = 0;
	bench_drive(&b, BIT(VIRTIO_BLK_F_FLUSH));
	assert_int_equal(ask(&b, VIRTIO_BLK_T_IN, 0, 512, 1), VIRTIO_BLK_S_OK);
	bench_free(&b);
}

static void a_queue_can_be_reset_alone(void **state _unused_)
{
	struct bench b = { 0 };

	bench_new(&b);
	bench_drive(&b, BIT(VIRTIO_F_RING_RESET));
	offer(&b, VIRTIO_BLK_T_OUT, 0, DATA, 4096, 0);
	virtio_kicked(b.virtio, 0);
	virtio_reset_queue(b.virtio, 0);
	while (virtio_queue_resetting(b.virtio, 0))
		tick(&b);
	assert_false(queue_enabled(virtio_queue(b.virtio, 0)));
	ring_init(&b.ring, b.ram, RING, 64);
	virtio_enable_queue(b.virtio, 0, &b.ring.setup);
	b.free = 0;
	assert_int_equal(ask(&b, VIRTIO_BLK_T_IN, 0, 512, 1), VIRTIO_BLK_S_OK);
	bench_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_on_the_disk_and_read_again),
		cmocka_unit_test(ranges_beyond_the_disk_are_errors),
		cmocka_unit_test(zeroes_and_discards_have_several_ranges),
		cmocka_unit_test(a_read_only_disk_says_so_and_refuses),
		cmocka_unit_test(the_serial_number_and_the_configuration_are_told),
		cmocka_unit_test(the_write_cache_is_the_drivers_to_choose),
		cmocka_unit_test(many_requests_cost_one_interrupt_each_time_some_are_done),
		cmocka_unit_test(a_chain_that_cannot_be_answered_breaks_the_device),
		cmocka_unit_test(a_reset_waits_for_what_is_under_way_and_pushes_nothing),
		cmocka_unit_test(a_queue_can_be_reset_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
