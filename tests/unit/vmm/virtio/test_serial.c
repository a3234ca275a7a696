// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/virtio/serial.h"
#include "driver.h"

#include <fcntl.h>
#include <linux/virtio_console.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <cmocka.h>

#define MULTIPORT (1ULL << VIRTIO_CONSOLE_F_MULTIPORT)
#define EVENT_IDX (1ULL << VIRTIO_F_EVENT_IDX)
#define NAME	  "brig.agent"

/* Queues of port 0. */
#define RX 0
#define TX 1

#define STREAM	 (64U << 20)
#define BUFFER	 4096ULL
#define MESSAGES 16 /* buffers for control messages */

struct bench {
	struct driver driver;
	int host; /* the other end of port 0 */
	int opened;
};

static void note_opened(void *ctx)
{
	struct bench *bench = ctx;

	bench->opened++;
}

static void make(struct bench *bench, const struct serial_port *ports, size_t n)
{
	struct err err = ERR_INIT;

	bench->driver.virtio = virtio_free(bench->driver.virtio);
	assert_int_equal(serial_new(&bench->driver.host, ports, n, &bench->driver.virtio, &err), 0);
}

static int setup_port(void **state, int console)
{
	struct bench *bench = mem_zalloc(sizeof(*bench));
	int pair[2];

	driver_init(&bench->driver);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	bench->host = pair[1];
	make(bench,
	     &(struct serial_port){ .name = console ? NULL : NAME,
				    .fd = pair[0],
				    .is_console = console,
				    .opened = note_opened,
				    .ctx = bench },
	     1);
	*state = bench;
	return 0;
}

static int setup(void **state)
{
	return setup_port(state, 0);
}

static int setup_console(void **state)
{
	return setup_port(state, 1);
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	driver_release(&bench->driver);
	fd_close(bench->host);
	free(bench);
	return 0;
}

static void start(struct bench *bench, uint64_t features)
{
	driver_start(&bench->driver, features | MULTIPORT);
	for (uint32_t i = 0; i < MESSAGES; i++)
		driver_give(&bench->driver, 2, DRIVER_DATA + i * BUFFER, BUFFER, 1);
}

static void say(struct bench *bench, uint32_t id, uint16_t event, uint16_t value)
{
	struct virtio_console_control control = { .id = id, .event = event, .value = value };
	uint64_t gpa = DRIVER_DATA + MESSAGES * BUFFER;

	assert_int_equal(ram_write(bench->driver.ram, gpa, &control, sizeof(control)), 0);
	driver_give(&bench->driver, 3, gpa, sizeof(control), 0);
	assert_true(driver_used(&bench->driver, 3, NULL) >= 0);
}

/* The next message of the device; its event is -1 if there is none. */
static int hear(struct bench *bench, struct virtio_console_control *ret, char *text)
{
	struct driver *driver = &bench->driver;
	uint32_t len;
	int head = driver_used(driver, 2, &len);
	const uint8_t *message;

	if (head < 0)
		return -1;
	assert_in_range(len, sizeof(*ret), BUFFER);
	message = driver_at(driver, driver->queues[2].desc[head].gpa, len);
	memcpy(ret, message, sizeof(*ret));
	if (text) {
		memcpy(text, message + sizeof(*ret), len - sizeof(*ret));
		text[len - sizeof(*ret)] = '\0';
	}
	return ret->event;
}

static void open_port(struct bench *bench, uint64_t features)
{
	struct virtio_console_control control;

	start(bench, features);
	say(bench, VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
	say(bench, 0, VIRTIO_CONSOLE_PORT_READY, 1);
	say(bench, 0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	while (hear(bench, &control, NULL) >= 0)
		;
}

static void a_port_has_its_name_and_is_open(void **state)
{
	struct bench *bench = *state;
	struct virtio_console_control control;
	char text[BUFFER];

	start(bench, 0);
	assert_int_equal(hear(bench, &control, NULL), -1);
	say(bench, VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
	assert_int_equal(hear(bench, &control, NULL), VIRTIO_CONSOLE_PORT_ADD);
	assert_int_equal(control.id, 0);
	assert_int_equal(hear(bench, &control, NULL), -1);
	say(bench, 0, VIRTIO_CONSOLE_PORT_READY, 1);
	assert_int_equal(hear(bench, &control, text), VIRTIO_CONSOLE_PORT_NAME);
	assert_string_equal(text, NAME);
	assert_int_equal(hear(bench, &control, NULL), VIRTIO_CONSOLE_PORT_OPEN);
	assert_int_equal(control.value, 1);
	assert_true(bench->driver.queues[2].raised > 0);
}

static void a_console_is_port_0_and_others_come_after(void **state)
{
	struct bench *bench = *state;
	struct serial_port ports[3] = { { .name = "a" }, { .is_console = 1 }, { .name = "b" } };
	const uint32_t ids[3] = { 1, 0, 2 };
	struct virtio_console_control control;
	uint32_t max = 0;
	char text[BUFFER];

	for (int i = 0; i < 3; i++)
		ports[i].fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	make(bench, ports, 3);
	virtio_config_read(bench->driver.virtio, 4, &max, sizeof(max));
	assert_int_equal(max, 3);
	assert_int_equal(virtio_kind(bench->driver.virtio)->n_queues, 8);
	start(bench, 0);
	say(bench, VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(hear(bench, &control, NULL), VIRTIO_CONSOLE_PORT_ADD);
		assert_int_equal(control.id, ids[i]);
	}
	say(bench, 0, VIRTIO_CONSOLE_PORT_READY, 1);
	assert_int_equal(hear(bench, &control, NULL), VIRTIO_CONSOLE_CONSOLE_PORT);
	assert_int_equal(control.id, 0);
	assert_int_equal(hear(bench, &control, NULL), VIRTIO_CONSOLE_PORT_OPEN);
	say(bench, 2, VIRTIO_CONSOLE_PORT_READY, 1);
	assert_int_equal(hear(bench, &control, text), VIRTIO_CONSOLE_PORT_NAME);
	assert_string_equal(text, "b");
}

static void messages_wait_for_buffers(void **state)
{
	struct bench *bench = *state;
	struct virtio_console_control control;

	driver_start(&bench->driver, MULTIPORT);
	say(bench, VIRTIO_CONSOLE_BAD_ID, VIRTIO_CONSOLE_DEVICE_READY, 1);
	for (int i = 0; i < 1000; i++)
		say(bench, 0, VIRTIO_CONSOLE_PORT_READY, 1);
	for (uint32_t i = 0; i < MESSAGES; i++)
		driver_give(&bench->driver, 2, DRIVER_DATA + i * BUFFER, BUFFER, 1);
	assert_int_equal(hear(bench, &control, NULL), VIRTIO_CONSOLE_PORT_ADD);
	assert_int_equal(hear(bench, &control, NULL), VIRTIO_CONSOLE_PORT_NAME);
	assert_int_equal(hear(bench, &control, NULL), VIRTIO_CONSOLE_PORT_OPEN);
	assert_int_equal(hear(bench, &control, NULL), -1);
}

static void senseless_messages_are_passed_over(void **state)
{
	struct bench *bench = *state;
	struct virtio_console_control control;

	start(bench, 0);
	for (uint16_t event = 0; event < 10; event++) {
		say(bench, 7, event, 1);
		say(bench, 1, event, 1);
		say(bench, UINT32_MAX - 1, event, event);
	}
	while (hear(bench, &control, NULL) >= 0)
		assert_int_equal(control.event, VIRTIO_CONSOLE_PORT_ADD);
	driver_give(&bench->driver, 3, DRIVER_DATA, 7, 0);
	driver_give(&bench->driver, 3, DRIVER_DATA, 8, 1);
	assert_true(driver_used(&bench->driver, 3, NULL) >= 0);
	assert_true(driver_used(&bench->driver, 3, NULL) >= 0);
	assert_true(virtio_active(bench->driver.virtio));
}

/* A stream whose bytes say where they are. */
static void fill(uint8_t *data, size_t len, uint64_t offset)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)((offset + i) * 2654435761U >> 13);
}

static void check(const uint8_t *data, size_t len, uint64_t offset)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] != (uint8_t)((offset + i) * 2654435761U >> 13))
			fail_msg("byte %ju is wrong", (uintmax_t)(offset + i));
	}
}

/* As many chains of 32 KiB in two parts as the queue takes, each in a place of its own. */
static uint64_t write_more(struct driver *driver, uint64_t sent)
{
	while (sent < STREAM) {
		uint64_t gpa = DRIVER_DATA + (sent >> 15) % 128 * 0x8000;
		struct driver_part parts[2] = { { .gpa = gpa, .len = 100 },
						{ .gpa = gpa + 100, .len = 0x8000 - 100 } };

		if (driver_add(driver, TX, parts, 2) < 0)
			break;
		fill(driver_at(driver, gpa, 0x8000), 0x8000, sent);
		sent += 0x8000;
	}
	driver_kick(driver, TX);
	return sent;
}

static void all_that_the_guest_writes_arrives(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	uint8_t data[65536];
	uint64_t sent = 0, got = 0;
	int done = 0;

	open_port(bench, EVENT_IDX);
	while (got < STREAM) {
		ssize_t n;

		sent = write_more(driver, sent);
		driver_turn(driver);
		while ((n = recv(bench->host, data, sizeof(data), MSG_DONTWAIT)) > 0) {
			check(data, (size_t)n, got);
			got += (uint64_t)n;
		}
		assert_int_equal(errno, EAGAIN);
		while (driver_used(driver, TX, NULL) >= 0)
			done++;
	}
	driver_turn(driver);
	while (driver_used(driver, TX, NULL) >= 0)
		done++;
	assert_int_equal(done, STREAM / 0x8000);
	assert_true(driver->queues[TX].raised < done);
}

static void all_that_the_host_writes_arrives(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	uint8_t data[65536];
	uint64_t sent = 0, got = 0;
	uint32_t buffer = 0;

	open_port(bench, EVENT_IDX);
	while (got < STREAM) {
		uint32_t len;
		int head;

		while (sent < STREAM) {
			size_t part = STREAM - sent < sizeof(data) ? STREAM - sent : sizeof(data);
			ssize_t n;

			fill(data, part, sent);
			n = send(bench->host, data, part, MSG_DONTWAIT);
			if (n < 0)
				break;
			sent += (uint64_t)n;
		}
		while (driver_add(driver, RX,
				  &(struct driver_part){ DRIVER_DATA + buffer % 1024 * BUFFER,
							 BUFFER, 1 },
				  1) >= 0)
			buffer++;
		driver_kick(driver, RX);
		driver_turn(driver);
		while ((head = driver_used(driver, RX, &len)) >= 0) {
			check(driver_at(driver, driver->queues[RX].desc[head].gpa, len), len, got);
			got += len;
		}
	}
	assert_int_equal(got, STREAM);
	assert_true(driver->queues[RX].raised * 4 < (int)buffer);
}

static void the_hosts_bytes_wait_for_an_open_port_with_room(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	uint32_t len;

	start(bench, 0);
	say(bench, 0, VIRTIO_CONSOLE_PORT_READY, 1);
	assert_int_equal(send(bench->host, "hello", 5, 0), 5);
	driver_give(driver, RX, DRIVER_DATA + 0x80000, 3, 1);
	driver_turn(driver);
	assert_int_equal(driver_used(driver, RX, &len), -1);
	assert_int_equal(bench->opened, 0);
	say(bench, 0, VIRTIO_CONSOLE_PORT_OPEN, 1);
	assert_int_equal(bench->opened, 1);
	assert_true(driver_used(driver, RX, &len) >= 0);
	assert_int_equal(len, 3);
	driver_turn(driver);
	assert_int_equal(driver_used(driver, RX, &len), -1);
	driver_give(driver, RX, DRIVER_DATA + 0x80003, 3, 1);
	assert_true(driver_used(driver, RX, &len) >= 0);
	assert_int_equal(len, 2);
	assert_memory_equal(driver_at(driver, DRIVER_DATA + 0x80000, 5), "hello", 5);
	say(bench, 0, VIRTIO_CONSOLE_PORT_OPEN, 0);
	assert_int_equal(send(bench->host, "later", 5, 0), 5);
	driver_give(driver, RX, DRIVER_DATA + 0x80000, 64, 1);
	driver_turn(driver);
	assert_int_equal(driver_used(driver, RX, &len), -1);
}

static void the_hosts_end_comes_after_its_last_byte(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	struct virtio_console_control control;
	uint32_t len;

	open_port(bench, 0);
	assert_int_equal(send(bench->host, "bye", 3, 0), 3);
	shutdown(bench->host, SHUT_WR);
	driver_turn(driver);
	assert_int_equal(hear(bench, &control, NULL), -1);
	driver_give(driver, RX, DRIVER_DATA + 0x80000, 64, 1);
	assert_true(driver_used(driver, RX, &len) >= 0);
	assert_int_equal(len, 3);
	driver_give(driver, RX, DRIVER_DATA + 0x80000, 64, 1);
	driver_turn(driver);
	assert_int_equal(driver_used(driver, RX, &len), -1);
	assert_int_equal(hear(bench, &control, NULL), VIRTIO_CONSOLE_PORT_OPEN);
	assert_int_equal(control.id, 0);
	assert_int_equal(control.value, 0);
}

static void what_nobody_reads_does_not_stop_the_guest(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	int done = 0;

	open_port(bench, 0);
	(void)write_more(driver, 0); /* more than the socket takes */
	bench->host = fd_close(bench->host);
	driver_turn(driver);
	while (driver_used(driver, TX, NULL) >= 0)
		done++;
	assert_int_equal(done, 64);
	(void)write_more(driver, 0);
	driver_turn(driver);
	while (driver_used(driver, TX, NULL) >= 0)
		done++;
	assert_int_equal(done, 128);
}

static void a_driver_without_ports_has_the_console(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	char data[8];
	uint32_t len;

	driver_start(driver, 0);
	assert_int_equal(ram_write(driver->ram, DRIVER_DATA, "login:", 6), 0);
	driver_give(driver, 1, DRIVER_DATA, 6, 0);
	assert_int_equal(recv(bench->host, data, sizeof(data), MSG_DONTWAIT), 6);
	assert_memory_equal(data, "login:", 6);
	driver_give(driver, 0, DRIVER_DATA + 16, 16, 1);
	assert_int_equal(send(bench->host, "root", 4, 0), 4);
	driver_turn(driver);
	assert_true(driver_used(driver, 0, &len) >= 0);
	assert_int_equal(len, 4);
	assert_memory_equal(driver_at(driver, DRIVER_DATA + 16, 4), "root", 4);
}

static void a_driver_without_ports_cannot_speak_into_what_is_no_console(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	uint32_t letter = '!';
	char data[2];

	assert_int_equal(virtio_kind(driver->virtio)->n_queues, 4);
	assert_false(virtio_offered(driver->virtio) & 1ULL << VIRTIO_CONSOLE_F_EMERG_WRITE);
	driver_start(driver, 0);
	driver_give(driver, TX, DRIVER_DATA, 6, 0);
	virtio_config_write(driver->virtio, 8, &letter, sizeof(letter));
	assert_int_equal(recv(bench->host, data, sizeof(data), MSG_DONTWAIT), -1);
	assert_int_equal(send(bench->host, "no", 2, 0), 2);
	driver_give(driver, RX, DRIVER_DATA, 16, 1);
	driver_turn(driver);
	assert_int_equal(driver_used(driver, RX, NULL), -1);
}

static void an_early_console_can_write_by_the_configuration(void **state)
{
	struct bench *bench = *state;
	uint32_t letter = '!';
	char data[2];

	assert_true(virtio_offered(bench->driver.virtio) & 1ULL << VIRTIO_CONSOLE_F_EMERG_WRITE);
	virtio_config_write(bench->driver.virtio, 8, &letter, sizeof(letter));
	virtio_config_write(bench->driver.virtio, 4, &letter, sizeof(letter));
	assert_int_equal(recv(bench->host, data, sizeof(data), MSG_DONTWAIT), 1);
	assert_int_equal(data[0], '!');
}

static void a_reset_closes_the_port_and_keeps_the_stream(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	uint8_t data[65536];
	uint32_t len;

	open_port(bench, 0);
	(void)write_more(driver, 0);
	virtio_set_status(driver->virtio, 0);
	while (recv(bench->host, data, sizeof(data), MSG_DONTWAIT) > 0)
		;
	driver_turn(driver);
	assert_int_equal(recv(bench->host, data, sizeof(data), MSG_DONTWAIT), -1);
	assert_int_equal(send(bench->host, "again", 5, 0), 5);
	driver_turn(driver);
	open_port(bench, 0);
	driver_give(driver, RX, DRIVER_DATA + 0x80000, 64, 1);
	driver_turn(driver);
	assert_true(driver_used(driver, RX, &len) >= 0);
	assert_int_equal(len, 5);
}

static void a_pipe_is_a_port_of_one_direction(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	char data[8];
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	make(bench, &(struct serial_port){ .name = "log", .fd = ends[1] }, 1);
	open_port(bench, 0);
	driver_give(driver, RX, DRIVER_DATA + 0x80000, 64, 1);
	assert_int_equal(ram_write(driver->ram, DRIVER_DATA, "line", 4), 0);
	driver_give(driver, TX, DRIVER_DATA, 4, 0);
	driver_turn(driver);
	assert_int_equal(driver_used(driver, RX, NULL), -1);
	assert_int_equal(read(ends[0], data, sizeof(data)), 4);
	close(ends[0]);
}

static void a_broken_ring_stops_the_device(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;

	open_port(bench, 0);
	driver_give(driver, TX, DRIVER_MEMORY - 1, 2, 0);
	assert_false(virtio_active(driver->virtio));
	assert_true(virtio_status(driver->virtio) & VIRTIO_STATUS_NEEDS_RESET);
	assert_true(driver->config_raised > 0);
	open_port(bench, 0);
	assert_true(virtio_active(driver->virtio));
}

static void descriptors_stay_the_callers_on_failure(void **state)
{
	struct bench *bench = *state;
	struct serial_port ports[2] = { { .fd = dup(1) }, { .fd = -EBADF } };
	struct virtio *virtio = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(serial_new(&bench->driver.host, ports, 2, &virtio, &err), -EBADF);
	assert_true(err_is_set(&err));
	assert_int_equal(close(ports[0].fd), 0);
	assert_int_equal(
		serial_new(&bench->driver.host, ports, SERIAL_PORTS_MAX + 1, &virtio, &err),
		-EINVAL);
}

#define WITH(test)	   cmocka_unit_test_setup_teardown(test, setup, teardown)
#define WITH_CONSOLE(test) cmocka_unit_test_setup_teardown(test, setup_console, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(a_port_has_its_name_and_is_open),
		WITH(a_console_is_port_0_and_others_come_after),
		WITH(messages_wait_for_buffers),
		WITH(senseless_messages_are_passed_over),
		WITH(all_that_the_guest_writes_arrives),
		WITH(all_that_the_host_writes_arrives),
		WITH(the_hosts_bytes_wait_for_an_open_port_with_room),
		WITH(the_hosts_end_comes_after_its_last_byte),
		WITH(what_nobody_reads_does_not_stop_the_guest),
		WITH_CONSOLE(a_driver_without_ports_has_the_console),
		WITH(a_driver_without_ports_cannot_speak_into_what_is_no_console),
		WITH_CONSOLE(an_early_console_can_write_by_the_configuration),
		WITH(a_reset_closes_the_port_and_keeps_the_stream),
		WITH(a_pipe_is_a_port_of_one_direction),
		WITH(a_broken_ring_stops_the_device),
		WITH(descriptors_stay_the_callers_on_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
