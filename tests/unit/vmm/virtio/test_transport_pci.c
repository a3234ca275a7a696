// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/transport_pci.h"
#include "vmm/layout.h"
#include "../bus/fake_hv.h"
#include "ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define CONFIG (LAYOUT_ECAM + 0x8000) /* slot 1 */
#define BAR    LAYOUT_PCI
#define TABLE  (BAR + 0x4000)

#define VERSION_1  ((uint64_t)1 << VIRTIO_F_VERSION_1)
#define RING_RESET ((uint64_t)1 << VIRTIO_F_RING_RESET)

/* Where the capabilities say that things are. */
struct part {
	uint32_t at, len, more;
	uint8_t offset;
};

struct bench {
	struct fake_hv fake;
	struct hv hv;
	struct ram *ram;
	struct loop *loop;
	struct bus *bus;
	struct pci *pci;
	struct msi *msi;
	struct virtio *virtio;
	struct transport_pci *transport;
	struct ring ring[2];
	struct part parts[6], msix;
	struct queue_chain chain;
	int activate_result, reset_result;
	int kicks[2], freed, echo;
	int kick_fd, ioeventfds_at_reset;
	uint8_t config[6];
};

static int kind_activate(void *ctx, uint64_t features _unused_)
{
	return ((struct bench *)ctx)->activate_result;
}

static void kind_kick(void *ctx, unsigned int queue)
{
	struct bench *b = ctx;
	struct queue *q = virtio_queue(b->virtio, queue);

	b->kicks[queue]++;
	while (b->echo && queue_pop(q, &b->chain) == 1)
		queue_push(q, b->chain.head, 0);
	queue_raise(q);
	loop_exit(b->loop, 0);
}

static int kind_reset(void *ctx)
{
	struct bench *b = ctx;

	b->ioeventfds_at_reset = fake_hv_ioeventfds(&b->fake);
	return b->reset_result;
}

static int kind_reset_queue(void *ctx, unsigned int queue _unused_)
{
	return kind_reset(ctx);
}

static void kind_free(void *ctx)
{
	((struct bench *)ctx)->freed++;
}

static void kind_config_read(void *ctx, uint32_t offset, void *data, size_t len)
{
	memcpy(data, ((struct bench *)ctx)->config + offset, len);
}

static void kind_config_write(void *ctx, uint32_t offset, const void *data, size_t len)
{
	memcpy(((struct bench *)ctx)->config + offset, data, len);
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

static uint64_t get(const struct bench *b, uint64_t address, size_t len)
{
	uint8_t data[8];

	bus_read(b->bus, address, data, len);
	return bus_value(data, len);
}

static void put(const struct bench *b, uint64_t address, uint64_t value, size_t len)
{
	uint8_t data[8];

	bus_set_value(data, len, value);
	bus_write(b->bus, address, data, len);
}

static void find_parts(struct bench *b)
{
	uint8_t at = (uint8_t)get(b, CONFIG + 0x34, 1);

	for (int i = 0; at && i < 10; i++) {
		uint64_t cap = CONFIG + at;
		uint8_t type = (uint8_t)get(b, cap + 3, 1);

		if (get(b, cap, 1) == 0x11) {
			b->msix = (struct part){ .at = (uint32_t)get(b, cap + 4, 4),
						 .more = (uint32_t)get(b, cap + 8, 4),
						 .len = (uint32_t)get(b, cap + 2, 2) + 1,
						 .offset = at };
		} else {
			assert_int_equal(get(b, cap, 1), 9);
			assert_in_range(type, 1, 5);
			assert_int_equal(get(b, cap + 4, 1), 0);
			b->parts[type] = (struct part){
				.at = (uint32_t)get(b, cap + 8, 4),
				.len = (uint32_t)get(b, cap + 12, 4),
				.more = get(b, cap + 2, 1) == 20 ? (uint32_t)get(b, cap + 16, 4)
								 : 0,
				.offset = at,
			};
		}
		at = (uint8_t)get(b, cap + 1, 1);
	}
	assert_int_equal(at, 0);
}

static void setup_kind(struct bench *b, uint16_t type, uint32_t config_size)
{
	struct ram_options options = { .size = (uint64_t)2 << 20 };
	struct virtio_kind kind = { .name = "test",
				    .type = type,
				    .n_queues = 2,
				    .queue_size = 64,
				    .config_size = config_size,
				    .ops = &kind_ops };
	struct virtio_host host = { 0 };
	struct err err = ERR_INIT;

	*b = (struct bench){ .hv = { .ops = &fake_hv_ops } };
	b->hv.ctx = &b->fake;
	assert_int_equal(ram_new(&options, &b->ram, &err), 0);
	assert_int_equal(loop_new(&b->loop, &err), 0);
	host = (struct virtio_host){ .loop = b->loop, .ram = b->ram };
	b->bus = bus_new();
	b->msi = msi_new(&b->hv);
	assert_int_equal(pci_new(b->bus, &b->pci, &err), 0);
	b->virtio = virtio_new(&host, &kind, b);
	assert_int_equal(
		transport_pci_new(b->pci, b->msi, &b->hv, b->loop, b->virtio, &b->transport, &err),
		0);
	for (unsigned int i = 0; i < 2; i++)
		ring_init(&b->ring[i], b->ram, 0x10000ULL * (i + 1), 64);
	put(b, CONFIG + 4, 6, 2);
	find_parts(b);
}

static void setup(struct bench *b)
{
	setup_kind(b, 2, sizeof(b->config));
}

static void teardown(struct bench *b)
{
	transport_pci_free(b->transport);
	assert_int_equal(b->freed, 1);
	assert_int_equal(fake_hv_ioeventfds(&b->fake), 0);
	assert_int_equal(fake_hv_irqfds(&b->fake), 0);
	pci_free(b->pci);
	msi_free(b->msi);
	bus_free(b->bus);
	loop_free(b->loop);
	ram_free(b->ram);
}

static void accept(const struct bench *b, uint64_t features)
{
	for (unsigned int half = 0; half < 2; half++) {
		put(b, BAR + 0x08, half, 4);
		put(b, BAR + 0x0c, features >> (32 * half), 4);
	}
}

static void enable(struct bench *b, unsigned int queue)
{
	const struct queue_setup *setup = &b->ring[queue].setup;

	put(b, BAR + 0x16, queue, 2);
	put(b, BAR + 0x18, setup->size, 2);
	put(b, BAR + 0x20, setup->descriptors, 8);
	put(b, BAR + 0x28, setup->driver, 4);
	put(b, BAR + 0x2c, 0, 4);
	put(b, BAR + 0x30, setup->device, 4);
	put(b, BAR + 0x34, 0, 4);
	put(b, BAR + 0x1c, 1, 2);
}

/* As a driver does, with both queues, MSI-X vectors 1 and 2 for them and 0 for the configuration. */
static void start(struct bench *b, uint64_t features)
{
	put(b, BAR + 0x14, 1, 1);
	put(b, BAR + 0x14, 3, 1);
	accept(b, features);
	put(b, BAR + 0x14, 0xb, 1);
	assert_int_equal(get(b, BAR + 0x14, 1), 0xb);
	put(b, CONFIG + b->msix.offset + 2, 0x8000, 2);
	put(b, BAR + 0x10, 0, 2);
	for (unsigned int i = 0; i < 2; i++) {
		enable(b, i);
		put(b, BAR + 0x1a, i + 1, 2);
		assert_int_equal(get(b, BAR + 0x1a, 2), i + 1);
		assert_int_equal(get(b, BAR + 0x1c, 2), 1);
	}
	assert_int_equal(b->fake.n_ioeventfds, 0);
	put(b, BAR + 0x14, 0xf, 1);
}

/* As KVM does with a guest's write to an ioeventfd's address: else it is an exit. */
static void kick(struct bench *b, unsigned int queue)
{
	uint64_t address = BAR + b->parts[2].at + (uint64_t)queue * b->parts[2].more;
	const uint64_t one = 1;
	int fd = fake_hv_find(&b->fake, address);

	if (fd < 0)
		put(b, address, queue, 2);
	else
		assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

static int pending(const struct bench *b, unsigned int vector)
{
	return get(b, BAR + b->msix.more, 8) >> vector & 1;
}

static void a_driver_finds_all_parts_on_pages_of_their_own(void **state _unused_)
{
	struct bench b;

	setup(&b);
	assert_int_equal(get(&b, CONFIG, 4), 0x10421af4);
	assert_int_equal(get(&b, CONFIG + 8, 4), 0x01800001);
	assert_true(get(&b, CONFIG + 0x2e, 2) >= 0x40);
	assert_true(b.parts[1].len >= 0x38);
	assert_int_equal(b.parts[2].len, 8);
	assert_int_equal(b.parts[2].more, 4);
	assert_int_equal(b.parts[3].len, 1);
	assert_int_equal(b.parts[4].len, sizeof(b.config));
	assert_int_not_equal(b.parts[5].offset, 0);
	assert_int_equal(b.msix.len, 3);
	for (int i = 1; i < 5; i++) {
		for (int j = 1; j < i; j++)
			assert_int_not_equal(b.parts[i].at / 4096, b.parts[j].at / 4096);
		assert_int_not_equal(b.parts[i].at / 4096, b.msix.at / 4096);
		assert_int_not_equal(b.parts[i].at / 4096, b.msix.more / 4096);
		assert_true(b.parts[i].at + b.parts[i].len <= 0x8000);
	}
	teardown(&b);
	setup_kind(&b, 4, 0);
	assert_int_equal(get(&b, CONFIG + 8, 4), 0x00ff0001);
	assert_int_equal(b.parts[4].offset, 0);
	teardown(&b);
}

static void a_driver_goes_through_the_registers(void **state _unused_)
{
	struct bench b;

	setup(&b);
	assert_int_equal(get(&b, BAR + 0x04, 4), virtio_offered(b.virtio) & UINT32_MAX);
	put(&b, BAR + 0x00, 1, 4);
	assert_int_equal(get(&b, BAR + 0x04, 4), virtio_offered(b.virtio) >> 32);
	put(&b, BAR + 0x00, 2, 4);
	assert_int_equal(get(&b, BAR + 0x04, 4), 0);
	assert_int_equal(get(&b, BAR + 0x12, 2), 2);
	assert_int_equal(get(&b, BAR + 0x10, 2), 0xffff);
	start(&b, VERSION_1);
	assert_int_equal(get(&b, BAR + 0x14, 1), 0xf);
	put(&b, BAR + 0x08, 1, 4);
	assert_int_equal(get(&b, BAR + 0x0c, 4), 1);
	put(&b, BAR + 0x16, 1, 2);
	assert_int_equal(get(&b, BAR + 0x1e, 2), 1);
	assert_int_equal(get(&b, BAR + 0x18, 2), 64);
	assert_true(get(&b, BAR + 0x20, 8) == 0x20000);
	assert_true(get(&b, BAR + 0x30, 8) == 0x23000);
	assert_int_equal(get(&b, BAR + 0x22, 1), 2); /* any width */
	put(&b, BAR + 0x18, 32, 2);
	put(&b, BAR + 0x20, 0, 8);
	assert_int_equal(get(&b, BAR + 0x18, 2), 64); /* it is enabled */
	assert_true(get(&b, BAR + 0x20, 8) == 0x20000);
	put(&b, BAR + 0x16, 2, 2);
	assert_int_equal(get(&b, BAR + 0x18, 2), 0);
	put(&b, BAR + 0x1c, 1, 2);
	assert_int_equal(get(&b, BAR + 0x1c, 2), 0);
	teardown(&b);
}

static void sizes_and_vectors_that_make_no_sense_are_not_taken(void **state _unused_)
{
	const uint16_t sizes[] = { 0, 3, 128, 0xffff };
	struct bench b;

	setup(&b);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		put(&b, BAR + 0x18, sizes[i], 2);
		assert_int_equal(get(&b, BAR + 0x18, 2), 64);
	}
	put(&b, BAR + 0x18, 16, 2);
	assert_int_equal(get(&b, BAR + 0x18, 2), 16);
	put(&b, BAR + 0x18, 8, 1); /* half a register */
	assert_int_equal(get(&b, BAR + 0x18, 2), 16);
	put(&b, BAR + 0x1a, 2, 2);
	put(&b, BAR + 0x1a, 3, 2);
	assert_int_equal(get(&b, BAR + 0x1a, 2), 0xffff);
	put(&b, BAR + 0x10, 3, 2);
	assert_int_equal(get(&b, BAR + 0x10, 2), 0xffff);
	teardown(&b);
}

static void kicks_come_by_ioeventfd_once_the_driver_is_ready(void **state _unused_)
{
	struct bench b;

	setup(&b);
	start(&b, VERSION_1);
	assert_int_equal(b.fake.n_ioeventfds, 2);
	kick(&b, 1);
	assert_int_equal(b.kicks[1], 0);
	assert_int_equal(loop_run(b.loop), 0);
	assert_int_equal(b.kicks[1], 1);
	assert_int_equal(b.kicks[0], 0);
	put(&b, BAR + b.parts[2].at, 0, 2); /* an exit is as good */
	put(&b, BAR + b.parts[2].at + 8, 2, 2);
	put(&b, BAR + b.parts[2].at + 0xffc, 2, 4);
	assert_int_equal(b.kicks[0], 1);
	teardown(&b);
}

static void a_device_that_gets_no_ioeventfd_takes_exits(void **state _unused_)
{
	struct bench b;

	setup(&b);
	b.fake.fail = -ENOSPC;
	start(&b, VERSION_1);
	assert_int_equal(fake_hv_ioeventfds(&b.fake), 1);
	kick(&b, 0);
	assert_int_equal(b.kicks[0], 1);
	teardown(&b);
}

static void ioeventfds_move_with_the_bar(void **state _unused_)
{
	struct bench b;
	uint64_t moved = BAR + 0x100000;

	setup(&b);
	start(&b, VERSION_1);
	put(&b, CONFIG + 0x10, moved, 4);
	assert_int_equal(fake_hv_ioeventfds(&b.fake), 2);
	assert_true(fake_hv_find(&b.fake, moved + b.parts[2].at + 4) >= 0);
	put(&b, CONFIG + 4, 4, 2);
	assert_int_equal(fake_hv_ioeventfds(&b.fake), 0);
	put(&b, CONFIG + 4, 6, 2);
	assert_int_equal(fake_hv_ioeventfds(&b.fake), 2);
	teardown(&b);
}

static void a_reset_takes_all_back_first(void **state _unused_)
{
	struct bench b;

	setup(&b);
	start(&b, VERSION_1);
	b.reset_result = 1;
	b.ioeventfds_at_reset = 9;
	put(&b, BAR + 0x14, 0, 1);
	assert_int_equal(b.ioeventfds_at_reset, 0);
	assert_int_not_equal(get(&b, BAR + 0x14, 1), 0);
	virtio_reset_done(b.virtio);
	assert_int_equal(get(&b, BAR + 0x14, 1), 0);
	assert_int_equal(get(&b, BAR + 0x10, 2), 0xffff);
	put(&b, BAR + 0x16, 1, 2);
	assert_int_equal(get(&b, BAR + 0x18, 2), 64);
	assert_int_equal(get(&b, BAR + 0x1a, 2), 0xffff);
	assert_int_equal(get(&b, BAR + 0x1c, 2), 0);
	assert_true(get(&b, BAR + 0x20, 8) == 0);
	b.fake.n_ioeventfds = 0;
	start(&b, VERSION_1);
	assert_int_equal(fake_hv_ioeventfds(&b.fake), 2);
	teardown(&b);
}

static void one_queue_can_be_reset(void **state _unused_)
{
	struct bench b;

	setup(&b);
	start(&b, VERSION_1 | RING_RESET);
	b.reset_result = 1;
	put(&b, BAR + 0x16, 1, 2);
	put(&b, BAR + 0x3a, 1, 2);
	assert_int_equal(b.ioeventfds_at_reset, 1);
	assert_int_equal(get(&b, BAR + 0x3a, 2), 1);
	assert_int_equal(get(&b, BAR + 0x1c, 2), 0);
	virtio_reset_queue_done(b.virtio, 1);
	assert_int_equal(get(&b, BAR + 0x3a, 2), 0);
	assert_true(get(&b, BAR + 0x20, 8) == 0);
	ring_init(&b.ring[1], b.ram, 0x20000, 64);
	enable(&b, 1);
	assert_int_equal(get(&b, BAR + 0x1c, 2), 1);
	assert_int_equal(fake_hv_ioeventfds(&b.fake), 2);
	teardown(&b);
}

static void interrupts_go_to_the_vectors_that_the_driver_chose(void **state _unused_)
{
	struct bench b;

	setup(&b);
	b.echo = 1;
	start(&b, VERSION_1);
	ring_set(&b.ring[1], 0, 0x1000, 16, 0, 0);
	ring_offer(&b.ring[1], 0);
	put(&b, BAR + b.parts[2].at + 4, 1, 2);
	assert_int_equal(pending(&b, 2), 1);
	assert_int_equal(pending(&b, 1) + pending(&b, 0), 0);
	assert_int_equal(get(&b, BAR + b.parts[3].at, 1), 1);
	assert_int_equal(get(&b, BAR + b.parts[3].at, 1), 0);
	virtio_config_changed(b.virtio);
	assert_int_equal(pending(&b, 0), 1);
	assert_int_equal(get(&b, BAR + b.parts[3].at, 4), 2);
	put(&b, TABLE, 0xfee00000, 8);
	put(&b, TABLE + 8, 0x31, 8);
	assert_int_equal(pending(&b, 0), 0);
	assert_int_equal(fake_hv_irqfds(&b.fake), 1);
	assert_int_equal(virtio_call_fd(b.virtio, 1) > 0, 1);
	teardown(&b);
}

static void without_a_vector_there_is_no_interrupt(void **state _unused_)
{
	struct bench b;

	setup(&b);
	start(&b, VERSION_1);
	put(&b, BAR + 0x10, 0xffff, 2);
	put(&b, BAR + 0x16, 0, 2);
	put(&b, BAR + 0x1a, 0xffff, 2);
	virtio_config_changed(b.virtio);
	assert_true(get(&b, BAR + b.msix.more, 8) == 0);
	assert_int_equal(get(&b, BAR + b.parts[3].at, 1), 2);
	assert_int_equal(virtio_call_fd(b.virtio, 0), -EBADF);
	teardown(&b);
}

static void a_device_that_cannot_start_says_so(void **state _unused_)
{
	struct bench b;

	setup(&b);
	b.activate_result = -EIO;
	start(&b, VERSION_1);
	assert_int_equal(get(&b, BAR + 0x14, 1), 0x4f);
	assert_int_equal(pending(&b, 0), 1);
	assert_int_equal(fake_hv_ioeventfds(&b.fake), 0);
	teardown(&b);
}

static void an_offloaded_queue_gets_every_kick_on_its_descriptor(void **state _unused_)
{
	struct bench b;
	uint64_t kicks = 0;

	setup(&b);
	start(&b, VERSION_1);
	virtio_offload(b.virtio, 0, 1);
	kick(&b, 0);
	put(&b, BAR + b.parts[2].at, 0, 2);
	kick(&b, 1);
	assert_int_equal(loop_run(b.loop), 0);
	assert_int_equal(b.kicks[0], 0);
	assert_int_equal(b.kicks[1], 1);
	assert_int_equal(read(virtio_kick_fd(b.virtio, 0), &kicks, 8), 8);
	assert_int_equal(kicks, 2);
	kick(&b, 0);
	virtio_offload(b.virtio, 0, 0);
	assert_int_equal(loop_run(b.loop), 0);
	assert_int_equal(b.kicks[0], 1);
	teardown(&b);
}

static void the_configuration_is_read_and_written(void **state _unused_)
{
	struct bench b;

	setup(&b);
	put(&b, BAR + b.parts[4].at + 2, 0x1234, 2);
	assert_int_equal(get(&b, BAR + b.parts[4].at, 4), 0x12340000);
	assert_int_equal(get(&b, BAR + b.parts[4].at + 6, 4), 0);
	teardown(&b);
}

static void the_window_reaches_the_bar_by_configuration_space(void **state _unused_)
{
	struct bench b;
	uint64_t cap;

	setup(&b);
	cap = CONFIG + b.parts[5].offset;
	put(&b, CONFIG + 4, 0, 2); /* BAR 0 is nowhere */
	put(&b, cap + 8, b.parts[1].at + 0x14, 4);
	put(&b, cap + 12, 1, 4);
	put(&b, cap + 16, 1, 1);
	assert_int_equal(virtio_status(b.virtio), 1);
	put(&b, cap + 16, 3, 4);
	assert_int_equal(get(&b, cap + 16, 4), 3);
	put(&b, cap + 12, 3, 4);
	put(&b, cap + 16, 0, 1);
	put(&b, cap + 4, 1, 1); /* BAR 1 */
	put(&b, cap + 12, 1, 4);
	put(&b, cap + 16, 0, 1);
	put(&b, cap + 4, 0, 1);
	put(&b, cap + 8, 0x8000, 4);
	put(&b, cap + 16, 0, 1);
	put(&b, cap + 8, 0xffffffff, 4);
	put(&b, cap + 16, 0, 1);
	assert_int_equal(virtio_status(b.virtio), 3);
	assert_int_equal(get(&b, cap, 4), 0x05140009 | (uint32_t)get(&b, cap + 1, 1) << 8);
	teardown(&b);
}

static void what_there_is_no_room_for_is_refused_and_freed(void **state _unused_)
{
	const struct pci_identity identity = { .vendor = 1 };
	struct virtio_kind kind = {
		.name = "late", .n_queues = 1, .queue_size = 8, .ops = &kind_ops
	};
	struct pci_device *devices[PCI_SLOTS] = { NULL };
	struct transport_pci *transport = NULL;
	struct virtio_host host = { 0 };
	struct err err = ERR_INIT;
	struct bench b, late = { 0 };

	setup(&b);
	for (int i = 2; i < PCI_SLOTS; i++)
		assert_int_equal(pci_device_new(b.pci, &identity, &devices[i], &err), 0);
	assert_int_equal(transport_pci_new(b.pci, b.msi, &b.hv, b.loop,
					   virtio_new(&host, &kind, &late), &transport, &err),
			 -ENOSPC);
	assert_null(transport);
	assert_int_equal(late.freed, 1);
	for (int i = 2; i < PCI_SLOTS; i++)
		pci_device_free(devices[i]);
	teardown(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_driver_finds_all_parts_on_pages_of_their_own),
		cmocka_unit_test(a_driver_goes_through_the_registers),
		cmocka_unit_test(sizes_and_vectors_that_make_no_sense_are_not_taken),
		cmocka_unit_test(kicks_come_by_ioeventfd_once_the_driver_is_ready),
		cmocka_unit_test(a_device_that_gets_no_ioeventfd_takes_exits),
		cmocka_unit_test(ioeventfds_move_with_the_bar),
		cmocka_unit_test(a_reset_takes_all_back_first),
		cmocka_unit_test(one_queue_can_be_reset),
		cmocka_unit_test(interrupts_go_to_the_vectors_that_the_driver_chose),
		cmocka_unit_test(without_a_vector_there_is_no_interrupt),
		cmocka_unit_test(a_device_that_cannot_start_says_so),
		cmocka_unit_test(an_offloaded_queue_gets_every_kick_on_its_descriptor),
		cmocka_unit_test(the_configuration_is_read_and_written),
		cmocka_unit_test(the_window_reaches_the_bar_by_configuration_space),
		cmocka_unit_test(what_there_is_no_room_for_is_refused_and_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
