// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/netlink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

static const struct ifinfomsg no_link = { .ifi_family = AF_UNSPEC };

static void test_a_request_holds_what_was_put(void **state)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;
	struct netlink_attribute attribute, inner;
	struct netlink_view view, inside, messages;
	const struct nlmsghdr *message;
	char text[3];
	uint16_t number = 0;
	uint32_t wrong_size = 5;
	size_t place;

	(void)state;
	netlink_begin(&request, RTM_NEWLINK, NLM_F_ACK, &no_link, sizeof(no_link));
	netlink_put_string(&request, 1, "four");
	place = netlink_nest(&request, 2);
	netlink_put_u16(&request, 3, 0x1234);
	netlink_put(&request, 4, "", 0);
	netlink_end(&request, place);
	netlink_begin(&request, RTM_DELLINK, 0, "a", 1);

	messages = (struct netlink_view){ request.bytes.data, request.bytes.len };
	message = netlink_next_message(&messages);
	assert_non_null(message);
	assert_int_equal(message->nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
	view = netlink_attributes(message, sizeof(no_link));
	assert_true(netlink_next(&view, &attribute));
	netlink_get_string(&attribute, text, sizeof(text));
	assert_string_equal(text, "fo");
	assert_true(netlink_next(&view, &attribute));
	assert_int_equal(attribute.type, 2);
	inside = netlink_nested(&attribute);
	assert_true(netlink_next(&inside, &inner));
	netlink_get(&inner, &number, sizeof(number));
	netlink_get(&inner, &wrong_size, sizeof(wrong_size));
	assert_int_equal(number, 0x1234);
	assert_int_equal(wrong_size, 5);
	assert_true(netlink_next(&inside, &inner));
	assert_int_equal(inner.len, 0);
	assert_false(netlink_next(&inside, &inner));
	assert_false(netlink_next(&view, &attribute));
	message = netlink_next_message(&messages);
	assert_int_equal(message->nlmsg_type, RTM_DELLINK);
	assert_null(netlink_next_message(&messages));
}

static void test_what_is_cut_off_is_not_read(void **state)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;
	struct netlink_attribute attribute;
	struct ifinfomsg info;
	size_t whole;

	(void)state;
	netlink_begin(&request, RTM_NEWLINK, 0, &no_link, sizeof(no_link));
	netlink_put_u32(&request, 1, 1);
	whole = request.bytes.len;
	for (size_t len = 0; len <= whole; len++) {
		struct netlink_view messages = { request.bytes.data, len }, view;
		struct nlmsghdr *message = (void *)request.bytes.data;

		message->nlmsg_len = (uint32_t)whole;
		assert_true((netlink_next_message(&messages) != NULL) == (len == whole));
		message->nlmsg_len = (uint32_t)len;
		view = netlink_attributes(message, sizeof(no_link));
		assert_true(netlink_next(&view, &attribute) == (len == whole));
		if (len >= sizeof(*message))
			assert_true(netlink_read(message, RTM_NEWLINK, &info, sizeof(info)) ==
				    (len >= NLMSG_LENGTH(sizeof(info))));
	}
}

static int open_route(int netns)
{
	struct err err = ERR_INIT;
	int sock = netlink_open(NETLINK_ROUTE, netns, &err);

	if (sock < 0)
		fail_msg("%s", err.msg);
	return sock;
}

static void test_an_error_has_the_kernels_words(void **state)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;
	_cleanup_close_ int sock = open_route(-EBADF);
	struct err err = ERR_INIT;

	(void)state;
	netlink_begin(&request, RTM_GETLINK, NLM_F_ACK, &no_link, sizeof(no_link));
	netlink_put_string(&request, IFLA_IFNAME, "a-name-that-is-too-long-for-one");
	assert_int_equal(netlink_ask(sock, &request, NULL, NULL, &err), -ERANGE);
	assert_string_equal(err.msg,
			    "Numerical result out of range (Attribute failed policy validation)");
}

static void count(void *ctx, const struct nlmsghdr *message)
{
	int *links = ctx;

	*links += message->nlmsg_type == RTM_NEWLINK;
}

static int count_links(int sock)
{
	_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;
	struct err err = ERR_INIT;
	int links = 0;

	netlink_begin(&request, RTM_GETLINK, NLM_F_DUMP, &no_link, sizeof(no_link));
	assert_int_equal(netlink_ask(sock, &request, count, &links, &err), 0);
	return links;
}

static ino_t our_namespace(void)
{
	struct stat st;

	assert_int_equal(stat("/proc/self/ns/net", &st), 0);
	return st.st_ino;
}

static void make_links(int sock, int number)
{
	for (int i = 0; i < number; i++) {
		_cleanup_netlink_ struct netlink_request request = NETLINK_REQUEST_INIT;
		struct err err = ERR_INIT;
		size_t place;

		netlink_begin(&request, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE, &no_link,
			      sizeof(no_link));
		place = netlink_nest(&request, IFLA_LINKINFO);
		netlink_put_string(&request, IFLA_INFO_KIND, "bridge");
		netlink_end(&request, place);
		assert_int_equal(netlink_ask(sock, &request, NULL, NULL, &err), 0);
	}
}

static void test_a_socket_reaches_another_namespace(void **state)
{
	_cleanup_close_ int other = -EBADF, sock = -EBADF, own = -EBADF;
	ino_t before;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	other = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	before = our_namespace();
	sock = open_route(other);
	own = open_route(-EBADF);
	assert_true(our_namespace() == before);
	make_links(sock, 40); /* a list that is more than one answer */
	assert_true(count_links(sock) >= 41);
	assert_int_equal(count_links(own), count_links(sock) - 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_request_holds_what_was_put),
		cmocka_unit_test(test_what_is_cut_off_is_not_read),
		cmocka_unit_test(test_an_error_has_the_kernels_words),
		cmocka_unit_test(test_a_socket_reaches_another_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
