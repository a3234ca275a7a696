// SPDX-License-Identifier: GPL-2.0-or-later
/* In a network namespace of the test's own; its cards are taps. */
#include "guest/net.h"
#include "base/file.h"
#include "guest/uevent.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <cmocka.h>

static int taps[2] = { -EBADF, -EBADF };
static int uevents = -EBADF;

static void make_tap(size_t i, const char *name, uint8_t last)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	const uint8_t mac[6] = { 2, 0x62, 0, 0, 0, last };

	taps[i] = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (taps[i] < 0)
		skip();
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	assert_int_equal(ioctl(taps[i], TUNSETIFF, &request), 0);
	request.ifr_hwaddr.sa_family = 1; /* ARPHRD_ETHER */
	memcpy(request.ifr_hwaddr.sa_data, mac, sizeof(mac));
	assert_int_equal(ioctl(taps[i], SIOCSIFHWADDR, &request), 0);
}

static int setup(void **state _unused_)
{
	struct err err = ERR_INIT;

	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0)
		return 0;
	uevents = uevent_open(&err);
	return uevents < 0 ? -1 : 0;
}

static int teardown(void **state _unused_)
{
	for (size_t i = 0; i < ARRAY_SIZE(taps); i++)
		taps[i] = fd_close(taps[i]);
	uevents = fd_close(uevents);
	return 0;
}

static int set_up(const char *first, const char *second, struct err *err)
{
	char *nics[] = { (char *)(uintptr_t)first, (char *)(uintptr_t)second, NULL };

	return net_set_up(nics, uevents, 0, err);
}

static void assert_set_up(const char *first, const char *second)
{
	struct err err = ERR_INIT;

	if (set_up(first, second, &err) < 0)
		fail_msg("%s", err.msg);
}

static void need_namespace(void)
{
	if (uevents < 0)
		skip();
}

/* Has the interface the address, and is it up? */
static int has_address(const char *name, int family, const char *text)
{
	struct ifaddrs *all = NULL;
	int found = 0;

	assert_int_equal(getifaddrs(&all), 0);
	for (const struct ifaddrs *one = all; one; one = one->ifa_next) {
		char address[INET6_ADDRSTRLEN] = "";

		if (!one->ifa_addr || one->ifa_addr->sa_family != family ||
		    strcmp(one->ifa_name, name) != 0 || !(one->ifa_flags & IFF_UP))
			continue;
		if (family == AF_INET)
			inet_ntop(family, &((struct sockaddr_in *)(void *)one->ifa_addr)->sin_addr,
				  address, sizeof(address));
		else
			inet_ntop(family,
				  &((struct sockaddr_in6 *)(void *)one->ifa_addr)->sin6_addr,
				  address, sizeof(address));
		found += !strcmp(address, text);
	}
	freeifaddrs(all);
	return found;
}

/* How often that is in a file of /proc/self/net. */
static int count_in(const char *file, const char *text)
{
	_cleanup_free_ char *content = NULL;
	int found = 0;

	assert_int_equal(file_read(AT_FDCWD, file, 1 << 20, &content, NULL), 0);
	for (const char *at = content; (at = strstr(at, text)); at++)
		found++;
	return found;
}

static uint32_t mtu_of(const char *name)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { 0 };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	assert_int_equal(ioctl(fd, SIOCGIFMTU, &request), 0);
	return (uint32_t)request.ifr_mtu;
}

static void a_card_gets_its_name_addresses_and_routes(void **state _unused_)
{
	need_namespace();
	make_tap(0, "whatever", 1);
	assert_set_up("name=eth0,mac=02:62:00:00:00:01,mtu=1400,ip=10.9.0.5/24,via=10.9.0.1,"
		      "ip6=fd00:9::5/64,via6=fe80::1",
		      NULL);
	assert_true(has_address("eth0", AF_INET, "10.9.0.5"));
	assert_int_equal(mtu_of("eth0"), 1400);
	/* destination 0.0.0.0, gateway 10.9.0.1 */
	assert_int_equal(count_in("/proc/thread-self/net/route", "eth0\t00000000\t0100090A"), 1);
	assert_int_equal(if_nametoindex("whatever"), 0);
}

/* As Calico has it: an address alone, a gateway of nobody's network, and who that is. */
static void a_card_gets_what_networks_of_others_have(void **state _unused_)
{
	need_namespace();
	make_tap(0, "whatever", 1);
	assert_set_up("name=eth0,mac=02:62:00:00:00:01,ip=10.9.0.5/32,also=10.9.1.5/32,"
		      "route=0.0.0.0/0@169.254.1.1+7,route=169.254.1.1/32,"
		      "near=169.254.1.1@ee:ee:ee:ee:ee:ee",
		      NULL);
	assert_true(has_address("eth0", AF_INET, "10.9.0.5"));
	assert_true(has_address("eth0", AF_INET, "10.9.1.5"));
	assert_int_equal(
		count_in("/proc/thread-self/net/route", "eth0\t00000000\t0101FEA9\t0003\t0\t0\t7"),
		1);
	assert_int_equal(count_in("/proc/thread-self/net/route", "eth0\t0101FEA9\t00000000\t0005"),
			 1);
	assert_int_equal(count_in("/proc/thread-self/net/arp", "169.254.1.1"), 1);
	assert_int_equal(count_in("/proc/thread-self/net/arp", "ee:ee:ee:ee:ee:ee"), 1);
}

static void a_card_gets_more_of_ipv6(void **state _unused_)
{
	need_namespace();
	if (access("/proc/sys/net/ipv6", F_OK) < 0)
		skip();
	make_tap(0, "whatever", 1);
	assert_set_up("name=eth0,mac=02:62:00:00:00:01,ip6=fd00:9::5/128,also=fd00:8::5/64,"
		      "route=::/0@fd00:7::1+7,near=fd00:7::1@ee:ee:ee:ee:ee:ee",
		      NULL);
	assert_true(has_address("eth0", AF_INET6, "fd00:8::5"));
	assert_int_equal(count_in("/proc/thread-self/net/ipv6_route",
				  "00000000000000000000000000000000 00 "
				  "00000000000000000000000000000000 00 "
				  "fd000007000000000000000000000001 00000007"),
			 1);
}

static void an_ipv6_address_is_good_at_once(void **state _unused_)
{
	need_namespace();
	if (access("/proc/sys/net/ipv6", F_OK) < 0)
		skip();
	make_tap(0, "whatever", 1);
	assert_set_up("name=eth0,mac=02:62:00:00:00:01,ip6=fd00:9::5/64,via6=fe80::1", NULL);
	assert_true(has_address("eth0", AF_INET6, "fd00:9::5"));
	/* flags: IFA_F_NODAD and IFA_F_PERMANENT; not IFA_F_TENTATIVE */
	assert_int_equal(count_in("/proc/thread-self/net/if_inet6", " 40 00 82     eth0"), 1);
	assert_int_equal(count_in("/proc/thread-self/net/ipv6_route",
				  "00000000000000000000000000000000 00 "
				  "00000000000000000000000000000000 00 "
				  "fe800000000000000000000000000001 00000400"),
			 1);
}

static void cards_may_change_names_among_them(void **state _unused_)
{
	need_namespace();
	make_tap(0, "eth0", 1);
	make_tap(1, "eth1", 2);
	assert_set_up("name=eth1,mac=02:62:00:00:00:01,ip=10.9.1.1/24,via=10.9.1.254",
		      "name=eth0,mac=02:62:00:00:00:02,ip=10.9.0.1/24,via=10.9.0.254");
	assert_true(has_address("eth1", AF_INET, "10.9.1.1"));
	assert_true(has_address("eth0", AF_INET, "10.9.0.1"));
	/* both are gateways, the first is preferred */
	assert_int_equal(
		count_in("/proc/thread-self/net/route", "eth1\t00000000\tFE01090A\t0003\t0\t0\t0"),
		1);
	assert_int_equal(
		count_in("/proc/thread-self/net/route", "eth0\t00000000\tFE00090A\t0003\t0\t0\t1"),
		1);
}

static void a_name_counts_as_given_also_where_it_stays(void **state _unused_)
{
	_cleanup_free_ char *type = NULL;

	need_namespace();
	make_tap(0, "eth0", 1);
	assert_set_up("name=eth0,mac=02:62:00:00:00:01", NULL);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0 ||
	    mount("sysfs", "/sys", "sysfs", 0, NULL) < 0)
		skip();
	assert_int_equal(
		file_read(AT_FDCWD, "/sys/class/net/eth0/name_assign_type", 16, &type, NULL), 0);
	assert_string_equal(type, "4\n"); /* NET_NAME_RENAMED: what udev keeps */
}

static void a_card_that_is_not_there_is_named(void **state _unused_)
{
	struct err err = ERR_INIT;

	need_namespace();
	make_tap(0, "eth0", 1);
	assert_int_equal(
		set_up("name=eth0,mac=02:62:00:00:00:01", "name=lan,mac=02:62:00:00:00:09", &err),
		-ENODEV);
	assert_non_null(strstr(err.msg, "02:62:00:00:00:09"));
	assert_non_null(strstr(err.msg, "'lan'"));
}

static void what_fails_says_at_which_interface(void **state _unused_)
{
	struct err err = ERR_INIT;

	need_namespace();
	make_tap(0, "eth0", 1);
	assert_true(set_up("name=wan,mac=02:62:00:00:00:01,ip=10.9.0.5/24,via=192.0.2.1", NULL,
			   &err) < 0);
	assert_non_null(strstr(err.msg, "IPv4 gateway of 'wan'"));
	err = ERR_INIT;
	assert_true(set_up("name=wan,mac=02:62:00:00:00:01,route=10.9.0.5/8", NULL, &err) < 0);
	assert_non_null(strstr(err.msg, "route of 'wan'"));
	err = ERR_INIT;
	assert_true(set_up("name=lo,mac=02:62:00:00:00:01", NULL, &err) < 0);
	assert_non_null(strstr(err.msg, "'lo'"));
	err = ERR_INIT;
	assert_int_equal(set_up("name=eth0,colour=red", NULL, &err), -EINVAL);
}

static void the_loopback_comes_up(void **state _unused_)
{
	struct err err = ERR_INIT;

	need_namespace();
	assert_int_equal(net_loopback_up(&err), 0);
	assert_true(has_address("lo", AF_INET, "127.0.0.1"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_card_gets_its_name_addresses_and_routes),
		TEST(a_card_gets_what_networks_of_others_have),
		TEST(a_card_gets_more_of_ipv6),
		TEST(an_ipv6_address_is_good_at_once),
		TEST(cards_may_change_names_among_them),
		TEST(a_name_counts_as_given_also_where_it_stays),
		TEST(a_card_that_is_not_there_is_named),
		TEST(what_fails_says_at_which_interface),
		TEST(the_loopback_comes_up),
	};

	return cmocka_run_group_tests_name("guest/net", tests, NULL, NULL);
}
