// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Real ones, in a network namespace of the test's own: two bridges "left" and "right", and a client, which is another
 * namespace with an interface on the left one. This program is the steward as well.
 */
#include "net/steward.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/units.h"
#include "net/names.h"
#include "sys/child.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define DEADLINE_MS 20000
#define TYPE_A	    1
#define TYPE_PTR    12
#define TYPE_AAAA   28

static char folder[32];
static struct network_home home;
static struct network left, right;
static pid_t client;

static char *run(const char *command)
{
	char *argv[] = { (char *)"/bin/sh", (char *)"-ec", (char *)(uintptr_t)command, NULL };
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct child_spec spec = CHILD_SPEC_INIT;
	struct err err = ERR_INIT;

	spec.argv = argv;
	spec.out = &out;
	spec.timeout_ms = DEADLINE_MS;
	if (child_run(&spec, &err) < 0)
		fail_msg("%s: %s", command, err.msg);
	return buf_take(&out);
}

static void done(const char *command)
{
	free(run(command));
}

static int try_start(const struct network *network, struct err *err)
{
	struct link bridge;
	int r = steward_find_bridge(network, &bridge, err);

	return r < 0 ? r : steward_start(&home, network, &bridge, err);
}

static void start(const struct network *network)
{
	struct err err = ERR_INIT;

	if (try_start(network, &err) < 0)
		fail_msg("%s", err.msg);
}

static void make_network(struct network *network, const char *name, const char *ipv4,
			 const char *ipv6)
{
	_cleanup_free_ char *command =
		mem_printf("ip link add %s type bridge; ip link set %s up; "
			   "ip addr add %s dev %s; ip addr add %s dev %s nodad; "
			   "ip addr add fe80::1/64 dev %s nodad",
			   name, name, ipv4, name, ipv6, name, name);
	struct err err = ERR_INIT;

	done(command);
	network_init(network);
	network->name = mem_strdup(name);
	network->device = mem_strdup(name);
	network->ipv4 = mem_strdup(ipv4);
	network->ipv6 = mem_strdup(ipv6);
	assert_int_equal(network_make(&home, network, &err), 0);
}

static void make_client(void)
{
	_cleanup_free_ char *command = NULL, *script = mem_printf("%s/script", folder);
	static const char text[] = "#!/bin/sh\n[ \"$1\" != bound ] || "
				   "echo \"$ip/$mask via=$router dns=$dns mtu=$mtu $domain\"\n";
	int ready[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	client = fork();
	if (!client) {
		if (unshare(CLONE_NEWNET) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	command = mem_printf(
		"ip link add port type veth peer name eth0 netns %d; "
		"ip link set port master left up; "
		"nsenter -t %d -n ip link set eth0 up; nsenter -t %d -n ip link set lo up",
		client, client, client);
	done(command);
	assert_int_equal(file_replace(AT_FDCWD, script, text, sizeof(text) - 1, 0700, 0), 0);
}

/* The host's own resolver, as far as we see: one at 127.0.0.9, as systemd-resolved is at 127.0.0.53. */
static void make_resolver(void)
{
	_cleanup_free_ char *path = mem_printf("%s/resolv.conf", folder);
	static const char text[] = "nameserver 127.0.0.9\n";

	assert_int_equal(file_replace(AT_FDCWD, path, text, sizeof(text) - 1, 0644, 0), 0);
	assert_int_equal(mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL), 0);
}

static int set_up_all(void **state _unused_)
{
	int lock;
	struct err err = ERR_INIT;

	if (geteuid() != 0)
		return 0;
	strcpy(folder, "/tmp/brig-steward-XXXXXX");
	assert_non_null(mkdtemp(folder));
	home = (struct network_home){ .root = folder, .run = folder };
	lock = network_lock(&home, &err);
	assert_true(lock >= 0);
	assert_int_equal(unshare(CLONE_NEWNET | CLONE_NEWNS), 0);
	done("ip link set lo up; mount --make-rprivate /");
	make_resolver();
	make_network(&left, "left", "10.77.1.1/24", "fd77:1::1/64");
	make_network(&right, "right", "10.77.2.1/24", "fd77:2::1/64");
	right.internal = 1;
	assert_int_equal(network_save(&home, &right, &err), 0);
	make_client();
	fd_close(lock);
	return 0;
}

static int tear_down_all(void **state _unused_)
{
	if (geteuid() != 0)
		return 0;
	assert_int_equal(kill(client, SIGKILL), 0);
	assert_int_equal(waitpid(client, NULL, 0), client);
	network_release(&left);
	network_release(&right);
	return file_remove_tree(AT_FDCWD, folder);
}

static int set_up(void **state _unused_)
{
	if (geteuid() != 0)
		skip();
	return 0;
}

static int tear_down(void **state _unused_)
{
	_cleanup_free_ char *path = NULL;
	struct err err = ERR_INIT;

	if (geteuid() != 0)
		return 0;
	assert_int_equal(steward_stop(&home, "left", &err), 0);
	assert_int_equal(steward_stop(&home, "right", &err), 0);
	assert_int_equal(steward_pid(&home, "left"), 0);
	path = mem_printf("%s/.net", folder);
	return file_remove_tree(AT_FDCWD, path);
}

static size_t put_question(uint8_t *message, const char *name, uint16_t type)
{
	static const uint8_t header[] = { 0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0 };
	_cleanup_strv_ char **labels = strv_split(name, ".");
	size_t len = sizeof(header);

	memcpy(message, header, len);
	strv_for_each(label, labels) {
		message[len++] = (uint8_t)strlen(*label);
		memcpy(message + len, *label, strlen(*label));
		len += strlen(*label);
	}
	message[len++] = 0;
	message[len++] = 0;
	message[len++] = (uint8_t)type;
	message[len++] = 0;
	message[len++] = 1;
	return len;
}

/* A name of labels, or of a pointer to some. */
static size_t get_name(const uint8_t *message, size_t at, char *ret)
{
	size_t end = 0;

	*ret = '\0';
	while (message[at]) {
		if (message[at] >= 0xc0) {
			end = end ? end : at + 2;
			at = (size_t)(message[at] & 0x3f) << 8 | message[at + 1];
			continue;
		}
		sprintf(ret + strlen(ret), "%.*s.", message[at], message + at + 1);
		at += message[at] + 1U;
	}
	return end ? end : at + 1;
}

/* The first answer's address or name, or why there is none. */
static char *read_answer(const uint8_t *message, size_t at, uint16_t type)
{
	char text[512];
	int code = message[3] & 0xf;

	if (code)
		return mem_strdup(code == 3 ? "NXDOMAIN" : code == 5 ? "REFUSED" : "FAILED");
	if (!message[7])
		return mem_strdup("NODATA");
	at = get_name(message, at, text) + 10;
	if (type == TYPE_PTR)
		get_name(message, at, text);
	else
		inet_ntop(type == TYPE_A ? AF_INET : AF_INET6, message + at, text, sizeof(text));
	return mem_strdup(text);
}

/* To the server at an address of IPv4. */
static int send_question(const char *server, const char *name, uint16_t type)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(53) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint8_t message[1024];
	size_t len = put_question(message, name, type);

	assert_int_equal(inet_pton(AF_INET, server, &address.sin_addr), 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(send(fd, message, len, 0), len);
	return fd;
}

static char *await_answer(int fd, const char *name, uint16_t type)
{
	struct pollfd answer = { .fd = fd, .events = POLLIN };
	uint8_t message[1024] = { 0 };
	size_t len = put_question(message, name, type);
	ssize_t n;

	assert_int_equal(poll(&answer, 1, DEADLINE_MS), 1);
	n = recv(fd, message, sizeof(message), 0);
	fd_close(fd);
	return n < (ssize_t)len ? mem_strdup("NOBODY") : read_answer(message, len, type);
}

static char *ask(const char *server, const char *name, uint16_t type)
{
	return await_answer(send_question(server, name, type), name, type);
}

static void assert_answer(const char *server, const char *name, uint16_t type, const char *expected)
{
	_cleanup_free_ char *answer = ask(server, name, type);

	if (strcmp(answer, expected) != 0)
		fail_msg("%s is %s and not %s", name, answer, expected);
}

static void add(const struct network *network, const char *name, unsigned int mac, const char *ip,
		const char *ip6)
{
	struct names_host host = { .name = name, .mac = { 2, 0x62, 0, 0, 0, (uint8_t)mac } };
	struct err err = ERR_INIT;

	assert_int_equal(inet_pton(AF_INET, ip, &host.ip), 1);
	if (ip6)
		assert_int_equal(inet_pton(AF_INET6, ip6, &host.ip6), 1);
	if (names_add(&home, network, &host, &err) < 0)
		fail_msg("%s", err.msg);
}

static void take_away(const struct network *network, const char *name)
{
	struct err err = ERR_INIT;

	assert_int_equal(names_remove(&home, network->name, name, &err), 0);
}

static void an_instances_names_resolve_at_once_until_it_is_removed(void **state _unused_)
{
	start(&left);
	assert_answer("10.77.1.1", "web.brig", TYPE_A, "NXDOMAIN");
	add(&left, "web", 5, "10.77.1.5", "fd77:1::5");
	assert_answer("10.77.1.1", "web.brig", TYPE_A, "10.77.1.5");
	assert_answer("10.77.1.1", "web", TYPE_A, "10.77.1.5");
	assert_answer("10.77.1.1", "WEB.brig", TYPE_AAAA, "fd77:1::5");
	assert_answer("10.77.1.1", "web", TYPE_AAAA, "fd77:1::5");
	assert_answer("10.77.1.1", "5.1.77.10.in-addr.arpa", TYPE_PTR, "web.brig.");
	add(&left, "web", 5, "10.77.1.6", NULL);
	assert_answer("10.77.1.1", "web", TYPE_A, "10.77.1.6");
	take_away(&left, "web");
	assert_answer("10.77.1.1", "web.brig", TYPE_A, "NXDOMAIN");
	assert_answer("10.77.1.1", "web", TYPE_A, "NXDOMAIN");
}

static void each_network_has_names_of_its_own(void **state _unused_)
{
	start(&left);
	start(&right);
	add(&left, "web", 5, "10.77.1.5", NULL);
	add(&right, "web", 6, "10.77.2.6", NULL);
	add(&right, "db", 7, "10.77.2.7", NULL);
	assert_answer("10.77.1.1", "web", TYPE_A, "10.77.1.5");
	assert_answer("10.77.2.1", "web", TYPE_A, "10.77.2.6");
	assert_answer("10.77.1.1", "db.brig", TYPE_A, "NXDOMAIN");
}

/* Answers the first question for example.com; others, of which a search for loops is one, are not for us. */
static void answer_upstream(int fd)
{
	static const uint8_t answer[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 7 };
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	struct sockaddr_in from;
	uint8_t message[1024];
	socklen_t len;
	ssize_t n;

	do {
		len = sizeof(from);
		assert_int_equal(poll(&ready, 1, DEADLINE_MS), 1);
		n = recvfrom(fd, message, sizeof(message), 0, (struct sockaddr *)&from, &len);
		assert_true(n > 12);
		/* a name is forwarded that is none of ours */
		assert_int_not_equal(message[12], strlen("web"));
	} while (message[12] != strlen("example"));
	message[2] |= 0x80;
	message[7] = 1;
	message[11] = 0;
	n = 12 + (ssize_t)strlen("_example_com_") + 4;
	memcpy(message + n, answer, sizeof(answer));
	assert_int_equal(
		sendto(fd, message, (size_t)n + sizeof(answer), 0, (struct sockaddr *)&from, len),
		(size_t)n + sizeof(answer));
}

static void what_is_not_ours_is_asked_of_the_hosts_resolver(void **state _unused_)
{
	_cleanup_close_ int upstream = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(53) };
	_cleanup_free_ char *answer = NULL;
	int fd;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 8);
	assert_int_equal(bind(upstream, (struct sockaddr *)&address, sizeof(address)), 0);
	start(&left);
	assert_answer("10.77.1.1", "web", TYPE_A, "NXDOMAIN");
	assert_answer("10.77.1.1", "web.brig", TYPE_A, "NXDOMAIN");
	fd = send_question("10.77.1.1", "example.com", TYPE_A);
	answer_upstream(upstream);
	answer = await_answer(fd, "example.com", TYPE_A);
	assert_string_equal(answer, "192.0.2.7");
}

static void an_internal_network_resolves_nothing_outside(void **state _unused_)
{
	start(&right);
	assert_answer("10.77.2.1", "example.com", TYPE_A, "REFUSED");
}

/* What a client of the left network is given. */
static char *ask_dhcp(unsigned int mac)
{
	_cleanup_free_ char *command = mem_printf(
		"nsenter -t %d -n sh -c 'ip link set eth0 down; "
		"ip link set eth0 address 02:62:00:00:00:%02x; ip link set eth0 up; "
		"exec busybox udhcpc -i eth0 -n -q -f -t 10 -T 1 -A 0 -O mtu -x hostname:evil "
		"-F evil.brig -s %s/script' 2>%s/dhcp.err || cat %s/dhcp.err >&2",
		client, mac, folder, folder, folder);

	return run(command);
}

static void an_instance_has_its_address_by_dhcp_and_the_next_one_gets_it(void **state _unused_)
{
	_cleanup_free_ char *first = NULL, *second = NULL;

	start(&left);
	add(&left, "web", 5, "10.77.1.5", "fd77:1::5");
	first = ask_dhcp(5);
	assert_string_equal(first, "10.77.1.5/24 via=10.77.1.1 dns=10.77.1.1 mtu=1500 brig\n");
	take_away(&left, "web");
	add(&left, "db", 6, "10.77.1.5", NULL);
	second = ask_dhcp(6);
	assert_string_equal(second, "10.77.1.5/24 via=10.77.1.1 dns=10.77.1.1 mtu=1500 brig\n");
	assert_answer("10.77.1.1", "evil.brig", TYPE_A, "NXDOMAIN");
	assert_answer("10.77.1.1", "db", TYPE_A, "10.77.1.5");
}

static void count_lease(void *ctx, const struct names_lease *lease)
{
	strv_add_printf(ctx, "%s %s '%s'", lease->mac, lease->address, lease->host);
}

/* One that says it is called as an instance is, too. */
static void a_stranger_gets_an_address_of_the_pool_and_no_name(void **state _unused_)
{
	_cleanup_free_ char *address = NULL;
	_cleanup_strv_ char **leases = NULL;
	struct err err = ERR_INIT;
	struct in_addr given;
	unsigned int prefix;

	start(&left);
	add(&left, "evil", 5, "10.77.1.5", NULL);
	address = ask_dhcp(0x99);
	address[strcspn(address, " ")] = '\0';
	assert_int_equal(names_parse_prefix(AF_INET, address, &given, &prefix), 0);
	assert_in_range(ntohl(given.s_addr), 0x0a4d01c0, 0x0a4d01fe);
	assert_answer("10.77.1.1", "evil", TYPE_A, "10.77.1.5");
	assert_int_equal(names_leases(&home, "left", count_lease, &leases, &err), 0);
	assert_int_equal(strv_len(leases), 1);
	assert_non_null(strstr(leases[0], "02:62:00:00:00:99 10.77.1."));
	assert_non_null(strstr(leases[0], " ''"));
}

/* Sends from the client, where fe80::62 is its only address that is ready, and gives what is answered. */
static size_t exchange(int type, int protocol, uint16_t port, const struct sockaddr_in6 *to,
		       const void *data, size_t len, uint8_t *answer, size_t size)
{
	struct sockaddr_in6 from = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	_cleanup_close_ int fd = socket(AF_INET6, type | SOCK_CLOEXEC, protocol);
	struct sockaddr_in6 there = *to;
	struct icmp6_filter filter;
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	int hops = 255;
	ssize_t n;

	there.sin6_scope_id = from.sin6_scope_id = if_nametoindex("eth0");
	inet_pton(AF_INET6, "fe80::62", &from.sin6_addr);
	ICMP6_FILTER_SETBLOCKALL(&filter);
	ICMP6_FILTER_SETPASS(ND_ROUTER_ADVERT, &filter);
	if (type == SOCK_RAW)
		setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter));
	setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
	    sendto(fd, data, len, 0, (struct sockaddr *)&there, sizeof(there)) < 0 ||
	    poll(&ready, 1, DEADLINE_MS) != 1)
		return 0;
	n = recv(fd, answer, size, 0);
	return n < 0 ? 0 : (size_t)n;
}

/* RFC 4861: "managed" and "router" if it is so, "own" if hosts are to make addresses of the prefix. */
static void ask_router(char *ret)
{
	static const uint8_t solicit[8] = { ND_ROUTER_SOLICIT };
	struct sockaddr_in6 all = { .sin6_family = AF_INET6 };
	uint8_t answer[1500] = { 0 };
	const char *prefix = "";
	size_t n;

	inet_pton(AF_INET6, "ff02::2", &all.sin6_addr);
	n = exchange(SOCK_RAW, IPPROTO_ICMPV6, 0, &all, solicit, sizeof(solicit), answer,
		     sizeof(answer));
	for (size_t i = 16; i + 8 <= n && answer[i + 1]; i += 8UL * answer[i + 1]) {
		if (answer[i] == ND_OPT_PREFIX_INFORMATION)
			prefix = answer[i + 3] & ND_OPT_PI_FLAG_AUTO ? "own " : "prefix ";
	}
	sprintf(ret, "%s%s%s", answer[5] & ND_RA_FLAG_MANAGED ? "managed " : "",
		answer[6] | answer[7] ? "router " : "", prefix);
}

/* RFC 8415: a SOLICIT with who we are and a wish for an address; the one that is offered. */
static void ask_dhcp6(char *ret)
{
	static const uint8_t solicit[] = { 1, 0, 0, 7, 0,  1, 0, 10, 0, 3, 0, 1, 2, 0x62, 0, 0, 0,
					   5, 0, 3, 0, 12, 0, 0, 0,  1, 0, 0, 0, 0, 0,	  0, 0, 0 };
	struct sockaddr_in6 all = { .sin6_family = AF_INET6, .sin6_port = htons(547) };
	uint8_t answer[1500] = { 0 };
	size_t n;

	inet_pton(AF_INET6, "ff02::1:2", &all.sin6_addr);
	n = exchange(SOCK_DGRAM, 0, 546, &all, solicit, sizeof(solicit), answer, sizeof(answer));
	for (size_t i = 4; i + 36 <= n; i += 4U + answer[i + 3]) {
		/* an IA_NA, and first in that an address */
		if (answer[i + 1] == 3 && answer[i + 17] == 5)
			inet_ntop(AF_INET6, answer + i + 20, ret + strlen(ret), INET6_ADDRSTRLEN);
	}
}

static char *ask_ipv6(void)
{
	_cleanup_free_ char *command =
		mem_printf("nsenter -t %d -n sh -ec 'ip link set eth0 down; "
			   "ip link set eth0 address 02:62:00:00:00:05; ip link set eth0 up; "
			   "ip addr add fe80::62/64 dev eth0 nodad'",
			   client);
	_cleanup_free_ char *path = mem_printf("/proc/%d/ns/net", client);
	char text[256] = "";
	int said[2];
	pid_t pid;

	done(command);
	assert_int_equal(pipe2(said, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		if (setns(open(path, O_RDONLY | O_CLOEXEC), CLONE_NEWNET) < 0)
			_exit(1);
		ask_router(text);
		ask_dhcp6(text);
		_exit(write(said[1], text, strlen(text)) < 0);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	fd_close(said[1]);
	assert_true(read(said[0], text, sizeof(text) - 1) >= 0);
	fd_close(said[0]);
	return mem_strdup(text);
}

static void an_instance_has_the_address_of_ipv6_that_it_was_given_and_no_other(
	void **state _unused_)
{
	_cleanup_free_ char *text = NULL;

	start(&left);
	add(&left, "web", 5, "10.77.1.5", "fd77:1::5");
	text = ask_ipv6();
	assert_string_equal(text, "managed router prefix fd77:1::5");
}

static pid_t find_dnsmasq(const char *network)
{
	pid_t steward = steward_pid(&home, network);
	_cleanup_free_ char *path = mem_printf("/proc/%d/task/%d/children", steward, steward);
	_cleanup_free_ char *text = NULL;
	struct err err = ERR_INIT;
	int64_t pid = 0;

	assert_true(steward > 0);
	assert_int_equal(file_read(AT_FDCWD, path, 4096, &text, NULL), 0);
	text[strcspn(text, " ")] = '\0';
	assert_int_equal(units_parse_int(text, 1, INT32_MAX, &pid, &err), 0);
	return (pid_t)pid;
}

static void await_end(int pidfd)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	assert_int_equal(poll(&end, 1, DEADLINE_MS), 1);
}

static void a_dnsmasq_that_dies_is_started_again(void **state _unused_)
{
	_cleanup_free_ char *path = mem_printf("%s/.net/left/state", folder);
	_cleanup_close_ int watch = inotify_init1(IN_CLOEXEC);
	struct pollfd ready = { .fd = watch, .events = POLLIN };
	pid_t first;

	start(&left);
	add(&left, "web", 5, "10.77.1.5", NULL);
	assert_true(inotify_add_watch(watch, path, IN_CREATE) >= 0);
	for (int i = 0; i < 2; i++) {
		char event[4096];

		first = find_dnsmasq("left");
		assert_int_equal(kill(first, SIGKILL), 0);
		assert_int_equal(poll(&ready, 1, DEADLINE_MS), 1);
		assert_true(read(watch, event, sizeof(event)) > 0);
		assert_answer("10.77.1.1", "web", TYPE_A, "10.77.1.5");
		assert_int_not_equal(find_dnsmasq("left"), first);
	}
}

static void kill_steward(const char *network)
{
	_cleanup_close_ int pidfd = pidfd_open(steward_pid(&home, network), 0);

	assert_true(pidfd >= 0);
	assert_int_equal(pidfd_send_signal(pidfd, SIGKILL, NULL, 0), 0);
	await_end(pidfd);
}

static void a_killed_steward_takes_dnsmasq_along_and_the_next_start_mends(void **state _unused_)
{
	_cleanup_close_ int pidfd = -EBADF;
	pid_t first;

	start(&left);
	add(&left, "web", 5, "10.77.1.5", NULL);
	first = steward_pid(&home, "left");
	pidfd = pidfd_open(find_dnsmasq("left"), 0);
	assert_true(pidfd >= 0);
	kill_steward("left");
	await_end(pidfd);
	assert_answer("10.77.1.1", "web", TYPE_A, "NOBODY");
	start(&left);
	assert_int_not_equal(steward_pid(&home, "left"), first);
	assert_answer("10.77.1.1", "web", TYPE_A, "10.77.1.5");
}

/* dnsmasq may live for a moment longer, and have the port; the start waits for that. */
static void a_start_right_after_the_stewards_death_succeeds(void **state _unused_)
{
	for (int i = 0; i < 5; i++) {
		start(&left);
		kill_steward("left");
	}
	start(&left);
	assert_answer("10.77.1.1", "web", TYPE_A, "NXDOMAIN");
}

static void starting_twice_changes_nothing_and_another_record_does(void **state _unused_)
{
	struct network changed = left;
	struct err err = ERR_INIT;
	pid_t first;

	start(&left);
	first = steward_pid(&home, "left");
	start(&left);
	assert_int_equal(steward_pid(&home, "left"), first);
	changed.dhcp = 0;
	assert_int_equal(network_save(&home, &changed, &err), 0);
	start(&changed);
	assert_int_not_equal(steward_pid(&home, "left"), first);
	/* it has the bridge follow the way out, and answers nobody */
	changed.dns = 0;
	assert_int_equal(network_save(&home, &changed, &err), 0);
	start(&changed);
	first = steward_pid(&home, "left");
	assert_int_not_equal(first, 0);
	assert_answer("10.77.1.1", "web", TYPE_A, "NOBODY");
	start(&changed);
	assert_int_equal(steward_pid(&home, "left"), first);
	changed.mtu = 1500;
	start(&changed);
	assert_int_equal(steward_pid(&home, "left"), 0);
	assert_int_equal(network_save(&home, &left, &err), 0);
}

static void a_port_that_is_in_use_is_told(void **state _unused_)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(53) };
	_cleanup_free_ char *us = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(prctl(PR_SET_NAME, "rival"), 0);
	assert_int_equal(try_start(&left, &err), -EADDRINUSE);
	us = mem_printf("in use: by rival (pid %d)", getpid());
	assert_non_null(strstr(err.msg, "network 'left': port 53 of 10.77.1.1 is in use"));
	assert_non_null(strstr(err.msg, us));
	assert_int_equal(steward_pid(&home, "left"), 0);
	fd = fd_close(fd);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	address.sin_port = htons(67);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	err = ERR_INIT;
	assert_int_equal(try_start(&left, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, "DHCP server socket"));
	assert_non_null(strstr(err.msg, us + strlen("in use: ")));
}

static void without_dnsmasq_it_is_said_what_to_install(void **state _unused_)
{
	_cleanup_free_ char *path = mem_strdup(getenv("PATH"));
	struct err err = ERR_INIT;

	assert_int_equal(setenv("PATH", "/nonexistent", 1), 0);
	assert_int_equal(try_start(&left, &err), -ENOENT);
	assert_int_equal(setenv("PATH", path, 1), 0);
	assert_non_null(strstr(err.msg, "install dnsmasq-base"));
}

static void dnsmasq_is_nobody_with_three_capabilities(void **state _unused_)
{
	_cleanup_free_ char *path = NULL, *status = NULL, *root = NULL;

	start(&left);
	path = mem_printf("/proc/%d/status", find_dnsmasq("left"));
	assert_int_equal(file_read(AT_FDCWD, path, 16384, &status, NULL), 0);
	assert_null(strstr(status, "\nUid:\t0"));
	assert_non_null(strstr(status, "\nCapBnd:\t0000000000003400\n"));
	assert_non_null(strstr(status, "\nCapPrm:\t0000000000003400\n"));
	assert_non_null(strstr(status, "\nNoNewPrivs:\t1\n"));
	root = mem_printf("ls /proc/%d/root", find_dnsmasq("left"));
	free(status);
	status = run(root);
	assert_null(strstr(status, "home"));
	assert_null(strstr(status, "var"));
}

static void what_dnsmasq_says_is_bounded(void **state _unused_)
{
	_cleanup_free_ char *said = mem_printf("%s/.net/left/said", folder), *log = NULL;
	_cleanup_close_ int fd = -EBADF;
	struct err err = ERR_INIT;
	char line[1024];
	struct stat st;

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	start(&left);
	fd = open(said, O_WRONLY | O_CLOEXEC);
	for (int i = 0; i < 512; i++)
		assert_int_equal(write(fd, line, sizeof(line)), sizeof(line));
	fd = fd_close(fd);
	assert_int_equal(steward_stop(&home, "left", &err), 0);
	for (int i = 0; i < 2; i++) {
		free(log);
		log = mem_printf("%s/.net/left/" STEWARD_LOG "%s", folder, i ? ".1" : "");
		assert_int_equal(stat(log, &st), 0);
		assert_in_range(st.st_size, 1, STEWARD_LOG_MAX);
	}
}

#define ROOT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		ROOT_TEST(an_instances_names_resolve_at_once_until_it_is_removed),
		ROOT_TEST(each_network_has_names_of_its_own),
		ROOT_TEST(what_is_not_ours_is_asked_of_the_hosts_resolver),
		ROOT_TEST(an_internal_network_resolves_nothing_outside),
		ROOT_TEST(an_instance_has_its_address_by_dhcp_and_the_next_one_gets_it),
		ROOT_TEST(a_stranger_gets_an_address_of_the_pool_and_no_name),
		ROOT_TEST(an_instance_has_the_address_of_ipv6_that_it_was_given_and_no_other),
		ROOT_TEST(a_dnsmasq_that_dies_is_started_again),
		ROOT_TEST(a_killed_steward_takes_dnsmasq_along_and_the_next_start_mends),
		ROOT_TEST(a_start_right_after_the_stewards_death_succeeds),
		ROOT_TEST(starting_twice_changes_nothing_and_another_record_does),
		ROOT_TEST(a_port_that_is_in_use_is_told),
		ROOT_TEST(without_dnsmasq_it_is_said_what_to_install),
		ROOT_TEST(dnsmasq_is_nobody_with_three_capabilities),
		ROOT_TEST(what_dnsmasq_says_is_bounded),
	};

	if (argc && !strcmp(argv[0], STEWARD_ROLE))
		return steward_main(argc, argv, NULL);
	return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
