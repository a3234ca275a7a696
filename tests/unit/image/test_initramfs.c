// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/initramfs.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "kernel_fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

/* Every test has a folder of its own as its working directory. */
static int setup(void **state)
{
	char *folder = mem_strdup("/tmp/brig-test-initramfs-XXXXXX");

	*state = mkdtemp(folder);
	return *state && chdir(folder) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	int r = file_remove_tree(AT_FDCWD, *state);

	free(*state);
	return r < 0 || chdir("/") < 0 ? -1 : 0;
}

static unsigned int hex(const char *field)
{
	unsigned int value = 0;

	for (int i = 0; i < 8; i++)
		value = value << 4 |
			(unsigned int)(field[i] <= '9' ? field[i] - '0' : field[i] - 'A' + 10);
	return value;
}

/* An entry of an archive, read as the kernel reads it. */
struct entry {
	const char *name, *data;
	unsigned int mode, size, rdev[2];
};

static size_t entry_read(const struct buf *cpio, size_t at, struct entry *ret)
{
	const char *header = cpio->data + at;
	size_t name = at + 110, data;

	assert_true(name <= cpio->len);
	assert_memory_equal(header, "070701", 6);
	ret->name = cpio->data + name;
	ret->mode = hex(header + 14);
	ret->size = hex(header + 54);
	ret->rdev[0] = hex(header + 78);
	ret->rdev[1] = hex(header + 86);
	assert_int_equal(hex(header + 94), strlen(ret->name) + 1);
	data = (name + strlen(ret->name) + 1 + 3) & ~(size_t)3;
	ret->data = cpio->data + data;
	data = (data + ret->size + 3) & ~(size_t)3;
	assert_true(data <= cpio->len);
	return data;
}

/* Looks for an entry; its folder must come before it. */
static struct entry entry_find(const struct buf *cpio, const char *name)
{
	struct entry entry = { NULL };
	char folder[300];
	int has_folder = !strchr(name, '/');

	snprintf(folder, sizeof(folder), "%s", name);
	if (!has_folder)
		*strrchr(folder, '/') = '\0';
	for (size_t at = 0; at < cpio->len;) {
		at = entry_read(cpio, at, &entry);
		if (!strcmp(entry.name, folder) && S_ISDIR(entry.mode))
			has_folder = 1;
		if (!strcmp(entry.name, name))
			break;
	}
	assert_string_equal(entry.name, name);
	assert_true(has_folder);
	return entry;
}

static void assert_entry(const struct buf *cpio, const char *name, unsigned int mode,
			 const char *data)
{
	struct entry entry = entry_find(cpio, name);

	assert_int_equal(entry.mode, mode);
	assert_int_equal(entry.size, strlen(data));
	assert_memory_equal(entry.data, data, strlen(data));
}

static void put(const char *path, const void *data, size_t len)
{
	_cleanup_free_ char *folder = mem_strdup(path);

	*strrchr(folder, '/') = '\0';
	assert_int_equal(file_mkdir_p(folder, 0755), 0);
	assert_int_equal(file_replace(AT_FDCWD, path, data, len, 0644, 0), 0);
}

static void it_holds_the_agent_and_the_modules_in_order(void **state _unused_)
{
	_cleanup_close_ int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *const modules[] = { "k/b.ko", "k/sub/a.ko", NULL };
	const char *const later[] = { "k/c.ko", NULL };
	const char *const nets[] = { "k/d.ko", NULL };
	const struct initramfs_input input = { .release = "6.1",
					       .modules_fd = fd,
					       .modules.first = (char **)(uintptr_t)modules,
					       .modules.later = (char **)(uintptr_t)later,
					       .modules.nets = (char **)(uintptr_t)nets,
					       .init = "#!/agent",
					       .init_len = 8 };
	_cleanup_buf_ struct buf cpio = BUF_INIT;
	struct err err = ERR_INIT;

	put("k/b.ko", "module b", 8);
	put("k/sub/a.ko", "A", 1);
	put("k/c.ko", "C", 1);
	put("k/d.ko", "D", 1);
	assert_int_equal(initramfs_build(&input, &cpio, &err), 0);
	assert_entry(&cpio, "init", S_IFREG | 0755, "#!/agent");
	assert_entry(&cpio, "lib/modules/6.1/k/b.ko", S_IFREG | 0644, "module b");
	assert_entry(&cpio, "lib/modules/6.1/k/sub/a.ko", S_IFREG | 0644, "A");
	assert_entry(&cpio, "etc/modules", S_IFREG | 0644,
		     "/lib/modules/6.1/k/b.ko\n/lib/modules/6.1/k/sub/a.ko\n");
	assert_entry(&cpio, "etc/modules.later", S_IFREG | 0644, "/lib/modules/6.1/k/c.ko\n");
	assert_entry(&cpio, "etc/modules.nets", S_IFREG | 0644, "/lib/modules/6.1/k/d.ko\n");
	assert_entry(&cpio, "TRAILER!!!", 0, "");
}

static void the_kernel_finds_a_console_and_folders_to_mount_on(void **state _unused_)
{
	const struct initramfs_input input = { .release = "6.1", .modules_fd = -EBADF };
	_cleanup_buf_ struct buf cpio = BUF_INIT;
	struct err err = ERR_INIT;
	struct entry console;

	assert_int_equal(initramfs_build(&input, &cpio, &err), 0);
	console = entry_find(&cpio, "dev/console");
	assert_int_equal(console.mode, S_IFCHR | 0600);
	assert_int_equal(console.rdev[0], 5);
	assert_int_equal(console.rdev[1], 1);
	assert_entry(&cpio, "proc", S_IFDIR | 0755, "");
	assert_entry(&cpio, "sys", S_IFDIR | 0755, "");
	assert_entry(&cpio, "etc/modules", S_IFREG | 0644, "");
}

static void modules_are_unpacked(void **state _unused_)
{
	static const char *const formats[] = { "xz", "zstd", "gzip" };
	const char *modules[] = { "k/a.ko.packed", NULL };
	_cleanup_close_ int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct initramfs_input input = { .release = "6.1",
					       .modules_fd = fd,
					       .modules.first = (char **)(uintptr_t)modules };

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		_cleanup_buf_ struct buf cpio = BUF_INIT, packed = BUF_INIT;
		struct err err = ERR_INIT;

		fixture_pack(formats[i], "a module", 8, &packed);
		put("k/a.ko.packed", packed.data, packed.len);
		assert_int_equal(initramfs_build(&input, &cpio, &err), 0);
		assert_entry(&cpio, "lib/modules/6.1/k/a.ko", S_IFREG | 0644, "a module");
		assert_entry(&cpio, "etc/modules", S_IFREG | 0644, "/lib/modules/6.1/k/a.ko\n");
	}
}

static void a_module_that_unpacks_without_end_is_refused(void **state _unused_)
{
	const size_t len = 64 << 20;
	_cleanup_free_ char *zeroes = mem_zalloc(len);
	const char *modules[] = { "k/a.ko.xz", NULL };
	_cleanup_close_ int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct initramfs_input input = { .release = "6.1",
					       .modules_fd = fd,
					       .modules.first = (char **)(uintptr_t)modules };
	_cleanup_buf_ struct buf cpio = BUF_INIT, packed = BUF_INIT;
	struct err err = ERR_INIT;

	fixture_pack("zstd", zeroes, len, &packed);
	put("k/a.ko.xz", packed.data, packed.len);
	assert_int_equal(initramfs_build(&input, &cpio, &err), -EFBIG);
	assert_non_null(strstr(err.msg, "k/a.ko.xz"));
	assert_null(cpio.data);
}

static void a_module_that_is_not_there_is_named(void **state _unused_)
{
	const char *modules[] = { "k/none.ko", NULL };
	_cleanup_close_ int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct initramfs_input input = { .release = "6.1",
					       .modules_fd = fd,
					       .modules.first = (char **)(uintptr_t)modules };
	_cleanup_buf_ struct buf cpio = BUF_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(initramfs_build(&input, &cpio, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "k/none.ko"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_holds_the_agent_and_the_modules_in_order, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_kernel_finds_a_console_and_folders_to_mount_on,
						setup, teardown),
		cmocka_unit_test_setup_teardown(modules_are_unpacked, setup, teardown),
		cmocka_unit_test_setup_teardown(a_module_that_unpacks_without_end_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_module_that_is_not_there_is_named, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
