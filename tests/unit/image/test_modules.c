// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/modules.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

/* All that root needs is built in, so a test names only what it is about. */
#define BUILTIN                                                                        \
	"kernel/a/virtio_pci.ko\nkernel/a/virtio_blk.ko\nkernel/a/virtio_console.ko\n" \
	"kernel/a/erofs.ko\nkernel/a/overlay.ko\nkernel/a/ext4.ko\n"
#define BUILTIN_BUT_EROFS                                                              \
	"kernel/a/virtio_pci.ko\nkernel/a/virtio_blk.ko\nkernel/a/virtio-console.ko\n" \
	"kernel/a/overlay.ko\nkernel/a/ext4.ko"

/* The paths, and behind bars those that can wait and those of network cards. */
static char *selected(struct modules_index index)
{
	_cleanup_modules_list_ struct modules_list list = MODULES_LIST_INIT;
	_cleanup_free_ char *first = NULL, *later = NULL, *nets = NULL;
	struct err err = ERR_INIT;

	index.text[MODULES_SOFTDEP] =
		index.text[MODULES_SOFTDEP] ? index.text[MODULES_SOFTDEP] : (char[]){ "" };
	index.text[MODULES_ALIAS] =
		index.text[MODULES_ALIAS] ? index.text[MODULES_ALIAS] : (char[]){ "" };
	if (modules_select(&index, &list, &err) < 0)
		return mem_printf("error: %s", err.msg);
	first = list.first ? strv_join(list.first, " ") : mem_strdup("");
	later = list.later ? strv_join(list.later, " ") : NULL;
	nets = list.nets ? strv_join(list.nets, " ") : NULL;
	return mem_printf("%s%s%s%s%s", first, later ? " | " : "", later ? later : "",
			  nets ? " || " : "", nets ? nets : "");
}

static void assert_selected(const struct modules_index *index, const char *expected)
{
	_cleanup_free_ char *found = selected(*index);

	assert_string_equal(found, expected);
}

static void assert_refused(const struct modules_index *index, const char *why)
{
	_cleanup_free_ char *found = selected(*index);

	assert_memory_equal(found, "error: ", 7);
	assert_non_null(strstr(found, why));
}

static void what_is_built_in_is_not_loaded(void **state _unused_)
{
	struct modules_index index = { .text[MODULES_DEP] =
					       (char[]){ "k/erofs.ko: k/crc.ko\nk/crc.ko:\n" },
				       .text[MODULES_BUILTIN] = (char[]){ BUILTIN } };

	assert_selected(&index, "");
}

static void needs_are_loaded_first_and_once(void **state _unused_)
{
	struct modules_index index = {
		.text[MODULES_DEP] = (char[]){ "k/ext4.ko.xz: k/net.ko.xz k/ring.ko.xz\n"
					       "k/ring.ko.xz:\n"
					       "k/erofs.ko: k/virtio.ko k/ring.ko.xz\n"
					       "k/virtio.ko: k/ring.ko.xz\n"
					       "k/net.ko.xz:\n"
					       "k/unwanted.ko: k/net.ko.xz\n" },
		.text[MODULES_BUILTIN] =
			(char[]){ "kernel/a/virtio_pci.ko\nkernel/a/virtio_blk.ko\n"
				  "kernel/a/virtio_console.ko\nkernel/a/overlay.ko\n" },
	};

	assert_selected(&index, "k/ring.ko.xz k/virtio.ko k/erofs.ko k/net.ko.xz k/ext4.ko.xz");
}

static void what_only_network_cards_need_is_apart(void **state _unused_)
{
	struct modules_index index = {
		.text[MODULES_DEP] =
			(char[]){ "k/virtio_net.ko: k/net_failover.ko k/failover.ko k/ring.ko\n"
				  "k/net_failover.ko: k/failover.ko\nk/failover.ko:\n"
				  "k/af_packet.ko:\nk/ring.ko:\n"
				  "k/erofs.ko: k/ring.ko\n" },
		.text[MODULES_BUILTIN] = (char[]){ BUILTIN_BUT_EROFS },
	};

	assert_selected(&index, "k/ring.ko k/erofs.ko || k/failover.ko k/net_failover.ko "
				"k/virtio_net.ko k/af_packet.ko");
}

static void what_the_start_has_no_use_for_waits_without_what_is_there_by_then(void **state _unused_)
{
	struct modules_index index = {
		.text[MODULES_DEP] = (char[]){ "k/virtio_balloon.ko: k/ring.ko\nk/ring.ko:\n"
					       "k/virtio_rng.ko: k/rng-core.ko\nk/rng-core.ko:\n"
					       "k/erofs.ko: k/ring.ko\n" },
		.text[MODULES_BUILTIN] = (char[]){ BUILTIN_BUT_EROFS },
	};

	assert_selected(&index, "k/ring.ko k/erofs.ko | k/rng-core.ko k/virtio_rng.ko "
				"k/virtio_balloon.ko");
}

static void a_module_is_found_in_either_spelling(void **state _unused_)
{
	struct modules_index index = { .text[MODULES_DEP] = (char[]){ "k/virtio-rng.ko:\n" },
				       .text[MODULES_BUILTIN] = (char[]){ BUILTIN } };

	assert_selected(&index, " | k/virtio-rng.ko");
}

static void what_root_needs_must_be_there(void **state _unused_)
{
	struct modules_index index = { .text[MODULES_DEP] = (char[]){ "" },
				       .text[MODULES_BUILTIN] = (char[]){ BUILTIN_BUT_EROFS } };

	assert_refused(&index, "CONFIG_EROFS_FS");
}

static void a_need_of_run_time_is_met_by_name_alias_or_what_is_built_in(void **state _unused_)
{
	struct modules_index index = {
		.text[MODULES_DEP] =
			(char[]){ "k/erofs.ko:\nk/crc32c_intel.ko:\nk/crc32c_generic.ko:\nk/"
				  "x.ko:\n" },
		.text[MODULES_BUILTIN] = (char[]){ BUILTIN_BUT_EROFS },
		.text[MODULES_SOFTDEP] =
			(char[]){ "# comment\nsoftdep erofs pre: crc32c none post: x\n" },
		.text[MODULES_ALIAS] = (char[]){ "alias crc32c crc32c_intel\n" },
	};

	assert_selected(&index, "k/crc32c_generic.ko k/erofs.ko");
	index.text[MODULES_SOFTDEP] = (char[]){ "softdep erofs pre: crypto-crc32c\n" };
	assert_selected(&index, "k/crc32c_generic.ko k/erofs.ko");
	index.text[MODULES_DEP] = (char[]){ "k/erofs.ko:\nk/crc32c_intel.ko:\n" };
	assert_selected(&index, "k/crc32c_intel.ko k/erofs.ko");
	index.text[MODULES_BUILTIN] =
		(char[]){ BUILTIN_BUT_EROFS "\nkernel/crypto/crc32c_generic.ko\n" };
	assert_selected(&index, "k/erofs.ko");
}

static void modules_that_need_each_other_are_refused(void **state _unused_)
{
	struct modules_index index = {
		.text[MODULES_DEP] = (char[]){ "k/erofs.ko: k/a.ko\nk/a.ko: k/erofs.ko\n" },
		.text[MODULES_BUILTIN] = (char[]){ BUILTIN_BUT_EROFS }
	};

	assert_refused(&index, "needs itself");
}

static void a_chain_without_end_is_refused(void **state _unused_)
{
	_cleanup_buf_ struct buf dep = BUF_INIT;
	struct modules_index index = { .text[MODULES_BUILTIN] = (char[]){ BUILTIN_BUT_EROFS } };

	buf_add_str(&dep, "k/erofs.ko: k/0.ko\n");
	for (int i = 0; i < 10000; i++)
		buf_printf(&dep, "k/%d.ko: k/%d.ko\n", i, i + 1);
	index.text[MODULES_DEP] = dep.data;
	assert_refused(&index, "needs itself");
}

static void a_module_with_too_many_needs_is_refused(void **state _unused_)
{
	_cleanup_buf_ struct buf dep = BUF_INIT;
	struct modules_index index = { .text[MODULES_BUILTIN] = (char[]){ BUILTIN_BUT_EROFS } };

	buf_add_str(&dep, "k/erofs.ko:");
	for (int i = 0; i < 1000; i++)
		buf_printf(&dep, " k/%d.ko", i);
	index.text[MODULES_DEP] = dep.data;
	assert_refused(&index, "too many");
}

static void paths_that_lead_elsewhere_are_refused(void **state _unused_)
{
	static const char *const bad[] = { "/k/erofs.ko:",
					   "../erofs.ko:",
					   "k/../../erofs.ko:",
					   "k/erofs:",
					   "k/ero fs.ko:",
					   "k/a.ko/erofs.ko:",
					   ":",
					   "k/erofs.ko" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct modules_index index = { .text[MODULES_DEP] = (char *)(uintptr_t)bad[i],
					       .text[MODULES_BUILTIN] =
						       (char[]){ BUILTIN_BUT_EROFS } };

		assert_refused(&index, "modules.dep has a");
	}
}

static void a_need_that_is_not_listed_is_refused(void **state _unused_)
{
	struct modules_index index = { .text[MODULES_DEP] = (char[]){ "k/erofs.ko: k/gone.ko\n" },
				       .text[MODULES_BUILTIN] = (char[]){ BUILTIN_BUT_EROFS } };

	assert_refused(&index, "does not list k/gone.ko");
}

static void files_are_opened_below_the_folder_and_not_through_symlinks(void **state _unused_)
{
	char folder[] = "/tmp/brig-test-modules-XXXXXX";
	_cleanup_close_ int dir = -EBADF, file = -EBADF;

	assert_non_null(mkdtemp(folder));
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(file_replace(dir, "real.ko", "x", 1, 0644, 0), 0);
	assert_int_equal(symlinkat("real.ko", dir, "link.ko"), 0);
	assert_int_equal(mkfifoat(dir, "fifo.ko", 0600), 0);
	file = modules_open(dir, "real.ko");
	assert_true(file >= 0);
	assert_int_equal(modules_open(dir, "link.ko"), -ELOOP);
	assert_int_equal(modules_open(dir, "fifo.ko"), -EINVAL);
	assert_int_equal(modules_open(dir, "../../etc/passwd"), -EXDEV);
	assert_int_equal(modules_open(dir, "/etc/passwd"), -EXDEV);
	assert_int_equal(modules_open(dir, "none"), -ENOENT);
	assert_int_equal(file_remove_tree(AT_FDCWD, folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_built_in_is_not_loaded),
		cmocka_unit_test(needs_are_loaded_first_and_once),
		cmocka_unit_test(what_only_network_cards_need_is_apart),
		cmocka_unit_test(a_module_is_found_in_either_spelling),
		cmocka_unit_test(what_root_needs_must_be_there),
		cmocka_unit_test(a_need_of_run_time_is_met_by_name_alias_or_what_is_built_in),
		cmocka_unit_test(modules_that_need_each_other_are_refused),
		cmocka_unit_test(what_the_start_has_no_use_for_waits_without_what_is_there_by_then),
		cmocka_unit_test(a_chain_without_end_is_refused),
		cmocka_unit_test(a_module_with_too_many_needs_is_refused),
		cmocka_unit_test(paths_that_lead_elsewhere_are_refused),
		cmocka_unit_test(a_need_that_is_not_listed_is_refused),
		cmocka_unit_test(files_are_opened_below_the_folder_and_not_through_symlinks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
