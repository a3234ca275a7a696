// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/memory_room.h"
#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <libgen.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define MIB	  ((int64_t)1 << 20)
#define AVAILABLE "MemTotal: 9000000 kB\nMemFree: 10 kB\nMemAvailable: 1048576 kB\n"

static char host[64];

static int setup(void **state _unused_)
{
	snprintf(host, sizeof(host), "/tmp/brig-room-XXXXXX");
	return mkdtemp(host) ? 0 : -1;
}

static int teardown(void **state _unused_)
{
	return file_remove_tree(AT_FDCWD, host);
}

static void put(const char *name, const char *text)
{
	_cleanup_free_ char *path = mem_printf("%s/%s", host, name), *copy = mem_strdup(path);

	assert_int_equal(file_mkdir_p(dirname(copy), 0755), 0);
	assert_int_equal(file_replace(AT_FDCWD, path, text, strlen(text), 0644, 0), 0);
}

static void without_proc_there_is_none(void **state _unused_)
{
	assert_int_equal(memory_room_in(host), 0);
}

static void without_groups_it_is_what_the_host_has(void **state _unused_)
{
	put("proc/meminfo", AVAILABLE);
	assert_int_equal(memory_room_in(host), 1024 * MIB);
	put("proc/self/cgroup", "0::/\n");
	assert_int_equal(memory_room_in(host), 1024 * MIB);
	put("proc/meminfo", "MemTotal: 1 kB\n");
	assert_int_equal(memory_room_in(host), 0);
}

static void a_group_of_version_2_and_those_above_it_bound_it(void **state _unused_)
{
	put("proc/meminfo", AVAILABLE);
	put("proc/self/cgroup", "0::/a/b\n");
	put("sys/fs/cgroup/a/b/memory.max", "max\n");
	put("sys/fs/cgroup/a/b/memory.current", "1048576\n");
	assert_int_equal(memory_room_in(host), 1024 * MIB);
	put("sys/fs/cgroup/a/memory.max", "104857600\n");
	put("sys/fs/cgroup/a/memory.current", "41943040\n");
	assert_int_equal(memory_room_in(host), 60 * MIB);
	put("sys/fs/cgroup/a/memory.stat", "anon 1\ninactive_file 20971520\n");
	assert_int_equal(memory_room_in(host), 80 * MIB);
	put("sys/fs/cgroup/a/b/memory.high", "11534336\n");
	assert_int_equal(memory_room_in(host), 10 * MIB);
	put("sys/fs/cgroup/a/b/memory.current", "99999999\n");
	assert_int_equal(memory_room_in(host), 0);
}

static void a_group_of_version_1_counts_what_is_below_it(void **state _unused_)
{
	put("proc/meminfo", AVAILABLE);
	put("proc/self/cgroup", "9:name=systemd:/\n4:memory:/x\n0::/\n");
	put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	put("sys/fs/cgroup/memory/memory.usage_in_bytes", "1048576\n");
	assert_int_equal(memory_room_in(host), 1024 * MIB);
	put("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "104857600\n");
	put("sys/fs/cgroup/memory/x/memory.usage_in_bytes", "52428800\n");
	put("sys/fs/cgroup/memory/x/memory.stat",
	    "inactive_file 5\ntotal_inactive_file 10485760\n");
	assert_int_equal(memory_room_in(host), 60 * MIB);
}

static void this_host_has_some(void **state _unused_)
{
	assert_true(memory_room() > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(without_proc_there_is_none, setup, teardown),
		cmocka_unit_test_setup_teardown(without_groups_it_is_what_the_host_has, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_group_of_version_2_and_those_above_it_bound_it,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_group_of_version_1_counts_what_is_below_it, setup,
						teardown),
		cmocka_unit_test(this_host_has_some),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
