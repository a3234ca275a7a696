// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/guest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static char *tmpfs[] = { (char *)"/tmp:size=1m", (char *)"/run", NULL };
static char *caps[] = { (char *)"NET_ADMIN", NULL };
static char *nics[] = { (char *)"name=eth0,mac=02:62:00:00:00:01", (char *)"name=eth1", NULL };
static char *rlimits[] = { (char *)"nofile=1024:4096", NULL };

static const struct guest_config sent = {
	.hostname = (char *)"web",
	.layers = 3,
	.read_only = 1,
	.tmpfs = tmpfs,
	.pids_limit = 100,
	.system = 1,
	.init = 1,
	.privileged = 1,
	.cap_add = caps,
	.cap_drop = NULL,
	.rlimits = rlimits,
	.nics = nics,
	.resolv_conf = (char *)"nameserver 10.0.0.1\n",
	.folder_root = 1,
	.mounts = rlimits,
	.sysctls = nics,
	.time_ns = INT64_C(-5),
};

static void a_configuration_comes_back(void **state _unused_)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;
	struct guest_config config = { 0 };
	struct frame frame;

	guest_config_put(&payload, &sent);
	frame = (struct frame){ .len = (uint32_t)payload.len, .payload = (uint8_t *)payload.data };
	assert_int_equal(guest_config_get(&frame, &config), 0);
	assert_string_equal(config.hostname, "web");
	assert_int_equal(config.layers, 3);
	assert_true(config.read_only && config.system && config.init && config.privileged);
	assert_int_equal(strv_len(config.tmpfs), 2);
	assert_string_equal(config.tmpfs[0], "/tmp:size=1m");
	assert_true(config.pids_limit == 100 && config.time_ns == -5);
	assert_string_equal(config.cap_add[0], "NET_ADMIN");
	assert_int_equal(strv_len(config.cap_drop), 0);
	assert_string_equal(config.rlimits[0], "nofile=1024:4096");
	assert_int_equal(strv_len(config.nics), 2);
	assert_string_equal(config.nics[1], "name=eth1");
	assert_true(config.folder_root);
	assert_int_equal(strv_len(config.mounts), strv_len(rlimits));
	assert_string_equal(config.sysctls[1], "name=eth1");
	assert_string_equal(config.hosts, "");
	assert_string_equal(config.resolv_conf, "nameserver 10.0.0.1\n");
	guest_config_release(&config);
	assert_null(config.hostname);
}

static void a_cut_configuration_is_refused_and_can_be_released(void **state _unused_)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	guest_config_put(&payload, &sent);
	for (uint32_t len = 0; len < payload.len; len++) {
		struct frame frame = { .len = len, .payload = (uint8_t *)payload.data };
		struct guest_config config = { 0 };

		assert_int_equal(guest_config_get(&frame, &config), -EBADMSG);
		guest_config_release(&config);
	}
}

static void a_later_share_has_a_tag_of_its_path_alone(void **state _unused_)
{
	char one[GUEST_TAG_MAX], same[GUEST_TAG_MAX], other[GUEST_TAG_MAX];

	guest_share_tag("/srv/data", one);
	guest_share_tag("/srv/data", same);
	guest_share_tag("/srv/date", other);
	assert_string_equal(one, same);
	assert_string_not_equal(one, other);
	/* and none that a share of the start has, which are numbered */
	assert_int_equal(strncmp(one, GUEST_SHARE "-", sizeof(GUEST_SHARE)), 0);
	assert_int_equal(strlen(one), sizeof(GUEST_SHARE) + 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_configuration_comes_back),
		cmocka_unit_test(a_cut_configuration_is_refused_and_can_be_released),
		cmocka_unit_test(a_later_share_has_a_tag_of_its_path_alone),
	};

	return cmocka_run_group_tests_name("proto/guest", tests, NULL, NULL);
}
