// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mem.h"
#include "container/seccomp_profile.h"
#include "container/spec.h"
#include "sys/caps.h"

#include <linux/capability.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

struct given {
	struct instance instance;
	struct process process;
};

static int setup(void **state)
{
	struct given *given = mem_zalloc(sizeof(*given));

	instance_init(&given->instance);
	given->instance.name = mem_strdup("web");
	*state = given;
	return 0;
}

static int teardown(void **state)
{
	struct given *given = *state;

	instance_release(&given->instance);
	free(given);
	return 0;
}

static int make(struct given *given, struct spec *ret, struct err *err)
{
	return spec_of_instance(&given->instance, &given->process, NULL, "/state", "brig/web",
				"/run/brig/web", ret, err);
}

static const struct spec_mount *find_mount(const struct spec *spec, const char *destination)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		if (!strcmp(spec->mounts[i].destination, destination))
			return &spec->mounts[i];
	}
	return NULL;
}

static void the_default_is_dockers_and_unprivileged(void **state)
{
	_cleanup_spec_ struct spec spec = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(make(*state, &spec, &err), 0);
	assert_true(spec.bounding == UINT64_C(0xa80425fb));
	assert_true(spec.no_new_privs && spec.seccomp);
	assert_true(spec.namespaces & CLONE_NEWUSER);
	assert_true(spec.namespaces & CLONE_NEWCGROUP);
	assert_int_equal(spec.idmap.uids[0].count, 65536);
	assert_true(strv_has(spec.masked_paths, "/proc/kcore"));
	assert_true(strv_has(spec.readonly_paths, "/proc/sys"));
	assert_true(strv_has(find_mount(&spec, "/sys")->options, "ro"));
	assert_true(strv_has(find_mount(&spec, "/sys/fs/cgroup")->options, "ro"));
	assert_string_equal(spec.hostname, "web");
	assert_false(spec.all_devices || spec.limit_devices);
}

static void a_system_gets_what_an_init_needs_and_no_more(void **state)
{
	struct given *given = *state;
	_cleanup_spec_ struct spec spec = { 0 };
	struct err err = ERR_INIT;

	given->instance.system = 1;
	assert_int_equal(make(given, &spec, &err), 0);
	assert_true(spec.bounding & CAPS_BIT(CAP_SYS_ADMIN));
	assert_false(spec.bounding & CAPS_BIT(CAP_SYS_MODULE));
	assert_false(spec.bounding & CAPS_BIT(CAP_SYS_RAWIO));
	assert_true(spec.namespaces & CLONE_NEWUSER);
	assert_false(spec.no_new_privs); /* su works */
	assert_true(spec.seccomp);
	assert_true(spec.cgroup_delegate);
	/* it may mount, so device nodes of the image need more than "nodev" against them */
	assert_true(spec.limit_devices);
	assert_true(spec.process.tty);
	assert_string_equal(strv_env_get(spec.process.env, "container"), "brig");
	assert_non_null(find_mount(&spec, "/run"));
}

static void privileged_is_everything_but_the_namespaces(void **state)
{
	struct given *given = *state;
	_cleanup_spec_ struct spec spec = { 0 };
	struct err err = ERR_INIT;

	given->instance.privileged = 1;
	assert_int_equal(make(given, &spec, &err), 0);
	assert_true(spec.bounding == CAPS_ALL);
	assert_false(spec.seccomp || spec.no_new_privs);
	assert_false(spec.namespaces & CLONE_NEWUSER);
	assert_true(spec.namespaces & CLONE_NEWPID);
	assert_null(spec.masked_paths);
	assert_true(spec.all_devices);
}

static void who_runs_containers_gets_what_they_need_and_stays_unprivileged(void **state)
{
	struct given *given = *state;
	_cleanup_spec_ struct spec spec = { 0 };
	const struct spec_mount *storage;
	struct err err = ERR_INIT;

	given->instance.nesting = 1;
	assert_int_equal(make(given, &spec, &err), 0);
	assert_true(spec.namespaces & CLONE_NEWUSER);
	assert_true(spec.seccomp && spec.limit_devices && spec.cgroup_delegate);
	assert_false(spec.no_new_privs || spec.all_devices || spec.process.tty);
	assert_false(spec.bounding & CAPS_BIT(CAP_SYS_MODULE));
	assert_true(strv_has(spec.masked_paths, "/proc/kcore"));
	assert_false(strv_has(spec.readonly_paths, "/proc/sys"));
	assert_string_equal(find_mount(&spec, "/dev/.brig/proc")->type, "proc");
	assert_string_equal(find_mount(&spec, "/dev/.brig/sys")->type, "sysfs");
	storage = find_mount(&spec, "/var/lib/containers");
	assert_string_equal(storage->source, "/state/nested/containers");
	assert_true(strv_has(storage->options, "idmap"));
	assert_int_equal(spec.n_devices, 2);
	assert_string_equal(spec.devices[0].path, "/dev/fuse");
	assert_true(spec_profile(&spec) == (spec.bounding | SECCOMP_PROFILE_NESTING));
}

static void only_who_runs_containers_has_keyrings(void **state)
{
	struct given *given = *state;
	_cleanup_spec_ struct spec spec = { 0 };
	struct err err = ERR_INIT;

	strv_add(&given->instance.cap_add, "ALL");
	assert_int_equal(make(given, &spec, &err), 0);
	assert_false(spec_profile(&spec) & SECCOMP_PROFILE_NESTING);
	assert_null(find_mount(&spec, "/dev/.brig/proc"));
}

static uint64_t caps_with(struct given *given, const char *add, const char *drop)
{
	struct err err = ERR_INIT;
	uint64_t caps = 0;

	given->instance.cap_add = strv_free(given->instance.cap_add);
	given->instance.cap_drop = strv_free(given->instance.cap_drop);
	if (add)
		strv_add(&given->instance.cap_add, add);
	if (drop)
		strv_add(&given->instance.cap_drop, drop);
	assert_int_equal(spec_caps(&given->instance, &caps, &err), 0);
	return caps;
}

static void capabilities_are_added_and_dropped(void **state)
{
	uint64_t base = caps_with(*state, NULL, NULL);

	assert_true(caps_with(*state, "NET_ADMIN", NULL) == (base | CAPS_BIT(CAP_NET_ADMIN)));
	assert_true(caps_with(*state, NULL, "CAP_CHOWN") == (base & ~CAPS_BIT(CAP_CHOWN)));
	assert_true(caps_with(*state, NULL, "ALL") == 0);
	assert_true(caps_with(*state, "KILL", "ALL") == CAPS_BIT(CAP_KILL));
	assert_true(caps_with(*state, "ALL", "KILL") == ~CAPS_BIT(CAP_KILL));
}

/* passt would take a packet of one's own making to the host's loopback. */
static void a_users_network_takes_packets_only_from_who_asked_to_make_them(void **state)
{
	struct given *given = *state;
	uint64_t raw = CAPS_BIT(CAP_NET_RAW);

	assert_true(caps_with(given, NULL, NULL) & raw);
	strv_add(&given->instance.networks, "user");
	assert_false(caps_with(given, NULL, NULL) & raw);
	assert_true(caps_with(given, "NET_RAW", NULL) & raw);
}

static void who_may_mount_meets_the_device_cgroup(void **state)
{
	struct given *given = *state;
	_cleanup_spec_ struct spec spec = { 0 };
	struct err err = ERR_INIT;

	strv_add(&given->instance.cap_add, "SYS_ADMIN");
	assert_int_equal(make(given, &spec, &err), 0);
	assert_true(spec.limit_devices);
}

static void devices_are_read_with_path_and_access(void **state)
{
	struct given *given = *state;
	_cleanup_spec_ struct spec spec = { 0 };
	struct err err = ERR_INIT;

	strv_add(&given->instance.devices, "/dev/fuse");
	strv_add(&given->instance.devices, "/dev/null:/opt/hole:r");
	strv_add(&given->instance.devices, "/dev/zero:rw");
	assert_int_equal(make(given, &spec, &err), 0);
	assert_int_equal(spec.n_devices, 3);
	assert_string_equal(spec.devices[0].path, "/dev/fuse");
	assert_string_equal(spec.devices[0].access, "rwm");
	assert_string_equal(spec.devices[1].path, "/opt/hole");
	assert_string_equal(spec.devices[1].access, "r");
	assert_string_equal(spec.devices[2].path, "/dev/zero");
	assert_string_equal(spec.devices[2].access, "rw");
	assert_true(spec.limit_devices);
}

static void one_with_interfaces_waits_for_them_and_resolves_names(void **state)
{
	struct given *given = *state;
	_cleanup_spec_ struct spec apart = { 0 }, spec = { 0 }, system = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(make(given, &apart, &err), 0);
	assert_false(apart.wired);
	assert_null(find_mount(&apart, "/etc/resolv.conf"));
	assert_true(find_mount(&apart, "/etc/hosts")->if_exists);

	strv_add(&given->instance.networks, "brig0,mac=02:62:00:00:00:01");
	assert_int_equal(make(given, &spec, &err), 0);
	assert_true(spec.wired);
	assert_string_equal(find_mount(&spec, "/etc/resolv.conf")->source,
			    "/run/brig/web/resolv.conf");
	assert_false(find_mount(&spec, "/etc/resolv.conf")->unless_link);
	assert_false(find_mount(&spec, "/etc/hosts")->if_exists);

	/* systemd-resolved and its like write it themselves */
	given->instance.system = 1;
	assert_int_equal(make(given, &system, &err), 0);
	assert_true(find_mount(&system, "/etc/resolv.conf")->unless_link);
}

static void one_on_a_network_of_others_makes_none(void **state)
{
	static const char *const networks[] = { "host", "container:web" };
	struct given *given = *state;

	for (size_t i = 0; i < ARRAY_SIZE(networks); i++) {
		_cleanup_spec_ struct spec spec = { 0 };
		struct err err = ERR_INIT;

		given->instance.networks = strv_free(given->instance.networks);
		strv_add(&given->instance.networks, networks[i]);
		assert_int_equal(make(given, &spec, &err), 0);
		assert_false(spec.wired);
		assert_false(spec.namespaces & CLONE_NEWNET);
		assert_true(spec.namespaces & CLONE_NEWUTS);
		assert_non_null(find_mount(&spec, "/etc/resolv.conf"));
	}
}

static void options_that_make_no_sense_are_refused(void **state)
{
	static const char *const devices[] = { "dev/fuse", "/dev/fuse:fuse", "/a:/b:rwm:r", ":" };
	static const char *const tmpfs[] = { "tmp", ":size=1m", "" };
	struct given *given = *state;

	for (size_t i = 0; i < ARRAY_SIZE(devices) + ARRAY_SIZE(tmpfs); i++) {
		_cleanup_spec_ struct spec spec = { 0 };
		struct err err = ERR_INIT;

		given->instance.devices = strv_free(given->instance.devices);
		given->instance.tmpfs = strv_free(given->instance.tmpfs);
		if (i < ARRAY_SIZE(devices))
			strv_add(&given->instance.devices, devices[i]);
		else
			strv_add(&given->instance.tmpfs, tmpfs[i - ARRAY_SIZE(devices)]);
		assert_int_equal(make(given, &spec, &err), -EINVAL);
		assert_true(err_is_set(&err));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_default_is_dockers_and_unprivileged, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_system_gets_what_an_init_needs_and_no_more, setup,
						teardown),
		cmocka_unit_test_setup_teardown(privileged_is_everything_but_the_namespaces, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			who_runs_containers_gets_what_they_need_and_stays_unprivileged, setup,
			teardown),
		cmocka_unit_test_setup_teardown(only_who_runs_containers_has_keyrings, setup,
						teardown),
		cmocka_unit_test_setup_teardown(capabilities_are_added_and_dropped, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_users_network_takes_packets_only_from_who_asked_to_make_them, setup,
			teardown),
		cmocka_unit_test_setup_teardown(who_may_mount_meets_the_device_cgroup, setup,
						teardown),
		cmocka_unit_test_setup_teardown(devices_are_read_with_path_and_access, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			one_with_interfaces_waits_for_them_and_resolves_names, setup, teardown),
		cmocka_unit_test_setup_teardown(one_on_a_network_of_others_makes_none, setup,
						teardown),
		cmocka_unit_test_setup_teardown(options_that_make_no_sense_are_refused, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
