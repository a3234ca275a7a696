// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/take.h"
#include "vmm/virtio/blk.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * The input: options, then operations up to a byte of all ones, then what the guest has in memory from 0
 * on: descriptors, at 0x100 the available ring, at 0x200 the used ring, the rest where it likes.
 */
#define FUZZ_RAM  ((uint64_t)2 << 20)
#define FUZZ_DISK 65536
#define FUZZ_SIZE 16

struct fuzz {
	const uint8_t *data;
	size_t size;
	struct loop *loop;
	struct loop_source *tick;
	struct ram *ram;
	struct disk *disk;
	struct virtio *virtio;
	uint64_t features;
};

static uint8_t fuzz_byte(struct fuzz *fuzz)
{
	if (!fuzz->size)
		return 0xff;
	fuzz->size--;
	return *fuzz->data++;
}

static void fuzz_tick(void *ctx)
{
	struct fuzz *fuzz = ctx;

	if (disk_busy(fuzz->disk) == 0)
		loop_exit(fuzz->loop, 0);
	else
		loop_timer_set(fuzz->tick, 0);
}

/* Until nothing is under way. */
static void fuzz_run(struct fuzz *fuzz)
{
	loop_timer_set(fuzz->tick, 0);
	if (loop_run(fuzz->loop) < 0)
		abort();
}

static void fuzz_drive(struct fuzz *fuzz)
{
	struct queue_setup setup = { .size = FUZZ_SIZE, .driver = 0x100, .device = 0x200 };

	virtio_set_status(fuzz->virtio, 1);
	virtio_set_status(fuzz->virtio, 3);
	virtio_accept(fuzz->virtio, 0, (uint32_t)fuzz->features);
	virtio_accept(fuzz->virtio, 1, (uint32_t)(fuzz->features >> 32));
	virtio_set_status(fuzz->virtio, 11);
	virtio_enable_queue(fuzz->virtio, 0, &setup);
	virtio_set_status(fuzz->virtio, 15);
}

static void fuzz_config(struct fuzz *fuzz)
{
	uint8_t data[8] = { 0 }, offset = fuzz_byte(fuzz), len = fuzz_byte(fuzz) % 9;

	virtio_config_write(fuzz->virtio, offset, data, len);
	virtio_config_read(fuzz->virtio, offset, data, len);
}

/* Other rates, by which nothing has to wait for long. */
static void fuzz_limit(struct fuzz *fuzz)
{
	struct disk_rates rates = { .read_bytes = (uint64_t)fuzz_byte(fuzz) << 30,
				    .write_bytes = (uint64_t)fuzz_byte(fuzz) << 57,
				    .read_operations = (uint64_t)fuzz_byte(fuzz) << 20,
				    .write_operations = (uint64_t)fuzz_byte(fuzz) << 20 };

	blk_limit(fuzz->virtio, &rates);
}

static void fuzz_guest_writes(struct fuzz *fuzz)
{
	uint8_t high = fuzz_byte(fuzz), low = fuzz_byte(fuzz), value = fuzz_byte(fuzz);

	*(volatile uint8_t *)ram_at(fuzz->ram, (uint64_t)(high << 8 | low), 1) = value;
}

static void fuzz_operate(struct fuzz *fuzz)
{
	for (;;) {
		uint8_t what = fuzz_byte(fuzz);

		if (what == 0xff)
			return;
		switch (what % 9) {
		case 0:
		case 1:
			virtio_kicked(fuzz->virtio, 0);
			break;
		case 2:
			fuzz_run(fuzz);
			break;
		case 3:
			virtio_set_status(fuzz->virtio, 0);
			break;
		case 4:
			fuzz_drive(fuzz);
			break;
		case 5:
			fuzz_config(fuzz);
			break;
		case 6:
			virtio_reset_queue(fuzz->virtio, 0);
			break;
		case 7:
			fuzz_limit(fuzz);
			break;
		default:
			fuzz_guest_writes(fuzz);
			break;
		}
	}
}

static void fuzz_open(struct fuzz *fuzz, uint8_t options)
{
	struct ram_options ram_options = { .size = FUZZ_RAM };
	struct disk_file file = { memfd_create("image", MFD_CLOEXEC), DISK_RAW };
	struct disk_options disk_options = { .files = &file,
					     .n_files = 1,
					     .no_uring = options & 1,
					     .read_only = (options & 6) == 6 };
	struct blk_options blk_options = { .serial = "fuzz", .read_only = (options & 12) == 12 };
	struct virtio_host host;
	struct err err = ERR_INIT;

	if (file.fd < 0 || ftruncate(file.fd, FUZZ_DISK) < 0 || loop_new(&fuzz->loop, &err) < 0 ||
	    ram_new(&ram_options, &fuzz->ram, &err) < 0 ||
	    disk_open(fuzz->loop, &disk_options, &fuzz->disk, &err) < 0)
		abort();
	host = (struct virtio_host){ fuzz->loop, fuzz->ram };
	fuzz->tick = loop_add_timer(fuzz->loop, fuzz_tick, fuzz);
	if (!fuzz->tick || blk_new(&host, fuzz->disk, &blk_options, &fuzz->virtio, &err) < 0)
		abort();
	fuzz->features = virtio_offered(fuzz->virtio);
	if (options & 16)
		fuzz->features &= ~(uint64_t)0xffff; /* as little as a driver can take */
	if (options & 32)
		fuzz->features &= ~((uint64_t)1 << VIRTIO_F_EVENT_IDX);
}

/* Whatever the guest does, its requests end, and a reset gives a device that can be driven again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = { .data = data, .size = size };

	fuzz_open(&fuzz, fuzz_byte(&fuzz));
	for (size_t i = 0; i < size; i++) /* memory starts after the first byte of all ones */
		if (data[i] == 0xff && i > 0) {
			size_t len = size - i - 1 < FUZZ_RAM ? size - i - 1 : FUZZ_RAM;

			memcpy(ram_at(fuzz.ram, 0, FUZZ_RAM), data + i + 1, len);
			fuzz.size = i;
			break;
		}
	fuzz_drive(&fuzz);
	fuzz_operate(&fuzz);
	fuzz_run(&fuzz);
	virtio_set_status(fuzz.virtio, 0);
	fuzz_run(&fuzz);
	if (virtio_status(fuzz.virtio) != 0)
		abort();
	virtio_free(fuzz.virtio);
	loop_source_free(fuzz.tick);
	loop_free(fuzz.loop);
	ram_free(fuzz.ram);
	return 0;
}
