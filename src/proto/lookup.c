// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/lookup.h"
#include "base/mem.h"
#include "base/strv.h"

#include <arpa/inet.h>
#include <string.h>

#define LOOKUP_DOMAIN_MAX 253 /* RFC 1035 */

static int lookup_is_address(const char *text)
{
	struct in6_addr address;

	return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

static int lookup_is_domain(const char *text, size_t len)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

	return len && len <= LOOKUP_DOMAIN_MAX && *text != '-' && strspn(text, letters) >= len;
}

int lookup_check_server(const char *text, struct err *err)
{
	return lookup_is_address(text)
		       ? 0
		       : err_set(err, -EINVAL, "'%.64s' is no address of a server", text);
}

int lookup_check_domain(const char *text, struct err *err)
{
	return lookup_is_domain(text, strlen(text))
		       ? 0
		       : err_set(err, -EINVAL, "'%.64s' is no domain", text);
}

int lookup_parse_host(const char *text, char **ret, struct err *err)
{
	size_t len = strcspn(text, ":="), rest = strlen(text) - len;
	const char *address = text + len;
	_cleanup_free_ char *bare = NULL;

	if (rest > 3 && address[1] == '[' && address[rest - 1] == ']')
		bare = mem_strndup(address + 2, rest - 3);
	else
		bare = mem_strdup(rest ? address + 1 : "");
	if (!lookup_is_domain(text, len) || !lookup_is_address(bare))
		return err_set(err, -EINVAL, "'%.80s': say NAME:ADDRESS, as db:10.0.0.7", text);
	*ret = mem_printf("%.*s:%s", (int)len, text, bare);
	return 0;
}

int lookup_check_all(char *const *dns, char *const *dns_search, char *const *extra_hosts,
		     struct err *err)
{
	int r = 0;

	for (; r == 0 && dns && *dns; dns++)
		r = lookup_check_server(*dns, err);
	for (; r == 0 && dns_search && *dns_search; dns_search++)
		r = lookup_check_domain(*dns_search, err);
	for (; r == 0 && extra_hosts && *extra_hosts; extra_hosts++) {
		_cleanup_free_ char *same = NULL;

		r = lookup_parse_host(*extra_hosts, &same, err);
		if (r == 0 && strcmp(same, *extra_hosts) != 0)
			r = err_set(err, -EINVAL, "'%.80s' is no NAME:ADDRESS", *extra_hosts);
	}
	return r;
}

/* As Debian has it of a host without an address that stays. */
char *lookup_hosts(const char *hostname)
{
	return mem_printf(LOOKUP_HOSTS "127.0.1.1\t%s\n", hostname);
}
