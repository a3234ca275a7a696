// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/publish.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/units.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static const char *publish_protocol(const struct publish *publish)
{
	return publish->protocol == IPPROTO_UDP ? "udp" : "tcp";
}

/* PORT or PORT-PORT. */
static int publish_parse_range(const char *text, uint16_t *ret_first, uint16_t *ret_count)
{
	size_t len = strcspn(text, "-");
	_cleanup_free_ char *word = mem_strndup(text, len);
	struct err ignored = ERR_INIT;
	int64_t first = 0, last = 0;

	if (units_parse_int(word, 1, UINT16_MAX, &first, &ignored) < 0)
		return -EINVAL;
	last = first;
	if (text[len] && units_parse_int(text + len + 1, first, UINT16_MAX, &last, &ignored) < 0)
		return -EINVAL;
	*ret_first = (uint16_t)first;
	*ret_count = (uint16_t)(last - first + 1);
	return 0;
}

/* The address before the ports, if there is one; *rest is what follows. */
static int publish_parse_address(char *text, struct publish *ret, char **rest)
{
	char *end = *text == '[' ? strchr(text, ']') : NULL;
	char *colon = strchr(text, ':');

	*rest = text;
	if (*text == '[' && (!end || end[1] != ':'))
		return -EINVAL;
	if (!end && (!colon || !strchr(colon + 1, ':')))
		return 0;
	*rest = end ? end + 2 : colon + 1;
	*(end ? end : colon) = '\0';
	if (subnet_parse_address(end ? text + 1 : text, &ret->address) < 0)
		return -EINVAL;
	/* any address of one family is what no address is for both */
	if (!strcmp(text, "0.0.0.0"))
		ret->address.family = 0;
	return 0;
}

static int publish_parse_ports(char *text, struct publish *ret)
{
	char *colon = strchr(text, ':');
	uint16_t count = 0;

	/* a port alone is docker's for one of the host's by chance, which nobody could know before the start */
	if (!colon)
		return -EINVAL;
	*colon = '\0';
	if (publish_parse_range(text, &ret->host, &ret->count) < 0)
		return -EINVAL;
	return publish_parse_range(colon + 1, &ret->inside, &count) < 0 || count != ret->count
		       ? -EINVAL
		       : 0;
}

int publish_parse(const char *text, struct publish *ret, struct err *err)
{
	_cleanup_free_ char *copy = mem_strdup(text);
	char *protocol = strchr(copy, '/'), *rest;

	*ret = (struct publish){ .protocol = IPPROTO_TCP };
	if (protocol)
		*protocol++ = '\0';
	if (protocol && !strcmp(protocol, "udp"))
		ret->protocol = IPPROTO_UDP;
	else if (protocol && strcmp(protocol, "tcp") != 0)
		return err_set(err, -EINVAL, "port '%.64s': the protocol is tcp or udp", text);
	if (publish_parse_address(copy, ret, &rest) < 0 || publish_parse_ports(rest, ret) < 0)
		return err_set(
			err, -EINVAL,
			"port '%.64s': say [IP:]HOST:INSIDE[/tcp|udp], as 8080:80 or "
			"127.0.0.1:5353:53/udp; ranges are of one length, as 8000-8009:80-89",
			text);
	return 0;
}

static void publish_format_range(uint16_t first, uint16_t count, char text[16])
{
	if (count == 1)
		snprintf(text, 16, "%u", first);
	else
		snprintf(text, 16, "%d-%d", first, first + count - 1);
}

char *publish_format(const struct publish *publish)
{
	char address[SUBNET_TEXT_MAX] = "", host[16], inside[16];
	int six = publish->address.family == AF_INET6;

	if (publish->address.family)
		subnet_format_address(&publish->address, address);
	publish_format_range(publish->host, publish->count, host);
	publish_format_range(publish->inside, publish->count, inside);
	return mem_printf("%s%s%s%s%s:%s/%s", six ? "[" : "", address, six ? "]" : "",
			  *address ? ":" : "", host, inside, publish_protocol(publish));
}

/* One port of the host's cannot lead to two places. */
static int publish_clash_one(const struct publish *a, const struct publish *b)
{
	if (a->protocol != b->protocol || (a->address.family && b->address.family &&
					   !subnet_same_address(&a->address, &b->address)))
		return 0;
	return a->host < b->host + b->count && b->host < a->host + a->count;
}

int publish_clash(char *const *texts, char *const *others)
{
	struct publish a, b;
	struct err ignored = ERR_INIT;

	strv_for_each(text, texts) {
		strv_for_each(other, others) {
			if (publish_parse(*text, &a, &ignored) == 0 &&
			    publish_parse(*other, &b, &ignored) == 0 && publish_clash_one(&a, &b))
				return 1;
		}
	}
	return 0;
}

int publish_parse_all(char *const *texts, char ***ret_canonical, struct err *err)
{
	_cleanup_free_ struct publish *all = mem_zalloc((strv_len(texts) + 1) * sizeof(*all));
	_cleanup_strv_ char **canonical = NULL;
	size_t n = 0, ports = 0;

	strv_for_each(text, texts) {
		if (publish_parse(*text, &all[n], err) < 0)
			return err->code;
		for (size_t i = 0; i < n; i++) {
			if (publish_clash_one(&all[i], &all[n]))
				return err_set(err, -EINVAL, "port '%.64s' is published twice",
					       *text);
		}
		ports += all[n].count;
		strv_add_take(&canonical, publish_format(&all[n++]));
	}
	if (ports > PUBLISH_MAX)
		return err_set(err, -E2BIG, "an instance publishes at most %d ports", PUBLISH_MAX);
	*ret_canonical = take_ptr(canonical);
	return 0;
}

/* What is bound, and how. */
struct publish_sockets {
	int *fds;
	size_t n;
	int reuse; /* of connections that have just ended nothing is minded */
};

static int publish_bind(int family, const struct publish *publish, uint16_t port, int reuse)
{
	int type = publish->protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
	_cleanup_close_ int fd = socket(family, type | SOCK_CLOEXEC, 0);
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int on = 1;

	if (fd < 0)
		return -errno;
	/* without it nobody else gets the port, whether or not anybody listens */
	if (reuse && publish->protocol == IPPROTO_TCP)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memcpy(&in.sin_addr, publish->address.address, sizeof(in.sin_addr));
	memcpy(&in6.sin6_addr, publish->address.address, sizeof(in6.sin6_addr));
	if (family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, family == AF_INET ? (struct sockaddr *)&in : (struct sockaddr *)&in6,
		 family == AF_INET ? sizeof(in) : sizeof(in6)) < 0)
		return -errno;
	return take_fd(&fd);
}

static int publish_hold_port(const struct publish *publish, uint16_t port,
			     struct publish_sockets *sockets, struct err *err)
{
	static const int families[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		int fd;

		if (publish->address.family && publish->address.family != families[i])
			continue;
		fd = publish_bind(families[i], publish, port, sockets->reuse);
		/* a host without IPv6 */
		if (fd == -EAFNOSUPPORT && !publish->address.family && i)
			continue;
		if (fd == -EADDRINUSE)
			return err_set(err, fd,
				       "port %u/%s of the host is in use; 'ss -lnp sport = :%u' "
				       "says by whom",
				       port, publish_protocol(publish), port);
		if (fd == -EACCES)
			return err_set(err, fd,
				       "port %u/%s of the host takes root; 'sysctl "
				       "net.ipv4.ip_unprivileged_port_start' says from which on "
				       "ports do not",
				       port, publish_protocol(publish));
		if (fd < 0)
			return err_errno(err, fd, "cannot publish port %u/%s", port,
					 publish_protocol(publish));
		sockets->fds = mem_realloc(sockets->fds, sockets->n + 1, sizeof(int));
		sockets->fds[sockets->n++] = fd;
	}
	return 0;
}

static int publish_take(char *const *texts, struct publish_sockets *sockets, struct err *err)
{
	strv_for_each(text, texts) {
		struct publish publish;
		int r = publish_parse(*text, &publish, err);

		for (unsigned int i = 0; r == 0 && i < publish.count; i++)
			r = publish_hold_port(&publish, (uint16_t)(publish.host + i), sockets, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int publish_check_addresses(char *const *texts, struct err *err)
{
	struct subnet loopback;

	subnet_parse_address("::1", &loopback);
	strv_for_each(text, texts) {
		struct publish publish;

		if (publish_parse(*text, &publish, err) < 0)
			return err->code;
		if (subnet_same_address(&publish.address, &loopback))
			return err_set(err, -EOPNOTSUPP,
				       "port '%.64s': the kernel sends nothing that comes to ::1 "
				       "on; publish it at 127.0.0.1, or at another address of the "
				       "host's",
				       *text);
	}
	return 0;
}

int publish_hold(char *const *texts, int **fds, size_t *n, struct err *err)
{
	struct publish_sockets sockets = { .fds = *fds, .n = *n };
	int r = publish_take(texts, &sockets, err);

	*fds = sockets.fds;
	*n = sockets.n;
	return r;
}

int publish_check(char *const *texts, struct err *err)
{
	struct publish_sockets sockets = { .reuse = 1 };
	int r = publish_take(texts, &sockets, err);

	while (sockets.n > 0)
		fd_close(sockets.fds[--sockets.n]);
	free(sockets.fds);
	return r;
}
