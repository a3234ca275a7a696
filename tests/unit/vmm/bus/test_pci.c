// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/bus/pci.h"
#include "vmm/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define SIZE 0x8000U

struct device {
	struct pci_device *pci;
	uint64_t base; /* as moved() said */
	int moves;
	uint64_t offset, value; /* of the last write */
};

struct bench {
	struct bus *bus;
	struct pci *pci;
	struct device devices[2]; /* in slots 1 and 2 */
};

static void device_read(void *ctx, uint64_t offset, void *data, size_t len)
{
	struct device *device = ctx;

	bus_set_value(data, len, offset);
	device->offset = offset;
}

static void device_write(void *ctx, uint64_t offset, const void *data, size_t len)
{
	struct device *device = ctx;

	device->offset = offset;
	device->value = bus_value(data, len);
}

static const struct bus_ops device_ops = { device_read, device_write };

/* Each byte of the body is its own place in it. */
static void capability_read(void *ctx _unused_, uint64_t offset, void *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)data)[i] = (uint8_t)(offset + i);
}

static const struct bus_ops capability_ops = { capability_read, device_write };

static void device_moved(void *ctx, uint64_t base)
{
	struct device *device = ctx;

	device->base = base;
	device->moves++;
}

static void setup(struct bench *b)
{
	const struct pci_identity identity = { .vendor = 0x1af4,
					       .device = 0x1042,
					       .subsystem_vendor = 0x1111,
					       .subsystem = 0x2222,
					       .class_code = 0x018000,
					       .revision = 1 };
	struct err err = ERR_INIT;

	*b = (struct bench){ 0 };
	b->bus = bus_new();
	assert_int_equal(pci_new(b->bus, 31, &b->pci, &err), 0);
	for (int i = 0; i < 2; i++) {
		struct device *device = &b->devices[i];

		assert_int_equal(pci_device_new(b->pci, &identity, &device->pci, &err), 0);
		assert_int_equal(pci_device_set_bar(device->pci, SIZE, &device_ops, device_moved,
						    device, &err),
				 0);
	}
}

static void teardown(struct bench *b)
{
	for (int i = 0; i < 2; i++) {
		pci_device_free(b->devices[i].pci);
		assert_int_equal(b->devices[i].base, 0);
	}
	pci_free(b->pci);
	bus_free(b->bus);
}

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

static uint64_t config(unsigned int slot, unsigned int offset)
{
	return LAYOUT_ECAM + 0x1000ULL * slot + offset;
}

static void what_is_in_a_slot_can_be_found(void **state _unused_)
{
	struct bench b;

	setup(&b);
	assert_int_equal(get(&b, config(0, 0), 4), 0x00081b36);
	assert_int_equal(get(&b, config(0, 8), 4), 0x06000000);
	assert_int_equal(get(&b, config(1, 0), 4), 0x10421af4);
	assert_int_equal(get(&b, config(1, 2), 2), 0x1042);
	assert_int_equal(get(&b, config(1, 8), 4), 0x01800001);
	assert_int_equal(get(&b, config(1, 0x2c), 4), 0x22221111);
	assert_int_equal(get(&b, config(1, 0x0e), 1), 0x80);
	assert_int_equal(get(&b, config(1, 0x100), 4), 0);
	assert_int_equal(get(&b, config(1, 0xffc), 4), 0);
	teardown(&b);
}

static void what_is_not_there_reads_as_ones(void **state _unused_)
{
	struct bench b;

	setup(&b);
	assert_int_equal(get(&b, config(3, 0), 4), 0xffffffff);
	assert_int_equal(get(&b, config(31, 0), 2), 0xffff);
	assert_int_equal(get(&b, config(200, 0), 4), 0xffffffff);
	assert_int_equal(get(&b, config(255, 0xffe), 4), 0xffffffff);
	put(&b, config(3, 4), 0xffff, 2);
	put(&b, config(1, 0xffe), 0, 4);
	teardown(&b);
}

static void the_pages_hold_what_a_read_gives(void **state _unused_)
{
	struct bench b;
	const uint8_t *pages;
	size_t size;

	setup(&b);
	pages = pci_pages(b.pci, &size);
	assert_int_equal(size, 32 * 0x1000);
	put(&b, config(1, 4), 0x0006, 2);
	put(&b, config(1, 0x10), 0xffffffff, 4);
	for (unsigned int i = 0; i < size; i += 4)
		assert_int_equal(get(&b, LAYOUT_ECAM + i, 4), bus_value(pages + i, 4));
	assert_int_equal(bus_value(pages + 0x1004, 2), 0x0006);
	assert_int_equal(bus_value(pages + 0x1010, 4), ~(SIZE - 1U));
	teardown(&b);
}

static void read_only_bits_stay(void **state _unused_)
{
	struct bench b;

	setup(&b);
	for (unsigned int at = 0; at < 0x100; at += 8) {
		if (at != 0x10)
			put(&b, config(1, at), ~(uint64_t)0, 8);
	}
	assert_int_equal(get(&b, config(1, 0), 4), 0x10421af4);
	assert_int_equal(get(&b, config(1, 4), 4), 0x0406);
	assert_int_equal(get(&b, config(1, 8), 4), 0x01800001);
	assert_int_equal(get(&b, config(1, 0x2c), 4), 0x22221111);
	assert_int_equal(get(&b, config(1, 0x30), 4), 0);
	assert_int_equal(get(&b, config(1, 0x3c), 4), 0xff);
	teardown(&b);
}

static void a_bar_has_a_place_and_tells_its_size(void **state _unused_)
{
	struct bench b;

	setup(&b);
	assert_int_equal(get(&b, config(1, 0x10), 4), LAYOUT_PCI);
	assert_int_equal(get(&b, config(2, 0x10), 4), LAYOUT_PCI + SIZE);
	put(&b, config(1, 0x10), 0xffffffff, 4);
	assert_int_equal(get(&b, config(1, 0x10), 4), 0xffff8000);
	put(&b, config(1, 0x14), 0xffffffff, 4);
	assert_int_equal(get(&b, config(1, 0x14), 4), 0);
	assert_int_equal(b.devices[0].moves, 0);
	teardown(&b);
}

static void a_bar_is_on_the_bus_while_memory_is_decoded(void **state _unused_)
{
	struct bench b;

	setup(&b);
	assert_int_equal(get(&b, LAYOUT_PCI + 4, 4), 0xffffffff);
	put(&b, config(1, 4), 6, 2);
	assert_int_equal(b.devices[0].base, LAYOUT_PCI);
	assert_int_equal(get(&b, LAYOUT_PCI + 4, 4), 4);
	put(&b, LAYOUT_PCI + SIZE - 8, 0x1122334455667788, 8);
	assert_int_equal(b.devices[0].offset, SIZE - 8);
	assert_true(b.devices[0].value == 0x1122334455667788);
	put(&b, config(1, 4), 6, 2);
	assert_int_equal(b.devices[0].moves, 1);
	put(&b, config(1, 4), 4, 1);
	assert_int_equal(b.devices[0].base, 0);
	assert_int_equal(get(&b, LAYOUT_PCI + 4, 4), 0xffffffff);
	teardown(&b);
}

static void a_bar_moves_where_the_guest_writes(void **state _unused_)
{
	struct bench b;

	setup(&b);
	put(&b, config(1, 4), 2, 2);
	put(&b, config(1, 0x12), 0xc123, 2);
	assert_int_equal(b.devices[0].base, 0xc1230000);
	assert_int_equal(get(&b, 0xc1230008, 4), 8);
	assert_int_equal(get(&b, LAYOUT_PCI + 8, 4), 0xffffffff);
	teardown(&b);
}

static void a_bar_outside_of_the_window_is_nowhere(void **state _unused_)
{
	const uint32_t bad[] = { 0,
				 0x1000000,
				 0xffff8000,
				 LAYOUT_ECAM,
				 LAYOUT_PCI + LAYOUT_PCI_SIZE,
				 LAYOUT_PCI - SIZE };
	struct bench b;

	setup(&b);
	put(&b, config(1, 4), 2, 2);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		put(&b, config(1, 0x10), bad[i], 4);
		assert_int_equal(b.devices[0].base, 0);
	}
	put(&b, config(1, 0x10), LAYOUT_PCI + LAYOUT_PCI_SIZE - SIZE, 4);
	assert_int_equal(b.devices[0].base, LAYOUT_PCI + LAYOUT_PCI_SIZE - SIZE);
	assert_int_equal(get(&b, config(0, 0), 4), 0x00081b36);
	teardown(&b);
}

static void a_bar_that_overlaps_waits_for_the_place(void **state _unused_)
{
	struct bench b;

	setup(&b);
	put(&b, config(1, 4), 2, 2);
	put(&b, config(2, 4), 2, 2);
	put(&b, config(1, 0x10), LAYOUT_PCI + SIZE, 4);
	assert_int_equal(b.devices[0].base, 0);
	assert_int_equal(b.devices[1].base, LAYOUT_PCI + SIZE);
	put(&b, config(2, 0x10), LAYOUT_PCI, 4);
	assert_int_equal(b.devices[0].base, LAYOUT_PCI + SIZE);
	assert_int_equal(b.devices[1].base, LAYOUT_PCI);
	put(&b, config(2, 0x10), LAYOUT_PCI + SIZE, 4);
	assert_int_equal(b.devices[1].base, 0);
	pci_device_free(b.devices[0].pci);
	b.devices[0].pci = NULL;
	assert_int_equal(b.devices[0].base, 0);
	assert_int_equal(b.devices[1].base, LAYOUT_PCI + SIZE);
	teardown(&b);
}

static void capabilities_are_a_list_and_answer_by_themselves(void **state _unused_)
{
	struct device answers = { 0 };
	struct bench b;
	int first, second;

	setup(&b);
	assert_int_equal(get(&b, config(1, 6), 2), 0);
	first = pci_device_add_capability(b.devices[0].pci, 0x09, "\x05xyz", 4, NULL, NULL);
	second = pci_device_add_capability(b.devices[0].pci, 0x11, "\0\0\0\0\0\0\0\0\0\0", 10,
					   &capability_ops, &answers);
	assert_int_equal(first, 0x40);
	assert_int_equal(second, 0x48);
	assert_int_equal(get(&b, config(1, 6), 2), 0x10);
	assert_int_equal(get(&b, config(1, 0x34), 1), 0x40);
	assert_int_equal(get(&b, config(1, 0x40), 4), 0x78054809);
	assert_int_equal(get(&b, config(1, 0x48), 2), 0x0011);
	put(&b, config(1, 0x40), 0, 4);
	assert_int_equal(get(&b, config(1, 0x40), 4), 0x78054809);
	put(&b, config(1, 0x48), 0xaabbccdd, 4);
	assert_int_equal(answers.offset, 0);
	assert_int_equal(answers.value, 0xaabb);
	put(&b, config(1, 0x52), 0x11223344, 4);
	assert_int_equal(answers.offset, 8);
	assert_int_equal(answers.value, 0x3344);
	assert_int_equal(get(&b, config(1, 0x4c), 4), 0x05040302);
	assert_int_equal(get(&b, config(1, 0x52), 4), 0x0908);
	assert_int_equal(pci_device_add_capability(b.devices[0].pci, 9, NULL, 0xb0, NULL, NULL),
			 -ENOSPC);
	teardown(&b);
}

static void a_full_bus_and_a_bad_bar_are_refused(void **state _unused_)
{
	const struct pci_identity identity = { .vendor = 1 };
	struct pci_device *devices[32] = { NULL };
	struct err err = ERR_INIT;
	struct bench b;

	setup(&b);
	for (int i = 3; i < 32; i++)
		assert_int_equal(pci_device_new(b.pci, &identity, &devices[i], &err), 0);
	assert_int_equal(pci_device_new(b.pci, &identity, &devices[0], &err), -ENOSPC);
	assert_true(err_is_set(&err));
	assert_int_equal(
		pci_device_set_bar(devices[3], 0x3000, &device_ops, device_moved, NULL, &err),
		-EINVAL);
	assert_int_equal(
		pci_device_set_bar(devices[3], 1U << 31, &device_ops, device_moved, NULL, &err),
		-ENOSPC);
	assert_int_equal(pci_device_set_bar(devices[3], 0x10000, &device_ops, device_moved,
					    &b.devices[0], &err),
			 0);
	assert_int_equal(get(&b, config(3, 0x10), 4), LAYOUT_PCI + 0x10000);
	for (int i = 3; i < 32; i++)
		pci_device_free(devices[i]);
	teardown(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_in_a_slot_can_be_found),
		cmocka_unit_test(what_is_not_there_reads_as_ones),
		cmocka_unit_test(the_pages_hold_what_a_read_gives),
		cmocka_unit_test(read_only_bits_stay),
		cmocka_unit_test(a_bar_has_a_place_and_tells_its_size),
		cmocka_unit_test(a_bar_is_on_the_bus_while_memory_is_decoded),
		cmocka_unit_test(a_bar_moves_where_the_guest_writes),
		cmocka_unit_test(a_bar_outside_of_the_window_is_nowhere),
		cmocka_unit_test(a_bar_that_overlaps_waits_for_the_place),
		cmocka_unit_test(capabilities_are_a_list_and_answer_by_themselves),
		cmocka_unit_test(a_full_bus_and_a_bad_bar_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
