// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/convert.h"
#include "base/mem.h"
#include "proto/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void assert_refused(const struct instance *record, int kind, const char *word)
{
	struct err err = ERR_INIT;

	assert_true(convert_check(record, kind, &err) < 0);
	if (!strstr(err.msg, word))
		fail_msg("'%s' says nothing of '%s'", err.msg, word);
}

static void what_both_kinds_know_is_no_hindrance(void **state _unused_)
{
	_cleanup_instance_ struct instance record;
	struct err err = ERR_INIT;

	instance_init(&record);
	mem_replace(&record.name, "box");
	mem_replace(&record.user, "app");
	strv_add(&record.argv, "sleep");
	strv_add(&record.env, "A=b");
	strv_add(&record.tmpfs, "/tmp");
	strv_add(&record.volumes, "data:/srv");
	strv_add(&record.cap_drop, "ALL");
	strv_add(&record.networks, "lan,mac=02:62:00:00:00:01,name=eth0");
	strv_add(&record.ports, "8080:80/tcp");
	record.memory = INSTANCE_VM_MEMORY_MIN;
	record.cpus_milli = INSTANCE_VM_CPUS_MAX;
	record.pids_limit = 5;
	record.read_only = record.init = record.tty = record.nesting = 1;
	record.disk_size = INT64_C(1) << 30;
	record.restart = INSTANCE_RESTART_ALWAYS;
	assert_int_equal(convert_check(&record, INSTANCE_VM, &err), 0);
	assert_int_equal(convert_check(&record, INSTANCE_CONTAINER, &err), 0);
}

static void options_of_one_kind_are_refused_by_name(void **state _unused_)
{
	_cleanup_instance_ struct instance record;

	instance_init(&record);
	mem_replace(&record.name, "box");
	record.privileged = 1;
	assert_refused(&record, INSTANCE_VM, "--privileged");
	record.privileged = 0;
	record.engine = INSTANCE_ENGINE_KVM;
	assert_refused(&record, INSTANCE_CONTAINER, "--engine");
	record.engine = INSTANCE_ENGINE_AUTO;
	record.gdb = 1;
	assert_refused(&record, INSTANCE_CONTAINER, "--gdb");
	record.gdb = 0;
	record.huge_pages = 1;
	assert_refused(&record, INSTANCE_CONTAINER, "--hugepages");
	record.huge_pages = 0;
	mem_replace(&record.kernel, "debian");
	assert_refused(&record, INSTANCE_CONTAINER, "--kernel:");
	mem_replace(&record.kernel, NULL);
	mem_replace(&record.kernel_args, "quiet");
	assert_refused(&record, INSTANCE_CONTAINER, "--kernel-args");
	strv_add(&record.networks, "host");
	assert_refused(&record, INSTANCE_VM, "--network host");
	record.networks = strv_free(record.networks);
	strv_add(&record.volumes, "/srv:/srv:rshared");
	assert_refused(&record, INSTANCE_VM, "rshared");
	strv_add(&record.devices, "/dev/fuse");
	assert_refused(&record, INSTANCE_VM, "--device");
}

static void limits_that_no_machine_can_have_are_refused(void **state _unused_)
{
	_cleanup_instance_ struct instance record;
	char *word = mem_zalloc(FRAME_PAYLOAD_MAX);

	instance_init(&record);
	mem_replace(&record.name, "box");
	record.memory = 16 << 20;
	assert_refused(&record, INSTANCE_VM, "16 MiB");
	record.memory = 0;
	record.cpus_milli = 300000;
	assert_refused(&record, INSTANCE_VM, "255");
	record.cpus_milli = 0;
	memset(word, 'x', FRAME_PAYLOAD_MAX - 1);
	strv_add_take(&record.env, word);
	assert_refused(&record, INSTANCE_VM, "environment");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_both_kinds_know_is_no_hindrance),
		cmocka_unit_test(options_of_one_kind_are_refused_by_name),
		cmocka_unit_test(limits_that_no_machine_can_have_are_refused),
	};

	return cmocka_run_group_tests_name("instance/convert", tests, NULL, NULL);
}
