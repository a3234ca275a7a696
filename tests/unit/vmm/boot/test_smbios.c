// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/boot/smbios.h"
#include "base/buf.h"
#include "made_kernel.h"
#include "sys/child.h"
#include "vmm/layout.h"

#define UUID "00112233-4455-6677-8899-aabbccddeeff"

/* dmidecode reads a dump where the tables' place is one in the file: the same as ours, from 0 on. */
static char *decode(const struct ram *ram)
{
	char path[] = "/tmp/brig-test-XXXXXX", dump[4096];
	int fd = mkstemp(path);
	struct buf out = BUF_INIT;
	struct child_spec spec = CHILD_SPEC_INIT;
	struct err err = ERR_INIT;

	assert_true(fd >= 0);
	assert_int_equal(ram_read(ram, LAYOUT_SMBIOS, dump, sizeof(dump)), 0);
	dump[5] = (char)(dump[5] + dump[18]); /* the third byte of the place goes, and its sum */
	dump[18] = 0;
	assert_int_equal(file_write_all(fd, dump, sizeof(dump)), 0);
	spec.argv = (char *[]){ (char[]){ "dmidecode" }, (char[]){ "--from-dump" }, path, NULL };
	spec.out = &out;
	assert_int_equal(child_run(&spec, &err), 0);
	fd_close(fd);
	(void)unlink(path);
	return buf_take(&out);
}

static void another_reader_finds_the_machine(void **state _unused_)
{
	const struct smbios_machine machine = { .uuid = UUID, .serial = "web-1" };
	struct ram *ram = made_ram(2 * MIB, 0);
	struct err err = ERR_INIT;
	_cleanup_free_ char *text = NULL;

	assert_int_equal(smbios_write(ram, &machine, &err), 0);
	text = decode(ram);
	assert_non_null(strstr(text, "SMBIOS 3.3.0 present."));
	assert_non_null(strstr(text, "UUID: " UUID));
	assert_non_null(strstr(text, "Serial Number: web-1"));
	assert_non_null(strstr(text, "Manufacturer: brig"));
	assert_non_null(strstr(text, "System is a virtual machine"));
	assert_non_null(strstr(text, "Status: No errors detected"));
	assert_non_null(strstr(text, "End Of Table"));
	assert_null(strstr(text, "TRUNCATED"));
	assert_null(strstr(text, "Wrong"));
	assert_null(strstr(text, "Invalid"));
	ram_free(ram);
}

static void the_entry_point_sums_up_to_zero(void **state _unused_)
{
	const struct smbios_machine machine = { .uuid = UUID, .serial = "" };
	struct ram *ram = made_ram(2 * MIB, 0);
	struct err err = ERR_INIT;
	uint8_t entry[24], sum = 0;
	_cleanup_free_ char *text = NULL;

	assert_int_equal(smbios_write(ram, &machine, &err), 0);
	assert_int_equal(ram_read(ram, LAYOUT_SMBIOS, entry, sizeof(entry)), 0);
	for (size_t i = 0; i < sizeof(entry); i++)
		sum = (uint8_t)(sum + entry[i]);
	assert_int_equal(sum, 0);
	assert_int_equal(made_read(ram, LAYOUT_SMBIOS + 16, 8), LAYOUT_SMBIOS + 32);
	text = decode(ram);
	assert_non_null(strstr(text, "Serial Number: Not Specified"));
	ram_free(ram);
}

static void names_that_are_none_are_refused(void **state _unused_)
{
	static const char *const uuids[] = { "", "00112233-4455-6677-8899-aabbccddeeff0",
					     "00112233-4455-6677-8899-aabbccddeef",
					     "00112233-4455-6677-8899-aabbccddeefg",
					     "001122334-455-6677-8899-aabbccddeeff" };
	struct ram *ram = made_ram(2 * MIB, 0);
	char serial[SMBIOS_SERIAL_MAX + 2];
	struct smbios_machine machine = { .serial = "" };
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(uuids); i++) {
		machine.uuid = uuids[i];
		assert_int_equal(smbios_write(ram, &machine, &err), -EINVAL);
	}
	machine = (struct smbios_machine){ .uuid = UUID, .serial = "a\nb" };
	assert_int_equal(smbios_write(ram, &machine, &err), -EINVAL);
	memset(serial, 's', sizeof(serial));
	serial[sizeof(serial) - 1] = '\0';
	machine.serial = serial;
	assert_int_equal(smbios_write(ram, &machine, &err), -EINVAL);
	ram_free(ram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_reader_finds_the_machine),
		cmocka_unit_test(the_entry_point_sums_up_to_zero),
		cmocka_unit_test(names_that_are_none_are_refused),
	};

	/* dmidecode is where a user's PATH may not lead */
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
