// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/checkpoint_binds.h"
#include "base/mem.h"
#include "base/strv.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

/* "PLACE NAME SOURCE", the one at i. */
static void assert_bind(const struct checkpoint_binds *binds, size_t i, const char *expected)
{
	_cleanup_free_ char *text = NULL;

	assert_true(i < binds->n);
	text = mem_printf("%s %s %s", binds->list[i].place, binds->list[i].name,
			  binds->list[i].source);
	assert_string_equal(text, expected);
}

static void what_is_the_hosts_is_named_by_its_place(void **state _unused_)
{
	_cleanup_checkpoint_binds_ struct checkpoint_binds binds = { 0 };
	_cleanup_spec_ struct spec spec = { .root_path = "/nowhere" };
	const struct mountinfo host = { 0 };

	spec_add_mount(&spec, "/proc", "proc", "proc", "nosuid");
	spec_add_mount(&spec, "/dev", "tmpfs", "tmpfs", "nosuid");
	spec_add_mount(&spec, "/data", "bind", "/srv/data", "ro");
	spec_add_mount(&spec, "/other", "none", "/srv/other", "rbind");
	checkpoint_binds_of(&spec, &host, &binds);
	assert_int_equal(binds.n, 2);
	assert_bind(&binds, 0, "/data /data 2");
	assert_bind(&binds, 1, "/other /other 3");
}

static void what_lies_below_comes_with_it_only_if_it_is_recursive(void **state _unused_)
{
	struct mountinfo_mount mounts[] = { { 1, (char *)(uintptr_t) "/usr/lib" },
					    { 2, (char *)(uintptr_t) "/usr/lib/a/b" },
					    { 3, (char *)(uintptr_t) "/usr/library" } };
	const struct mountinfo host = { mounts, ARRAY_SIZE(mounts) };
	_cleanup_checkpoint_binds_ struct checkpoint_binds binds = { 0 };
	_cleanup_spec_ struct spec spec = { 0 };

	spec_add_mount(&spec, "/one", "bind", "/usr/lib", "bind");
	spec_add_mount(&spec, "/all", "bind", "/usr/lib", "rbind");
	checkpoint_binds_of(&spec, &host, &binds);
	assert_int_equal(binds.n, 3);
	assert_bind(&binds, 0, "/one /one 0");
	assert_bind(&binds, 1, "/all /all 1");
	assert_bind(&binds, 2, "/all/a/b /all/a/b 1/a/b");
}

static void mounts_below_the_root_come_with_it(void **state _unused_)
{
	struct mountinfo_mount mounts[] = { { 1, (char *)(uintptr_t) "/usr/share/x" } };
	const struct mountinfo host = { mounts, ARRAY_SIZE(mounts) };
	_cleanup_checkpoint_binds_ struct checkpoint_binds binds = { 0 };
	_cleanup_spec_ struct spec spec = { .root_path = "/usr" };

	checkpoint_binds_of(&spec, &host, &binds);
	assert_int_equal(binds.n, 1);
	assert_bind(&binds, 0, "/share/x /share/x root/share/x");
}

static void masked_files_are_the_hosts_null_device(void **state _unused_)
{
	_cleanup_checkpoint_binds_ struct checkpoint_binds binds = { 0 };
	_cleanup_spec_ struct spec spec = { 0 };
	const struct mountinfo host = { 0 };

	strv_add(&spec.masked_paths, "/proc/kcore");
	checkpoint_binds_of(&spec, &host, &binds);
	assert_int_equal(binds.n, 1);
	assert_bind(&binds, 0, "/proc/kcore /dev/null /dev/null");
}

static void nodes_that_are_shown_one_by_one_come_from_the_store(void **state _unused_)
{
	_cleanup_checkpoint_binds_ struct checkpoint_binds binds = { 0 };
	_cleanup_spec_ struct spec spec = { .bare_dev = 1 };
	const struct mountinfo host = { 0 };

	spec_add_mount(&spec, "/dev", "tmpfs", "tmpfs", "mode=700");
	spec.mounts[0].is_store = 1;
	spec.devices = mem_zalloc(2 * sizeof(*spec.devices));
	spec.n_devices = 2;
	spec.devices[0].path = mem_strdup("/dev/net/tun");
	spec.devices[1].path = mem_strdup("/opt/node");
	checkpoint_binds_of(&spec, &host, &binds);
	assert_bind(&binds, 0, "/dev/null /dev/null 0/null");
	assert_bind(&binds, binds.n - 2, "/dev/net/tun /dev/net/tun 0/net/tun");
	assert_bind(&binds, binds.n - 1, "/opt/node /opt/node 0/.device1");
}

static void nodes_of_a_user_namespace_are_made_anew(void **state _unused_)
{
	_cleanup_checkpoint_binds_ struct checkpoint_binds binds = { 0 };
	_cleanup_spec_ struct spec spec = { .namespaces = CLONE_NEWUSER };
	const struct mountinfo host = { 0 };

	spec_add_mount(&spec, "/dev", "tmpfs", "tmpfs", "nosuid");
	spec_add_mount(&spec, "/dev/shm", "tmpfs", "tmpfs", "nosuid");
	checkpoint_binds_of(&spec, &host, &binds);
	assert_int_equal(binds.n, 1);
	assert_bind(&binds, 0, "/dev /dev 0");
	/* as the node is that covers a masked file */
	strv_add(&spec.masked_paths, "/proc/keys");
	checkpoint_binds_release(&binds);
	checkpoint_binds_of(&spec, &host, &binds);
	assert_bind(&binds, 1, "/proc/keys /dev/null 0/null");
	/* where each is a bind of the host's, the folder is the container's own */
	spec.no_nodes = 1;
	checkpoint_binds_release(&binds);
	checkpoint_binds_of(&spec, &host, &binds);
	assert_int_equal(binds.n, 1);
	assert_bind(&binds, 0, "/proc/keys /dev/null /dev/null");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_the_hosts_is_named_by_its_place),
		cmocka_unit_test(what_lies_below_comes_with_it_only_if_it_is_recursive),
		cmocka_unit_test(mounts_below_the_root_come_with_it),
		cmocka_unit_test(masked_files_are_the_hosts_null_device),
		cmocka_unit_test(nodes_that_are_shown_one_by_one_come_from_the_store),
		cmocka_unit_test(nodes_of_a_user_namespace_are_made_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
