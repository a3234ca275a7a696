// SPDX-License-Identifier: GPL-2.0-or-later
#include "vmm/bus/msi.h"
#include "base/mem.h"
#include "vmm/layout.h"

#include <poll.h>
#include <sys/eventfd.h>

/* KVM_MAX_IRQ_ROUTES, and so the largest GSI. */
#define MSI_GSIS 4096U

struct msi {
	struct hv hv;
	uint64_t taken[MSI_GSIS / 64];
};

struct msi_vector {
	struct msi *msi;
	int fd;
	uint32_t gsi;  /* 0: none yet */
	uint32_t data; /* of the route */
	uint64_t address;
	uint8_t routed; /* the GSI's route is to address and data */
	uint8_t armed;	/* the irqfd is on */
};

struct msi *msi_new(const struct hv *hv)
{
	struct msi *msi = mem_zalloc(sizeof(*msi));

	msi->hv = *hv;
	return msi;
}

struct msi *msi_free(struct msi *msi)
{
	free(msi);
	return NULL;
}

static int msi_take_gsi(struct msi *msi, uint32_t *ret)
{
	for (uint32_t gsi = LAYOUT_GSI_MSI; gsi < MSI_GSIS; gsi++) {
		uint64_t bit = (uint64_t)1 << (gsi % 64);

		if (msi->taken[gsi / 64] & bit)
			continue;
		msi->taken[gsi / 64] |= bit;
		*ret = gsi;
		return 0;
	}
	return -ENOSPC;
}

static void msi_drop_gsi(struct msi *msi, uint32_t gsi)
{
	msi->taken[gsi / 64] &= ~((uint64_t)1 << (gsi % 64));
}

int msi_vector_new(struct msi *msi, struct msi_vector **ret)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct msi_vector *vector;

	if (fd < 0)
		return -errno;
	vector = mem_zalloc(sizeof(*vector));
	*vector = (struct msi_vector){ .msi = msi, .fd = fd };
	*ret = vector;
	return 0;
}

struct msi_vector *msi_vector_free(struct msi_vector *vector)
{
	if (!vector)
		return NULL;
	msi_vector_mask(vector);
	if (vector->gsi) {
		(void)vector->msi->hv.ops->unroute(vector->msi->hv.ctx, vector->gsi);
		msi_drop_gsi(vector->msi, vector->gsi);
	}
	fd_close(vector->fd);
	free(vector);
	return NULL;
}

/* Each change of routes may make KVM wait for all readers of the old ones, so none is made in vain. */
static int msi_vector_route(struct msi_vector *vector, uint64_t address, uint32_t data)
{
	const struct hv *hv = &vector->msi->hv;
	int r = 0;

	if (vector->routed && vector->address == address && vector->data == data)
		return 0;
	if (!vector->gsi)
		r = msi_take_gsi(vector->msi, &vector->gsi);
	if (r < 0)
		return r;
	vector->routed = 0;
	r = hv->ops->route(hv->ctx, vector->gsi, address, data);
	if (r < 0)
		return r;
	vector->address = address;
	vector->data = data;
	vector->routed = 1;
	return 0;
}

int msi_vector_unmask(struct msi_vector *vector, uint64_t address, uint32_t data)
{
	const struct hv *hv = &vector->msi->hv;
	uint64_t pending;
	int was_pending, r;

	if (vector->armed && vector->address == address && vector->data == data)
		return 0;
	msi_vector_mask(vector);
	r = msi_vector_route(vector, address, data);
	if (r < 0)
		return r;
	/* KVM raises what it finds pending but leaves it in the eventfd, where it would be pending again
	 * after the next mask: so it is taken out, and written once more behind the irqfd */
	was_pending = read(vector->fd, &pending, sizeof(pending)) == (ssize_t)sizeof(pending);
	r = hv->ops->irqfd(hv->ctx, vector->gsi, vector->fd, 1);
	vector->armed = r == 0;
	if (was_pending)
		msi_vector_raise(vector);
	return r;
}

void msi_vector_mask(struct msi_vector *vector)
{
	const struct hv *hv = &vector->msi->hv;

	if (vector->armed)
		(void)hv->ops->irqfd(hv->ctx, vector->gsi, vector->fd, 0);
	vector->armed = 0;
}

int msi_vector_pending(const struct msi_vector *vector)
{
	struct pollfd poll_fd = { .fd = vector->fd, .events = POLLIN };

	return !vector->armed && poll(&poll_fd, 1, 0) == 1;
}

void msi_vector_raise(struct msi_vector *vector)
{
	const uint64_t one = 1;
	ssize_t n;

	/* it fails only when it is full, and then it is pending */
	n = write(vector->fd, &one, sizeof(one));
	(void)n;
}

int msi_vector_fd(const struct msi_vector *vector)
{
	return vector->fd;
}
