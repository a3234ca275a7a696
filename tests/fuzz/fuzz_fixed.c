// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The devices with addresses of their own, as machine.c places them: the input is what the guest does to ports
 * and the I/O APIC, four bytes and a value each, and what comes to the serial port from the host.
 */
#include "base/take.h"
#include "vmm/bus/hv.h"
#include "vmm/dev/i8042.h"
#include "vmm/dev/ioapic.h"
#include "vmm/dev/pvpanic.h"
#include "vmm/dev/rtc.h"
#include "vmm/dev/uart.h"
#include "vmm/layout.h"

#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define FUZZ_STEP 8

struct fuzz {
	struct bus *ports, *memory;
	struct loop *loop;
	struct ioapic *ioapic;
	int host; /* the other end of the serial port */
	int bell; /* always ready */
};

static int hv_route(void *ctx _unused_, uint32_t gsi _unused_, uint64_t address _unused_,
		    uint32_t data _unused_)
{
	return 0;
}

static int hv_unroute(void *ctx _unused_, uint32_t gsi _unused_)
{
	return 0;
}

/* A message has the form that KVM takes (Intel SDM volume 3, 11.11). */
static int hv_signal(void *ctx _unused_, uint64_t address, uint32_t data _unused_)
{
	if ((address & 0xfff00000) != LAYOUT_LAPIC)
		abort();
	return 0;
}

static const struct hv_ops hv_ops = { .route = hv_route,
				      .unroute = hv_unroute,
				      .signal = hv_signal };

static void set_line(void *ctx, int level)
{
	struct fuzz *fuzz = ctx;

	ioapic_set(fuzz->ioapic, LAYOUT_IRQ_COM1, level);
}

static void end(void *ctx _unused_)
{
}

static void fuzz_access(struct fuzz *fuzz, const uint8_t *data)
{
	static const uint64_t bases[] = { LAYOUT_PORT_COM1, LAYOUT_PORT_RTC, LAYOUT_PORT_I8042,
					  LAYOUT_PORT_PVPANIC, LAYOUT_IOAPIC };
	unsigned int device = data[1] % ARRAY_SIZE(bases);
	struct bus *bus = bases[device] == LAYOUT_IOAPIC ? fuzz->memory : fuzz->ports;
	uint64_t at = bases[device] + data[2] - 4U;
	size_t len = (size_t)1 << (data[0] >> 3 & 3);
	uint8_t value[8] = { 0 };

	memcpy(value, data + 4, 4);
	if (data[0] & 1)
		bus_write(bus, at, value, len);
	else
		bus_read(bus, at, value, len);
}

static void ring(void *ctx, uint32_t events _unused_)
{
	loop_exit(ctx, 0);
}

/* The loop goes round once, waiting for nothing. */
static void fuzz_turn(struct fuzz *fuzz)
{
	struct loop_source *bell = loop_watch_fd(fuzz->loop, fuzz->bell, EPOLLIN, ring, fuzz->loop);

	(void)loop_run(fuzz->loop);
	loop_source_free(bell);
}

static void fuzz_step(struct fuzz *fuzz, const uint8_t *data)
{
	char sink[4096];

	switch (data[0] & 7) {
	case 2:
		(void)!send(fuzz->host, data + 1, 1 + data[1] % 7U, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case 3:
		while (data[1] & 1 && recv(fuzz->host, sink, sizeof(sink), MSG_DONTWAIT) > 0)
			;
		fuzz_turn(fuzz);
		break;
	case 4:
		ioapic_eoi(fuzz->ioapic, data[1]);
		break;
	case 5:
		ioapic_set(fuzz->ioapic, data[1] % LAYOUT_PINS, data[2] & 1);
		break;
	case 6:
		if (data[1] == 0xff)
			(void)shutdown(fuzz->host, data[2] & 1 ? SHUT_WR : SHUT_RDWR);
		break;
	default:
		fuzz_access(fuzz, data);
	}
}

/* As the role does: whoever reads the serial port may go. */
int LLVMFuzzerInitialize(int *argc _unused_, char ***argv _unused_)
{
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = { .ports = bus_new(), .memory = bus_new() };
	const struct hv hv = { .ops = &hv_ops };
	struct i8042 i8042 = { end, NULL };
	struct pvpanic pvpanic = { end, NULL };
	struct rtc *rtc = rtc_new();
	struct err err = ERR_INIT;
	struct uart *uart;
	int pair[2];

	fuzz.ioapic = ioapic_new(&hv);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
	    loop_new(&fuzz.loop, &err) < 0 ||
	    uart_new(fuzz.loop, pair[0], set_line, &fuzz, &uart, &err) < 0)
		abort();
	fuzz.host = pair[1];
	fuzz.bell = eventfd(1, EFD_CLOEXEC);
	if (bus_add(fuzz.ports, LAYOUT_PORT_COM1, UART_PORTS, &uart_bus_ops, uart) < 0 ||
	    bus_add(fuzz.ports, LAYOUT_PORT_RTC, RTC_PORTS, &rtc_bus_ops, rtc) < 0 ||
	    bus_add(fuzz.ports, LAYOUT_PORT_I8042, I8042_PORTS, &i8042_bus_ops, &i8042) < 0 ||
	    bus_add(fuzz.ports, LAYOUT_PORT_PVPANIC, PVPANIC_PORTS, &pvpanic_bus_ops, &pvpanic) <
		    0 ||
	    bus_add(fuzz.memory, LAYOUT_IOAPIC, LAYOUT_IOAPIC_SIZE, &ioapic_bus_ops, fuzz.ioapic) <
		    0)
		abort();
	for (; size >= FUZZ_STEP; data += FUZZ_STEP, size -= FUZZ_STEP)
		fuzz_step(&fuzz, data);
	uart_free(uart);
	rtc_free(rtc);
	ioapic_free(fuzz.ioapic);
	bus_free(fuzz.ports);
	bus_free(fuzz.memory);
	loop_free(fuzz.loop);
	close(fuzz.host);
	close(fuzz.bell);
	return 0;
}
