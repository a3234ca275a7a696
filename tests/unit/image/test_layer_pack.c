// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/layer_pack.h"
#include "base/file.h"
#include "base/mem.h"
#include "image/erofs_head.h"
#include "image/layer_scratch.h"
#include "sys/child.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <cmocka.h>

#define DIFF_ID "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static char folder[64];
static struct work work;

static int setup(void **state _unused_)
{
	struct err err = ERR_INIT;

	snprintf(folder, sizeof(folder), "/var/tmp/brig-pack-XXXXXX");
	return mkdtemp(folder) && work_open(folder, &work, &err) == 0 &&
			       mkdirat(work.fd, "layer", 0755) == 0
		       ? 0
		       : -1;
}

static int teardown(void **state _unused_)
{
	work_close(&work);
	return file_remove_tree(AT_FDCWD, folder);
}

static struct layer_pack_spec spec_of(int scratch)
{
	return (struct layer_pack_spec){
		.work = &work, .folder = "layer", .scratch = scratch, .diff_id = DIFF_ID
	};
}

static void need_mkfs(void)
{
	_cleanup_free_ char *tool = child_find("mkfs.erofs");

	if (!tool)
		skip();
}

static void check_image(void)
{
	_cleanup_close_ int fd = openat(work.fd, "layers/" DIFF_ID ".erofs", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_null(erofs_head_check(fd, DIFF_ID));
}

static void a_folder_is_packed_and_goes(void **state _unused_)
{
	const struct layer_pack_spec spec = spec_of(-EBADF);
	struct layer_pack pack = LAYER_PACK_INIT;
	struct err err = ERR_INIT;

	need_mkfs();
	assert_int_equal(mknodat(work.fd, "layer/f", S_IFREG | 0600, 0), 0);
	assert_int_equal(layer_pack_start(&spec, &pack, &err), 0);
	assert_int_equal(layer_pack_end(&pack, &err), 0);
	check_image();
	assert_int_equal(faccessat(work.fd, "layer", F_OK, 0), -1);
}

static void what_is_in_memory_is_packed(void **state _unused_)
{
	_cleanup_close_ int scratch = layer_scratch_open((int64_t)4 << 20);
	const struct layer_pack_spec spec = spec_of(scratch);
	struct layer_pack pack = LAYER_PACK_INIT;
	char text[] = "a line that is in the image and nowhere else";
	_cleanup_free_ char *all = NULL;
	struct err err = ERR_INIT;
	size_t len = 0;

	need_mkfs();
	if (scratch < 0)
		skip();
	assert_int_equal(file_replace(scratch, "f", text, strlen(text), 0644, 0), 0);
	assert_int_equal(layer_pack_start(&spec, &pack, &err), 0);
	assert_int_equal(layer_pack_end(&pack, &err), 0);
	check_image();
	assert_int_equal(file_read(work.fd, "layers/" DIFF_ID ".erofs", 1 << 20, &all, &len), 0);
	assert_non_null(memmem(all, len, text, strlen(text)));
	assert_int_equal(faccessat(work.fd, "layer/f", F_OK, 0), -1);
}

static void its_error_comes_back(void **state _unused_)
{
	struct layer_pack_spec spec = spec_of(-EBADF);
	struct layer_pack pack = LAYER_PACK_INIT;
	struct err err = ERR_INIT;

	need_mkfs();
	spec.folder = "nothing";
	assert_int_equal(layer_pack_start(&spec, &pack, &err), 0);
	assert_int_equal(layer_pack_end(&pack, &err), -EREMOTEIO);
	assert_non_null(strstr(err.msg, "mkfs.erofs"));
}

/* The tool, too: it holds the lock for as long as it lives. */
static void one_that_is_killed_is_gone(void **state _unused_)
{
	_cleanup_free_ char *runs = mem_printf("%s/runs", folder);
	_cleanup_free_ char *tool = mem_printf("#!/bin/sh\n: > %s\nexec sleep 1000\n", runs);
	_cleanup_free_ char *bin = mem_printf("%s/bin", folder);
	_cleanup_free_ char *path = mem_printf("%s:%s", bin, getenv("PATH"));
	_cleanup_free_ char *program = mem_printf("%s/mkfs.erofs", bin);
	_cleanup_free_ char *before = mem_strdup(getenv("PATH"));
	const struct layer_pack_spec spec = spec_of(-EBADF);
	struct layer_pack pack = LAYER_PACK_INIT;
	_cleanup_close_ int other = -EBADF, said = -EBADF;
	struct err err = ERR_INIT;

	assert_int_equal(mkdir(bin, 0755), 0);
	assert_int_equal(mkfifo(runs, 0600), 0);
	assert_int_equal(file_replace(AT_FDCWD, program, tool, strlen(tool), 0755, 0), 0);
	assert_int_equal(setenv("PATH", path, 1), 0);
	assert_int_equal(layer_pack_start(&spec, &pack, &err), 0);
	said = open(runs, O_RDONLY | O_CLOEXEC); /* waits for who writes */
	assert_true(said >= 0);
	layer_pack_release(&pack);
	assert_int_equal(setenv("PATH", before, 1), 0);
	assert_int_equal(pack.pid, -1);
	other = openat(work.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	work.fd = fd_close(work.fd);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
	work.fd = take_fd(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_folder_is_packed_and_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_in_memory_is_packed, setup, teardown),
		cmocka_unit_test_setup_teardown(its_error_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_is_killed_is_gone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
