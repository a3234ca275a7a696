// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/resolver.h"
#include "base/file.h"
#include "base/mem.h"
#include "net/subnet.h"
#include "proto/lookup.h"

#include <fcntl.h>
#include <string.h>

#define RESOLVER_FILE	  "/etc/resolv.conf"
#define RESOLVER_RESOLVED "/run/systemd/resolve/resolv.conf" /* systemd-resolved(8) */
#define RESOLVER_MAX	  65536

static void resolver_add_address(const char *address, struct buf *text)
{
	char plain[SUBNET_TEXT_MAX];
	struct subnet subnet;

	if (address && subnet_parse(address, &subnet) == 0)
		buf_printf(text, "nameserver %s\n", subnet_format_address(&subnet, plain));
}

void resolver_add_network(const struct network *network, struct buf *text)
{
	if (network->type != NETWORK_BRIDGE || !network->dns)
		return;
	resolver_add_address(network->ipv4, text);
	resolver_add_address(network->ipv6, text);
}

static int resolver_is_loopback(const char *address)
{
	return !strncmp(address, "127.", 4) || !strcmp(address, "::1");
}

/* The lines that say where to ask and what to add to names; 1 if there is somebody to ask. */
static int resolver_add_file(const char *path, struct buf *text)
{
	_cleanup_free_ char *content = NULL;
	_cleanup_strv_ char **lines = NULL;
	int found = 0;

	if (file_read(AT_FDCWD, path, RESOLVER_MAX, &content, NULL) < 0)
		return 0;
	lines = strv_split(content, "\n");
	strv_for_each(line, lines) {
		_cleanup_strv_ char **words = strv_split(*line, " \t\r");

		if (!words || !words[1])
			continue;
		if (!strcmp(words[0], "nameserver") && !resolver_is_loopback(words[1])) {
			buf_printf(text, "nameserver %s\n", words[1]);
			found = 1;
		} else if (!strcmp(words[0], "search") || !strcmp(words[0], "options")) {
			buf_printf(text, "%s\n", *line);
		}
	}
	return found;
}

void resolver_add_host(struct buf *text)
{
	size_t before = text->len;

	if (resolver_add_file(RESOLVER_FILE, text))
		return;
	text->len = before;
	(void)resolver_add_file(RESOLVER_RESOLVED, text);
}

char *resolver_conf(const struct instance *record, const struct buf *of_networks)
{
	_cleanup_free_ char *search =
		record->dns_search ? strv_join(record->dns_search, " ") : NULL;
	_cleanup_buf_ struct buf text = BUF_INIT;

	strv_for_each(server, record->dns)
		buf_printf(&text, "nameserver %s\n", *server);
	if (!record->dns && of_networks)
		buf_add(&text, of_networks->data, of_networks->len);
	if (!text.len)
		resolver_add_host(&text);
	else if (!search && of_networks)
		buf_add_str(&text, "search " NETWORK_DOMAIN "\n");
	/* the last of its kind is the one that holds */
	if (search)
		buf_printf(&text, "search %s\n", search);
	return buf_take(&text);
}

/* proto/lookup.h */
static void resolver_add_extra_hosts(char *const *extra_hosts, struct buf *text)
{
	strv_for_each(host, extra_hosts) {
		size_t len = strcspn(*host, ":");

		if ((*host)[len])
			buf_printf(text, "%s\t%.*s\n", *host + len + 1, (int)len, *host);
	}
}

char *resolver_hosts(const struct instance *record, char *const *addresses)
{
	const char *hostname =
		record->hostname && *record->hostname ? record->hostname : record->name;
	_cleanup_free_ char *alone = lookup_hosts(hostname);
	_cleanup_buf_ struct buf text = BUF_INIT;

	buf_add_str(&text, addresses ? LOOKUP_HOSTS : alone);
	strv_for_each(address, addresses)
		buf_printf(&text, "%s\t%s %s." NETWORK_DOMAIN "\n", *address, hostname, hostname);
	resolver_add_extra_hosts(record->extra_hosts, &text);
	return buf_take(&text);
}
