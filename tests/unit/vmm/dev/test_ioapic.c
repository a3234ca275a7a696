// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/dev/ioapic.h"
#include "base/take.h"
#include "vmm/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* What the chip did to the hypervisor. */
struct record {
	unsigned int signals;
	uint64_t address;
	uint32_t data;
	unsigned int routed; /* a bit for each GSI */
};

static int record_route(void *ctx, uint32_t gsi, uint64_t address _unused_, uint32_t data _unused_)
{
	((struct record *)ctx)->routed |= 1U << gsi;
	return 0;
}

static int record_unroute(void *ctx, uint32_t gsi)
{
	((struct record *)ctx)->routed &= ~(1U << gsi);
	return 0;
}

static int record_signal(void *ctx, uint64_t address, uint32_t data)
{
	struct record *record = ctx;

	record->signals++;
	record->address = address;
	record->data = data;
	return 0;
}

static const struct hv_ops record_ops = {
	.route = record_route,
	.unroute = record_unroute,
	.signal = record_signal,
};

static void put(struct ioapic *ioapic, uint32_t reg, uint32_t value)
{
	ioapic_bus_ops.write(ioapic, 0, &reg, 4);
	ioapic_bus_ops.write(ioapic, 0x10, &value, 4);
}

static uint32_t get(struct ioapic *ioapic, uint32_t reg)
{
	uint32_t value = 0;

	ioapic_bus_ops.write(ioapic, 0, &reg, 4);
	ioapic_bus_ops.read(ioapic, 0x10, &value, 4);
	return value;
}

static struct ioapic *make(struct record *record)
{
	struct hv hv = { &record_ops, record };

	return ioapic_new(&hv);
}

static void it_says_how_many_pins_it_has(void **state _unused_)
{
	struct record record = { 0 };
	struct ioapic *ioapic = make(&record);

	assert_int_equal(get(ioapic, 1) >> 16, LAYOUT_PINS - 1);
	assert_int_equal(get(ioapic, 0x10), 1 << 16);
	assert_int_equal(get(ioapic, 0x40), 0);
	ioapic_free(ioapic);
}

static void an_edge_sends_one_message_for_each_rise(void **state _unused_)
{
	struct record record = { 0 };
	struct ioapic *ioapic = make(&record);

	put(ioapic, 0x10 + 2 * 4 + 1, 3U << 24);
	put(ioapic, 0x10 + 2 * 4, 0x31);
	ioapic_set(ioapic, 4, 1);
	ioapic_set(ioapic, 4, 1);
	assert_int_equal(record.signals, 1);
	assert_int_equal(record.address, 0xfee03000);
	assert_int_equal(record.data, 0x31);
	ioapic_set(ioapic, 4, 0);
	ioapic_set(ioapic, 4, 1);
	assert_int_equal(record.signals, 2);
	assert_int_equal(record.routed, 0);
	ioapic_free(ioapic);
}

static void a_rise_while_masked_is_sent_when_the_pin_opens(void **state _unused_)
{
	struct record record = { 0 };
	struct ioapic *ioapic = make(&record);

	ioapic_set(ioapic, 5, 1);
	ioapic_set(ioapic, 5, 0);
	assert_int_equal(record.signals, 0);
	put(ioapic, 0x10 + 2 * 5, 0x40);
	assert_int_equal(record.signals, 1);
	ioapic_free(ioapic);
}

static void a_level_is_sent_again_only_after_its_end(void **state _unused_)
{
	struct record record = { 0 };
	struct ioapic *ioapic = make(&record);

	put(ioapic, 0x10 + 2 * 5, 0x50 | 1 << 15);
	assert_int_equal(record.routed, 1 << 5);
	ioapic_set(ioapic, 5, 1);
	ioapic_set(ioapic, 5, 1);
	assert_int_equal(record.signals, 1);
	assert_int_equal(record.data, 0xc050);
	assert_int_equal(get(ioapic, 0x10 + 2 * 5) >> 14 & 1, 1);
	ioapic_eoi(ioapic, 0x51);
	assert_int_equal(record.signals, 1);
	ioapic_eoi(ioapic, 0x50);
	assert_int_equal(record.signals, 2);
	ioapic_set(ioapic, 5, 0);
	ioapic_eoi(ioapic, 0x50);
	assert_int_equal(record.signals, 2);
	put(ioapic, 0x10 + 2 * 5, 1 << 16);
	assert_int_equal(record.routed, 0);
	ioapic_free(ioapic);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_says_how_many_pins_it_has),
		cmocka_unit_test(an_edge_sends_one_message_for_each_rise),
		cmocka_unit_test(a_rise_while_masked_is_sent_when_the_pin_opens),
		cmocka_unit_test(a_level_is_sent_again_only_after_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
