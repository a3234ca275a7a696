// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/nftset.h"
#include "base/mem.h"
#include "sys/child.h"
#include "sys/netlink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

static const char table[] =
	"add table inet brig\n"
	"add set inet brig known { type ifname . ether_addr . ipv4_addr; }\n"
	"add set inet brig ports { type inet_service; }\n"
	"add chain inet brig one\n"
	"add chain inet brig other\n"
	"add map inet brig ways { type ifname : verdict; }\n"
	"add map inet brig forwards { type ipv4_addr . inet_proto . inet_service"
	" : ipv4_addr . inet_service; }\n"
	"add set inet brig talks { type ipv4_addr . inet_service; flags dynamic,timeout; }\n";

/* In a new namespace, with the table. */
static int sock = -EBADF;

/* What is called gets the error's place as `problem`. */
#define check(call)                                  \
	do {                                         \
		struct err problem = ERR_INIT;       \
		if ((call) < 0)                      \
			fail_msg("%s", problem.msg); \
	} while (0)

static void run_nft(const char *words, struct buf *ret)
{
	_cleanup_free_ char *copy = mem_strdup(words);
	struct child_spec spec = CHILD_SPEC_INIT;

	spec.argv = (char *[]){ (char[]){ "nft" }, copy, NULL };
	spec.out = ret;
	check(child_run(&spec, &problem));
}

static int setup(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	if (geteuid() != 0)
		return 0;
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	sock = netlink_open(NETLINK_NETFILTER, -EBADF, &err);
	run_nft(table, NULL);
	return sock < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	sock = fd_close(sock);
	return 0;
}

static void need_root(void)
{
	if (geteuid() != 0)
		skip();
}

static void assert_listed(const char *what, const char *text, int is_there)
{
	_cleanup_buf_ struct buf words = BUF_INIT, said = BUF_INIT;

	buf_printf(&words, "list %s", what);
	run_nft(words.data, &said);
	assert_true(said.len > 0);
	for (char *end = said.data; (end = strchr(end, '\n'));)
		*end = ' ';
	if ((strstr(said.data, text) != NULL) != is_there)
		fail_msg("'%s' %s in: %s", text, is_there ? "is not" : "is", said.data);
}

static struct nftset_element known(const char *name, uint8_t number)
{
	const uint8_t mac[6] = { 2, 0x62, 0, 0, 0, number }, ip[4] = { 10, 1, 2, number };
	struct nftset_element element = { .set = "known" };
	char ifname[IFNAMSIZ] = "";

	memcpy(ifname, name, strlen(name));
	nftset_add_key(&element, ifname, sizeof(ifname));
	nftset_add_key(&element, mac, sizeof(mac));
	nftset_add_key(&element, ip, sizeof(ip));
	return element;
}

static struct nftset_element forward(uint16_t port, uint8_t number)
{
	const uint8_t any[4] = { 0, 0, 0, 0 }, ip[4] = { 10, 1, 2, number }, protocol = IPPROTO_TCP;
	const uint16_t from = htons(port), to = htons(80);
	struct nftset_element element = { .set = "forwards" };

	nftset_add_key(&element, any, sizeof(any));
	nftset_add_key(&element, &protocol, sizeof(protocol));
	nftset_add_key(&element, &from, sizeof(from));
	nftset_add_data(&element, ip, sizeof(ip));
	nftset_add_data(&element, &to, sizeof(to));
	return element;
}

static struct nftset_element port(uint16_t number)
{
	const uint16_t value = htons(number);
	struct nftset_element element = { .set = "ports" };

	nftset_add_key(&element, &value, sizeof(value));
	return element;
}

static int add(const struct nftset_element *elements, size_t count, struct err *err)
{
	return nftset_add(sock, NFPROTO_INET, "brig", elements, count, err);
}

static int erase(const struct nftset_element *elements, size_t count, struct err *err)
{
	return nftset_delete(sock, NFPROTO_INET, "brig", elements, count, err);
}

static void test_elements_come_and_go_in_one_batch(void **state)
{
	const struct nftset_element elements[] = { known("eth0", 1), known("veth-long-name0", 2),
						   forward(8080, 3), port(443) };

	(void)state;
	need_root();
	check(add(elements, ARRAY_SIZE(elements), &problem));
	assert_listed("set inet brig known", "\"eth0\" . 02:62:00:00:00:01 . 10.1.2.1", 1);
	assert_listed("set inet brig known", "\"veth-long-name0\" . 02:62:00:00:00:02 . 10.1.2.2",
		      1);
	assert_listed("map inet brig forwards", "0.0.0.0 . tcp . 8080 : 10.1.2.3 . 80", 1);
	assert_listed("set inet brig ports", "elements = { 443 }", 1);
	check(add(elements, ARRAY_SIZE(elements), &problem)); /* they are there already */
	check(erase(elements, ARRAY_SIZE(elements), &problem));
	assert_listed("set inet brig known", "elements", 0);
	assert_listed("map inet brig forwards", "elements", 0);
	assert_listed("set inet brig ports", "elements", 0);
	check(add(NULL, 0, &problem));
}

static void test_what_is_refused_changes_nothing(void **state)
{
	const struct nftset_element there = forward(8080, 3),
				    more[] = { known("eth0", 1), forward(8080, 4), port(443),
					       forward(8080, 5) };
	struct err err = ERR_INIT;

	(void)state;
	need_root();
	check(add(&there, 1, &problem));
	assert_int_equal(add(more, ARRAY_SIZE(more), &err), -EEXIST);
	assert_int_equal(err.code, -EEXIST);
	assert_non_null(strstr(err.msg, "cannot add to the table brig of nftables: "));
	assert_listed("set inet brig known", "elements", 0);
	assert_listed("set inet brig ports", "elements", 0);
	assert_listed("map inet brig forwards",
		      "elements = { 0.0.0.0 . tcp . 8080 : 10.1.2.3 . 80 }", 1);
	/* its answers are not taken for the next one's */
	check(add(&more[0], 1, &problem));
	check(erase(&there, 1, &problem));
}

static void test_what_is_not_there_is_told_apart(void **state)
{
	const struct nftset_element elements[] = { port(443), port(80) };
	struct nftset_element nowhere = port(443), wrong = port(443);
	struct err err = ERR_INIT;

	(void)state;
	need_root();
	check(add(elements, 1, &problem));
	assert_int_equal(erase(elements, 2, &err), -ENOENT);
	assert_listed("set inet brig ports", "elements = { 443 }", 1);
	nowhere.set = "nowhere";
	assert_int_equal(add(&nowhere, 1, &err), -ENOENT);
	assert_int_equal(nftset_add(sock, NFPROTO_INET, "nowhere", elements, 1, &err), -ENOENT);
	nftset_add_key(&wrong, "x", 1);
	assert_int_equal(add(&wrong, 1, &err), -EINVAL);
}

static struct nftset_element way(const char *chain)
{
	struct nftset_element element = { .set = "ways" };
	char ifname[IFNAMSIZ] = "eth0";

	nftset_add_key(&element, ifname, sizeof(ifname));
	snprintf(element.jump, sizeof(element.jump), "%s", chain);
	return element;
}

static void test_an_element_leads_to_a_chain(void **state)
{
	const struct nftset_element one = way("one"), other = way("other"), none = way("none");
	struct err err = ERR_INIT;

	(void)state;
	need_root();
	assert_int_equal(add(&none, 1, &err), -ENOENT);
	check(add(&one, 1, &problem));
	check(add(&one, 1, &problem));
	assert_listed("map inet brig ways", "\"eth0\" : jump one", 1);
	assert_int_equal(add(&other, 1, &err), -EEXIST);
	check(erase(&other, 1, &problem)); /* the key says which */
	assert_listed("map inet brig ways", "elements", 0);
}

static void test_a_table_is_looked_up(void **state)
{
	(void)state;
	need_root();
	check(nftset_has_table(sock, NFPROTO_INET, "brig", &problem) == 1 ? 0 : -1);
	check(nftset_has_table(sock, NFPROTO_BRIDGE, "brig", &problem) == 0 ? 0 : -1);
	check(nftset_has_table(sock, NFPROTO_INET, "other", &problem) == 0 ? 0 : -1);
}

static void test_thousands_go_in_one_batch(void **state)
{
	static struct nftset_element elements[8000];

	(void)state;
	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(elements); i++)
		elements[i] = port((uint16_t)(i + 1));
	check(add(elements, ARRAY_SIZE(elements), &problem));
	assert_listed("set inet brig ports", "8000", 1);
	check(erase(elements, ARRAY_SIZE(elements), &problem));
	assert_listed("set inet brig ports", "elements", 0);
}

struct listed {
	struct nftset_element items[4];
	size_t n;
};

static void note(void *ctx, const struct nftset_element *element)
{
	struct listed *listed = ctx;

	if (listed->n < ARRAY_SIZE(listed->items))
		listed->items[listed->n++] = *element;
}

static void test_what_is_listed_can_be_put_back_with_the_time_that_it_has(void **state)
{
	const uint8_t ip[4] = { 10, 1, 2, 3 };
	const uint16_t service = htons(80);
	struct nftset_element talk = { .set = "talks", .timeout_ms = 600000, .left_ms = 300000 };
	struct listed listed = { .n = 0 };
	struct err err = ERR_INIT;

	(void)state;
	need_root();
	nftset_add_key(&talk, ip, sizeof(ip));
	nftset_add_key(&talk, &service, sizeof(service));
	check(add(&talk, 1, &problem));
	for (int i = 0; i < 2; i++) {
		const struct nftset_element *item = &listed.items[0];

		listed.n = 0;
		check(nftset_list(sock, NFPROTO_INET, "brig", "talks", note, &listed, &problem));
		assert_int_equal(listed.n, 1);
		assert_int_equal(item->key_len, talk.key_len);
		assert_memory_equal(item->key, talk.key, talk.key_len);
		assert_int_equal(item->timeout_ms, 600000);
		assert_in_range(item->left_ms, 1, 300000);
		check(erase(item, 1, &problem));
		check(add(item, 1, &problem));
	}
	check(erase(&talk, 1, &problem));
	assert_int_equal(nftset_list(sock, NFPROTO_INET, "brig", "nowhere", note, &listed, &err),
			 -ENOENT);
}

static void test_parts_that_do_not_fit_are_left_out(void **state)
{
	struct nftset_element element = { .set = "ports" };
	uint8_t part[NFTSET_BYTES_MAX] = { 0 };

	(void)state;
	nftset_add_key(&element, part, 5);
	assert_int_equal(element.key_len, 5);
	nftset_add_key(&element, part, 5);
	assert_int_equal(element.key_len, 16);
	nftset_add_key(&element, part, NFTSET_BYTES_MAX - 15);
	assert_int_equal(element.key_len, 16);
	nftset_add_key(&element, part, NFTSET_BYTES_MAX - 16);
	assert_int_equal(element.key_len, NFTSET_BYTES_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_elements_come_and_go_in_one_batch),
		TEST(test_what_is_refused_changes_nothing),
		TEST(test_what_is_not_there_is_told_apart),
		TEST(test_an_element_leads_to_a_chain),
		TEST(test_a_table_is_looked_up),
		TEST(test_thousands_go_in_one_batch),
		TEST(test_what_is_listed_can_be_put_back_with_the_time_that_it_has),
		cmocka_unit_test(test_parts_that_do_not_fit_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
