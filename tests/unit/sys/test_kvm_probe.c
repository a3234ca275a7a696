// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "base/units.h"
#include "sys/kvm_probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* child, guest and parent deadlines together, with some room */
#define PROBE_MAX_NS INT64_C(15000000000)

#define ANOTHER_BOOT \
	"{\"version\": 1, \"key\": \"another boot\", \"verdict\": \"none\", \"reason\": \"x\"}"

static char folder[32];

static int setup(void **state _unused_)
{
	snprintf(folder, sizeof(folder), "/tmp/brig-test-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state _unused_)
{
	return file_remove_tree(AT_FDCWD, folder);
}

static void need_a_verdict_of_the_guest(int verdict)
{
	if (verdict != KVM_PROBE_OK && verdict != KVM_PROBE_CANNOT)
		skip();
}

/* Whatever this host has, it ends in time and what it says fits together. */
static void the_probe_ends_and_gives_a_reason_for_a_no(void **state _unused_)
{
	struct kvm_probe_result result;
	int64_t start = units_monotonic();
	int verdict = kvm_probe(NULL, &result);

	assert_true(units_monotonic() - start < PROBE_MAX_NS);
	assert_int_equal(verdict, result.verdict);
	assert_int_equal(!*result.reason, verdict == KVM_PROBE_OK);
	if (access(KVM_PROBE_DEVICE, F_OK) < 0)
		assert_int_equal(verdict, KVM_PROBE_NONE);
}

static void a_verdict_is_kept_and_found_again(void **state _unused_)
{
	char cache[48], path[80]; /* skip() does not come back to free */
	struct kvm_probe_result first, second;
	struct stat before, after;

	snprintf(cache, sizeof(cache), "%s/cache", folder);
	snprintf(path, sizeof(path), "%s/kvm-probe.json", cache);
	need_a_verdict_of_the_guest(kvm_probe(cache, &first));
	if (first.doubtful)
		skip();
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(kvm_probe(cache, &second), first.verdict);
	assert_string_equal(second.reason, first.reason);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_ino, before.st_ino);
}

static void a_verdict_of_another_boot_or_a_broken_one_is_not_believed(void **state _unused_)
{
	static const char *const bad[] = {
		ANOTHER_BOOT,
		"{\"version\": 1, \"verdict\": \"none\"}",
		"garbage",
	};
	struct kvm_probe_result result;
	char path[64];

	snprintf(path, sizeof(path), "%s/kvm-probe.json", folder);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(file_replace(AT_FDCWD, path, bad[i], strlen(bad[i]), 0600, 0), 0);
		need_a_verdict_of_the_guest(kvm_probe(folder, &result));
		assert_string_not_equal(result.reason, "x");
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_probe_ends_and_gives_a_reason_for_a_no),
		TEST(a_verdict_is_kept_and_found_again),
		TEST(a_verdict_of_another_boot_or_a_broken_one_is_not_believed),
	};

	return cmocka_run_group_tests_name("sys/kvm_probe", tests, NULL, NULL);
}
