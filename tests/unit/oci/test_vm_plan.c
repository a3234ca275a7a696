// SPDX-License-Identifier: GPL-2.0-or-later
/* Which machine a configuration asks for, and what of it is refused. */
#include "oci/vm_plan.h"
#include "base/json.h"
#include "base/mem.h"

#include <linux/mount.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define HEAD                                                                                    \
	"{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"/\"},\"process\":{\"user\":{\"uid\":0," \
	"\"gid\":0},\"args\":[\"true\"],\"cwd\":\"/\"}"
#define NETWORK "\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"network\"}]}"
#define ROOT	"/store"

struct plan {
	struct config config;
	struct spec spec;
	struct vm_plan vm;
	struct err err;
};

static void plan_release(struct plan *plan)
{
	vm_plan_release(&plan->vm);
	spec_release(&plan->spec);
	config_release(&plan->config);
}
#define _cleanup_plan_ _cleanup_(plan_release)

/* text: what follows HEAD. */
static int plan_make(struct plan *plan, const char *text)
{
	_cleanup_free_ char *whole = mem_printf(HEAD ",%s}", text);
	_cleanup_json_ struct json *json = NULL;
	int r = json_parse(whole, strlen(whole), "config.json", &json, &plan->err);

	if (r == 0)
		r = config_read(json, &plan->config, &plan->err);
	if (r == 0)
		r = spec_of_config(&plan->config, "id", "/bundle", 0, &plan->spec, &plan->err);
	if (r < 0)
		fail_msg("%s: %s", plan->err.msg, whole);
	return vm_plan_make(&plan->config, &plan->spec, "id", "/bundle", ROOT, &plan->vm,
			    &plan->err);
}

static void plan_ok(struct plan *plan, const char *text)
{
	if (plan_make(plan, text) < 0)
		fail_msg("%s: %s", plan->err.msg, text);
}

static void it_is_asked_for_by_an_object_or_an_annotation(void **state _unused_)
{
	static const struct {
		const char *text;
		int wanted;
	} cases[] = {
		{ NETWORK, 0 },
		{ NETWORK ",\"vm\":{\"kernel\":{\"path\":\"/store/kernels/a/vmlinuz\"}}", 1 },
		{ NETWORK ",\"annotations\":{\"brig.kind\":\"vm\"}", 1 },
		{ NETWORK ",\"annotations\":{\"brig.kind\":\"container\"},"
			  "\"vm\":{\"kernel\":{\"path\":\"/store/kernels/a\"}}",
		  0 },
		{ NETWORK ",\"annotations\":{\"brig.kind\":\"horse\"}", -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_plan_ struct plan plan = { .err = ERR_INIT };
		struct err err = ERR_INIT;

		(void)plan_make(&plan, cases[i].text);
		assert_int_equal(vm_plan_wanted(&plan.config, &err), cases[i].wanted);
	}
}

static void sizes_come_from_the_nearest_that_says(void **state _unused_)
{
	static const struct {
		const char *text;
		int64_t cpus, memory;
	} cases[] = {
		{ NETWORK, 1, 0 },
		{ "\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"network\"}],"
		  "\"resources\":{\"memory\":{"
		  "\"limit\":268435456},\"cpu\":{\"quota\":250000,\"period\":100000}}}",
		  3, 268435456 },
		{ "\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"network\"}],"
		  "\"resources\":{\"memory\":{"
		  "\"limit\":268435456},\"cpu\":{\"quota\":250000,\"period\":100000}}},\"vm\":{"
		  "\"kernel\":{\"path\":\"/store/kernels/a\"},\"hwConfig\":{\"vcpus\":2,\"memory\":"
		  "134217728}}",
		  2, 134217728 },
		{ NETWORK ",\"annotations\":{\"brig.cpus\":\"4\",\"brig.memory\":\"200M\"},\"vm\":{"
			  "\"kernel\":{\"path\":\"/store/kernels/a\"},\"hwConfig\":{\"vcpus\":2,"
			  "\"memory\":134217728}}",
		  4, 200 << 20 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_plan_ struct plan plan = { .err = ERR_INIT };

		plan_ok(&plan, cases[i].text);
		assert_int_equal(plan.vm.instance.cpus_milli, cases[i].cpus * 1000);
		assert_int_equal(plan.vm.instance.memory, cases[i].memory);
	}
}

static void the_kernel_is_one_of_the_store(void **state _unused_)
{
	_cleanup_plan_ struct plan plan = { .err = ERR_INIT };

	plan_ok(&plan, NETWORK ",\"vm\":{\"kernel\":{\"path\":\"/store/kernels/mine/vmlinuz\","
			       "\"parameters\":[\"a=b\",\"c\"]}}");
	assert_string_equal(plan.vm.instance.kernel, "mine");
	assert_string_equal(plan.vm.instance.kernel_args, "a=b c");
}

/* What would weaken, or could not be had, is named by its member. */
static void what_a_machine_cannot_have_is_named(void **state _unused_)
{
	static const struct {
		const char *text, *path;
	} cases[] = {
		{ "\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]}", "linux.namespaces: " },
		{ "\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"network\"},{"
		  "\"type\":\"pid\",\"path\":"
		  "\"/proc/1/ns/pid\"}]}",
		  "linux.namespaces[2].path: " },
		{ "\"linux\":{\"uidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":1}],"
		  "\"gidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":1}],\"namespaces\":"
		  "[{\"type\":\"mount\"},{\"type\":\"network\"},{\"type\":\"user\"}]}",
		  "linux.namespaces[2].type: " },
		{ "\"linux\":{\"devices\":[{\"path\":\"/dev/kvm\",\"type\":\"c\",\"major\":10,"
		  "\"minor\":232}],\"namespaces\":[{\"type\":\"network\"},{\"type\":\"mount\"}]}",
		  "linux.devices: " },
		{ NETWORK ",\"hooks\":{\"createContainer\":[{\"path\":\"/bin/true\"}]}",
		  "hooks.createContainer: " },
		{ NETWORK ",\"vm\":{\"kernel\":{\"path\":\"/boot/vmlinuz\"}}", "vm.kernel.path: " },
		{ NETWORK ",\"vm\":{\"kernel\":{\"path\":\"/store/kernels/\"}}",
		  "vm.kernel.path: " },
		{ NETWORK ",\"vm\":{\"kernel\":{\"path\":\"/store/kernels/a\",\"initrd\":\"/i\"}}",
		  "vm.kernel.initrd: " },
		{ NETWORK ",\"vm\":{\"kernel\":{\"path\":\"/store/kernels/a\"},\"image\":{\"path\":"
			  "\"/i\",\"format\":\"raw\"}}",
		  "vm.image: " },
		{ NETWORK ",\"annotations\":{\"brig.cpus\":\"many\"}",
		  "annotations[\"brig.cpus\"]: " },
		{ NETWORK ",\"annotations\":{\"brig.memory\":\"1M\"}",
		  "annotations[\"brig.memory\"]: " },
		{ "\"annotations\":{\"brig.memory\":\"1G\"},\"linux\":{\"namespaces\":[{\"type\":"
		  "\"mount\"},{\"type\":\"network\"}],\"resources\":{\"memory\":{\"limit\":"
		  "268435456}}}",
		  "annotations[\"brig.memory\"]: " },
		{ NETWORK
		  ",\"mounts\":[{\"destination\":\"/a\",\"source\":\"/\",\"options\":[\"rbind\","
		  "\"rshared\"]}]",
		  "mounts[0].options: " },
		{ NETWORK ",\"mounts\":[{\"destination\":\"/a:b\",\"type\":\"tmpfs\"}]",
		  "mounts[0].destination: " },
		{ NETWORK ",\"mounts\":[{\"destination\":\"/a\",\"type\":\"overlay\"}]",
		  "mounts[0].type: " },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_plan_ struct plan plan = { .err = ERR_INIT };
		int r = plan_make(&plan, cases[i].text);

		if (r >= 0 || strncmp(plan.err.msg, cases[i].path, strlen(cases[i].path)) != 0)
			fail_msg("%s: %d, %s", cases[i].text, r, plan.err.msg);
	}
}

static void mounts_are_the_guests_or_shown_to_it(void **state _unused_)
{
	_cleanup_plan_ struct plan plan = { .err = ERR_INIT };

	plan_ok(&plan, NETWORK
		",\"mounts\":["
		"{\"destination\":\"/dev/\",\"type\":\"tmpfs\",\"options\":[\"mode=755\"]},"
		"{\"destination\":\"/sys\",\"type\":\"sysfs\",\"options\":[\"ro\",\"rprivate\"]},"
		"{\"destination\":\"/dev/shm\",\"source\":\"shm\",\"options\":[\"bind\"]},"
		"{\"destination\":\"/dev/log\",\"source\":\"log\",\"options\":[\"bind\",\"ro\"]},"
		"{\"destination\":\"/data\",\"source\":\"/d\",\"options\":[\"rbind\",\"nosuid\","
		"\"ro\"]},"
		"{\"destination\":\"/plain\",\"source\":\"/p\",\"options\":[\"rbind\"]}]");
	assert_int_equal(strv_len(plan.vm.mounts), 5);
	assert_string_equal(plan.vm.mounts[0], "tmpfs:/dev:mode=755");
	assert_string_equal(plan.vm.mounts[1], "sysfs:/sys:ro");
	assert_string_equal(plan.vm.mounts[2], "tmpfs:/dev/shm:nosuid,nodev,noexec,mode=1777");
	assert_string_equal(plan.vm.mounts[3], "bind:/data:ro,nosuid");
	assert_string_equal(
		plan.vm.mounts[4],
		"devpts:/dev/pts:nosuid,noexec,newinstance,gid=5,mode=620,ptmxmode=666");
	/* what the guest's /dev would cover is a share of its own */
	assert_int_equal(strv_len(plan.vm.instance.volumes), 1);
	assert_string_equal(plan.vm.instance.volumes[0], VM_VIEW_SHARES "/0:/dev/log:ro");
	assert_int_equal(plan.vm.n_binds, 3);
	assert_string_equal(plan.vm.binds[0].source, "/bundle/log");
	assert_int_equal(plan.vm.binds[0].share, 0);
	assert_true(plan.vm.binds[1].attributes & MOUNT_ATTR_RDONLY);
	assert_int_equal(plan.vm.binds[1].share, -1);
	assert_int_equal(plan.vm.binds[2].attributes, 0);
	assert_int_equal(strv_len(plan.vm.places), 2);
}

static void the_group_gets_room_for_the_machine(void **state _unused_)
{
	struct config_resources resources = {
		.memory = { .limit = 100, .has_limit = 1, .swap = -1, .has_swap = 1 },
		.pids = 5,
		.has_pids = 1
	};

	vm_plan_raise_limits(&resources);
	assert_int_equal(resources.memory.limit, 100 + VM_PLAN_OVERHEAD);
	assert_int_equal(resources.memory.swap, -1);
	assert_false(resources.has_pids);
}

/* Nobody gets more than the configuration gives, or less without a word. */
static void a_process_has_the_capabilities_of_the_first(void **state _unused_)
{
	_cleanup_plan_ struct plan plan = { .err = ERR_INIT };
	_cleanup_process_ struct process process = { 0 };
	struct err err = ERR_INIT;
	uint64_t kept;

	plan_ok(&plan, NETWORK);
	assert_int_equal(strv_len(plan.vm.instance.cap_add), 0);
	assert_string_equal(plan.vm.instance.cap_drop[0], "ALL");
	assert_string_equal(plan.vm.process.user, "0:0");
	plan.spec.bounding = CAPS_BIT(0) | CAPS_BIT(1);
	plan.spec.caps.permitted = plan.spec.caps.effective = CAPS_BIT(1) | CAPS_BIT(2);
	kept = vm_plan_capabilities(&plan.spec);
	assert_int_equal(kept, CAPS_BIT(1));
	assert_int_equal(vm_plan_process(&plan.config.process, &plan.spec, kept | CAPS_BIT(3),
					 &process, &err),
			 -EOPNOTSUPP);
	assert_int_equal(vm_plan_process(&plan.config.process, &plan.spec, 0, &process, &err),
			 -EOPNOTSUPP);
	assert_int_equal(vm_plan_process(&plan.config.process, &plan.spec, kept, &process, &err),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_asked_for_by_an_object_or_an_annotation),
		cmocka_unit_test(sizes_come_from_the_nearest_that_says),
		cmocka_unit_test(the_kernel_is_one_of_the_store),
		cmocka_unit_test(what_a_machine_cannot_have_is_named),
		cmocka_unit_test(mounts_are_the_guests_or_shown_to_it),
		cmocka_unit_test(the_group_gets_room_for_the_machine),
		cmocka_unit_test(a_process_has_the_capabilities_of_the_first),
	};

	return cmocka_run_group_tests_name("oci/vm_plan", tests, NULL, NULL);
}
