// SPDX-License-Identifier: GPL-2.0-or-later
#include "../unit/vmm/virtio/driver.h"
#include "vmm/virtio/fs.h"

#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <sys/socket.h>

/*
 * The input: whether the server says properly what it can do, or else what it says in place of that before it ends;
 * then what guest and server do. Of a server that says half an answer the machine would wait for the rest, so it ends.
 */
#define FUZZ_ANSWER 20

struct fuzz {
	const uint8_t *data;
	size_t size;
	struct driver driver;
	int server;
};

static uint8_t fuzz_byte(struct fuzz *fuzz)
{
	if (!fuzz->size)
		return 0;
	fuzz->size--;
	return *fuzz->data++;
}

static void fuzz_say(struct fuzz *fuzz, size_t len)
{
	if (len > fuzz->size)
		len = fuzz->size;
	if (fuzz->server >= 0 && len)
		(void)send(fuzz->server, fuzz->data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	fuzz->data += len;
	fuzz->size -= len;
}

/* What it does not take of a message, descriptors, is closed. */
static void fuzz_listen(struct fuzz *fuzz)
{
	uint8_t data[4096];

	while (fuzz->server >= 0 && recv(fuzz->server, data, sizeof(data), MSG_DONTWAIT) > 0)
		continue;
}

static int fuzz_open(struct fuzz *fuzz)
{
	const struct {
		uint32_t request, flags, size;
		uint32_t features[2];
	} answer = { 1, 5, 8, { UINT32_MAX, UINT32_MAX } };
	struct fs_options options = { .tag = "share0" };
	struct err err = ERR_INIT;
	int pair[2];

	driver_init_with(&fuzz->driver, 1);
	fuzz->driver.kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	fuzz->server = pair[1];
	if (fuzz_byte(fuzz) & 1) {
		if (send(fuzz->server, &answer, sizeof(answer), 0) != sizeof(answer))
			abort();
	} else {
		fuzz_say(fuzz, FUZZ_ANSWER);
		(void)shutdown(fuzz->server, SHUT_WR);
	}
	options.server = pair[0];
	if (fs_new(&fuzz->driver.host, &options, &fuzz->driver.virtio, &err) == 0)
		return 1;
	close(pair[0]);
	return 0;
}

static void fuzz_operate(struct fuzz *fuzz)
{
	struct virtio *virtio = fuzz->driver.virtio;

	while (fuzz->size) {
		switch (fuzz_byte(fuzz) % 8) {
		case 0:
		case 1:
			fuzz_say(fuzz, fuzz_byte(fuzz));
			break;
		case 2:
			driver_turn(&fuzz->driver);
			break;
		case 3:
			virtio_set_status(virtio, 0);
			break;
		case 4:
			driver_start(&fuzz->driver, virtio_offered(virtio));
			break;
		case 5:
			virtio_reset_queue(virtio, fuzz_byte(fuzz) % 2);
			break;
		case 6:
			fuzz_listen(fuzz);
			break;
		default:
			fuzz->server = fd_close(fuzz->server);
			break;
		}
	}
}

/* Whatever the server says, and whenever it goes: the guest's reset comes to an end. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = { .data = data, .size = size };

	if (fuzz_open(&fuzz)) {
		driver_start(&fuzz.driver, virtio_offered(fuzz.driver.virtio));
		fuzz_operate(&fuzz);
		fuzz.server = fd_close(fuzz.server);
		virtio_set_status(fuzz.driver.virtio, 0);
		driver_turn(&fuzz.driver);
		if (virtio_status(fuzz.driver.virtio) != 0)
			abort();
	}
	fd_close(fuzz.server);
	fd_close(fuzz.driver.kick);
	driver_release(&fuzz.driver);
	return 0;
}
