// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/dev/uart.h"
#include "base/mem.h"

#include <fcntl.h>
#include <sys/uio.h>

/* Registers; the first two are the divisor's while UART_LCR_DLAB is set. */
enum { UART_DATA, UART_IER, UART_IIR, UART_LCR, UART_MCR, UART_LSR, UART_MSR, UART_SCR };

#define UART_IER_RECEIVED 0x01
#define UART_IER_EMPTY	  0x02
#define UART_IER_BITS	  0x0f
#define UART_IIR_NONE	  0x01
#define UART_IIR_EMPTY	  0x02
#define UART_IIR_RECEIVED 0x04
#define UART_IIR_FIFO	  0xc0
#define UART_FCR_ENABLE	  0x01
#define UART_FCR_CLEAR_RX 0x02
#define UART_LCR_DLAB	  0x80
#define UART_MCR_BITS	  0x1f
#define UART_MCR_OUT2	  0x08
#define UART_MCR_LOOP	  0x10
#define UART_LSR_READY	  0x01
#define UART_LSR_EMPTY	  0x60 /* holding register and transmitter */
#define UART_MSR_READY	  0xb0 /* carrier, data set ready, clear to send */
#define UART_RX		  64

struct uart {
	struct loop_source *source;
	int fd;
	void (*set_line)(void *ctx, int level);
	void *ctx;
	uint8_t ier, lcr, mcr, scr, fifo;
	uint8_t divisor[2];
	int empty_pending, line;
	uint8_t rx[UART_RX];
	size_t rx_len;
	int at_end; /* fd has nothing more for the guest */
	uint8_t ring[UART_RING];
	size_t start, len; /* of what the ring holds */
};

static void uart_watch(struct uart *uart)
{
	uint32_t events = 0;

	if (!uart->source)
		return;
	if (uart->len)
		events |= EPOLLOUT;
	if (!uart->at_end && uart->rx_len < UART_RX)
		events |= EPOLLIN;
	loop_source_set_events(uart->source, events);
}

static uint8_t uart_iir(const struct uart *uart)
{
	if (uart->ier & UART_IER_RECEIVED && uart->rx_len)
		return UART_IIR_RECEIVED;
	if (uart->ier & UART_IER_EMPTY && uart->empty_pending)
		return UART_IIR_EMPTY;
	return UART_IIR_NONE;
}

/* OUT2 is the gate between the chip and the interrupt controller on every PC. */
static void uart_update(struct uart *uart)
{
	int line = uart_iir(uart) != UART_IIR_NONE && uart->mcr & UART_MCR_OUT2;

	if (line == uart->line)
		return;
	uart->line = line;
	uart->set_line(uart->ctx, line);
}

static void uart_flush(struct uart *uart)
{
	while (uart->len) {
		size_t first =
			UART_RING - uart->start < uart->len ? UART_RING - uart->start : uart->len;
		struct iovec parts[2] = { { uart->ring + uart->start, first },
					  { uart->ring, uart->len - first } };
		ssize_t n = writev(uart->fd, parts, 2);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		/* nobody will ever read it */
		if (n <= 0)
			n = (ssize_t)uart->len;
		uart->start = (uart->start + (size_t)n) % UART_RING;
		uart->len -= (size_t)n;
	}
}

static void uart_receive(struct uart *uart)
{
	ssize_t n = read(uart->fd, uart->rx + uart->rx_len, UART_RX - uart->rx_len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		uart->at_end = 1;
	else
		uart->rx_len += (size_t)n;
	uart_update(uart);
}

static void uart_event(void *ctx, uint32_t events)
{
	struct uart *uart = ctx;

	if (events & EPOLLOUT)
		uart_flush(uart);
	if (events & EPOLLIN)
		uart_receive(uart);
	else if (events & (EPOLLHUP | EPOLLERR))
		uart->at_end = 1;
	uart_watch(uart);
}

int uart_new(struct loop *loop, int fd, void (*set_line)(void *ctx, int level), void *ctx,
	     struct uart **ret, struct err *err)
{
	int flags = fcntl(fd, F_GETFL);
	struct uart *uart = mem_zalloc(sizeof(*uart));

	*uart = (struct uart){ .fd = fd, .set_line = set_line, .ctx = ctx };
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		err_errno(err, -errno, "cannot use the serial port's stream");
		uart_free(uart);
		return err->code;
	}
	uart->source = loop_watch_fd(loop, fd, EPOLLIN, uart_event, uart);
	if (!uart->source) {
		err_errno(err, -errno, "cannot watch the serial port's stream");
		uart_free(uart);
		return err->code;
	}
	*ret = uart;
	return 0;
}

struct uart *uart_free(struct uart *uart)
{
	if (!uart)
		return NULL;
	uart_flush(uart);
	loop_source_free(uart->source);
	fd_close(uart->fd);
	free(uart);
	return NULL;
}

static void uart_transmit(struct uart *uart, uint8_t byte)
{
	if (uart->len == UART_RING) {
		uart->start = (uart->start + 1) % UART_RING;
		uart->len--;
	}
	uart->ring[(uart->start + uart->len++) % UART_RING] = byte;
	/* the first one wakes the device thread, which takes all that have come by then */
	if (uart->len == 1)
		uart_watch(uart);
	uart->empty_pending = 1;
}

static uint8_t uart_take(struct uart *uart)
{
	uint8_t byte = uart->rx[0];

	if (!uart->rx_len)
		return 0;
	uart->rx_len--;
	for (size_t i = 0; i < uart->rx_len; i++)
		uart->rx[i] = uart->rx[i + 1];
	uart_watch(uart);
	return byte;
}

static uint8_t uart_identify(struct uart *uart)
{
	uint8_t iir = uart_iir(uart);

	/* reading it acknowledges this cause */
	if (iir == UART_IIR_EMPTY)
		uart->empty_pending = 0;
	return iir | (uart->fifo ? UART_IIR_FIFO : 0);
}

/* In loop-back the modem's outputs are its inputs: that is how drivers find that there is a port. */
static uint8_t uart_modem(const struct uart *uart)
{
	uint8_t mcr = uart->mcr;

	if (!(mcr & UART_MCR_LOOP))
		return UART_MSR_READY;
	return (uint8_t)((mcr & 1) << 5 | (mcr & 2) << 3 | (mcr & 4) << 4 | (mcr & 8) << 4);
}

static uint8_t uart_get(struct uart *uart, unsigned int reg)
{
	if (uart->lcr & UART_LCR_DLAB && reg <= UART_IER)
		return uart->divisor[reg];
	switch (reg) {
	case UART_DATA:
		return uart_take(uart);
	case UART_IER:
		return uart->ier;
	case UART_IIR:
		return uart_identify(uart);
	case UART_LCR:
		return uart->lcr;
	case UART_MCR:
		return uart->mcr;
	case UART_LSR:
		return UART_LSR_EMPTY | (uart->rx_len ? UART_LSR_READY : 0);
	case UART_MSR:
		return uart_modem(uart);
	default:
		return uart->scr;
	}
}

static void uart_put_data(struct uart *uart, uint8_t value)
{
	if (!(uart->mcr & UART_MCR_LOOP)) {
		uart_transmit(uart, value);
	} else if (uart->rx_len < UART_RX) {
		uart->rx[uart->rx_len++] = value;
		uart->empty_pending = 1;
	}
}

static void uart_put(struct uart *uart, unsigned int reg, uint8_t value)
{
	if (uart->lcr & UART_LCR_DLAB && reg <= UART_IER) {
		uart->divisor[reg] = value;
		return;
	}
	switch (reg) {
	case UART_DATA:
		uart_put_data(uart, value);
		break;
	case UART_IER:
		/* the transmitter is empty when its interrupt is turned on */
		if (value & ~uart->ier & UART_IER_EMPTY)
			uart->empty_pending = 1;
		uart->ier = value & UART_IER_BITS;
		break;
	case UART_IIR: /* written, it is the FIFO control register */
		uart->fifo = value & UART_FCR_ENABLE;
		if (value & UART_FCR_CLEAR_RX)
			uart->rx_len = 0;
		break;
	case UART_LCR:
		uart->lcr = value;
		break;
	case UART_MCR:
		uart->mcr = value & UART_MCR_BITS;
		break;
	case UART_SCR:
		uart->scr = value;
		break;
	default:
		break;
	}
}

/* Registers are a byte wide; a wider access is one to each of them. */
static void uart_read(void *ctx, uint64_t offset, void *data, size_t len)
{
	struct uart *uart = ctx;

	for (size_t i = 0; i < len; i++)
		((uint8_t *)data)[i] = uart_get(uart, (unsigned int)(offset + i));
	uart_update(uart);
}

static void uart_write(void *ctx, uint64_t offset, const void *data, size_t len)
{
	struct uart *uart = ctx;

	for (size_t i = 0; i < len; i++)
		uart_put(uart, (unsigned int)(offset + i), ((const uint8_t *)data)[i]);
	uart_update(uart);
}

const struct bus_ops uart_bus_ops = { .read = uart_read, .write = uart_write };
