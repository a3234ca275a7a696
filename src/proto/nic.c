// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/nic.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/strv.h"
#include "base/units.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <sys/random.h>

#define NIC_RATE_MIN 8000 /* a thousand bytes a second: less is a mistake */
#define NIC_RATE_MAX INT64_C(1000000000000)
#define NIC_MTU_MIN  68 /* RFC 791 */

void nic_release(struct nic *nic)
{
	free(nic->network);
	free(nic->bridge);
	strv_free(nic->acls);
	*nic = (struct nic){ .network = NULL };
}

int nic_name_is_valid(const char *name)
{
	size_t len = strlen(name);

	if (!len || len >= NIC_NAME_MAX || !strcmp(name, ".") || !strcmp(name, ".."))
		return 0;
	for (; *name; name++) {
		/* what nft, dnsmasq and our own lists take apart is not for names */
		if (!isalnum((unsigned char)*name) && !strchr("._-", *name))
			return 0;
	}
	return 1;
}

int nic_parse_mac(const char *text, uint8_t ret[6])
{
	static const char digits[] = "0123456789abcdef";
	unsigned int sum = 0;

	if (strlen(text) != NIC_MAC_TEXT - 1)
		return -EINVAL;
	for (size_t i = 0; i < 6; i++, text += 3) {
		const char *high = strchr(digits, tolower((unsigned char)text[0]));
		const char *low = strchr(digits, tolower((unsigned char)text[1]));

		if (!high || !low || text[2] != (i < 5 ? ':' : '\0'))
			return -EINVAL;
		ret[i] = (uint8_t)((high - digits) << 4 | (low - digits));
		sum |= ret[i];
	}
	return !sum || (ret[0] & 1) ? -EINVAL : 0;
}

const char *nic_format_mac(const uint8_t mac[6], char text[NIC_MAC_TEXT])
{
	snprintf(text, NIC_MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	return text;
}

void nic_make_mac(uint8_t ret[6])
{
	ret[0] = 0x02;
	ret[1] = 0x62;
	while (getrandom(ret + 2, 4, 0) != 4)
		;
}

static int nic_set_mac(struct nic *nic, const char *value, struct err *err)
{
	nic->has_mac = 1;
	return nic_parse_mac(value, nic->mac) == 0
		       ? 0
		       : err_set(err, -EINVAL,
				 "'%.64s' is no address of one interface, as 02:62:12:34:56:78",
				 value);
}

static int nic_set_ip(struct nic *nic, const char *value, struct err *err)
{
	return inet_pton(AF_INET, value, &nic->ip) == 1 && nic->ip.s_addr
		       ? 0
		       : err_set(err, -EINVAL, "'%.64s' is no IPv4 address", value);
}

static int nic_set_ip6(struct nic *nic, const char *value, struct err *err)
{
	return inet_pton(AF_INET6, value, &nic->ip6) == 1 && !IN6_IS_ADDR_UNSPECIFIED(&nic->ip6)
		       ? 0
		       : err_set(err, -EINVAL, "'%.64s' is no IPv6 address", value);
}

static int nic_set_name(struct nic *nic, const char *value, struct err *err)
{
	if (!nic_name_is_valid(value) || !strcmp(value, "lo"))
		return err_set(err, -EINVAL,
			       "'%.64s' is no name for an interface: 1 to 15 letters, digits, '.', "
			       "'_' and '-', and not 'lo'",
			       value);
	snprintf(nic->name, sizeof(nic->name), "%s", value);
	return 0;
}

static int nic_set_rate(struct nic *nic, const char *value, struct err *err)
{
	return units_parse_int(value, NIC_RATE_MIN, NIC_RATE_MAX, &nic->rate, err);
}

static int nic_add_acl(struct nic *nic, const char *value, struct err *err)
{
	if (!strv_has(nic->acls, value))
		strv_add(&nic->acls, value);
	return name_check("ACL", value, err);
}

static int nic_set_trust(struct nic *nic, const char *value, struct err *err)
{
	nic->trusted = !strcmp(value, "1");
	return nic->trusted ? 0 : err_set(err, -EINVAL, "it is 1, or not there");
}

/* A row: a key of the record's text. */
static const struct nic_key {
	const char *key;
	int (*set)(struct nic *nic, const char *value, struct err *err);
} nic_keys[] = {
	{ "mac", nic_set_mac },	    { "ip", nic_set_ip },     { "ip6", nic_set_ip6 },
	{ "name", nic_set_name },   { "rate", nic_set_rate }, { "acl", nic_add_acl },
	{ "trust", nic_set_trust },
};

static int nic_set(struct nic *nic, const char *word, struct err *err)
{
	size_t len = strcspn(word, "=");

	for (size_t i = 0; i < ARRAY_SIZE(nic_keys) && word[len]; i++) {
		const char *key = nic_keys[i].key;

		if (strlen(key) == len && !strncmp(key, word, len))
			return nic_keys[i].set(nic, word + len + 1, err) < 0
				       ? err_wrap(err, "%s", key)
				       : 0;
	}
	return err_set(err, -EINVAL,
		       "'%.64s' is none of mac=, ip=, ip6=, name=, rate=, acl=, trust=", word);
}

static int nic_set_place(struct nic *nic, const char *word, struct err *err)
{
	if (strncmp(word, "bridge=", 7) != 0) {
		nic->network = mem_strdup(word);
		return name_check("network", word, err);
	}
	nic->bridge = mem_strdup(word + 7);
	if (!nic_name_is_valid(nic->bridge))
		return err_set(err, -EINVAL, "'%.64s' is no name of a bridge", nic->bridge);
	return 0;
}

int nic_parse(const char *text, size_t place, struct nic *ret, struct err *err)
{
	_cleanup_nic_ struct nic nic = { 0 };
	_cleanup_strv_ char **words = strv_split(text, ",");
	int r = words ? nic_set_place(&nic, *words, err)
		      : err_set(err, -EINVAL, "a network has a name");

	snprintf(nic.name, sizeof(nic.name), "eth%zu", place);
	for (char **word = words; r == 0 && word && *word && word[1]; word++)
		r = nic_set(&nic, word[1], err);
	if (r < 0)
		return err_wrap(err, "network '%.64s'", text);
	*ret = nic;
	nic = (struct nic){ .network = NULL };
	return 0;
}

char *nic_format(const struct nic *nic)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	char mac[NIC_MAC_TEXT], ip[INET6_ADDRSTRLEN];

	buf_printf(&text, "%s%s",
		   nic->network ? "" : "bridge=", nic->network ? nic->network : nic->bridge);
	if (nic->has_mac)
		buf_printf(&text, ",mac=%s", nic_format_mac(nic->mac, mac));
	if (nic->ip.s_addr)
		buf_printf(&text, ",ip=%s", inet_ntop(AF_INET, &nic->ip, ip, sizeof(ip)));
	if (!IN6_IS_ADDR_UNSPECIFIED(&nic->ip6))
		buf_printf(&text, ",ip6=%s", inet_ntop(AF_INET6, &nic->ip6, ip, sizeof(ip)));
	if (*nic->name)
		buf_printf(&text, ",name=%s", nic->name);
	if (nic->rate)
		buf_printf(&text, ",rate=%jd", (intmax_t)nic->rate);
	strv_for_each(acl, nic->acls)
		buf_printf(&text, ",acl=%s", *acl);
	if (nic->trusted)
		buf_printf(&text, ",trust=1");
	return mem_strndup((const char *)text.data, text.len);
}

int nic_is_shared(char *const *texts)
{
	return texts && *texts &&
	       (!strcmp(*texts, NIC_HOST) || !strncmp(*texts, NIC_OF, strlen(NIC_OF)));
}

int nic_is_user(char *const *texts)
{
	size_t len = strlen(NIC_USER);

	return texts && *texts && !strncmp(*texts, NIC_USER, len) &&
	       ((*texts)[len] == ',' || !(*texts)[len]);
}

int nic_is_word(const char *name)
{
	return !strcmp(name, NIC_USER) || !strcmp(name, NIC_HOST) || !strcmp(name, NIC_NONE);
}

static void nic_renew(char **text, size_t place)
{
	_cleanup_nic_ struct nic nic = { 0 };
	struct err ignored = ERR_INIT;

	if (nic_parse(*text, place, &nic, &ignored) < 0)
		return;
	nic_make_mac(nic.mac);
	nic.has_mac = 1;
	nic.ip.s_addr = INADDR_ANY;
	nic.ip6 = in6addr_any;
	free(*text);
	*text = nic_format(&nic);
}

void nic_renew_all(char **texts)
{
	if (nic_is_shared(texts))
		return;
	for (size_t i = 0; texts && texts[i]; i++)
		nic_renew(&texts[i], i);
}

static int nic_check_apart(const struct nic *a, const struct nic *b, struct err *err)
{
	char mac[NIC_MAC_TEXT];

	if (!strcmp(a->name, b->name))
		return err_set(err, -EINVAL, "two interfaces have the name '%s'", a->name);
	if (a->has_mac && b->has_mac && !memcmp(a->mac, b->mac, sizeof(a->mac)))
		return err_set(err, -EINVAL, "two interfaces have the address %s",
			       nic_format_mac(a->mac, mac));
	if (a->network && b->network && !strcmp(a->network, b->network))
		return err_set(err, -EINVAL, "the network '%s' is named twice", a->network);
	return 0;
}

static int nic_check_user(const struct nic *nic, size_t n, struct err *err)
{
	if (!nic->network || strcmp(nic->network, NIC_USER) != 0)
		return 0;
	if (n > 1)
		return err_set(err, -EINVAL, "the network '" NIC_USER "' goes with no other");
	if (nic->ip.s_addr || !IN6_IS_ADDR_UNSPECIFIED(&nic->ip6) || nic->rate || nic->acls ||
	    nic->trusted)
		return err_set(err, -EINVAL,
			       "the network '" NIC_USER
			       "' has no addresses to choose, no rates and "
			       "no rules: mac= and name= are all it takes");
	return 0;
}

int nic_check_all(char *const *texts, struct err *err)
{
	struct nic nics[NIC_MAX] = { 0 };
	size_t n = strv_len(texts);
	int r = 0;

	if (n == 1 && nic_is_shared(texts))
		return !strcmp(*texts, NIC_HOST)
			       ? 0
			       : name_check("instance", *texts + strlen(NIC_OF), err);
	if (n > NIC_MAX)
		return err_set(err, -E2BIG, "an instance has at most %d networks", NIC_MAX);
	for (size_t i = 0; i < n && r == 0; i++) {
		r = nic_parse(texts[i], i, &nics[i], err);
		for (size_t j = 0; j < i && r == 0; j++)
			r = nic_check_apart(&nics[j], &nics[i], err);
		if (r == 0)
			r = nic_check_user(&nics[i], n, err);
	}
	for (size_t i = 0; i < n; i++)
		nic_release(&nics[i]);
	return r;
}

static void nic_setup_format4(const struct nic_setup *setup, struct buf *text)
{
	char ip[INET_ADDRSTRLEN];

	if (setup->ip.s_addr)
		buf_printf(text, ",ip=%s/%u", inet_ntop(AF_INET, &setup->ip, ip, sizeof(ip)),
			   setup->prefix);
	if (setup->via.s_addr)
		buf_printf(text, ",via=%s", inet_ntop(AF_INET, &setup->via, ip, sizeof(ip)));
}

static void nic_prefix_format(const struct nic_prefix *prefix, int with_length, struct buf *text)
{
	char ip[INET6_ADDRSTRLEN] = "";

	(void)inet_ntop(prefix->family, &prefix->ip, ip, sizeof(ip));
	buf_printf(text, "%s", ip);
	if (with_length)
		buf_printf(text, "/%u", prefix->length);
}

static void nic_setup_format_more(const struct nic_setup *setup, struct buf *text)
{
	char mac[NIC_MAC_TEXT];

	for (size_t i = 0; i < setup->n_also; i++) {
		buf_printf(text, ",also=");
		nic_prefix_format(&setup->also[i], 1, text);
	}
	for (size_t i = 0; i < setup->n_routes; i++) {
		const struct nic_route *route = &setup->routes[i];

		buf_printf(text, ",route=");
		nic_prefix_format(&route->to, 1, text);
		if (route->via.family) {
			buf_printf(text, "@");
			nic_prefix_format(&route->via, 0, text);
		}
		if (route->metric)
			buf_printf(text, "+%u", route->metric);
	}
	for (size_t i = 0; i < setup->n_near; i++) {
		buf_printf(text, ",near=");
		nic_prefix_format(&setup->near[i].ip, 0, text);
		buf_printf(text, "@%s", nic_format_mac(setup->near[i].mac, mac));
	}
}

char *nic_setup_format(const struct nic_setup *setup)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	char mac[NIC_MAC_TEXT], ip[INET6_ADDRSTRLEN];

	buf_printf(&text, "name=%s,mac=%s", setup->name, nic_format_mac(setup->mac, mac));
	if (setup->mtu)
		buf_printf(&text, ",mtu=%u", setup->mtu);
	nic_setup_format4(setup, &text);
	if (!IN6_IS_ADDR_UNSPECIFIED(&setup->ip6))
		buf_printf(&text, ",ip6=%s/%u", inet_ntop(AF_INET6, &setup->ip6, ip, sizeof(ip)),
			   setup->prefix6);
	if (!IN6_IS_ADDR_UNSPECIFIED(&setup->via6))
		buf_printf(&text, ",via6=%s", inet_ntop(AF_INET6, &setup->via6, ip, sizeof(ip)));
	nic_setup_format_more(setup, &text);
	return mem_strndup((const char *)text.data, text.len);
}

/* Text of ADDRESS/PREFIX, changed. */
static int nic_setup_address(char *value, int family, void *address, unsigned int *ret_prefix)
{
	char *slash = strchr(value, '/');
	struct err ignored = ERR_INIT;
	int64_t prefix = 0;

	if (!slash ||
	    units_parse_int(slash + 1, 1, family == AF_INET ? 32 : 128, &prefix, &ignored) < 0)
		return -EINVAL;
	*slash = '\0';
	*ret_prefix = (unsigned int)prefix;
	return inet_pton(family, value, address) == 1 ? 0 : -EINVAL;
}

static int nic_setup_any(const char *value, struct nic_prefix *ret)
{
	ret->family = strchr(value, ':') ? AF_INET6 : AF_INET;
	ret->length = ret->family == AF_INET ? 32 : 128;
	return inet_pton(ret->family, value, &ret->ip) == 1 ? 0 : -EINVAL;
}

/* The same of ADDRESS/PREFIX, changed. */
static int nic_setup_prefix(char *value, struct nic_prefix *ret)
{
	char *slash = strchr(value, '/');
	struct err ignored = ERR_INIT;
	int64_t length = 0;

	if (!slash)
		return -EINVAL;
	*slash = '\0';
	if (nic_setup_any(value, ret) < 0 ||
	    units_parse_int(slash + 1, 0, ret->length, &length, &ignored) < 0)
		return -EINVAL;
	ret->length = (unsigned int)length;
	return 0;
}

static int nic_setup_add_also(struct nic_setup *setup, char *value)
{
	if (setup->n_also == NIC_ALSO_MAX)
		return -E2BIG;
	return nic_setup_prefix(value, &setup->also[setup->n_also++]);
}

static int nic_setup_add_route(struct nic_setup *setup, char *value)
{
	char *via = strchr(value, '@'), *metric = strchr(value, '+');
	struct nic_route *route = &setup->routes[setup->n_routes];
	struct err ignored = ERR_INIT;
	int64_t number = 0;

	if (setup->n_routes == NIC_ROUTES_MAX)
		return -E2BIG;
	setup->n_routes++;
	if (metric) {
		*metric = '\0';
		if (units_parse_int(metric + 1, 1, UINT32_MAX, &number, &ignored) < 0)
			return -EINVAL;
		route->metric = (uint32_t)number;
	}
	if (via) {
		*via = '\0';
		if (nic_setup_any(via + 1, &route->via) < 0)
			return -EINVAL;
	}
	if (nic_setup_prefix(value, &route->to) < 0)
		return -EINVAL;
	return !via || route->via.family == route->to.family ? 0 : -EINVAL;
}

static int nic_setup_add_near(struct nic_setup *setup, char *value)
{
	struct nic_near *near = &setup->near[setup->n_near];
	char *mac = strchr(value, '@');

	if (setup->n_near == NIC_NEAR_MAX || !mac)
		return -EINVAL;
	setup->n_near++;
	*mac = '\0';
	return nic_setup_any(value, &near->ip) < 0 ? -EINVAL : nic_parse_mac(mac + 1, near->mac);
}

/* One word, changed. */
static int nic_setup_set(struct nic_setup *setup, char *word)
{
	struct err ignored = ERR_INIT;
	char *value = strchr(word, '=');
	int64_t mtu = 0;

	if (!value)
		return -EINVAL;
	*value++ = '\0';
	if (!strcmp(word, "ip"))
		return nic_setup_address(value, AF_INET, &setup->ip, &setup->prefix);
	if (!strcmp(word, "ip6"))
		return nic_setup_address(value, AF_INET6, &setup->ip6, &setup->prefix6);
	if (!strcmp(word, "via"))
		return inet_pton(AF_INET, value, &setup->via) == 1 ? 0 : -EINVAL;
	if (!strcmp(word, "via6"))
		return inet_pton(AF_INET6, value, &setup->via6) == 1 ? 0 : -EINVAL;
	if (!strcmp(word, "also"))
		return nic_setup_add_also(setup, value);
	if (!strcmp(word, "route"))
		return nic_setup_add_route(setup, value);
	if (!strcmp(word, "near"))
		return nic_setup_add_near(setup, value);
	if (!strcmp(word, "mac"))
		return nic_parse_mac(value, setup->mac);
	if (!strcmp(word, "name") && nic_name_is_valid(value)) {
		snprintf(setup->name, sizeof(setup->name), "%s", value);
		return 0;
	}
	if (strcmp(word, "mtu") != 0 ||
	    units_parse_int(value, NIC_MTU_MIN, UINT16_MAX, &mtu, &ignored) < 0)
		return -EINVAL;
	setup->mtu = (uint16_t)mtu;
	return 0;
}

int nic_setup_parse(const char *text, struct nic_setup *ret, struct err *err)
{
	_cleanup_strv_ char **words = strv_split(text, ",");

	*ret = (struct nic_setup){ .mtu = 0 };
	for (char **word = words; word && *word; word++) {
		if (nic_setup_set(ret, *word) < 0)
			return err_set(err, -EINVAL, "'%.64s' says nothing of an interface", *word);
	}
	if (!*ret->name)
		return err_set(err, -EINVAL, "an interface has a name");
	return 0;
}
