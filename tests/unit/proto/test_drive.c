// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/drive.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static void a_disk_is_raw_and_has_a_number_unless_said(void **state _unused_)
{
	_cleanup_drive_ struct drive plain = { 0 }, full = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(drive_parse("/srv/a.img", 3, &plain, &err), 0);
	assert_string_equal(plain.source, "/srv/a.img");
	assert_string_equal(plain.serial, "disk3");
	assert_false(plain.qcow2 || plain.read_only || plain.is_volume);
	assert_int_equal(
		drive_parse("/b:format=qcow2,ro,serial=12345678901234567890", 0, &full, &err), 0);
	assert_true(full.qcow2 && full.read_only);
	assert_string_equal(full.serial, "12345678901234567890");
}

static void it_keeps_its_serial_number_at_another_place(void **state _unused_)
{
	static const char *const texts[][2] = {
		{ "/srv/a.img", "/srv/a.img:serial=disk3" },
		{ "store:ro,format=qcow2", "store:format=qcow2,ro,serial=disk3" },
		{ "/b:serial=MINE,format=raw", "/b:serial=MINE" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_drive_ struct drive drive = { 0 };
		_cleanup_free_ char *text = NULL;
		struct err err = ERR_INIT;

		assert_int_equal(drive_parse(texts[i][0], 3, &drive, &err), 0);
		text = drive_format(&drive);
		assert_string_equal(text, texts[i][1]);
	}
}

static void a_name_is_that_of_a_volume_in_the_store(void **state _unused_)
{
	_cleanup_drive_ struct drive drive = { 0 };
	_cleanup_free_ char *path = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(drive_parse("store:ro,serial=s", 0, &drive, &err), 0);
	assert_true(drive.is_volume && drive.read_only);
	path = drive_path(&drive, "/var/lib/brig");
	assert_string_equal(path, "/var/lib/brig/volumes/store/data");
}

static void what_is_no_disk_is_refused_with_what_to_say(void **state _unused_)
{
	static const char *const bad[][2] = {
		{ "", "say SOURCE" },
		{ "../a", "say SOURCE" },
		{ "a/b", "say SOURCE" },
		{ ":ro", "say SOURCE" },
		{ "/a:rw", "'rw' is none of" },
		{ "/a:format=vmdk", "format=qcow2" },
		{ "/a:serial=", "serial number" },
		{ "/a:serial=data", "neither data" },
		{ "/a:serial=layer0", "neither data" },
		{ "/a:serial=a/b", "serial number" },
		{ "/a:serial=a,serial=123456789012345678901", "serial number" },
		{ "/a:ro:ro", "none of" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_drive_ struct drive drive = { 0 };
		struct err err = ERR_INIT;

		assert_true(drive_parse(bad[i][0], 0, &drive, &err) < 0);
		if (!strstr(err.msg, bad[i][1]))
			fail_msg("'%s': %s", bad[i][0], err.msg);
	}
}

static void a_machine_has_so_many_disks_and_no_two_alike(void **state _unused_)
{
	static char *const alike[] = { (char *)"/a:serial=disk1", (char *)"/b", NULL };
	static char *const apart[] = { (char *)"/a:serial=x", (char *)"/b", (char *)"/a", NULL };
	_cleanup_strv_ char **many = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(drive_check_all(NULL, &err), 0);
	assert_int_equal(drive_check_all(apart, &err), 0);
	assert_int_equal(drive_check_all(alike, &err), -EINVAL);
	for (int i = 0; i < DRIVE_MAX; i++)
		strv_add(&many, "/a");
	err = (struct err)ERR_INIT;
	assert_int_equal(drive_check_all(many, &err), 0);
	strv_add(&many, "/a");
	assert_int_equal(drive_check_all(many, &err), -E2BIG);
}

static void only_files_and_block_devices_are_opened(void **state _unused_)
{
	char folder[] = "/tmp/brig-drive-XXXXXX";
	struct drive drive = { 0 };
	_cleanup_free_ char *fifo = NULL, *file = NULL;
	struct err err = ERR_INIT;
	int fd;

	assert_non_null(mkdtemp(folder));
	drive.source = fifo = mem_printf("%s/fifo", folder);
	assert_int_equal(mkfifo(drive.source, 0600), 0);
	assert_int_equal(drive_open(&drive, "/nowhere", &err), -EINVAL);
	err = (struct err)ERR_INIT;
	drive.source = file = mem_printf("%s/file", folder);
	assert_int_equal(drive_open(&drive, "/nowhere", &err), -ENOENT);
	assert_int_equal(file_replace(AT_FDCWD, file, "x", 1, 0600, 0), 0);
	fd = drive_open(&drive, "/nowhere", &err);
	assert_int_equal(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDWR);
	fd_close(fd);
	drive.read_only = 1;
	fd = drive_open(&drive, "/nowhere", &err);
	assert_int_equal(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY);
	fd_close(fd);
	assert_int_equal(file_remove_tree(AT_FDCWD, folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_disk_is_raw_and_has_a_number_unless_said),
		cmocka_unit_test(it_keeps_its_serial_number_at_another_place),
		cmocka_unit_test(a_name_is_that_of_a_volume_in_the_store),
		cmocka_unit_test(what_is_no_disk_is_refused_with_what_to_say),
		cmocka_unit_test(a_machine_has_so_many_disks_and_no_two_alike),
		cmocka_unit_test(only_files_and_block_devices_are_opened),
	};

	return cmocka_run_group_tests_name("proto/drive", tests, NULL, NULL);
}
