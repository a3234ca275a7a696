// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/devices.h"
#include "base/mem.h"
#include "disk/disk.h"
#include "proto/guest.h"
#include "vmm/virtio/balloon.h"
#include "vmm/virtio/blk.h"
#include "vmm/virtio/fs.h"
#include "vmm/virtio/net.h"
#include "vmm/virtio/rng.h"
#include "vmm/virtio/serial.h"
#include "vmm/virtio/transport_pci.h"
#include "vmm/virtio/vsock.h"

#include <stdio.h>
#include <string.h>

/* A disk has one for each vCPU up to these, which one device thread serves. */
#define DEVICES_DISK_QUEUES  4
#define DEVICES_BALLOON_PAGE 4096

/* What it can be unplugged as; others have a kind that nothing is asked for by. */
struct devices_name {
	int kind;		  /* enum vmm_plug_kind, or VMM_PLUG_KINDS */
	char id[VMM_TAG_MAX + 1]; /* a card's address, a disk's serial number, a tag; then zeroes */
};

struct devices_item {
	struct transport_pci *transport;
	struct virtio *virtio; /* the transport's */
	struct devices_name name;
};

struct devices {
	struct devices_item *items;
	size_t n;
	struct balloon *balloon;
};

static int devices_next_fd(struct devices_site *site)
{
	return site->fds ? *site->fds++ : site->next_fd++;
}

static uint32_t devices_one(const struct vmm_config *config _unused_)
{
	return 1;
}

static uint32_t devices_disks(const struct vmm_config *config)
{
	return config->n_disks;
}

static uint32_t devices_nets(const struct vmm_config *config)
{
	return config->n_nets;
}

static uint32_t devices_vsocks(const struct vmm_config *config)
{
	return config->vsock_cid ? 1 : 0;
}

static int devices_make_serial(struct devices_site *site, uint32_t i _unused_, struct virtio **ret,
			       struct err *err)
{
	const struct serial_port port = {
		.name = GUEST_PORT, .fd = VMM_FD_AGENT, .opened = site->came_up, .ctx = site->ctx
	};

	return serial_new(&site->host, &port, 1, ret, err);
}

static struct disk_rates devices_rates(const struct vmm_rates *rates)
{
	return (struct disk_rates){ rates->read_bytes, rates->write_bytes, rates->read_operations,
				    rates->write_operations };
}

/* What stands behind a qcow2 image is qcow2 down to the last, whose format the image's record has said. */
static int devices_make_blk(struct devices_site *site, uint32_t i, struct virtio **ret,
			    struct err *err)
{
	const struct vmm_disk *config = &site->config->disks[i];
	_cleanup_free_ struct disk_file *files = mem_zalloc((config->backing + 1) * sizeof(*files));
	const struct disk_options options = {
		.files = files,
		.n_files = config->backing + 1,
		.read_only = config->read_only,
		.direct = config->direct,
		.rates = devices_rates(&config->rates),
		/* a ring is made before the jail is entered, or not at all */
		.no_uring = site->fds != NULL,
	};
	const struct blk_options blk = {
		.serial = config->serial,
		.read_only = config->read_only,
		.n_queues = site->config->cpus < DEVICES_DISK_QUEUES ? site->config->cpus
								     : DEVICES_DISK_QUEUES,
	};
	struct disk *disk;
	int r;

	for (uint32_t file = 0; file <= config->backing; file++)
		files[file] = (struct disk_file){
			.fd = devices_next_fd(site),
			.format = config->format == VMM_DISK_QCOW2 ? DISK_QCOW2 : DISK_RAW,
		};
	r = disk_open(site->host.loop, &options, &disk, err);
	return r < 0 ? r : blk_new(&site->host, disk, &blk, ret, err);
}

static int devices_next_trailing(struct devices_site *site)
{
	int fd = devices_next_fd(site);

	if (site->trail)
		trail_add(site->trail, fd);
	return fd;
}

static int devices_make_net(struct devices_site *site, uint32_t i, struct virtio **ret,
			    struct err *err)
{
	const struct vmm_net *config = &site->config->nets[i];
	int taps[NET_PAIRS_MAX], vhosts[NET_PAIRS_MAX];
	struct net_options options = { .mtu = config->mtu,
				       .taps = taps,
				       .vhosts = config->vhost ? vhosts : NULL };
	struct net *net;

	if (config->queues > NET_PAIRS_MAX)
		return err_set(err, -EINVAL, "a network card has at most %d queues", NET_PAIRS_MAX);
	options.is_stream = !config->queues;
	options.pairs = options.is_stream ? 1 : config->queues;
	for (uint32_t pair = 0; pair < options.pairs; pair++) {
		taps[pair] = devices_next_trailing(site);
		if (config->vhost)
			vhosts[pair] = devices_next_trailing(site);
	}
	memcpy(options.mac, config->mac, sizeof(options.mac));
	if (net_new(&site->host, &options, ret, &net, err) == 0)
		return 0;
	for (uint32_t pair = 0; pair < options.pairs; pair++) {
		fd_close(taps[pair]);
		if (config->vhost)
			fd_close(vhosts[pair]);
	}
	return err->code;
}

static int devices_make_vsock(struct devices_site *site, uint32_t i _unused_, struct virtio **ret,
			      struct err *err)
{
	const struct vsock_options options = { .cid = site->config->vsock_cid,
					       .listener = devices_next_fd(site),
					       .connector = -EBADF };

	return vsock_new(&site->host, &options, ret, err);
}

static uint32_t devices_shares(const struct vmm_config *config)
{
	return config->n_shares;
}

static void devices_tag(const struct devices_site *site, uint32_t i, char ret[VMM_TAG_MAX + 1])
{
	if (site->tag)
		snprintf(ret, VMM_TAG_MAX + 1, "%s", site->tag);
	else
		snprintf(ret, VMM_TAG_MAX + 1, GUEST_SHARE "%u", (unsigned int)i);
}

static int devices_make_fs(struct devices_site *site, uint32_t i, struct virtio **ret,
			   struct err *err)
{
	char tag[VMM_TAG_MAX + 1];
	const struct fs_options options = { .tag = tag, .server = devices_next_fd(site) };

	devices_tag(site, i, tag);
	if (fs_new(&site->host, &options, ret, err) == 0)
		return 0;
	fd_close(options.server);
	return err->code;
}

static int devices_make_rng(struct devices_site *site, uint32_t i _unused_, struct virtio **ret,
			    struct err *err _unused_)
{
	*ret = rng_new(&site->host);
	return 0;
}

static int devices_make_balloon(struct devices_site *site, uint32_t i _unused_, struct virtio **ret,
				struct err *err)
{
	return balloon_new(&site->host, ret, &site->balloon, err);
}

/* A row: a kind of device, how many of it a machine has, how the i-th is made, and what it is unplugged as. */
struct devices_row {
	uint32_t (*count)(const struct vmm_config *config);
	int (*make)(struct devices_site *site, uint32_t i, struct virtio **ret, struct err *err);
	int kind;
};

/*
 * In the order of their slots, and so in that in which a guest finds them: the agent's port first. Those
 * that take descriptors stand in the order of proto/vmm.h.
 */
static const struct devices_row devices_rows[] = {
	{ devices_one, devices_make_serial, VMM_PLUG_KINDS },
	{ devices_disks, devices_make_blk, VMM_PLUG_DISK },
	{ devices_nets, devices_make_net, VMM_PLUG_NET },
	{ devices_vsocks, devices_make_vsock, VMM_PLUG_KINDS },
	{ devices_shares, devices_make_fs, VMM_PLUG_SHARE },
	{ devices_one, devices_make_rng, VMM_PLUG_KINDS },
	{ devices_one, devices_make_balloon, VMM_PLUG_KINDS },
};

unsigned int devices_count(const struct vmm_config *config)
{
	unsigned int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(devices_rows); i++)
		n += devices_rows[i].count(config);
	return n;
}

static void devices_name_it(const struct devices_site *site, int kind, uint32_t i,
			    struct devices_name *ret)
{
	const struct vmm_config *config = site->config;

	*ret = (struct devices_name){ .kind = kind };
	if (kind == VMM_PLUG_NET)
		memcpy(ret->id, config->nets[i].mac, sizeof(config->nets[i].mac));
	else if (kind == VMM_PLUG_DISK)
		memcpy(ret->id, config->disks[i].serial, sizeof(config->disks[i].serial));
	else if (kind == VMM_PLUG_SHARE)
		devices_tag(site, i, ret->id);
}

static int devices_place(struct devices *devices, struct devices_site *site, struct virtio *virtio,
			 const struct devices_name *name, struct err *err)
{
	struct devices_item *item;
	int r;

	devices->items = mem_realloc(devices->items, devices->n + 1, sizeof(*devices->items));
	item = &devices->items[devices->n];
	*item = (struct devices_item){ .virtio = virtio, .name = *name };
	r = transport_pci_new(site->pci, site->msi, &site->hv, site->host.loop, virtio,
			      &item->transport, err);
	if (r == 0)
		devices->n++;
	return r;
}

static int devices_add(struct devices *devices, struct devices_site *site,
		       const struct devices_row *row, uint32_t i, struct err *err)
{
	struct devices_name name;
	struct virtio *virtio;
	int r = row->make(site, i, &virtio, err);

	devices_name_it(site, row->kind, i, &name);
	return r < 0 ? r : devices_place(devices, site, virtio, &name, err);
}

int devices_new(struct devices_site *site, struct devices **ret, struct err *err)
{
	struct devices *devices = mem_zalloc(sizeof(*devices));

	for (size_t i = 0; i < ARRAY_SIZE(devices_rows); i++) {
		uint32_t n = devices_rows[i].count(site->config);

		for (uint32_t j = 0; j < n; j++) {
			if (devices_add(devices, site, &devices_rows[i], j, err) < 0) {
				devices_free(devices);
				return err->code;
			}
		}
	}
	devices->balloon = site->balloon;
	*ret = devices;
	return 0;
}

struct devices *devices_free(struct devices *devices)
{
	if (!devices)
		return NULL;
	for (size_t i = 0; i < devices->n; i++)
		transport_pci_free(devices->items[i].transport);
	free(devices->items);
	free(devices);
	return NULL;
}

/* Their number if there is none. */
static size_t devices_find(const struct devices *devices, const struct devices_name *wanted)
{
	size_t i = 0;

	for (; i < devices->n; i++) {
		const struct devices_name *name = &devices->items[i].name;

		if (name->kind == wanted->kind && !memcmp(name->id, wanted->id, sizeof(name->id)))
			break;
	}
	return i;
}

/* A machine of that one device; site's config and tag are this one's from then on. */
struct devices_single {
	struct vmm_plug plug;
	struct vmm_config config;
	struct devices_name name;
};

static void devices_single(const struct vmm_plug *plug, struct devices_site *site,
			   struct devices_single *ret)
{
	*ret = (struct devices_single){ .plug = *plug };
	ret->config = (struct vmm_config){ .cpus = site->config ? site->config->cpus : 1,
					   .nets = &ret->plug.net,
					   .disks = &ret->plug.disk };
	site->config = &ret->config;
	site->tag = ret->plug.tag;
	devices_name_it(site, plug->kind, 0, &ret->name);
}

static const struct devices_row *devices_row(int kind)
{
	const struct devices_row *row = devices_rows;

	while (row->kind != kind)
		row++;
	return row;
}

int devices_plug(struct devices *devices, const struct devices_site *site,
		 const struct vmm_plug *plug, struct err *err)
{
	struct devices_site own = *site;
	const int *end = site->fds + vmm_plug_fds(plug);
	const struct devices_row *row = devices_row(plug->kind);
	struct devices_single single;
	struct virtio *virtio;

	devices_single(plug, &own, &single);
	if (devices_find(devices, &single.name) < devices->n)
		err_set(err, -EEXIST, "the machine has such a device already");
	else if (row->make(&own, 0, &virtio, err) == 0)
		return devices_place(devices, &own, virtio, &single.name, err);
	while (own.fds < end) /* what nobody has taken over */
		fd_close(*own.fds++);
	return err->code;
}

int devices_unplug(struct devices *devices, const struct vmm_plug *plug, struct err *err)
{
	struct devices_site none = { .config = NULL };
	struct devices_single single;
	size_t i;

	devices_single(plug, &none, &single);
	i = devices_find(devices, &single.name);
	if (i == devices->n)
		return err_set(err, -ENOENT, "the machine has no such device");
	transport_pci_free(devices->items[i].transport);
	devices->items[i] = devices->items[--devices->n];
	return 0;
}

int devices_grow(struct devices *devices, const struct vmm_grow *grow, struct err *err)
{
	struct devices_name name = { .kind = VMM_PLUG_DISK };
	size_t i;

	memcpy(name.id, grow->serial, sizeof(grow->serial));
	i = devices_find(devices, &name);
	if (i == devices->n)
		return err_set(err, -ENOENT, "the machine has no such disk");
	return blk_grow(devices->items[i].virtio, grow->size, err);
}

void devices_tune(struct devices *devices, const struct vmm_tune *tune)
{
	const struct disk_rates rates = devices_rates(&tune->rates);
	const uint64_t pages = tune->balloon / DEVICES_BALLOON_PAGE;

	balloon_set_target(devices->balloon, pages < UINT32_MAX ? (uint32_t)pages : UINT32_MAX);
	for (size_t i = 0; i < devices->n; i++) {
		if (devices->items[i].name.kind == VMM_PLUG_DISK)
			blk_limit(devices->items[i].virtio, &rates);
	}
}
