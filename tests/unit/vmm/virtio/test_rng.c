// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/rng.h"
#include "driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct driver driver;

static int setup(void **state _unused_)
{
	driver_init(&driver);
	driver.virtio = rng_new(&driver.host);
	driver_start(&driver, 0);
	return 0;
}

static int teardown(void **state _unused_)
{
	driver_release(&driver);
	return 0;
}

/* Bytes of the range that are still 0. */
static size_t zeroes(uint64_t gpa, size_t len)
{
	const uint8_t *data = driver_at(&driver, gpa, len);
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += data[i] == 0;
	return n;
}

static void a_request_is_filled_in_all_its_parts(void **state _unused_)
{
	struct driver_part parts[3] = { { DRIVER_DATA, 16, 0 },
					{ DRIVER_DATA + 0x1000, 1000, 1 },
					{ DRIVER_DATA + 0x2000, 3000, 1 } };
	uint32_t len;

	assert_true(driver_add(&driver, 0, parts, 3) >= 0);
	driver_kick(&driver, 0);
	assert_true(driver_used(&driver, 0, &len) >= 0);
	assert_int_equal(len, 4000);
	assert_int_equal(zeroes(DRIVER_DATA, 16), 16);
	assert_true(zeroes(DRIVER_DATA + 0x1000, 1000) < 100);
	assert_true(zeroes(DRIVER_DATA + 0x2000, 3000) < 100);
	assert_int_equal(driver.queues[0].raised, 1);
}

static void no_two_answers_are_alike(void **state _unused_)
{
	driver_give(&driver, 0, DRIVER_DATA, 32, 1);
	driver_give(&driver, 0, DRIVER_DATA + 32, 32, 1);
	assert_memory_not_equal(driver_at(&driver, DRIVER_DATA, 32),
				driver_at(&driver, DRIVER_DATA + 32, 32), 32);
}

static void a_huge_request_gets_no_more_than_its_share(void **state _unused_)
{
	uint32_t len;

	driver_give(&driver, 0, DRIVER_DATA, 8U << 20, 1);
	assert_true(driver_used(&driver, 0, &len) >= 0);
	assert_int_equal(len, RNG_REQUEST_MAX);
	assert_int_equal(zeroes(DRIVER_DATA + RNG_REQUEST_MAX, RNG_REQUEST_MAX), RNG_REQUEST_MAX);
}

static void a_request_without_room_comes_back_empty(void **state _unused_)
{
	uint32_t len;

	driver_give(&driver, 0, DRIVER_DATA, 64, 0);
	assert_true(driver_used(&driver, 0, &len) >= 0);
	assert_int_equal(len, 0);
}

static void a_broken_ring_stops_the_device(void **state _unused_)
{
	driver_give(&driver, 0, UINT64_MAX - 1, 64, 1);
	assert_true(virtio_status(driver.virtio) & VIRTIO_STATUS_NEEDS_RESET);
	driver_start(&driver, 0);
	driver_give(&driver, 0, DRIVER_DATA, 64, 1);
	assert_true(driver_used(&driver, 0, NULL) >= 0);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(a_request_is_filled_in_all_its_parts),
		WITH(no_two_answers_are_alike),
		WITH(a_huge_request_gets_no_more_than_its_share),
		WITH(a_request_without_room_comes_back_empty),
		WITH(a_broken_ring_stops_the_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
