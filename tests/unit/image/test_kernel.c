// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/kernel.h"
#include "base/file.h"
#include "base/mem.h"
#include "kernel_fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

#define RELEASE "6.1.0-9-test"

static void put(const char *path, const void *data, size_t len)
{
	_cleanup_free_ char *folder = mem_strdup(path);
	char *slash = strrchr(folder, '/');

	if (slash) {
		*slash = '\0';
		assert_int_equal(file_mkdir_p(folder, 0755), 0);
	}
	assert_int_equal(file_replace(AT_FDCWD, path, data, len, 0644, 0), 0);
}

static void put_text(const char *path, const char *text)
{
	put(path, text, strlen(text));
}

static void put_kernel(const char *path, const char *format, const char *release)
{
	_cleanup_buf_ struct buf image = BUF_INIT;

	fixture_kernel(format, release, &image);
	put(path, image.data, image.len);
}

/* A folder of modules that has what root needs. */
static void put_modules(const char *folder)
{
	_cleanup_free_ char *dep = mem_printf("%s/modules.dep", folder);
	_cleanup_free_ char *builtin = mem_printf("%s/modules.builtin", folder);
	_cleanup_free_ char *blk = mem_printf("%s/kernel/drivers/virtio_blk.ko", folder);
	_cleanup_free_ char *unused = mem_printf("%s/kernel/drivers/unused.ko", folder);

	put_text(dep, "kernel/drivers/virtio_blk.ko:\nkernel/drivers/unused.ko:\n");
	put_text(builtin,
		 "k/virtio_pci.ko\nk/virtio_console.ko\nk/erofs.ko\nk/overlay.ko\nk/ext4.ko\n");
	put_text(blk, "block driver");
	put_text(unused, "unused driver");
}

/* Every test works in a folder of its own: root/ is brig's, vmlinuz a kernel, guest the agent. */
static int setup(void **state)
{
	char *folder = mem_strdup("/tmp/brig-test-kernel-XXXXXX");

	*state = mkdtemp(folder);
	if (!*state || chdir(folder) < 0)
		return -1;
	put_kernel("vmlinuz", "lz4", RELEASE);
	put_text("guest", "agent 1");
	setenv("BRIG_GUEST", "guest", 1);
	return 0;
}

static int teardown(void **state)
{
	int r = file_remove_tree(AT_FDCWD, *state);

	free(*state);
	return r < 0 || chdir("/") < 0 ? -1 : 0;
}

static int import(const char *name, const char *vmlinuz, const char *modules, struct err *err)
{
	_cleanup_free_ char *added = NULL;

	return kernel_import("root", name, vmlinuz, modules, &added, err);
}

static void assert_imports(const char *name, const char *vmlinuz, const char *modules)
{
	struct err err = ERR_INIT;

	import(name, vmlinuz, modules, &err);
	assert_string_equal(err.msg, "");
}

static int list_one(const struct kernel *kernel, void *ctx)
{
	buf_printf(ctx, "%s%s ", kernel->name, kernel->is_default ? "*" : "");
	return 0;
}

static void assert_list(const char *expected)
{
	_cleanup_buf_ struct buf list = BUF_INIT;
	struct err err = ERR_INIT;

	buf_add_str(&list, "");
	assert_int_equal(kernel_each("root", list_one, &list, &err), 0);
	assert_string_equal(list.data, expected);
}

static int count(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	struct dirent *entry;
	int n = 0;

	while (dir && (entry = readdir(dir)))
		n += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
	return n;
}

/* Is the text somewhere in the file? */
static int contains(const char *path, const char *text)
{
	_cleanup_free_ char *data = NULL;
	size_t len;

	assert_int_equal(file_read(AT_FDCWD, path, 1 << 20, &data, &len), 0);
	return memmem(data, len, text, strlen(text)) != NULL;
}

static void a_kernel_is_named_after_its_release_and_found_again(void **state _unused_)
{
	_cleanup_kernel_files_ struct kernel_files files = { NULL };
	struct err err = ERR_INIT;
	struct stat st;

	assert_imports(NULL, "vmlinuz", NULL);
	assert_list(RELEASE "* ");
	assert_int_equal(kernel_get("root", NULL, &files, &err), 0);
	assert_string_equal(files.release, RELEASE);
	assert_string_equal(files.vmlinux, "root/kernels/" RELEASE "/vmlinux");
	assert_true(contains(files.initramfs, "agent 1"));
	assert_int_equal(stat(files.vmlinux, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0644);
}

static void the_same_kernel_is_unpacked_once(void **state _unused_)
{
	struct stat a, b;

	assert_imports("a", "vmlinuz", NULL);
	assert_imports("b", "vmlinuz", NULL);
	assert_int_equal(stat("root/kernels/a/vmlinux", &a), 0);
	assert_int_equal(stat("root/kernels/b/vmlinux", &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(count("root/kernels/cache"), 1);
}

static void an_unpacked_kernel_is_taken_too(void **state _unused_)
{
	size_t len;
	_cleanup_free_ char *elf = fixture_elf(RELEASE, &len);

	put("vmlinux", elf, len);
	assert_imports(NULL, "vmlinux", NULL);
	assert_list(RELEASE "* ");
}

static void modules_are_copied_and_those_that_root_needs_packed(void **state _unused_)
{
	put_modules("m/lib/modules/" RELEASE);
	assert_int_equal(symlink("/etc", "m/lib/modules/" RELEASE "/build"), 0);
	assert_imports("a", "vmlinuz", "m/lib/modules/" RELEASE);
	assert_imports("b", "vmlinuz", "m");
	assert_imports("c", "vmlinuz", "m/lib/modules");
	assert_int_equal(access("root/kernels/b/modules/kernel/drivers/unused.ko", F_OK), 0);
	assert_int_equal(access("root/kernels/b/modules/build", F_OK), -1);
	assert_true(contains("root/kernels/c/initramfs.img", "block driver"));
	assert_false(contains("root/kernels/c/initramfs.img", "unused driver"));
}

static void modules_of_another_kernel_are_refused(void **state _unused_)
{
	struct err err = ERR_INIT;

	put_modules("lib/modules/6.1.0-8-test");
	assert_int_equal(import("a", "vmlinuz", "lib/modules/6.1.0-8-test", &err), -ENOENT);
	assert_non_null(strstr(err.msg, "lib/modules/" RELEASE));
	assert_list("");
}

static void a_failed_import_leaves_nothing(void **state _unused_)
{
	static const char *const texts[] = { "", "text", "\177ELF" };
	_cleanup_buf_ struct buf image = BUF_INIT;

	fixture_kernel("xz", RELEASE, &image);
	put("cut", image.data, image.len - 100);
	memset(image.data + image.len - 100, 'x', 50);
	put("spoiled", image.data, image.len);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct err err = ERR_INIT;

		put_text("bad", texts[i]);
		assert_int_equal(import("bad", "bad", NULL, &err), -EINVAL);
		assert_non_null(strstr(err.msg, "bad"));
	}
	for (size_t i = 0; i < 2; i++) {
		struct err err = ERR_INIT;

		assert_int_equal(import("bad", i ? "spoiled" : "cut", NULL, &err), -EINVAL);
	}
	assert_list("");
	assert_int_equal(count("root/kernels/cache"), 0);
	assert_true(count("root/kernels") <= 2); /* the lock and the cache */
}

static void a_name_is_given_once_and_has_to_be_one(void **state _unused_)
{
	static const char *const bad[] = { "default", "cache", "../x", "a/b", "", ".tmp-x" };
	struct err taken = ERR_INIT;

	assert_imports("a", "vmlinuz", NULL);
	assert_int_equal(import("a", "vmlinuz", NULL, &taken), -EEXIST);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_kernel_files_ struct kernel_files files = { NULL };
		struct err err = ERR_INIT, get = ERR_INIT, gone = ERR_INIT;

		assert_int_equal(import(bad[i], "vmlinuz", NULL, &err), -EINVAL);
		assert_int_equal(kernel_get("root", bad[i], &files, &get), -EINVAL);
		assert_int_equal(kernel_remove("root", bad[i], &gone), -EINVAL);
	}
	assert_list("a* ");
}

static void the_default_kernel_is_the_first_the_chosen_or_the_last_left(void **state _unused_)
{
	struct err err = ERR_INIT;

	assert_imports("b", "vmlinuz", NULL);
	assert_imports("a", "vmlinuz", NULL);
	assert_imports("c", "vmlinuz", NULL);
	assert_list("a b* c ");
	assert_int_equal(kernel_set_default("root", "a", &err), 0);
	assert_list("a* b c ");
	assert_int_equal(kernel_remove("root", "b", &err), 0);
	assert_list("a* c ");
	assert_int_equal(kernel_remove("root", "a", &err), 0);
	assert_list("c* ");
	assert_int_equal(kernel_remove("root", "c", &err), 0);
	assert_list("");
	assert_int_equal(count("root/kernels/cache"), 0);
	assert_int_equal(symlink("gone", "root/kernels/default"), 0);
	assert_imports("d", "vmlinuz", NULL);
	assert_list("d* ");
}

static void what_is_not_there_is_said_with_what_to_do(void **state _unused_)
{
	_cleanup_kernel_files_ struct kernel_files files = { NULL };
	struct err none = ERR_INIT, unknown = ERR_INIT, chosen = ERR_INIT, gone = ERR_INIT;

	assert_int_equal(kernel_get("root", NULL, &files, &none), -ENOENT);
	assert_non_null(strstr(none.msg, "brig kernel add debian"));
	assert_imports("a", "vmlinuz", NULL);
	assert_int_equal(kernel_get("root", "x", &files, &unknown), -ENOENT);
	assert_non_null(strstr(unknown.msg, "brig kernel ls"));
	assert_int_equal(kernel_set_default("root", "x", &chosen), -ENOENT);
	assert_int_equal(kernel_remove("root", "x", &gone), -ENOENT);
	assert_null(files.vmlinux);
}

static void a_new_agent_is_packed_when_the_kernel_is_next_used(void **state _unused_)
{
	_cleanup_kernel_files_ struct kernel_files files = { NULL }, again = { NULL };
	struct err err = ERR_INIT;
	struct stat before, after;

	put_modules("lib/modules/" RELEASE);
	assert_imports("a", "vmlinuz", "lib/modules");
	put_text("guest", "agent 2");
	assert_int_equal(kernel_get("root", "a", &files, &err), 0);
	assert_true(contains(files.initramfs, "agent 2"));
	assert_true(contains(files.initramfs, "block driver"));
	assert_int_equal(stat(files.initramfs, &before), 0);
	put_text("guest", "agent 2"); /* another file, the same content */
	assert_int_equal(kernel_get("root", "a", &again, &err), 0);
	assert_int_equal(stat(files.initramfs, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

static void without_an_agent_nothing_is_begun(void **state _unused_)
{
	struct err err = ERR_INIT;

	setenv("BRIG_GUEST", "none", 1);
	assert_int_equal(import("a", "vmlinuz", NULL, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "BRIG_GUEST"));
	assert_int_equal(access("root", F_OK), -1);
}

static void what_a_killed_writer_left_goes_with_the_next(void **state _unused_)
{
	put_text("root/kernels/.tmp-abcdef/new/vmlinuz", "half");
	put_text("root/kernels/cache/00.vmlinux", "of no kernel");
	assert_imports("a", "vmlinuz", NULL);
	assert_int_equal(access("root/kernels/.tmp-abcdef", F_OK), -1);
	assert_int_equal(count("root/kernels/cache"), 1);
}

static void a_damaged_kernel_is_listed_and_can_be_removed(void **state _unused_)
{
	_cleanup_kernel_files_ struct kernel_files files = { NULL };
	struct err get = ERR_INIT, gone = ERR_INIT;

	assert_imports("a", "vmlinuz", NULL);
	put_text("root/kernels/a/kernel.json", "{");
	assert_list("a* ");
	assert_true(kernel_get("root", "a", &files, &get) < 0);
	assert_int_equal(kernel_remove("root", "a", &gone), 0);
	assert_list("");
}

static void writers_wait_for_one_another(void **state _unused_)
{
	int status;

	for (int i = 0; i < 6; i++) {
		if (fork() == 0) {
			_cleanup_free_ char *name = mem_printf("k%d", i);
			struct err err = ERR_INIT;

			_exit(import(name, "vmlinuz", NULL, &err) < 0);
		}
	}
	for (int i = 0; i < 6; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(count("root/kernels/cache"), 1);
	assert_int_equal(count("root/kernels"), 6 + 3); /* the lock, the cache, the default */
}

static int from_rootfs(struct kernel_files *files, struct err *err)
{
	return kernel_from_rootfs("root", "rootfs", files, err);
}

static void the_newest_kernel_of_an_image_is_kept_once(void **state _unused_)
{
	_cleanup_kernel_files_ struct kernel_files files = { NULL }, again = { NULL };
	struct err err = ERR_INIT;

	put_kernel("rootfs/boot/vmlinuz-6.1.0-9-test", "xz", "6.1.0-9-test");
	put_kernel("rootfs/boot/vmlinuz-6.1.0-10-test", "xz", "6.1.0-10-test");
	put_modules("rootfs/lib/modules/6.1.0-9-test");
	put_modules("rootfs/lib/modules/6.1.0-10-test");
	from_rootfs(&files, &err);
	assert_string_equal(err.msg, "");
	assert_string_equal(files.release, "6.1.0-10-test");
	assert_true(contains(files.initramfs, "block driver"));
	assert_int_equal(from_rootfs(&again, &err), 0);
	assert_string_equal(files.vmlinux, again.vmlinux);
	assert_int_equal(count("root/kernels"), 3); /* the lock, the cache and it, no default */
}

static void another_images_modules_are_never_used(void **state _unused_)
{
	_cleanup_kernel_files_ struct kernel_files files = { NULL }, other = { NULL };
	struct err err = ERR_INIT;

	put_kernel("rootfs/boot/vmlinuz-" RELEASE, "lz4", RELEASE);
	put_modules("rootfs/lib/modules/" RELEASE);
	assert_int_equal(from_rootfs(&files, &err), 0);
	put_text("rootfs/lib/modules/" RELEASE "/kernel/drivers/virtio_blk.ko", "evil driver");
	assert_int_equal(from_rootfs(&other, &err), 0);
	assert_string_not_equal(files.initramfs, other.initramfs);
	assert_true(contains(files.initramfs, "block driver"));
	assert_true(contains(other.initramfs, "evil driver"));
}

static void an_images_symlinks_stay_inside_it(void **state _unused_)
{
	_cleanup_kernel_files_ struct kernel_files files = { NULL };
	struct err err = ERR_INIT;

	/* Absolute links mean the image's root: this is how usr-merged images have /lib. */
	put_kernel("rootfs/boot/kernel", "lz4", RELEASE);
	put_modules("rootfs/usr/lib/modules/" RELEASE);
	assert_int_equal(symlink("/usr/lib", "rootfs/lib"), 0);
	assert_int_equal(symlink("/boot/kernel", "rootfs/vmlinuz"), 0);
	from_rootfs(&files, &err);
	assert_string_equal(err.msg, "");
}

static void an_image_reads_nothing_of_the_host(void **state)
{
	_cleanup_free_ char *outside = mem_printf("%s/vmlinuz", *(char **)state);
	_cleanup_kernel_files_ struct kernel_files files = { NULL };
	struct err absolute = ERR_INIT, relative = ERR_INIT, fifo = ERR_INIT;

	put_modules("rootfs/lib/modules/" RELEASE);
	assert_int_equal(mkdir("rootfs/boot", 0755), 0);
	assert_int_equal(symlink(outside, "rootfs/boot/vmlinuz-" RELEASE), 0);
	assert_int_equal(from_rootfs(&files, &absolute), -ENOENT);
	assert_int_equal(unlink("rootfs/boot/vmlinuz-" RELEASE), 0);
	assert_int_equal(symlink("../../vmlinuz", "rootfs/boot/vmlinuz-" RELEASE), 0);
	assert_int_equal(from_rootfs(&files, &relative), -ENOENT);
	assert_int_equal(unlink("rootfs/boot/vmlinuz-" RELEASE), 0);
	assert_int_equal(mkfifo("rootfs/boot/vmlinuz-" RELEASE, 0600), 0);
	assert_int_equal(from_rootfs(&files, &fifo), -ENOENT);
	assert_null(files.vmlinux);
}

static void a_module_of_an_image_that_is_a_symlink_is_refused(void **state _unused_)
{
	_cleanup_kernel_files_ struct kernel_files files = { NULL };
	struct err err = ERR_INIT;

	put_kernel("rootfs/boot/vmlinuz-" RELEASE, "lz4", RELEASE);
	put_modules("rootfs/lib/modules/" RELEASE);
	assert_int_equal(unlink("rootfs/lib/modules/" RELEASE "/kernel/drivers/virtio_blk.ko"), 0);
	assert_int_equal(symlink("/etc/passwd",
				 "rootfs/lib/modules/" RELEASE "/kernel/drivers/virtio_blk.ko"),
			 0);
	assert_int_equal(from_rootfs(&files, &err), -ELOOP);
	assert_list("");
}

static void an_image_that_lacks_something_is_told_what(void **state _unused_)
{
	_cleanup_kernel_files_ struct kernel_files files = { NULL };
	struct err kernel = ERR_INIT, modules = ERR_INIT, dep = ERR_INIT;

	put_text("rootfs/etc/hostname", "x");
	assert_int_equal(from_rootfs(&files, &kernel), -ENOENT);
	assert_non_null(strstr(kernel.msg, "no kernel"));
	put_kernel("rootfs/boot/vmlinuz", "lz4", RELEASE);
	assert_int_equal(from_rootfs(&files, &modules), -ENOENT);
	assert_non_null(strstr(modules.msg, "/lib/modules/" RELEASE));
	put_modules("rootfs/lib/modules/" RELEASE);
	assert_int_equal(unlink("rootfs/lib/modules/" RELEASE "/modules.dep"), 0);
	assert_int_equal(from_rootfs(&files, &dep), -ENOENT);
	assert_non_null(strstr(dep.msg, "depmod"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_kernel_is_named_after_its_release_and_found_again),
		TEST(the_same_kernel_is_unpacked_once),
		TEST(an_unpacked_kernel_is_taken_too),
		TEST(modules_are_copied_and_those_that_root_needs_packed),
		TEST(modules_of_another_kernel_are_refused),
		TEST(a_failed_import_leaves_nothing),
		TEST(a_name_is_given_once_and_has_to_be_one),
		TEST(the_default_kernel_is_the_first_the_chosen_or_the_last_left),
		TEST(what_is_not_there_is_said_with_what_to_do),
		TEST(a_new_agent_is_packed_when_the_kernel_is_next_used),
		TEST(without_an_agent_nothing_is_begun),
		TEST(what_a_killed_writer_left_goes_with_the_next),
		TEST(a_damaged_kernel_is_listed_and_can_be_removed),
		TEST(writers_wait_for_one_another),
		TEST(the_newest_kernel_of_an_image_is_kept_once),
		TEST(another_images_modules_are_never_used),
		TEST(an_images_symlinks_stay_inside_it),
		TEST(an_image_reads_nothing_of_the_host),
		TEST(a_module_of_an_image_that_is_a_symlink_is_refused),
		TEST(an_image_that_lacks_something_is_told_what),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
