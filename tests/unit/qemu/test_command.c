// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mem.h"
#include "base/strv.h"
#include "qemu/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

static const struct command usual = { .program = "/usr/bin/qemu-system-x86_64",
				      .name = "web",
				      .tsc_khz = 2500000,
				      .memory = (int64_t)512 << 20,
				      .cpus = 2,
				      .layers = 2 };

/* The value that follows the option, the nth one of that name; NULL if there is none. */
static const char *value_of(char *const *args, const char *option, int nth)
{
	for (; *args; args++) {
		if (!strcmp(*args, option) && nth-- == 0)
			return args[1];
	}
	return NULL;
}

static void a_machine_gets_its_memory_and_cpus(void **state _unused_)
{
	_cleanup_strv_ char **args = command_build(&usual);

	assert_string_equal(args[0], "/usr/bin/qemu-system-x86_64");
	assert_string_equal(value_of(args, "-m", 0), "512M");
	assert_string_equal(value_of(args, "-smp", 0), "2");
}

static void tcg_is_told_the_frequency_of_its_clock(void **state _unused_)
{
	struct command command = usual;
	_cleanup_strv_ char **args = command_build(&command), **unknown = NULL, **kvm = NULL;

	assert_non_null(strstr(value_of(args, "-append", 0), " tsc_early_khz=2500000"));
	assert_non_null(strstr(value_of(args, "-accel", 0), "tcg"));
	command.tsc_khz = 0;
	unknown = command_build(&command);
	assert_null(strstr(value_of(unknown, "-append", 0), "tsc"));
	command.kvm = 1;
	kvm = command_build(&command);
	assert_string_equal(value_of(kvm, "-accel", 0), "kvm");
	assert_string_equal(value_of(kvm, "-cpu", 0), "host");
}

static void words_for_the_kernel_come_last(void **state _unused_)
{
	struct command command = usual;
	_cleanup_strv_ char **args = NULL;
	const char *line, *words;

	command.kernel_args = "mitigations=off nokaslr";
	args = command_build(&command);
	line = value_of(args, "-append", 0);
	words = strstr(line, " mitigations=off nokaslr");
	assert_non_null(words);
	assert_string_equal(words, " mitigations=off nokaslr");
}

static void disks_come_as_descriptors_lowest_layer_first(void **state _unused_)
{
	static const char *const serials[] = { "serial=layer0", "serial=layer1", "serial=data" };
	_cleanup_strv_ char **args = command_build(&usual);

	assert_string_equal(value_of(args, "-add-fd", 0), "fd=7,set=7");
	assert_string_equal(value_of(args, "-add-fd", 1), "fd=8,set=8");
	assert_string_equal(value_of(args, "-add-fd", 2), "fd=6,set=6");
	for (int i = 0; i < 3; i++) {
		const char *disk = value_of(args, "-blockdev", i);
		int is_data = i == 2;

		assert_int_equal(!strstr(disk, "read-only=on"), is_data);
		assert_int_equal(!!strstr(disk, "discard=unmap"), is_data);
	}
	for (int i = 0, disk = 0; disk < 3; i++) {
		const char *device = value_of(args, "-device", i);

		assert_non_null(device);
		if (strstr(device, "virtio-blk"))
			assert_non_null(strstr(device, serials[disk++]));
	}
}

static void more_disks_come_before_the_data_disk_which_the_agent_waits_for(void **state _unused_)
{
	static const struct drive drives[] = { { .serial = "disk0" },
					       { .serial = "mine", .qcow2 = 1, .read_only = 1 } };
	struct command command = usual;
	_cleanup_strv_ char **args = NULL;

	command.drives = drives;
	command.n_drives = 2;
	command.shares = 1;
	args = command_build(&command);
	assert_string_equal(value_of(args, "-blockdev", 2),
			    "driver=file,node-name=drive0,filename=/dev/fdset/9,aio=threads,"
			    "discard=unmap");
	assert_string_equal(value_of(args, "-blockdev", 3),
			    "driver=file,node-name=file1,filename=/dev/fdset/10,aio=threads,"
			    "read-only=on");
	assert_string_equal(value_of(args, "-blockdev", 4),
			    "driver=qcow2,node-name=drive1,file=file1,read-only=on");
	assert_non_null(strstr(value_of(args, "-blockdev", 5), "node-name=data"));
	assert_true(strv_has(args, "socket,id=share0,fd=11"));
	assert_true(strv_has(args, "virtio-blk-pci,drive=drive1,serial=mine,num-queues=1,"
				   "werror=report,rerror=report"));
}

static void cards_come_as_taps_or_a_stream_after_all_other_descriptors(void **state _unused_)
{
	static const int some[2];
	static const struct driver_nic nics[] = {
		{ .mac = { 2, 0x62, 0, 0, 0, 1 }, .mtu = 1500, .queues = 2, .taps = some },
		{ .mac = { 2, 0x62, 0, 0, 0, 2 }, .queues = 1, .taps = some, .vhost = 1 },
		{ .mac = { 2, 0x62, 0, 0, 0, 3 } },
	};
	struct command command = usual;
	_cleanup_strv_ char **args = NULL, **none = command_build(&usual);

	command.shares = 1; /* descriptor 9 */
	command.nics = nics;
	command.n_nics = ARRAY_SIZE(nics);
	args = command_build(&command);
	assert_string_equal(value_of(args, "-netdev", 0), "tap,id=net0,fds=10:11");
	assert_string_equal(value_of(args, "-netdev", 1),
			    "tap,id=net1,fds=12,vhost=on,vhostfds=13");
	assert_string_equal(value_of(args, "-netdev", 2),
			    "stream,id=net2,server=off,addr.type=fd,addr.str=14");
	assert_true(strv_has(args, "virtio-net-pci,netdev=net0,mac=02:62:00:00:00:01,romfile=,"
				   "host_mtu=1500,mq=on,vectors=6"));
	assert_true(strv_has(args, "virtio-net-pci,netdev=net1,mac=02:62:00:00:00:02,romfile="));
	assert_null(value_of(none, "-netdev", 0));
}

static void nothing_is_opened_by_name_but_kernel_and_initramfs(void **state _unused_)
{
	_cleanup_strv_ char **args = command_build(&usual);

	strv_for_each(arg, args + 1) {
		if (**arg == '/')
			assert_true(!strcmp(*arg, "/" COMMAND_KERNEL) ||
				    !strcmp(*arg, "/" COMMAND_INITRAMFS));
	}
}

static void qemu_is_sandboxed_and_has_only_what_is_named(void **state _unused_)
{
	_cleanup_strv_ char **args = command_build(&usual);

	assert_non_null(strstr(value_of(args, "-sandbox", 0), "spawn=deny"));
	assert_true(strv_has(args, "-nodefaults"));
	assert_true(strv_has(args, "-no-user-config"));
	assert_true(strv_has(args, "-no-reboot"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_machine_gets_its_memory_and_cpus),
		cmocka_unit_test(tcg_is_told_the_frequency_of_its_clock),
		cmocka_unit_test(words_for_the_kernel_come_last),
		cmocka_unit_test(disks_come_as_descriptors_lowest_layer_first),
		cmocka_unit_test(more_disks_come_before_the_data_disk_which_the_agent_waits_for),
		cmocka_unit_test(cards_come_as_taps_or_a_stream_after_all_other_descriptors),
		cmocka_unit_test(nothing_is_opened_by_name_but_kernel_and_initramfs),
		cmocka_unit_test(qemu_is_sandboxed_and_has_only_what_is_named),
	};

	return cmocka_run_group_tests_name("qemu/command", tests, NULL, NULL);
}
