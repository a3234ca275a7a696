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

#include <string.h>

/* A disk has one for each vCPU up to these, which one device thread serves. */
#define DEVICES_DISK_QUEUES 4

struct devices {
	struct transport_pci **transports;
	size_t n;
};

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
	const struct serial_port port = { .name = GUEST_PORT, .fd = VMM_FD_AGENT };

	return serial_new(&site->host, &port, 1, ret, err);
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
		.bytes_per_second = config->bytes_per_second,
		.operations_per_second = config->operations_per_second,
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
			.fd = site->next_fd++,
			.format = config->format == VMM_DISK_QCOW2 ? DISK_QCOW2 : DISK_RAW,
		};
	r = disk_open(site->host.loop, &options, &disk, err);
	return r < 0 ? r : blk_new(&site->host, disk, &blk, ret, err);
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
		taps[pair] = site->next_fd++;
		if (config->vhost)
			vhosts[pair] = site->next_fd++;
	}
	memcpy(options.mac, config->mac, sizeof(options.mac));
	return net_new(&site->host, &options, ret, &net, err);
}

static int devices_make_vsock(struct devices_site *site, uint32_t i _unused_, struct virtio **ret,
			      struct err *err)
{
	const struct vsock_options options = { .cid = site->config->vsock_cid,
					       .listener = site->next_fd++,
					       .connector = -EBADF };

	return vsock_new(&site->host, &options, ret, err);
}

static uint32_t devices_shares(const struct vmm_config *config)
{
	return config->n_shares;
}

static int devices_make_fs(struct devices_site *site, uint32_t i, struct virtio **ret,
			   struct err *err)
{
	_cleanup_free_ char *tag = mem_printf(GUEST_SHARE "%u", (unsigned int)i);
	const struct fs_options options = { .tag = tag, .server = site->next_fd++ };

	return fs_new(&site->host, &options, ret, err);
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
	struct balloon *balloon;

	return balloon_new(&site->host, ret, &balloon, err);
}

/* A row: a kind of device, how many of it a machine has, and how the i-th is made. */
struct devices_row {
	uint32_t (*count)(const struct vmm_config *config);
	int (*make)(struct devices_site *site, uint32_t i, struct virtio **ret, struct err *err);
};

/*
 * In the order of their slots, and so in that in which a guest finds them: the agent's port first. Those
 * that take descriptors stand in the order of proto/vmm.h.
 */
static const struct devices_row devices_rows[] = {
	{ devices_one, devices_make_serial },  { devices_disks, devices_make_blk },
	{ devices_nets, devices_make_net },    { devices_vsocks, devices_make_vsock },
	{ devices_shares, devices_make_fs },   { devices_one, devices_make_rng },
	{ devices_one, devices_make_balloon },
};

unsigned int devices_count(const struct vmm_config *config)
{
	unsigned int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(devices_rows); i++)
		n += devices_rows[i].count(config);
	return n;
}

static int devices_add(struct devices *devices, struct devices_site *site,
		       const struct devices_row *row, uint32_t i, struct err *err)
{
	struct virtio *virtio;
	int r = row->make(site, i, &virtio, err);

	if (r < 0)
		return r;
	devices->transports =
		mem_realloc(devices->transports, devices->n + 1, sizeof(struct transport_pci *));
	r = transport_pci_new(site->pci, site->msi, &site->hv, site->host.loop, virtio,
			      &devices->transports[devices->n], err);
	if (r == 0)
		devices->n++;
	return r;
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
	*ret = devices;
	return 0;
}

struct devices *devices_free(struct devices *devices)
{
	if (!devices)
		return NULL;
	for (size_t i = 0; i < devices->n; i++)
		transport_pci_free(devices->transports[i]);
	free(devices->transports);
	free(devices);
	return NULL;
}
