// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/bus/msix.h"
#include "vmm/layout.h"
#include "fake_hv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define ADDRESS 0xfee01000ULL
#define VECTORS 65
#define CONFIG	(LAYOUT_ECAM + 0x8000) /* slot 1 */
#define CAP	(CONFIG + 0x40)

struct bench {
	struct fake_hv fake;
	struct hv hv;
	struct bus *bus;
	struct pci *pci;
	struct pci_device *device;
	struct msi *msi;
	struct msix *msix;
};

static void setup(struct bench *b)
{
	const struct pci_identity identity = { .vendor = 1 };
	struct err err = ERR_INIT;

	*b = (struct bench){ .hv = { .ops = &fake_hv_ops } };
	b->hv.ctx = &b->fake;
	b->bus = bus_new();
	assert_int_equal(pci_new(b->bus, &b->pci, &err), 0);
	assert_int_equal(pci_device_new(b->pci, &identity, &b->device, &err), 0);
	b->msi = msi_new(&b->hv);
	assert_int_equal(msix_new(b->msi, b->device, VECTORS, 0x4000, 0x5000, &b->msix, &err), 0);
}

static void teardown(struct bench *b)
{
	pci_device_free(b->device);
	msix_free(b->msix);
	assert_int_equal(fake_hv_irqfds(&b->fake), 0);
	msi_free(b->msi);
	pci_free(b->pci);
	bus_free(b->bus);
}

static void put(struct bench *b, uint64_t offset, uint64_t value, size_t len)
{
	uint8_t data[8];

	bus_set_value(data, len, value);
	msix_table_write(b->msix, offset, data, len);
}

static uint64_t get(const struct bench *b, uint64_t offset, size_t len)
{
	uint8_t data[8];

	msix_table_read(b->msix, offset, data, len);
	return bus_value(data, len);
}

static void control(struct bench *b, uint16_t value)
{
	uint8_t data[2];

	bus_set_value(data, 2, value);
	bus_write(b->bus, CAP + 2, data, 2);
}

static uint64_t pending(const struct bench *b, uint64_t offset, size_t len)
{
	uint8_t data[8];

	msix_pba_read(b->msix, offset, data, len);
	return bus_value(data, len);
}

static void the_capability_says_where_things_are(void **state _unused_)
{
	struct bench b;
	uint8_t data[12];

	setup(&b);
	bus_read(b.bus, CAP, data, 8);
	bus_read(b.bus, CAP + 8, data + 8, 4);
	assert_memory_equal(data, "\x11\0\x40\0\0\x40\0\0\0\x50\0\0", 12);
	memset(data, 0xff, 4);
	bus_write(b.bus, CAP, data, 4); /* as some drivers do, control with what stands before it */
	bus_read(b.bus, CAP, data, 4);
	assert_memory_equal(data, "\x11\0\x40\xc0", 4);
	bus_write(b.bus, CAP + 3, "\0", 1);
	bus_read(b.bus, CAP, data, 4);
	assert_memory_equal(data, "\x11\0\x40\0", 4);
	assert_int_equal(msix_vectors(b.msix), VECTORS);
	teardown(&b);
}

static void enabling_all_at_once_routes_each_vector_once(void **state _unused_)
{
	struct bench b;

	setup(&b);
	control(&b, 0xc000);
	for (uint64_t i = 0; i < VECTORS; i++) {
		put(&b, 16 * i, ADDRESS, 4);
		put(&b, 16 * i + 4, 0, 4);
		put(&b, 16 * i + 8, i, 4);
		put(&b, 16 * i + 12, 0, 4);
	}
	assert_int_equal(b.fake.n_routes, 0);
	control(&b, 0x8000);
	assert_int_equal(b.fake.n_routes, VECTORS);
	assert_int_equal(b.fake.n_irqfds, VECTORS);
	control(&b, 0xc000);
	assert_int_equal(fake_hv_irqfds(&b.fake), 0);
	control(&b, 0x8000);
	assert_int_equal(b.fake.n_routes, VECTORS);
	assert_int_equal(fake_hv_irqfds(&b.fake), VECTORS);
	control(&b, 0);
	assert_int_equal(fake_hv_irqfds(&b.fake), 0);
	teardown(&b);
}

static void an_entry_takes_accesses_of_any_width(void **state _unused_)
{
	struct bench b;

	setup(&b);
	control(&b, 0x8000);
	put(&b, 16, 0x123456789abcdef0, 8);
	put(&b, 24, 0xffffffff00000042, 8); /* data and control; only its bit 0 is there */
	assert_true(get(&b, 16, 8) == 0x123456789abcdef0);
	assert_int_equal(get(&b, 24, 4), 0x42);
	assert_int_equal(get(&b, 28, 4), 1);
	put(&b, 25, 0x77, 1);
	assert_int_equal(get(&b, 24, 2), 0x7742);
	put(&b, 28, 0, 1);
	assert_int_equal(b.fake.n_routes, 1);
	assert_int_equal(b.fake.gsis[LAYOUT_GSI_MSI].data, 0x7742);
	put(&b, 30, 0xffff, 8); /* into the next entry */
	assert_int_equal(get(&b, 28, 4), 0);
	assert_true(get(&b, 16ULL * VECTORS - 4, 8) == 1);
	put(&b, 16ULL * VECTORS - 2, ~(uint64_t)0, 8);
	put(&b, 16ULL * VECTORS, ~(uint64_t)0, 8);
	assert_true(get(&b, 16ULL * VECTORS, 8) == 0);
	assert_true(get(&b, UINT64_MAX - 3, 8) == 0);
	teardown(&b);
}

static void an_entry_that_changes_unmasked_is_armed_anew(void **state _unused_)
{
	struct bench b;

	setup(&b);
	put(&b, 0, ADDRESS, 8);
	put(&b, 8, 5, 8);
	assert_int_equal(b.fake.n_irqfds, 0);
	control(&b, 0x8000);
	assert_int_equal(b.fake.gsis[LAYOUT_GSI_MSI].data, 5);
	put(&b, 8, 6, 4);
	assert_int_equal(b.fake.gsis[LAYOUT_GSI_MSI].data, 6);
	assert_int_equal(fake_hv_irqfds(&b.fake), 1);
	b.fake.fail = -EINVAL;
	put(&b, 4, 1, 4);
	assert_int_equal(fake_hv_irqfds(&b.fake), 0);
	put(&b, 4, 0, 4);
	assert_int_equal(fake_hv_irqfds(&b.fake), 1);
	assert_true(b.fake.gsis[LAYOUT_GSI_MSI].address == ADDRESS);
	teardown(&b);
}

static void pending_bits_are_those_of_masked_vectors(void **state _unused_)
{
	struct bench b;

	setup(&b);
	msix_raise(b.msix, 3); /* MSI-X is off: nothing */
	control(&b, 0x8000);
	assert_true(pending(&b, 0, 8) == 0);
	msix_raise(b.msix, 3);
	msix_raise(b.msix, 64);
	msix_raise(b.msix, VECTORS);
	assert_true(pending(&b, 0, 8) == 8);
	assert_int_equal(pending(&b, 8, 4), 1);
	assert_int_equal(pending(&b, 0, 1), 8);
	assert_true(pending(&b, 4096 - 4, 8) == 0);
	put(&b, 3 * 16 + 12, 0, 4);
	assert_true(pending(&b, 0, 8) == 0);
	assert_int_equal(msix_fd(b.msix, VECTORS), -EBADF);
	assert_int_equal(b.fake.gsis[LAYOUT_GSI_MSI].fd, msix_fd(b.msix, 3));
	teardown(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_capability_says_where_things_are),
		cmocka_unit_test(enabling_all_at_once_routes_each_vector_once),
		cmocka_unit_test(an_entry_takes_accesses_of_any_width),
		cmocka_unit_test(an_entry_that_changes_unmasked_is_armed_anew),
		cmocka_unit_test(pending_bits_are_those_of_masked_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
