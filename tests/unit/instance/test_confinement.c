// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/confinement.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static void sets_have_the_names_of_their_capabilities(void **state _unused_)
{
	char text[] =
		"Name:\tsh\nUid:\t1\t7\t7\t7\nCapInh:\t0000000000000000\nCapEff:"
		"\t00000000a80425fb\n"
		"CapBnd:\t000001ffffffffff\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\n";
	_cleanup_json_ struct json *json = json_new_object();
	const struct json *caps;

	confinement_add_status(json, text);
	assert_int_equal(json_get_int(json, "uid", -1), 7);
	assert_int_equal(json_array_len(json_get(json, "capabilities_inheritable")), 0);
	caps = json_get(json, "capabilities_effective");
	assert_int_equal(json_array_len(caps), 14);
	assert_string_equal(json_string(json_array_at(caps, 0)), "CAP_CHOWN");
	assert_int_equal(json_array_len(json_get(json, "capabilities_bounding")), 41);
	assert_true(json_get_bool(json, "no_new_privs", 0));
	assert_string_equal(json_get_string(json, "seccomp", ""), "filter");
	assert_int_equal(json_get_int(json, "seccomp_filters", 0), 3);
}

static void covered_paths_are_told_from_what_is_only_read_only(void **state _unused_)
{
	char text[] = "29 1 0:27 / / ro,relatime - overlay overlay rw\n"
		      "30 29 0:5 /null /proc/keys rw,nosuid - tmpfs tmpfs rw\n"
		      "31 29 0:44 / /proc/acpi ro,relatime - tmpfs tmpfs ro\n"
		      "32 29 0:3 /sys /proc/sys ro,nosuid - proc proc rw\n"
		      "33 29 0:9 / /data rw - ext4 /dev/sda rw\n"
		      "broken\n\n34 29\n";
	_cleanup_json_ struct json *json = json_new_object();
	const struct json *covered, *read_only;

	confinement_add_mounts(json, text);
	assert_false(json_get_bool(json, "nesting", 1));
	covered = json_get(json, "covered_paths");
	read_only = json_get(json, "read_only_mounts");
	assert_int_equal(json_array_len(covered), 2);
	assert_string_equal(json_string(json_array_at(covered, 1)), "/proc/acpi");
	assert_int_equal(json_array_len(read_only), 2);
	assert_string_equal(json_string(json_array_at(read_only, 1)), "/proc/sys");
}

static void containers_can_be_run_beside_a_proc_that_nothing_covers(void **state _unused_)
{
	static const char *const covered = "30 29 0:3 / /proc rw - proc proc rw\n"
					   "31 30 0:5 /null /proc/keys rw - tmpfs tmpfs rw\n";
	static const char *const part = "32 29 0:3 /sys /proc/sys ro - proc proc rw\n";
	static const char *const whole = "33 29 0:3 / /dev/.brig/proc rw - proc proc rw\n";
	const struct {
		const char *more;
		int can;
	} cases[] = { { "", 0 }, { part, 0 }, { whole, 1 } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_ struct json *json = json_new_object();
		_cleanup_free_ char *text = mem_printf("%s%s", covered, cases[i].more);

		confinement_add_mounts(json, text);
		assert_int_equal(json_get_bool(json, "nesting", -1), cases[i].can);
	}
}

static void maps_keep_their_ranges(void **state _unused_)
{
	char text[] = "         0       1000          1\n         1     100000      65536\nx\n";
	_cleanup_json_ struct json *map = confinement_id_map(text);

	assert_int_equal(json_array_len(map), 2);
	assert_int_equal(json_get_int(json_array_at(map, 1), "outside", 0), 100000);
}

static void a_process_that_has_ended_is_told_so(void **state _unused_)
{
	struct json *json = NULL;
	struct err err = ERR_INIT;
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(confinement_read(pid, NULL, &json, &err), -ESRCH);
	assert_null(json);
}

static void we_are_in_the_hosts_namespaces(void **state _unused_)
{
	_cleanup_json_ struct json *json = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(confinement_read(getpid(), NULL, &json, &err), 0);
	assert_string_equal(json_get_string(json_get(json, "namespaces"), "pid", ""), "host");
	assert_int_equal(json_get_int(json, "uid", -1), geteuid());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_have_the_names_of_their_capabilities),
		cmocka_unit_test(covered_paths_are_told_from_what_is_only_read_only),
		cmocka_unit_test(containers_can_be_run_beside_a_proc_that_nothing_covers),
		cmocka_unit_test(maps_keep_their_ranges),
		cmocka_unit_test(a_process_that_has_ended_is_told_so),
		cmocka_unit_test(we_are_in_the_hosts_namespaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
