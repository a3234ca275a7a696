// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/devices.h"
#include "base/mem.h"
#include "proto/guest.h"
#include "vmm/virtio/rng.h"
#include "vmm/virtio/serial.h"
#include "vmm/virtio/transport_pci.h"

struct devices {
	struct transport_pci **transports;
	size_t n;
};

static uint32_t devices_one(const struct vmm_config *config _unused_)
{
	return 1;
}

static int devices_make_serial(struct devices_site *site, uint32_t i _unused_, struct virtio **ret,
			       struct err *err)
{
	const struct serial_port port = { .name = GUEST_PORT, .fd = VMM_FD_AGENT };

	return serial_new(&site->host, &port, 1, ret, err);
}

static int devices_make_rng(struct devices_site *site, uint32_t i _unused_, struct virtio **ret,
			    struct err *err _unused_)
{
	*ret = rng_new(&site->host);
	return 0;
}

/* A row: a kind of device, how many of it a machine has, and how the i-th is made. */
struct devices_row {
	uint32_t (*count)(const struct vmm_config *config);
	int (*make)(struct devices_site *site, uint32_t i, struct virtio **ret, struct err *err);
};

/* In the order of their slots, and so in that in which a guest finds them: the agent's port first. Those
 * that take descriptors stand in the order of proto/vmm.h. */
static const struct devices_row devices_rows[] = {
	{ devices_one, devices_make_serial },
	{ devices_one, devices_make_rng },
};

static int devices_add(struct devices *devices, struct devices_site *site,
		       const struct devices_row *row, uint32_t i, struct err *err)
{
	struct virtio *virtio;
	int r = row->make(site, i, &virtio, err);

	if (r < 0)
		return r;
	devices->transports =
		mem_realloc(devices->transports, devices->n + 1, sizeof(*devices->transports));
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
