// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct instance of_kind(enum instance_kind kind)
{
	struct instance record;

	instance_init(&record);
	record.kind = (int)kind;
	return record;
}

static void assert_shown(const struct instance *record, const char *name, const char *expected)
{
	_cleanup_free_ char *shown = limits_show(record, limits_find(name));

	assert_string_equal(shown, expected);
}

/* What is shown is what is taken: once more it changes nothing. */
static void assert_set(enum instance_kind kind, const char *name, const char *value,
		       const char *expected)
{
	_cleanup_instance_ struct instance record = of_kind(kind);
	const struct limits_row *row = limits_find(name);
	struct err err = ERR_INIT;

	if (limits_set(&record, row, value, 0, &err) < 0)
		fail_msg("%s=%s gave: %s", name, value, err.msg);
	assert_shown(&record, name, expected);
	assert_int_equal(limits_set(&record, row, expected, 0, &err), 0);
	assert_shown(&record, name, expected);
	assert_int_equal(limits_set(&record, row, "none", 0, &err), 0);
	assert_shown(&record, name, "none");
}

static void assert_refused(enum instance_kind kind, const char *name, const char *value,
			   const char *reason)
{
	_cleanup_instance_ struct instance record = of_kind(kind);
	struct err err = ERR_INIT;

	if (limits_set(&record, limits_find(name), value, 0, &err) == 0)
		fail_msg("%s=%s was taken", name, value);
	if (!strstr(err.msg, reason))
		fail_msg("%s=%s gave: %s", name, value, err.msg);
}

static void values_are_shown_as_they_are_given(void **state _unused_)
{
	assert_set(INSTANCE_CONTAINER, "cpus", "1.50", "1.5");
	assert_set(INSTANCE_VM, "cpus", "2", "2");
	assert_set(INSTANCE_CONTAINER, "cpu-weight", "10000", "10000");
	assert_set(INSTANCE_CONTAINER, "cpuset-cpus", "0-3,8", "0-3,8");
	assert_set(INSTANCE_CONTAINER, "memory", "1024m", "1g");
	assert_set(INSTANCE_CONTAINER, "memory-high", "7000000", "7000000");
	assert_set(INSTANCE_CONTAINER, "memory-swap", "-1", "-1");
	assert_set(INSTANCE_VM, "device-read-bps", "1m,/dev/sda:2m", "1m,/dev/sda:2m");
	assert_set(INSTANCE_CONTAINER, "device-write-iops", "/dev/sda:100", "/dev/sda:100");
	assert_set(INSTANCE_CONTAINER, "hugetlb", "2m:64m,1g:1g", "2m:64m,1g:1g");
	assert_set(INSTANCE_VM, "hugepages", "true", "yes");
	assert_set(INSTANCE_VM, "oom-score-adj", "-500", "-500");
	assert_set(INSTANCE_VM, "ulimit", "nofile=1:2,nproc=3", "nofile=1:2,nproc=3");
	assert_set(INSTANCE_CONTAINER, "device", "/dev/null", "/dev/null");
}

static void what_cannot_be_is_refused(void **state _unused_)
{
	assert_refused(INSTANCE_CONTAINER, "memory", "5m", "at least 6m");
	assert_refused(INSTANCE_VM, "memory", "95m", "at least 96m");
	assert_refused(INSTANCE_CONTAINER, "cpus", "0.001", "0.01 to 1024");
	assert_refused(INSTANCE_VM, "cpus", "256", "0.01 to 255");
	assert_refused(INSTANCE_CONTAINER, "cpu-weight", "0", "1 to 10000");
	assert_refused(INSTANCE_CONTAINER, "io-weight", "-1", "1 to 10000");
	assert_refused(INSTANCE_CONTAINER, "cpuset-cpus", "3-1", "list");
	assert_refused(INSTANCE_CONTAINER, "cpuset-cpus", "", "list");
	assert_refused(INSTANCE_CONTAINER, "cpuset-mems", "0/../1", "list");
	assert_refused(INSTANCE_CONTAINER, "device-read-bps", "sda:1m", "whole path");
	assert_refused(INSTANCE_CONTAINER, "device-read-iops", "0", "");
	assert_refused(INSTANCE_CONTAINER, "hugetlb", "3:1m", "no huge pages");
	assert_refused(INSTANCE_CONTAINER, "oom-score-adj", "1001", "-1000 to 1000");
	assert_refused(INSTANCE_CONTAINER, "oom-score-adj", "--1", "-1000 to 1000");
	assert_refused(INSTANCE_CONTAINER, "ulimit", "x=1", "there is no limit 'x'");
	assert_refused(INSTANCE_CONTAINER, "device", "/etc/passwd", "no device");
	assert_refused(INSTANCE_CONTAINER, "net-rate", "1mbit", "no network");
}

static void what_means_nothing_to_a_kind_is_refused_with_the_reason(void **state _unused_)
{
	assert_refused(INSTANCE_VM, "device", "/dev/null", "a VM has its own devices");
	assert_refused(INSTANCE_VM, "hugetlb", "2m:64m", "--hugepages");
	assert_refused(INSTANCE_VM, "oom-kill-disable", "yes", "its own kernel");
	assert_refused(INSTANCE_CONTAINER, "hugepages", "yes", "add --vm");
}

static void at_least_four_in_five_mean_something_to_both_kinds(void **state _unused_)
{
	int all = 0, both = 0;

	for (const struct limits_row *row = limits_table; row->name; row++) {
		all += !row->is_alias;
		both += !row->is_alias && row->means[INSTANCE_CONTAINER] && row->means[INSTANCE_VM];
		assert_true(row->why || (row->means[0] && row->means[1]));
	}
	assert_true(all >= 20);
	assert_true(both * 5 >= all * 4);
}

static void dockers_numbers_are_ours(void **state _unused_)
{
	_cleanup_instance_ struct instance record = of_kind(INSTANCE_CONTAINER);
	struct err err = ERR_INIT;

	assert_int_equal(limits_set(&record, limits_find("cpu-shares"), "1024", 0, &err), 0);
	assert_int_equal(record.cpu_weight, 100);
	assert_int_equal(limits_set(&record, limits_find("cpu-shares"), "2", 0, &err), 0);
	assert_int_equal(record.cpu_weight, 1);
	assert_int_equal(limits_set(&record, limits_find("cpu-shares"), "262144", 0, &err), 0);
	assert_int_equal(record.cpu_weight, 10000);
	assert_int_equal(limits_set(&record, limits_find("blkio-weight"), "500", 0, &err), 0);
	assert_shown(&record, "io-weight", "500");
}

static void lists_grow_at_a_start_and_are_replaced_later(void **state _unused_)
{
	_cleanup_instance_ struct instance record = of_kind(INSTANCE_VM);
	const struct limits_row *row = limits_find("ulimit");
	struct err err = ERR_INIT;

	assert_int_equal(limits_set(&record, row, "nofile=1", 1, &err), 0);
	assert_int_equal(limits_set(&record, row, "nproc=2", 1, &err), 0);
	assert_shown(&record, "ulimit", "nofile=1,nproc=2");
	assert_int_equal(limits_set(&record, row, "core=0", 0, &err), 0);
	assert_shown(&record, "ulimit", "core=0");
}

static void swap_is_of_both_together(void **state _unused_)
{
	_cleanup_instance_ struct instance record = of_kind(INSTANCE_CONTAINER);
	struct err err = ERR_INIT;

	record.memory_swap = 64 << 20;
	assert_int_equal(limits_check(&record, &err), -EINVAL);
	record.memory = 65 << 20;
	err = ERR_INIT;
	assert_int_equal(limits_check(&record, &err), -EINVAL);
	record.memory = 64 << 20;
	assert_int_equal(limits_check(&record, &err), 0);
}

static void a_rate_is_of_every_network(void **state _unused_)
{
	_cleanup_instance_ struct instance record = of_kind(INSTANCE_CONTAINER);
	const struct limits_row *row = limits_find("net-rate");
	struct err err = ERR_INIT;

	strv_add(&record.networks, "one,mac=02:62:00:00:00:01");
	strv_add(&record.networks, "two,mac=02:62:00:00:00:02,rate=5000000");
	assert_int_equal(limits_set(&record, row, "10mbit", 0, &err), 0);
	assert_shown(&record, "net-rate", "10000000bit,10000000bit");
	assert_int_equal(limits_set(&record, row, "none", 0, &err), 0);
	assert_shown(&record, "net-rate", "none");
}

static void a_record_of_others_has_no_limit_that_no_option_takes(void **state _unused_)
{
	_cleanup_instance_ struct instance record = of_kind(INSTANCE_VM);
	struct err err = ERR_INIT;

	record.memory = 512 << 20;
	record.cpu_weight = 100;
	strv_add(&record.pending, "memory=1g");
	assert_int_equal(limits_validate(&record, &err), 0);
	record.cpu_weight = -1;
	assert_int_equal(limits_validate(&record, &err), -ERANGE);
	record.cpu_weight = 0;
	record.oom_kill_disable = 1;
	assert_int_equal(limits_validate(&record, &err), -EOPNOTSUPP);
	record.oom_kill_disable = 0;
	strv_add(&record.pending, "name=other");
	err = ERR_INIT;
	assert_int_equal(limits_validate(&record, &err), -EINVAL);
}

static void without_a_group_only_what_needs_none_is_kept(void **state _unused_)
{
	_cleanup_instance_ struct instance record = of_kind(INSTANCE_VM);
	const struct limits_job job = { .record = &record, .missing = "for a test" };
	_cleanup_strv_ char **unmet = NULL;
	struct err err = ERR_INIT;

	record.memory = 512 << 20;
	record.cpus_milli = 2000;
	assert_int_equal(limits_enforce(&job, &unmet, &err), 0);
	record.cpus_milli = 1500;
	assert_int_equal(limits_enforce(&job, &unmet, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "for a test"));
	record.best_effort = 1;
	assert_int_equal(limits_enforce(&job, &unmet, &err), 0);
	assert_int_equal(strv_len(unmet), 1);
	record.kind = INSTANCE_CONTAINER;
	record.best_effort = 0;
	record.cpus_milli = 0;
	assert_int_equal(limits_enforce(&job, &unmet, &err), -EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_shown_as_they_are_given),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(what_means_nothing_to_a_kind_is_refused_with_the_reason),
		cmocka_unit_test(at_least_four_in_five_mean_something_to_both_kinds),
		cmocka_unit_test(dockers_numbers_are_ours),
		cmocka_unit_test(lists_grow_at_a_start_and_are_replaced_later),
		cmocka_unit_test(swap_is_of_both_together),
		cmocka_unit_test(a_rate_is_of_every_network),
		cmocka_unit_test(a_record_of_others_has_no_limit_that_no_option_takes),
		cmocka_unit_test(without_a_group_only_what_needs_none_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
