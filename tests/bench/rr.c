// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One byte there and back over TCP, as often as it goes: what a request and its answer take.
 *
 *	rr serve PORT
 *	rr ADDRESS PORT SECONDS		prints microseconds of one round trip, the mean
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void give_up(const char *what)
{
	perror(what);
	exit(1);
}

static int make_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		give_up("socket");
	return fd;
}

static void hurry(int fd)
{
	int on = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		give_up("TCP_NODELAY");
}

/* One client after the other. */
static void serve(struct sockaddr_in *address)
{
	int listener = make_socket();

	if (bind(listener, (struct sockaddr *)address, sizeof(*address)) < 0 ||
	    listen(listener, 8) < 0)
		give_up("listen");
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		char byte;

		if (fd < 0)
			give_up("accept");
		hurry(fd);
		while (read(fd, &byte, 1) == 1 && write(fd, &byte, 1) == 1)
			;
		close(fd);
	}
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void ask(const struct sockaddr_in *address, double seconds)
{
	int fd = make_socket();
	double start, end;
	long n = 0;
	char byte = 'x';

	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		give_up("connect");
	hurry(fd);
	start = now();
	do {
		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			give_up("round trip");
		n++;
		end = now();
	} while (end - start < seconds);
	printf("%.2f\n", (end - start) / (double)n * 1e6);
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };

	if (argc < 3)
		return 2;
	address.sin_port = htons((unsigned short)strtoul(argv[2], NULL, 10));
	if (!strcmp(argv[1], "serve"))
		serve(&address);
	if (argc < 4 || inet_pton(AF_INET, argv[1], &address.sin_addr) != 1)
		return 2;
	ask(&address, strtod(argv[3], NULL));
	return 0;
}
