// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "instance/engine.h"
#include "sys/kvm_probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>

static const struct driver_ops container = { .engine = "container", .kind = INSTANCE_CONTAINER };
static const struct driver_ops kvm = { .engine = "kvm", .kind = INSTANCE_VM };
static const struct driver_ops qemu = { .engine = "qemu", .kind = INSTANCE_VM };

static char folder[32];
static int runs_kvm; /* what this host's KVM can do decides, so both are tested where they are */
static struct kvm_probe_result probe;

static int setup(void **state _unused_)
{
	snprintf(folder, sizeof(folder), "/tmp/brig-test-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	runs_kvm = kvm_probe(NULL, &probe) == KVM_PROBE_OK;
	return 0;
}

static int teardown(void **state _unused_)
{
	return file_remove_tree(AT_FDCWD, folder);
}

static struct err err;
static char notice[ENGINE_NOTICE_MAX];

/* The engine's name, or NULL with err set. */
static const char *choose(const struct driver_ops *first, const struct driver_ops *second, int kind,
			  int engine)
{
	const struct driver_ops *const drivers[] = { &container, first, second, NULL };
	const struct instance_home home = { .root = folder, .run = folder, .drivers = drivers };
	const struct instance record = { .kind = kind, .engine = engine };
	const struct driver_ops *chosen = NULL;

	err = ERR_INIT;
	if (engine_choose(&home, &record, &chosen, notice, &err) < 0)
		return NULL;
	return chosen->engine;
}

static void a_container_has_but_one_engine(void **state _unused_)
{
	assert_string_equal(choose(&kvm, &qemu, INSTANCE_CONTAINER, INSTANCE_ENGINE_AUTO),
			    "container");
	assert_string_equal(notice, "");
}

static void auto_is_kvm_where_it_runs_and_else_qemu_with_a_word(void **state _unused_)
{
	const char *engine = choose(&kvm, &qemu, INSTANCE_VM, INSTANCE_ENGINE_AUTO);

	assert_string_equal(engine, runs_kvm ? "kvm" : "qemu");
	assert_int_equal(!*notice, runs_kvm);
	if (!runs_kvm)
		assert_non_null(strstr(notice, probe.reason));
}

static void qemu_is_taken_as_asked_without_a_word(void **state _unused_)
{
	assert_string_equal(choose(&kvm, &qemu, INSTANCE_VM, INSTANCE_ENGINE_QEMU), "qemu");
	assert_string_equal(notice, "");
}

static void kvm_is_refused_with_the_reason_where_it_does_not_run(void **state _unused_)
{
	const char *engine = choose(&kvm, &qemu, INSTANCE_VM, INSTANCE_ENGINE_KVM);

	if (runs_kvm) {
		assert_string_equal(engine, "kvm");
		return;
	}
	assert_null(engine);
	assert_non_null(strstr(err.msg, probe.reason));
}

static void an_engine_that_is_not_built_in_is_refused(void **state _unused_)
{
	assert_null(choose(&qemu, NULL, INSTANCE_VM, INSTANCE_ENGINE_KVM));
	assert_non_null(strstr(err.msg, "without the engine 'kvm'"));
	assert_null(choose(NULL, NULL, INSTANCE_VM, INSTANCE_ENGINE_QEMU));
	assert_non_null(strstr(err.msg, "without QEMU"));
	assert_string_equal(choose(&qemu, NULL, INSTANCE_VM, INSTANCE_ENGINE_AUTO), "qemu");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_container_has_but_one_engine),
		cmocka_unit_test(auto_is_kvm_where_it_runs_and_else_qemu_with_a_word),
		cmocka_unit_test(qemu_is_taken_as_asked_without_a_word),
		cmocka_unit_test(kvm_is_refused_with_the_reason_where_it_does_not_run),
		cmocka_unit_test(an_engine_that_is_not_built_in_is_refused),
	};

	return cmocka_run_group_tests_name("instance/engine", tests, setup, teardown);
}
