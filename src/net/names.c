// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What dnsmasq is told. Of what it could do, this is left out on purpose:
 *  - the host's /etc/hosts, and names that clients give themselves (dhcp-ignore-names): a name in the domain is that of an
 *    instance, and nothing that is sent over the network makes or changes one;
 *  - answers to anybody but the bridge: bind-dynamic has it look at the interface by which a query came, which
 *    bind-interfaces does not (CVE-2012-3411 of libvirt's);
 *  - a ping before an address is given, which takes 3 s: nobody but DHCP gives one of the pool's;
 *  - stop-dns-rebind: names of the uplink's own network have private addresses as well.
 *
 * dnsmasq sees new and removed files of hosts/ by inotify, which it looks at before it looks at queries. Of dhcp/ it
 * sees the new ones only, so who changes or removes one has it read them all again (steward_refresh()). A file comes by
 * rename from outside these folders, for the temporary one would be read as well.
 */
#include "net/names.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/name.h"
#include "net/steward.h"
#include "net/subnet.h"
#include "proto/nic.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define NAMES_PLACING	".placing"
#define NAMES_FILE_MAX	(64U << 10)
#define NAMES_PRUNED	"leases.new"
#define NAMES_CACHE	1000 /* of answers; some 100 KiB at most */
#define NAMES_LEASE_MAX 8192 /* leases at once: the pool's, and those of instances */
#define NAMES_WORDS	5    /* of a line of the leases */

int names_parse_prefix(int family, const char *text, void *ret_address, unsigned int *ret_prefix)
{
	struct subnet subnet;

	if (subnet_parse(text, &subnet) < 0 || subnet.family != family)
		return -EINVAL;
	memcpy(ret_address, subnet.address, family == AF_INET ? 4 : 16);
	*ret_prefix = subnet.prefix;
	return 0;
}

static void names_pool4(const char *text, struct names_pool *ret)
{
	unsigned int prefix;
	struct in_addr address;
	uint32_t size, last;

	if (!text || names_parse_prefix(AF_INET, text, &address, &prefix) < 0 || prefix > 28 ||
	    prefix < 4)
		return;
	size = (UINT32_C(1) << (32 - prefix)) / 4;
	last = (ntohl(address.s_addr) | (UINT32_MAX >> prefix)) - 1;
	if (size > NAMES_POOL_MAX)
		size = NAMES_POOL_MAX;
	ret->last.s_addr = htonl(last);
	ret->first.s_addr = htonl(last - (size - 2));
}

void names_pool(const struct network *network, struct names_pool *ret)
{
	struct in6_addr address;
	unsigned int prefix;

	*ret = (struct names_pool){ 0 };
	if (!network->dhcp)
		return;
	names_pool4(network->ipv4, ret);
	if (!network->ipv6 || names_parse_prefix(AF_INET6, network->ipv6, &address, &prefix) < 0 ||
	    prefix != 64)
		return;
	memset(address.s6_addr + 8, 0xff, 8);
	ret->last6 = ret->first6 = address;
	ret->last6.s6_addr[15] = 0xfe;
	memset(ret->first6.s6_addr + 14, 0, 2);
}

void names_find_resolver(const char *path, struct names_resolver *ret)
{
	char *real = realpath(path, NULL), *slash;

	*ret = (struct names_resolver){ .inside = real };
	if (!real || !strncmp(real, "/etc/", 5))
		return;
	slash = strrchr(real, '/');
	ret->inside = mem_printf("/" NAMES_RESOLVER_INSIDE "%s", slash);
	ret->shown = real;
	if (strchr(real + 1, '/') == slash) {
		ret->name = mem_strdup(ret->inside + 1);
	} else {
		*slash = '\0';
		ret->name = mem_strdup(NAMES_RESOLVER_INSIDE);
	}
}

void names_resolver_release(struct names_resolver *resolver)
{
	free(resolver->inside);
	free(resolver->shown);
	free(resolver->name);
}

static void names_conf_dns(const struct network *network, const char *resolver, struct buf *conf)
{
	if (!network->dns) {
		buf_add_str(conf, "port=0\n");
		return;
	}
	if (network->dns_port)
		buf_printf(conf, "port=%jd\n", (intmax_t)network->dns_port);
	strv_for_each(part, network->parts)
		buf_printf(conf, "hostsdir=/" NAMES_PART "%s\n", *part);
	if (!network->parts)
		buf_add_str(conf, "hostsdir=/" NAMES_INSIDE "/" NAMES_HOSTS "\n");
	buf_printf(conf,
		   "no-hosts\ndomain=" NETWORK_DOMAIN "\nlocal=/" NETWORK_DOMAIN "/\n"
		   "domain-needed\nbogus-priv\ncache-size=%d\n",
		   NAMES_CACHE);
	if (network->internal || !resolver)
		buf_add_str(conf, "no-resolv\n");
	else
		buf_printf(conf, "resolv-file=%s\ndns-loop-detect\n", resolver);
}

static void names_conf_dhcp4(const struct network *network, uint32_t mtu,
			     const struct names_pool *pool, struct buf *conf)
{
	struct in_addr address, mask;
	unsigned int prefix;
	char a[INET_ADDRSTRLEN], b[INET_ADDRSTRLEN];

	if (!network->ipv4 || names_parse_prefix(AF_INET, network->ipv4, &address, &prefix) < 0 ||
	    !prefix)
		return;
	mask.s_addr = htonl(UINT32_MAX << (32 - prefix));
	address.s_addr &= mask.s_addr;
	buf_printf(conf, "dhcp-range=%s,static,%s,1h\n", inet_ntop(AF_INET, &address, a, sizeof(a)),
		   inet_ntop(AF_INET, &mask, b, sizeof(b)));
	if (pool->first.s_addr)
		buf_printf(
			conf, "dhcp-range=%s,%s,%s,1h\n",
			inet_ntop(AF_INET, &pool->first, a, sizeof(a)),
			inet_ntop(AF_INET, &pool->last, b, sizeof(b)),
			inet_ntop(AF_INET, &mask, (char[INET_ADDRSTRLEN]){ 0 }, INET_ADDRSTRLEN));
	if (network->internal)
		buf_add_str(conf, "dhcp-option=option:router\n");
	if (!network->dns)
		buf_add_str(conf, "dhcp-option=option:dns-server\n");
	else
		buf_add_str(conf, "dhcp-option=option:domain-search," NETWORK_DOMAIN "\n");
	buf_printf(conf, "dhcp-option=option:mtu,%u\n", mtu);
}

/*
 * The flag M alone, so that all have the address that DHCPv6 gives them, and none that they make themselves. A router's
 * lifetime of 0 is no default route.
 */
static void names_conf_dhcp6(const struct network *network, uint32_t mtu,
			     const struct names_pool *pool, struct buf *conf)
{
	char a[INET6_ADDRSTRLEN], b[INET6_ADDRSTRLEN];

	if (IN6_IS_ADDR_UNSPECIFIED(&pool->first6))
		return;
	buf_printf(conf, "enable-ra\nquiet-ra\nquiet-dhcp6\ndhcp-range=%s,%s,64,1h\n",
		   inet_ntop(AF_INET6, &pool->first6, a, sizeof(a)),
		   inet_ntop(AF_INET6, &pool->last6, b, sizeof(b)));
	buf_printf(conf, "ra-param=%s,mtu:%u,", network->device, mtu);
	buf_add_str(conf, network->internal ? "0,0\n" : "0,1800\n");
	if (!network->dns)
		buf_add_str(conf, "dhcp-option=option6:dns-server\n");
	else
		buf_add_str(conf, "dhcp-option=option6:domain-search," NETWORK_DOMAIN "\n");
}

char *names_conf(const struct network *network, const struct link *bridge, const char *user,
		 const char *resolver)
{
	_cleanup_buf_ struct buf conf = BUF_INIT;
	struct names_pool pool;

	names_pool(network, &pool);
	buf_printf(&conf, "# %s has the index %d: %s %s\n", network->device, bridge->index,
		   network->ipv4 ? network->ipv4 : "-", network->ipv6 ? network->ipv6 : "-");
	buf_printf(&conf,
		   "user=%s\nlog-facility=-\npid-file=/" NAMES_STATE_INSIDE "/" NAMES_READY "\n"
		   "interface=%s\nexcept-interface=lo\nbind-dynamic\n",
		   user, network->device);
	strv_for_each(device, network->part_devices)
		buf_printf(&conf, "interface=%s\n", *device);
	names_conf_dns(network, resolver, &conf);
	if (network->dhcp) {
		buf_printf(&conf,
			   "dhcp-authoritative\nno-ping\nquiet-dhcp\ndhcp-ignore-names\ndhcp-lease-"
			   "max=%d\n"
			   "dhcp-leasefile=/" NAMES_STATE_INSIDE "/" NAMES_LEASES "\n"
			   "dhcp-hostsdir=/" NAMES_INSIDE "/" NAMES_DHCP "\n",
			   NAMES_LEASE_MAX);
		names_conf_dhcp4(network, bridge->mtu, &pool, &conf);
		names_conf_dhcp6(network, bridge->mtu, &pool, &conf);
	}
	return buf_take(&conf);
}

/* The folder RUN/.net/NAME. */
static int names_open(const struct network_home *home, const char *network, struct err *err)
{
	_cleanup_free_ char *path = network_run_path(home, network);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_errno(err, -errno, "cannot open %s", path) : fd;
}

/* *ret_old: what was there, if it was another text, else NULL. */
static int names_place(int dir, const char *folder, const char *name, const struct buf *text,
		       char **ret_old, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/%s", folder, name), *old = NULL;
	_cleanup_close_ int fd = -EBADF;
	const char *data = text->data ? text->data : "";
	int r = file_read(dir, path, NAMES_FILE_MAX, &old, NULL);

	*ret_old = NULL;
	if (r == 0 && !strcmp(old, data))
		return 0;
	if (mkdirat(dir, folder, 0755) < 0 && errno != EEXIST)
		return err_errno(err, -errno, "cannot make the folder %s", folder);
	(void)unlinkat(dir, NAMES_PLACING, 0);
	fd = openat(dir, NAMES_PLACING, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	r = fd < 0 ? -errno : file_write_all(fd, data, text->len);
	/* what umask(2) says does not matter: dnsmasq reads it as its own user */
	if (r == 0 && (fchmod(fd, 0644) < 0 || renameat(dir, NAMES_PLACING, dir, path) < 0))
		r = -errno;
	if (r < 0)
		return err_errno(err, r, "cannot write the names of '%s'", name);
	*ret_old = take_ptr(old);
	return 0;
}

/* A name of ours is one of DNS if no label of it is empty. */
static int names_is_dns(const char *name)
{
	return !strstr(name, "..") && name[strlen(name) - 1] != '.';
}

static void names_put_host(const struct names_host *host, const char *address, struct buf *text)
{
	int first = 1;

	if (names_is_dns(host->name)) {
		/* what stands first is what the address resolves to */
		buf_printf(text, "%s %s." NETWORK_DOMAIN " %s", address, host->name, host->name);
		first = 0;
	}
	strv_for_each(alias, host->aliases) {
		if (!names_is_dns(*alias))
			continue;
		if (first)
			buf_add_str(text, address);
		buf_printf(text, " %s %s." NETWORK_DOMAIN, *alias, *alias);
		first = 0;
	}
	if (!first)
		buf_add_str(text, "\n");
}

static void names_hosts_text(const struct names_host *host, struct buf *text)
{
	char address[INET6_ADDRSTRLEN];

	if (host->ip.s_addr)
		names_put_host(host, inet_ntop(AF_INET, &host->ip, address, sizeof(address)), text);
	if (!IN6_IS_ADDR_UNSPECIFIED(&host->ip6))
		names_put_host(host, inet_ntop(AF_INET6, &host->ip6, address, sizeof(address)),
			       text);
}

/*
 * dnsmasq takes a word of digits for a time, of which "5d" is one, too, and two words have a meaning. Who has such a
 * name is not told it by DHCP.
 */
static int names_is_dhcp(const char *name)
{
	return ((*name | 0x20) >= 'a' && (*name | 0x20) <= 'z') && !strchr(name, '.') &&
	       strcmp(name, "ignore") != 0 && strcmp(name, "infinite") != 0;
}

static void names_dhcp_text(const struct names_host *host, struct buf *text)
{
	char address[INET6_ADDRSTRLEN], mac[NIC_MAC_TEXT];

	buf_add_str(text, nic_format_mac(host->mac, mac));
	if (!IN6_IS_ADDR_UNSPECIFIED(&host->ip6))
		buf_printf(text, ",[%s]",
			   inet_ntop(AF_INET6, &host->ip6, address, sizeof(address)));
	if (host->ip.s_addr)
		buf_printf(text, ",%s", inet_ntop(AF_INET, &host->ip, address, sizeof(address)));
	if (names_is_dhcp(host->name))
		buf_printf(text, ",%s", host->name);
	buf_add_str(text, ",infinite\n");
}

struct names_search {
	const char *dhcp; /* what was told of the host */
	int found;
};

static void names_find(void *ctx, const struct names_lease *lease)
{
	struct names_search *search = ctx;
	_cleanup_strv_ char **words = strv_split(search->dhcp, ",[]\n");

	search->found |= strv_has(words, lease->address) || strv_has(words, lease->mac);
}

/* Whether DHCP has given a host what it was told to. */
static int names_is_leased(const struct network_home *home, const char *network, const char *dhcp)
{
	struct names_search search = { .dhcp = dhcp };
	struct err ignored = ERR_INIT;

	return names_leases(home, network, names_find, &search, &ignored) < 0 || search.found;
}

/* Starting it anew costs what is asked meanwhile a second try, so that is for the rare case alone. */
static void names_tell(const struct network_home *home, const char *network, const char *old)
{
	steward_refresh(home, network, names_is_leased(home, network, old));
}

static int names_check(const struct names_host *host, struct err *err)
{
	int r = name_check("instance", host->name, err);

	strv_for_each(alias, host->aliases) {
		if (r == 0)
			r = name_check("host", *alias, err);
	}
	return r;
}

int names_add(const struct network_home *home, const struct network *network,
	      const struct names_host *host, struct err *err)
{
	_cleanup_buf_ struct buf hosts = BUF_INIT, dhcp = BUF_INIT;
	_cleanup_free_ char *old_dhcp = NULL, *old_hosts = NULL;
	_cleanup_close_ int dir = -EBADF;
	int r = names_check(host, err);

	if (r < 0 || (!network->dns && !network->dhcp))
		return r;
	dir = names_open(home, network->name, err);
	if (dir < 0)
		return dir;
	names_hosts_text(host, &hosts);
	names_dhcp_text(host, &dhcp);
	if (network->dhcp)
		r = names_place(dir, NAMES_DHCP, host->name, &dhcp, &old_dhcp, err);
	if (r == 0 && network->dns)
		r = names_place(dir, NAMES_HOSTS, host->name, &hosts, &old_hosts, err);
	if (old_dhcp)
		names_tell(home, network->name, old_dhcp);
	return r;
}

int names_remove(const struct network_home *home, const char *network, const char *name,
		 struct err *err)
{
	_cleanup_free_ char *dhcp = mem_printf(NAMES_DHCP "/%s", name);
	_cleanup_free_ char *hosts = mem_printf(NAMES_HOSTS "/%s", name), *text = NULL;
	_cleanup_free_ char *path = network_run_path(home, network);
	_cleanup_close_ int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = name_check("instance", name, err);

	if (r < 0 || dir < 0)
		return r;
	if (unlinkat(dir, hosts, 0) < 0 && errno != ENOENT)
		return err_errno(err, -errno, "cannot remove %s/%s", path, hosts);
	(void)file_read(dir, dhcp, NAMES_FILE_MAX, &text, NULL);
	if (unlinkat(dir, dhcp, 0) < 0)
		return errno == ENOENT ? 0
				       : err_errno(err, -errno, "cannot remove %s/%s", path, dhcp);
	names_tell(home, network, text ? text : "");
	return 0;
}

/* Words of a line that are not longer than `size` with their NUL; their number, or 0. */
static size_t names_words(const char *line, size_t len, const char **words, size_t *lens)
{
	size_t n = 0;

	for (size_t i = 0; i < len; n++) {
		const char *space = memchr(line + i, ' ', len - i);
		size_t word = space ? (size_t)(space - line) - i : len - i;

		if (n == NAMES_WORDS || !word)
			return 0;
		words[n] = line + i;
		lens[n] = word;
		i += word + 1;
	}
	return n;
}

static int names_copy(char *to, size_t size, const char *word, size_t len)
{
	if (len >= size || memchr(word, '\0', len))
		return -EINVAL;
	memcpy(to, word, len);
	to[len] = '\0';
	return 0;
}

static int names_parse_number(const char *word, size_t len, int64_t *ret)
{
	*ret = 0;
	if (!len || len > 18)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (word[i] < '0' || word[i] > '9')
			return -EINVAL;
		*ret = *ret * 10 + (word[i] - '0');
	}
	return 0;
}

/* What a guest has said of itself: other bytes than a name's are shown as '?'. */
static void names_copy_host(struct names_lease *lease, const char *word, size_t len)
{
	size_t n = len < sizeof(lease->host) ? len : sizeof(lease->host) - 1;

	if (len == 1 && *word == '*')
		n = 0;
	for (size_t i = 0; i < n; i++) {
		char c = word[i], lower = (char)(c | 0x20);

		lease->host[i] =
			(lower >= 'a' && lower <= 'z') || (c >= '-' && c <= '9') || c == '_' ? c
											     : '?';
	}
	lease->host[n] = '\0';
}

/* EXPIRES MAC ADDRESS HOST CLIENT, or of IPv6 EXPIRES IAID ADDRESS HOST DUID. */
static int names_parse_lease(const char *line, size_t len, struct names_lease *lease)
{
	const char *words[NAMES_WORDS];
	size_t lens[NAMES_WORDS];
	uint8_t address[16];

	*lease = (struct names_lease){ .family = AF_INET };
	if (names_words(line, len, words, lens) != NAMES_WORDS ||
	    names_parse_number(words[0], lens[0], &lease->expires) < 0 ||
	    names_copy(lease->address, sizeof(lease->address), words[2], lens[2]) < 0)
		return -EINVAL;
	if (inet_pton(AF_INET6, lease->address, address) == 1)
		lease->family = AF_INET6;
	else if (inet_pton(AF_INET, lease->address, address) != 1 ||
		 names_copy(lease->mac, sizeof(lease->mac), words[1], lens[1]) < 0 ||
		 strspn(lease->mac, "0123456789abcdefABCDEF:-*") != lens[1])
		return -EINVAL;
	names_copy_host(lease, words[3], lens[3]);
	return 0;
}

void names_leases_parse(const char *text, size_t len, names_lease_fn fn, void *ctx)
{
	for (size_t i = 0; i < len;) {
		const char *end = memchr(text + i, '\n', len - i);
		size_t line = end ? (size_t)(end - text) - i : len - i;
		struct names_lease lease;

		if (names_parse_lease(text + i, line, &lease) == 0)
			fn(ctx, &lease);
		i += line + 1;
	}
}

/* The file's folder is somebody else's: it may be anything. -ENOENT: there is none. */
static int names_read_leases(int state_fd, char **ret, size_t *ret_len)
{
	_cleanup_close_ int fd = openat(state_fd, NAMES_LEASES,
					O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	_cleanup_free_ char *path = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	path = mem_printf("/proc/self/fd/%d", fd);
	return file_read(AT_FDCWD, path, NAMES_LEASES_MAX, ret, ret_len);
}

int names_leases(const struct network_home *home, const char *network, names_lease_fn fn, void *ctx,
		 struct err *err)
{
	_cleanup_free_ char *run = network_run_path(home, network), *text = NULL;
	_cleanup_free_ char *path = mem_printf("%s/" NAMES_STATE, run);
	_cleanup_close_ int state = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	size_t len = 0;
	int r = state < 0 ? -errno : names_read_leases(state, &text, &len);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_errno(err, r, "cannot read %s/" NAMES_LEASES, path);
	names_leases_parse(text, len, fn, ctx);
	return 0;
}

static int names_is_pool(const struct names_pool *pool, const struct names_lease *lease)
{
	struct in6_addr address6;
	struct in_addr address;

	if (lease->family == AF_INET6)
		return inet_pton(AF_INET6, lease->address, &address6) == 1 &&
		       memcmp(&address6, &pool->first6, 16) >= 0 &&
		       memcmp(&address6, &pool->last6, 16) <= 0;
	return inet_pton(AF_INET, lease->address, &address) == 1 &&
	       ntohl(address.s_addr) >= ntohl(pool->first.s_addr) &&
	       ntohl(address.s_addr) <= ntohl(pool->last.s_addr);
}

/* "duid HEX", who dnsmasq is to clients, is kept. */
static void names_keep_leases(const char *text, size_t len, const struct names_pool *pool,
			      struct buf *kept)
{
	for (size_t i = 0; i < len;) {
		const char *end = memchr(text + i, '\n', len - i);
		size_t line = end ? (size_t)(end - text) - i : len - i;
		struct names_lease lease;

		if ((line > 5 && !memcmp(text + i, "duid ", 5)) ||
		    (names_parse_lease(text + i, line, &lease) == 0 && names_is_pool(pool, &lease)))
			buf_printf(kept, "%.*s\n", (int)line, text + i);
		i += line + 1;
	}
}

int names_prune_leases(int state_fd, const struct names_pool *pool, uid_t uid, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_buf_ struct buf kept = BUF_INIT;
	_cleanup_close_ int fd = -EBADF;
	size_t len = 0;
	int r = names_read_leases(state_fd, &text, &len);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		names_keep_leases(text, len, pool, &kept);
	if (r == 0 && kept.len == len)
		return 0;
	(void)file_remove_tree(state_fd, NAMES_PRUNED);
	fd = openat(state_fd, NAMES_PRUNED, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	r = fd < 0 ? -errno : file_write_all(fd, kept.data ? kept.data : "", kept.len);
	if (r == 0 && (fchown(fd, uid, (gid_t)-1) < 0 ||
		       renameat(state_fd, NAMES_PRUNED, state_fd, NAMES_LEASES) < 0))
		r = -errno;
	return r < 0 ? err_errno(err, r, "cannot write the leases") : 0;
}
