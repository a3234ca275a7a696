// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/vhost.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

static int vhost_call(int fd, unsigned long request, const void *data)
{
	return ioctl(fd, request, data) < 0 ? -errno : 0;
}

int vhost_net_open(void)
{
	int fd = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int vhost_own(int fd)
{
	return vhost_call(fd, VHOST_SET_OWNER, NULL);
}

int vhost_features(int fd, uint64_t *ret)
{
	return vhost_call(fd, VHOST_GET_FEATURES, ret);
}

int vhost_set_features(int fd, uint64_t features)
{
	return vhost_call(fd, VHOST_SET_FEATURES, &features);
}

int vhost_set_memory(int fd, const struct vhost_memory_region *regions, uint32_t n)
{
	_Alignas(struct vhost_memory)
		uint8_t data[sizeof(struct vhost_memory) + VHOST_REGIONS_MAX * sizeof(*regions)] = {
			0
		};
	struct vhost_memory memory = { .nregions = n };

	if (n > VHOST_REGIONS_MAX)
		return -E2BIG;
	memcpy(data, &memory, sizeof(memory));
	memcpy(data + sizeof(memory), regions, n * sizeof(*regions));
	return vhost_call(fd, VHOST_SET_MEM_TABLE, data);
}

static int vhost_set_fd(int fd, unsigned long request, unsigned int index, int value)
{
	struct vhost_vring_file file = { .index = index, .fd = value < 0 ? -1 : value };

	return vhost_call(fd, request, &file);
}

int vhost_set_ring(int fd, unsigned int index, const struct vhost_ring *ring)
{
	struct vhost_vring_state size = { .index = index, .num = ring->size };
	struct vhost_vring_state base = { .index = index };
	struct vhost_vring_addr address = { .index = index,
					    .desc_user_addr = (uintptr_t)ring->descriptors,
					    .avail_user_addr = (uintptr_t)ring->driver,
					    .used_user_addr = (uintptr_t)ring->device };
	int r = vhost_call(fd, VHOST_SET_VRING_NUM, &size);

	if (r == 0)
		r = vhost_call(fd, VHOST_SET_VRING_BASE, &base);
	if (r == 0)
		r = vhost_call(fd, VHOST_SET_VRING_ADDR, &address);
	if (r == 0)
		r = vhost_set_fd(fd, VHOST_SET_VRING_CALL, index, ring->call);
	if (r == 0)
		r = vhost_set_fd(fd, VHOST_SET_VRING_KICK, index, ring->kick);
	return r;
}

int vhost_clear_ring(int fd, unsigned int index)
{
	int r = vhost_set_fd(fd, VHOST_SET_VRING_KICK, index, -1);
	int s = vhost_set_fd(fd, VHOST_SET_VRING_CALL, index, -1);

	return r < 0 ? r : s;
}

int vhost_set_net(int fd, unsigned int index, int backend)
{
	return vhost_set_fd(fd, VHOST_NET_SET_BACKEND, index, backend);
}
