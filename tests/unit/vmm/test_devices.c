// SPDX-License-Identifier: GPL-2.0-or-later
/* Devices that come and go while the guest is there; the hypervisor is one that keeps the books. */
#include "vmm/devices.h"
#include "vmm/layout.h"
#include "bus/fake_hv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define CARD \
	(LAYOUT_ECAM + 0x4000) /* behind the bridge, the agent's port, the rng and the balloon */
#define NOTHING 0xffffffffU

struct bench {
	struct fake_hv fake;
	struct ram *ram;
	struct loop *loop;
	struct bus *bus;
	struct pci *pci;
	struct msi *msi;
	struct devices_site site;
	struct devices *devices;
	int peer;
};

static const struct vmm_config config = { .cpus = 1 };

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	const struct ram_options options = { .size = (uint64_t)2 << 20 };
	const struct hv hv = { .ops = &fake_hv_ops, .ctx = &b->fake };
	struct err err = ERR_INIT;
	int pair[2];

	assert_int_equal(loop_new(&b->loop, &err), 0);
	assert_int_equal(ram_new(&options, &b->ram, &err), 0);
	b->bus = bus_new();
	b->msi = msi_new(&hv);
	assert_int_equal(pci_new(b->bus, 8, &b->pci, &err), 0);
	/* the agent's port has a descriptor of its own number */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(dup2(pair[0], VMM_FD_AGENT), VMM_FD_AGENT);
	if (pair[0] != VMM_FD_AGENT)
		close(pair[0]);
	b->peer = pair[1];
	b->site = (struct devices_site){ .config = &config,
					 .host = { .loop = b->loop, .ram = b->ram },
					 .pci = b->pci,
					 .msi = b->msi,
					 .hv = hv };
	assert_int_equal(devices_new(&b->site, &b->devices, &err), 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	devices_free(b->devices);
	assert_int_equal(fake_hv_ioeventfds(&b->fake) + fake_hv_irqfds(&b->fake), 0);
	pci_free(b->pci);
	msi_free(b->msi);
	bus_free(b->bus);
	ram_free(b->ram);
	loop_free(b->loop);
	close(b->peer);
	free(b);
	return 0;
}

static uint32_t get(const struct bench *b, uint64_t address, size_t len)
{
	uint8_t data[4];

	bus_read(b->bus, address, data, len);
	return (uint32_t)bus_value(data, len);
}

static void put(const struct bench *b, uint64_t address, uint64_t value, size_t len)
{
	uint8_t data[8];

	bus_set_value(data, len, value);
	bus_write(b->bus, address, data, len);
}

static int is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* A card on a wire whose other end is *ret_wire; what it takes is *ret_fd. */
static int plug(struct bench *b, uint8_t mac, int *ret_fd, int *ret_wire)
{
	struct vmm_plug card = { .kind = VMM_PLUG_NET,
				 .net = { .mac = { 2, 0, 0, 0, 0, mac }, .queues = 1 } };
	struct devices_site site = b->site;
	struct err err = ERR_INIT;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	*ret_fd = pair[0];
	*ret_wire = pair[1];
	site.fds = &pair[0];
	return devices_plug(b->devices, &site, &card, &err);
}

static int unplug(struct bench *b, uint8_t mac)
{
	const struct vmm_plug card = { .kind = VMM_PLUG_NET,
				       .net = { .mac = { 2, 0, 0, 0, 0, mac } } };
	struct err err = ERR_INIT;

	return devices_unplug(b->devices, &card, &err);
}

/* As a driver does: decoding on, a vector each, queues on, and go. Returns the BAR. */
static uint64_t use(struct bench *b)
{
	uint64_t bar = get(b, CARD + 0x10, 4);

	put(b, CARD + 4, 6, 2);
	for (uint64_t at = get(b, CARD + 0x34, 1); at; at = get(b, CARD + at + 1, 1)) {
		if (get(b, CARD + at, 1) == 0x11)
			put(b, CARD + at + 2, 0x8000, 2);
	}
	put(b, bar + 0x14, 3, 1);
	put(b, bar + 0x08, 1, 4);
	put(b, bar + 0x0c, 1, 4);
	put(b, bar + 0x14, 0xb, 1);
	for (unsigned int i = 0; i < 2; i++) {
		put(b, bar + 0x4000 + 16ULL * i, LAYOUT_LAPIC, 8);
		put(b, bar + 0x4008 + 16ULL * i, 0x41 + i, 4);
		put(b, bar + 0x400c + 16ULL * i, 0, 4);
		put(b, bar + 0x16, i, 2);
		put(b, bar + 0x1a, i, 2);
		put(b, bar + 0x20, 0x10000ULL * (i + 1), 8);
		put(b, bar + 0x28, 0x10000ULL * (i + 1) + 0x4000, 8);
		put(b, bar + 0x30, 0x10000ULL * (i + 1) + 0x8000, 8);
		put(b, bar + 0x1c, 1, 2);
	}
	put(b, bar + 0x14, 0xf, 1);
	return bar;
}

static void a_card_comes_and_nothing_of_it_stays_when_it_goes(void **state)
{
	struct bench *b = *state;
	int fd, wire;
	uint64_t bar;
	char byte;

	assert_int_equal(get(b, CARD, 4), NOTHING);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(plug(b, 1, &fd, &wire), 0);
		assert_int_equal(get(b, CARD, 4), 0x10411af4);
		bar = use(b);
		assert_int_equal(fake_hv_ioeventfds(&b->fake), 2);
		assert_int_equal(fake_hv_irqfds(&b->fake), 2);
		assert_int_equal(unplug(b, 1), 0);
		assert_int_equal(fake_hv_ioeventfds(&b->fake) + fake_hv_irqfds(&b->fake), 0);
		assert_int_equal(get(b, CARD, 4), NOTHING);
		/* the guest has not heard of it yet */
		assert_int_equal(get(b, bar + 0x14, 4), NOTHING);
		put(b, bar + 0x3000, 0, 2);
		put(b, bar + 0x14, 0, 1);
		put(b, CARD + 4, 6, 2);
		assert_int_equal(recv(wire, &byte, 1, 0), 0);
		close(wire);
	}
	assert_int_equal(unplug(b, 1), -ENOENT);
}

static int plug_disk(struct bench *b, const char *serial, int fd)
{
	struct vmm_plug disk = { .kind = VMM_PLUG_DISK };
	struct devices_site site = b->site;
	struct err err = ERR_INIT;

	snprintf(disk.disk.serial, sizeof(disk.disk.serial), "%s", serial);
	site.fds = &fd;
	return fd < 0 ? devices_unplug(b->devices, &disk, &err)
		      : devices_plug(b->devices, &site, &disk, &err);
}

static int open_disk(off_t size)
{
	char path[] = "/tmp/test-devices.XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ftruncate(fd, size), 0);
	return fd;
}

static void a_disk_comes_by_its_serial_number_and_lets_go_of_its_file(void **state)
{
	struct bench *b = *state;

	for (int i = 0; i < 3; i++) {
		int fd = open_disk(8 << 20), other = open_disk(8 << 20), empty = open_disk(0);

		assert_int_equal(plug_disk(b, "disk0", fd), 0);
		assert_int_equal(get(b, CARD, 4), 0x10421af4);
		assert_int_equal(plug_disk(b, "disk0", other), -EEXIST);
		assert_int_equal(plug_disk(b, "disk1", empty), -EINVAL);
		assert_false(is_open(other) || is_open(empty));
		assert_int_equal(plug_disk(b, "disk1", -EBADF), -ENOENT);
		assert_int_equal(plug_disk(b, "disk0", -EBADF), 0);
		assert_int_equal(get(b, CARD, 4), NOTHING);
		assert_false(is_open(fd));
	}
}

static void what_cannot_come_leaves_nothing_open(void **state)
{
	struct bench *b = *state;
	int fds[8], wires[8], n = 0;

	while (n < 8 && plug(b, (uint8_t)n, &fds[n], &wires[n]) == 0)
		n++;
	/* the bus of 16 functions has a bridge and three devices */
	assert_int_equal(n, 8);
	assert_int_equal(plug(b, 3, &fds[0], &wires[0]), -EEXIST);
	assert_false(is_open(fds[0]));
	close(wires[0]);
	assert_int_equal(unplug(b, 3), 0);
	close(wires[3]);
	assert_int_equal(plug(b, 3, &fds[3], &wires[3]), 0);
	for (int i = 1; i < 8; i++)
		close(wires[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		T(a_card_comes_and_nothing_of_it_stays_when_it_goes),
		T(a_disk_comes_by_its_serial_number_and_lets_go_of_its_file),
		T(what_cannot_come_leaves_nothing_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
