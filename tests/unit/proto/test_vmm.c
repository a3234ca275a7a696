// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mem.h"
#include "proto/vmm.h"
#include "proto/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

static struct vmm_disk disks[] = {
	{ .serial = "layer0", .read_only = 1 },
	{ .serial = "exactly-20-bytes-big",
	  .format = VMM_DISK_QCOW2,
	  .direct = 1,
	  .backing = 3,
	  .rates = { UINT64_C(1) << 40, 1, 500, 2 } },
};

static struct vmm_net nets[] = {
	{ .mac = { 2, 0, 0, 0, 0, 1 }, .mtu = 1500, .queues = 2, .vhost = 1 },
};

static const struct vmm_config usual = {
	.name = (char *)"web",
	.uuid = (char *)"01234567-89ab-cdef-0123-456789ABCDEF",
	.cmdline = (char *)"console=ttyS0",
	.memory = UINT64_C(512) << 20,
	.cpus = 2,
	.huge_pages = 1,
	.shared_memory = 1,
	.disks = disks,
	.n_disks = 2,
	.nets = nets,
	.n_nets = 1,
	.vsock_cid = 3,
	.gdb = 1,
};

static int carry(const struct vmm_config *config, struct vmm_config *ret)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;
	struct frame frame = { 0 };

	vmm_config_put(&payload, config);
	frame.payload = (const uint8_t *)payload.data;
	frame.len = (uint32_t)payload.len;
	return vmm_config_get(&frame, ret);
}

static int refused(const struct vmm_config *config)
{
	struct vmm_config got = { 0 };
	int r = carry(config, &got);

	vmm_config_release(&got);
	return r == -EBADMSG;
}

static void a_configuration_arrives_as_it_was_sent(void **state _unused_)
{
	struct vmm_config got = { 0 };

	assert_int_equal(carry(&usual, &got), 0);
	assert_string_equal(got.name, "web");
	assert_string_equal(got.uuid, usual.uuid);
	assert_string_equal(got.cmdline, "console=ttyS0");
	assert_int_equal(got.memory, usual.memory);
	assert_int_equal(got.cpus, 2);
	assert_true(got.huge_pages && got.shared_memory && got.gdb);
	assert_int_equal(got.vsock_cid, 3);
	assert_int_equal(got.n_disks, 2);
	assert_memory_equal(got.disks, disks, sizeof(disks));
	assert_int_equal(got.n_nets, 1);
	assert_memory_equal(got.nets[0].mac, nets[0].mac, 6);
	assert_true(got.nets[0].mtu == 1500 && got.nets[0].queues == 2 && got.nets[0].vhost);
	vmm_config_release(&got);
}

static void a_part_of_one_is_refused(void **state _unused_)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	vmm_config_put(&payload, &usual);
	for (size_t len = 0; len < payload.len; len++) {
		struct frame frame = { .payload = (const uint8_t *)payload.data,
				       .len = (uint32_t)len };
		struct vmm_config got = { 0 };

		assert_int_equal(vmm_config_get(&frame, &got), -EBADMSG);
		vmm_config_release(&got);
	}
}

static void what_no_machine_can_have_is_refused(void **state _unused_)
{
	static const struct {
		uint64_t memory;
		uint32_t cpus;
	} cases[] = { { 0, 1 },
		      { UINT64_C(1) << 20, 1 },
		      { (UINT64_C(512) << 20) + 4096, 1 },
		      { UINT64_C(1) << 47, 1 },
		      { UINT64_C(512) << 20, 0 },
		      { UINT64_C(512) << 20, 256 } };
	struct vmm_config config = usual;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		config.memory = cases[i].memory;
		config.cpus = cases[i].cpus;
		assert_true(refused(&config));
	}
	config = usual;
	config.name = (char *)"";
	assert_true(refused(&config));
	config = usual;
	config.uuid = (char *)"01234567-89ab-cdef-0123-456789ABCDEG";
	assert_true(refused(&config));
}

static void disks_and_nets_are_bounded(void **state _unused_)
{
	struct vmm_disk many[VMM_DISKS_MAX + 1] = { { .serial = "" } };
	struct vmm_net net = { .queues = 0 };
	struct vmm_config config = usual;

	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = disks[0];
	config.disks = many;
	config.n_disks = VMM_DISKS_MAX;
	assert_false(refused(&config));
	config.n_disks++;
	assert_true(refused(&config));
	config.n_disks = 1;
	many[0].serial[0] = '\0';
	assert_true(refused(&config));
	many[0] = disks[0];
	many[0].format = VMM_DISK_QCOW2 + 1;
	assert_true(refused(&config));
	config = usual;
	config.nets = &net;
	assert_false(refused(&config));
	net.vhost = 1; /* of a stream */
	assert_true(refused(&config));
	net = (struct vmm_net){ .queues = 65 };
	assert_true(refused(&config));
}

static void a_device_arrives_with_as_many_descriptors_as_it_says(void **state _unused_)
{
	const struct vmm_plug cards[] = {
		{ .net = { .mac = { 2, 0, 0, 0, 0, 1 }, .mtu = 1500 } },
		{ .net = { .queues = 64 } },
		{ .net = { .queues = 64, .vhost = 1 } },
	};
	static const size_t fds[] = { 1, 64, VMM_PLUG_FDS_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(cards); i++) {
		_cleanup_buf_ struct buf payload = BUF_INIT;
		struct vmm_plug got;
		struct frame frame;

		vmm_plug_put(&payload, &cards[i]);
		frame = (struct frame){ .payload = (const uint8_t *)payload.data,
					.len = (uint32_t)payload.len };
		assert_int_equal(vmm_plug_get(&frame, &got), 0);
		assert_memory_equal(got.net.mac, cards[i].net.mac, 6);
		assert_int_equal(got.net.mtu, cards[i].net.mtu);
		assert_int_equal(vmm_plug_fds(&got), fds[i]);
		frame.len--;
		assert_int_equal(vmm_plug_get(&frame, &got), -EBADMSG);
	}
}

static void a_disk_comes_by_its_serial_number_and_alone(void **state _unused_)
{
	struct vmm_plug plug = {
		.kind = VMM_PLUG_DISK,
		.disk = { .serial = "disk0", .read_only = 1, .format = VMM_DISK_QCOW2 }
	};
	struct vmm_plug got;

	for (int i = 0; i < 3; i++) {
		_cleanup_buf_ struct buf payload = BUF_INIT;
		struct frame frame;

		plug.kind = i == 1 ? VMM_PLUG_KINDS : VMM_PLUG_DISK;
		plug.disk.backing = i == 2;
		vmm_plug_put(&payload, &plug);
		frame = (struct frame){ .payload = (const uint8_t *)payload.data,
					.len = (uint32_t)payload.len };
		assert_int_equal(vmm_plug_get(&frame, &got), i ? -EBADMSG : 0);
		if (i)
			continue;
		assert_string_equal(got.disk.serial, "disk0");
		assert_true(got.disk.read_only && got.disk.format == VMM_DISK_QCOW2);
		assert_int_equal(vmm_plug_fds(&got), 1);
	}
}

static void a_folder_comes_by_its_tag(void **state _unused_)
{
	static const char *const tags[] = { "share-1", "",
					    "0123456789012345678901234567890123456" };

	for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
		_cleanup_buf_ struct buf payload = BUF_INIT;
		struct vmm_plug got;
		struct frame frame;

		wire_put_u8(&payload, VMM_PLUG_SHARE);
		wire_put_str(&payload, tags[i]);
		frame = (struct frame){ .payload = (const uint8_t *)payload.data,
					.len = (uint32_t)payload.len };
		assert_int_equal(vmm_plug_get(&frame, &got), i ? -EBADMSG : 0);
		if (i)
			continue;
		assert_string_equal(got.tag, tags[i]);
		assert_int_equal(vmm_plug_fds(&got), 1);
	}
}

static void a_disk_that_grew_arrives_with_its_size(void **state _unused_)
{
	const struct vmm_grow grow = { .serial = "data", .size = UINT64_C(3) << 40 };
	_cleanup_buf_ struct buf payload = BUF_INIT;
	struct vmm_grow got;
	struct frame frame;

	vmm_grow_put(&payload, &grow);
	frame = (struct frame){ .payload = (const uint8_t *)payload.data,
				.len = (uint32_t)payload.len };
	assert_int_equal(vmm_grow_get(&frame, &got), 0);
	assert_string_equal(got.serial, "data");
	assert_int_equal(got.size, grow.size);
	frame.len--;
	assert_int_equal(vmm_grow_get(&frame, &got), -EBADMSG);
}

static void every_end_has_a_name(void **state _unused_)
{
	for (int i = 0; i < VMM_ENDS; i++)
		assert_non_null(vmm_end_names[i]);
	assert_null(vmm_end_names[VMM_ENDS]);
}

static void a_configuration_of_another_version_is_told(void **state _unused_)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;
	struct vmm_config got = { 0 };
	struct frame frame = { 0 };

	wire_put_u32(&payload, VMM_VERSION + 1);
	wire_put_u8(&payload, 0);
	frame.payload = (const uint8_t *)payload.data;
	frame.len = (uint32_t)payload.len;
	assert_int_equal(vmm_config_get(&frame, &got), -EPROTONOSUPPORT);
	vmm_config_release(&got);
}

static void what_changes_comes_over_whole_and_bounded(void **state _unused_)
{
	const struct vmm_tune tune = { .balloon = 64 << 20, .rates = { 1, 2, 3, 4 } };
	struct vmm_tune back;
	_cleanup_buf_ struct buf payload = BUF_INIT, huge = BUF_INIT;
	struct frame frame;

	vmm_tune_put(&payload, &tune);
	frame = (struct frame){ .payload = (const uint8_t *)payload.data,
				.len = (uint32_t)payload.len };
	assert_int_equal(vmm_tune_get(&frame, &back), 0);
	assert_memory_equal(&back, &tune, sizeof(tune));
	frame.len--;
	assert_int_equal(vmm_tune_get(&frame, &back), -EBADMSG);
	vmm_tune_put(&huge, &(struct vmm_tune){ .balloon = UINT64_MAX });
	frame = (struct frame){ .payload = (const uint8_t *)huge.data, .len = (uint32_t)huge.len };
	assert_int_equal(vmm_tune_get(&frame, &back), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_configuration_of_another_version_is_told),
		cmocka_unit_test(what_changes_comes_over_whole_and_bounded),
		cmocka_unit_test(a_configuration_arrives_as_it_was_sent),
		cmocka_unit_test(a_part_of_one_is_refused),
		cmocka_unit_test(what_no_machine_can_have_is_refused),
		cmocka_unit_test(disks_and_nets_are_bounded),
		cmocka_unit_test(a_device_arrives_with_as_many_descriptors_as_it_says),
		cmocka_unit_test(a_disk_comes_by_its_serial_number_and_alone),
		cmocka_unit_test(a_folder_comes_by_its_tag),
		cmocka_unit_test(a_disk_that_grew_arrives_with_its_size),
		cmocka_unit_test(every_end_has_a_name),
	};

	return cmocka_run_group_tests_name("proto/vmm", tests, NULL, NULL);
}
