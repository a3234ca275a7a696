// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/balloon.h"
#include "vmm/jail.h"
#include "driver.h"

#include <linux/virtio_balloon.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define PAGE	  4096ULL
#define STATS	  (1ULL << VIRTIO_BALLOON_F_STATS_VQ)
#define REPORTING (1ULL << VIRTIO_BALLOON_F_REPORTING)
#define INFLATE	  0
#define DEFLATE	  1

static struct driver driver;
static struct balloon *balloon;

static int setup(void **state _unused_)
{
	struct err err = ERR_INIT;

	driver_init(&driver);
	assert_int_equal(balloon_new(&driver.host, &driver.virtio, &balloon, &err), 0);
	driver_start(&driver, STATS | REPORTING);
	return 0;
}

static int teardown(void **state _unused_)
{
	driver_release(&driver);
	return 0;
}

static int resident(uint64_t gpa)
{
	unsigned char in = 0;

	assert_int_equal(mincore(driver_at(&driver, gpa, PAGE), PAGE, &in), 0);
	return in & 1;
}

static void touch(uint64_t gpa, uint64_t pages)
{
	memset(driver_at(&driver, gpa, pages * PAGE), 7, pages * PAGE);
}

static void give_pages(unsigned int queue, const uint32_t *pages, uint32_t n)
{
	assert_int_equal(ram_write(driver.ram, DRIVER_DATA, pages, (size_t)n * sizeof(*pages)), 0);
	assert_true(driver_give(&driver, queue, DRIVER_DATA, n * (uint32_t)sizeof(*pages), 0) >= 0);
	assert_true(driver_used(&driver, queue, NULL) >= 0);
}

static void pages_in_the_balloon_are_the_hosts(void **state _unused_)
{
	const uint32_t pages[] = { 0x402, 0x400, 0x401, 0x410, 0x400 };

	touch(0x400 * PAGE, 32);
	give_pages(INFLATE, pages, ARRAY_SIZE(pages));
	assert_int_equal(balloon_returned(balloon), 4 * PAGE);
	for (uint64_t page = 0x400; page < 0x420; page++)
		assert_int_equal(resident(page * PAGE), page > 0x402 && page != 0x410);
	give_pages(DEFLATE, pages, ARRAY_SIZE(pages));
	assert_int_equal(*(uint8_t *)driver_at(&driver, 0x401 * PAGE, 1), 0);
	assert_int_equal(balloon_returned(balloon), 4 * PAGE);
}

static void pages_that_are_no_memory_are_passed_over(void **state _unused_)
{
	const uint32_t end = (uint32_t)(DRIVER_MEMORY / PAGE);
	const uint32_t pages[] = { UINT32_MAX, end, end - 1, 0xc0000, 0x100000, 0xfffffffe };

	touch(DRIVER_MEMORY - PAGE, 1);
	give_pages(INFLATE, pages, ARRAY_SIZE(pages));
	assert_int_equal(balloon_returned(balloon), PAGE);
	assert_false(resident(DRIVER_MEMORY - PAGE));
	assert_true(virtio_active(driver.virtio));
}

static void a_list_may_be_long_and_in_odd_pieces(void **state _unused_)
{
	struct driver_part parts[2] = { { DRIVER_DATA, 4102, 0 }, { DRIVER_DATA + 4102, 1898, 0 } };
	uint32_t pages[1500];

	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		pages[i] = (uint32_t)(0x400 + i * 7919 % ARRAY_SIZE(pages));
	touch(0x400 * PAGE, ARRAY_SIZE(pages));
	assert_int_equal(ram_write(driver.ram, DRIVER_DATA, pages, sizeof(pages)), 0);
	assert_true(driver_add(&driver, INFLATE, parts, 2) >= 0);
	driver_kick(&driver, INFLATE);
	assert_true(driver_used(&driver, INFLATE, NULL) >= 0);
	assert_int_equal(balloon_returned(balloon), 1500 * PAGE);
	assert_false(resident(0x400 * PAGE));
	assert_false(resident((0x400 + 1499) * PAGE));
}

/* The first test: what the C library asks the kernel for once would not be asked for again. */
static void linux_fills_it_in_the_jail(void **state _unused_)
{
	uint32_t pages[1024];
	struct err err = ERR_INIT;
	int status = 0;
	pid_t pid;

	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		pages[i] = (uint32_t)(0x400 + i * 7919 % ARRAY_SIZE(pages));
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (jail_prepare(0, &err) < 0 || jail_enter(JAIL_DEVICE, &err) < 0)
			_exit(2);
		give_pages(INFLATE, pages, ARRAY_SIZE(pages));
		_exit(balloon_returned(balloon) == 1024 * PAGE ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Drivers differ in how they number queues where an optional one is missing. */
static void free_pages_come_back_by_any_number_of_the_queue(void **state _unused_)
{
	uint64_t returned = 0;

	for (unsigned int queue = 2; queue < 5; queue++) {
		driver_start(&driver, queue == 2 ? REPORTING : STATS | REPORTING);
		touch(0x400 * PAGE, 1024);
		driver_give(&driver, queue, 0x400 * PAGE, 512 * PAGE, 1);
		assert_true(driver_used(&driver, queue, NULL) >= 0);
		returned += 512 * PAGE;
		assert_int_equal(balloon_returned(balloon), returned);
		assert_false(resident(0x500 * PAGE));
		assert_true(resident(0x600 * PAGE));
	}
}

static void parts_of_pages_are_not_given_back(void **state _unused_)
{
	touch(0x400 * PAGE, 2);
	driver_give(&driver, 3, 0x400 * PAGE + 1, PAGE, 1);
	driver_give(&driver, 3, 0x400 * PAGE, PAGE - 1, 1);
	driver_give(&driver, 3, 0x400 * PAGE, PAGE, 0);
	assert_int_equal(balloon_returned(balloon), 0);
	assert_true(resident(0x400 * PAGE));
}

static void the_guest_hears_of_its_target(void **state _unused_)
{
	uint32_t pages = 0;

	balloon_set_target(balloon, 1234);
	assert_int_equal(driver.config_raised, 1);
	balloon_set_target(balloon, 1234);
	assert_int_equal(driver.config_raised, 1);
	virtio_config_read(driver.virtio, 0, &pages, sizeof(pages));
	assert_int_equal(pages, 1234);
	pages = 1000;
	virtio_config_write(driver.virtio, 4, &pages, sizeof(pages));
	virtio_config_write(driver.virtio, 0, &pages, sizeof(pages));
	assert_int_equal(balloon_pages(balloon), 1000);
	assert_int_equal(balloon_target(balloon), 1234);
	driver_start(&driver, STATS);
	assert_int_equal(balloon_pages(balloon), 0);
	assert_int_equal(balloon_target(balloon), 1234);
}

static void tell(uint64_t free, uint16_t odd)
{
	struct virtio_balloon_stat stats[3] = { { VIRTIO_BALLOON_S_MEMFREE, free },
						{ odd, 1 },
						{ VIRTIO_BALLOON_S_MEMTOT, DRIVER_MEMORY } };

	assert_int_equal(ram_write(driver.ram, DRIVER_DATA, stats, sizeof(stats)), 0);
	driver_give(&driver, 2, DRIVER_DATA, sizeof(stats), 0);
}

static void statistics_come_when_asked_for(void **state _unused_)
{
	const struct balloon_stats *stats = balloon_last(balloon);

	assert_int_equal(stats->answers, 0);
	tell(100, UINT16_MAX);
	assert_int_equal(stats->answers, 1);
	assert_int_equal(stats->known,
			 1 << VIRTIO_BALLOON_S_MEMFREE | 1 << VIRTIO_BALLOON_S_MEMTOT);
	assert_int_equal(stats->values[VIRTIO_BALLOON_S_MEMFREE], 100);
	assert_int_equal(driver_used(&driver, 2, NULL), -1);
	balloon_ask(balloon);
	assert_true(driver_used(&driver, 2, NULL) >= 0);
	assert_int_equal(driver.queues[2].raised, 1);
	balloon_ask(balloon); /* while there is none to hand back: as soon as there is */
	tell(50, BALLOON_STATS);
	assert_int_equal(stats->values[VIRTIO_BALLOON_S_MEMFREE], 50);
	assert_true(driver_used(&driver, 2, NULL) >= 0);
}

static void no_buffer_of_statistics_is_lost(void **state _unused_)
{
	for (int i = 0; i < 200; i++) {
		tell((uint64_t)i, 0);
		assert_int_equal(driver_used(&driver, 2, NULL) >= 0, i > 0);
	}
	driver_give(&driver, 2, DRIVER_DATA, 3, 0);
	assert_int_equal(balloon_last(balloon)->known, 0);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(linux_fills_it_in_the_jail),
		WITH(pages_in_the_balloon_are_the_hosts),
		WITH(pages_that_are_no_memory_are_passed_over),
		WITH(a_list_may_be_long_and_in_odd_pieces),
		WITH(free_pages_come_back_by_any_number_of_the_queue),
		WITH(parts_of_pages_are_not_given_back),
		WITH(the_guest_hears_of_its_target),
		WITH(statistics_come_when_asked_for),
		WITH(no_buffer_of_statistics_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
