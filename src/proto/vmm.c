// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/vmm.h"
#include "base/mem.h"
#include "proto/wire.h"

#include <string.h>

/* What a PC's CPUs can be told apart by: 8-bit APIC ids, of which 255 is everybody's. */
#define VMM_CPUS_MAX 255
/* A guest does not boot in less, and 2^46 is what today's CPUs address at the least that are sold for this. */
#define VMM_MEMORY_MIN	((uint64_t)2 << 20)
#define VMM_MEMORY_MAX	((uint64_t)1 << 46)
#define VMM_QUEUES_MAX	64
#define VMM_BACKING_MAX 64
#define VMM_UUID_LEN	36

/* The fixed part of a disk and of a net device in a payload, which bounds their number by its length. */
#define VMM_DISK_SIZE 43
#define VMM_NET_SIZE  13

const char *const vmm_end_names[VMM_ENDS + 1] = {
	[VMM_END_POWER_OFF] = "power-off", [VMM_END_RESET] = "reset", [VMM_END_PANIC] = "panic",
	[VMM_END_FAULT] = "fault",	   [VMM_END_QUIT] = "quit",   [VMM_END_ERROR] = "error",
};

void vmm_config_release(struct vmm_config *config)
{
	free(config->name);
	free(config->uuid);
	free(config->cmdline);
	free(config->disks);
	free(config->nets);
	memset(config, 0, sizeof(*config));
}

static void vmm_put_rates(struct buf *payload, const struct vmm_rates *rates)
{
	wire_put_u64(payload, rates->read_bytes);
	wire_put_u64(payload, rates->write_bytes);
	wire_put_u64(payload, rates->read_operations);
	wire_put_u64(payload, rates->write_operations);
}

static void vmm_get_rates(struct wire_reader *r, struct vmm_rates *ret)
{
	ret->read_bytes = wire_get_u64(r);
	ret->write_bytes = wire_get_u64(r);
	ret->read_operations = wire_get_u64(r);
	ret->write_operations = wire_get_u64(r);
}

static void vmm_put_disk(struct buf *payload, const struct vmm_disk *disk)
{
	wire_put_str(payload, disk->serial);
	wire_put_u8(payload, !!disk->read_only);
	wire_put_u8(payload, (uint8_t)disk->format);
	wire_put_u8(payload, !!disk->direct);
	wire_put_u32(payload, disk->backing);
	vmm_put_rates(payload, &disk->rates);
}

static void vmm_put_net(struct buf *payload, const struct vmm_net *net)
{
	for (size_t i = 0; i < sizeof(net->mac); i++)
		wire_put_u8(payload, net->mac[i]);
	wire_put_u16(payload, net->mtu);
	wire_put_u32(payload, net->queues);
	wire_put_u8(payload, !!net->vhost);
}

void vmm_config_put(struct buf *payload, const struct vmm_config *config)
{
	wire_put_u32(payload, VMM_VERSION);
	wire_put_str(payload, config->name);
	wire_put_str(payload, config->uuid);
	wire_put_str(payload, config->cmdline);
	wire_put_u64(payload, config->memory);
	wire_put_u32(payload, config->cpus);
	wire_put_u8(payload, !!config->huge_pages);
	wire_put_u8(payload, !!config->shared_memory);
	wire_put_u32(payload, config->n_disks);
	for (uint32_t i = 0; i < config->n_disks; i++)
		vmm_put_disk(payload, &config->disks[i]);
	wire_put_u32(payload, config->n_nets);
	for (uint32_t i = 0; i < config->n_nets; i++)
		vmm_put_net(payload, &config->nets[i]);
	wire_put_u32(payload, config->vsock_cid);
	wire_put_u32(payload, config->n_shares);
	wire_put_u8(payload, !!config->gdb);
}

/* One to max bytes, into max + 1. */
static void vmm_get_name(struct wire_reader *r, char *ret, size_t max)
{
	_cleanup_free_ char *name = wire_get_str(r);
	size_t len = strlen(name);

	if (!len || len > max)
		r->bad = 1;
	else
		memcpy(ret, name, len + 1);
}

static void vmm_get_disk(struct wire_reader *r, struct vmm_disk *ret)
{
	vmm_get_name(r, ret->serial, VMM_SERIAL_MAX);
	ret->read_only = wire_get_u8(r);
	ret->format = wire_get_u8(r);
	ret->direct = wire_get_u8(r);
	ret->backing = wire_get_u32(r);
	vmm_get_rates(r, &ret->rates);
	if (ret->format > VMM_DISK_QCOW2 || ret->backing > VMM_BACKING_MAX)
		r->bad = 1;
}

static void vmm_get_net(struct wire_reader *r, struct vmm_net *ret)
{
	for (size_t i = 0; i < sizeof(ret->mac); i++)
		ret->mac[i] = wire_get_u8(r);
	ret->mtu = wire_get_u16(r);
	ret->queues = wire_get_u32(r);
	ret->vhost = wire_get_u8(r);
	if (ret->queues > VMM_QUEUES_MAX || (!ret->queues && ret->vhost))
		r->bad = 1;
}

/* The count of an array whose elements take at least size bytes each. */
static uint32_t vmm_get_count(struct wire_reader *r, uint32_t max, size_t size)
{
	uint32_t count = wire_get_u32(r);

	if (count > max || count > r->left / size)
		r->bad = 1;
	return r->bad ? 0 : count;
}

/* 8-4-4-4-12 hexadecimal digits. */
static int vmm_is_uuid(const char *text)
{
	if (strlen(text) != VMM_UUID_LEN)
		return 0;
	for (int i = 0; i < VMM_UUID_LEN; i++) {
		int is_dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (is_dash ? text[i] != '-' : !strchr("0123456789abcdefABCDEF", text[i]))
			return 0;
	}
	return 1;
}

static int vmm_config_is_sane(const struct vmm_config *config)
{
	return *config->name && vmm_is_uuid(config->uuid) && config->memory >= VMM_MEMORY_MIN &&
	       config->memory <= VMM_MEMORY_MAX && !(config->memory % VMM_MEMORY_MIN) &&
	       config->cpus && config->cpus <= VMM_CPUS_MAX && config->n_shares <= VMM_SHARES_MAX &&
	       (!config->n_shares || config->shared_memory);
}

int vmm_config_get(const struct frame *frame, struct vmm_config *ret)
{
	struct wire_reader r = wire_read(frame->payload, frame->len);

	if (wire_get_u32(&r) != VMM_VERSION)
		return r.bad ? -EBADMSG : -EPROTONOSUPPORT;
	ret->name = wire_get_str(&r);
	ret->uuid = wire_get_str(&r);
	ret->cmdline = wire_get_str(&r);
	ret->memory = wire_get_u64(&r);
	ret->cpus = wire_get_u32(&r);
	ret->huge_pages = wire_get_u8(&r);
	ret->shared_memory = wire_get_u8(&r);
	ret->n_disks = vmm_get_count(&r, VMM_DISKS_MAX, VMM_DISK_SIZE);
	ret->disks = mem_zalloc((ret->n_disks + 1) * sizeof(*ret->disks));
	for (uint32_t i = 0; i < ret->n_disks; i++)
		vmm_get_disk(&r, &ret->disks[i]);
	ret->n_nets = vmm_get_count(&r, VMM_NETS_MAX, VMM_NET_SIZE);
	ret->nets = mem_zalloc((ret->n_nets + 1) * sizeof(*ret->nets));
	for (uint32_t i = 0; i < ret->n_nets; i++)
		vmm_get_net(&r, &ret->nets[i]);
	ret->vsock_cid = wire_get_u32(&r);
	ret->n_shares = wire_get_u32(&r);
	ret->gdb = wire_get_u8(&r);
	if (wire_end(&r) < 0)
		return -EBADMSG;
	return vmm_config_is_sane(ret) ? 0 : -EBADMSG;
}

void vmm_plug_put(struct buf *payload, const struct vmm_plug *plug)
{
	wire_put_u8(payload, (uint8_t)plug->kind);
	if (plug->kind == VMM_PLUG_NET)
		vmm_put_net(payload, &plug->net);
	else if (plug->kind == VMM_PLUG_DISK)
		vmm_put_disk(payload, &plug->disk);
	else
		wire_put_str(payload, plug->tag);
}

int vmm_plug_get(const struct frame *frame, struct vmm_plug *ret)
{
	struct wire_reader r = wire_read(frame->payload, frame->len);

	*ret = (struct vmm_plug){ .kind = wire_get_u8(&r) };
	if (ret->kind == VMM_PLUG_NET)
		vmm_get_net(&r, &ret->net);
	else if (ret->kind == VMM_PLUG_DISK)
		vmm_get_disk(&r, &ret->disk);
	else if (ret->kind == VMM_PLUG_SHARE)
		vmm_get_name(&r, ret->tag, VMM_TAG_MAX);
	else
		r.bad = 1;
	if (ret->disk.backing)
		r.bad = 1;
	return wire_end(&r) < 0 ? -EBADMSG : 0;
}

void vmm_grow_put(struct buf *payload, const struct vmm_grow *grow)
{
	wire_put_str(payload, grow->serial);
	wire_put_u64(payload, grow->size);
}

int vmm_grow_get(const struct frame *frame, struct vmm_grow *ret)
{
	struct wire_reader r = wire_read(frame->payload, frame->len);

	*ret = (struct vmm_grow){ .size = 0 };
	vmm_get_name(&r, ret->serial, VMM_SERIAL_MAX);
	ret->size = wire_get_u64(&r);
	return wire_end(&r) < 0 ? -EBADMSG : 0;
}

void vmm_tune_put(struct buf *payload, const struct vmm_tune *tune)
{
	wire_put_u64(payload, tune->balloon);
	vmm_put_rates(payload, &tune->rates);
}

int vmm_tune_get(const struct frame *frame, struct vmm_tune *ret)
{
	struct wire_reader r = wire_read(frame->payload, frame->len);

	ret->balloon = wire_get_u64(&r);
	vmm_get_rates(&r, &ret->rates);
	return wire_end(&r) < 0 || ret->balloon > VMM_MEMORY_MAX ? -EBADMSG : 0;
}

size_t vmm_plug_fds(const struct vmm_plug *plug)
{
	if (plug->kind != VMM_PLUG_NET)
		return 1;
	return plug->net.queues ? plug->net.queues * (plug->net.vhost ? 2 : 1) : 1;
}
