// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: once the driver is ready, the server gets memory and rings; it is told to stop at a reset, which is done
 * when it has said so of every ring.
 *
 * Invariants:
 *  1. A reset is not done before nobody touches guest memory: every ring that was started has been answered for, or
 *     the server is gone.
 *  2. Of the server we read nothing but these answers.
 */
#include "vmm/virtio/fs.h"
#include "base/mem.h"
#include "vmm/virtio/vhost_user.h"

#include <linux/virtio_fs.h>
#include <linux/virtio_ids.h>
#include <string.h>

#define FS_QUEUES     2 /* one for what is urgent, one for the rest */
#define FS_QUEUE_SIZE 256

/* What the core offers in its name. */
#define FS_NEEDS                                                                 \
	(UINT64_C(1) << VIRTIO_F_VERSION_1 | UINT64_C(1) << VIRTIO_F_EVENT_IDX | \
	 UINT64_C(1) << VIRTIO_F_INDIRECT_DESC)

struct fs {
	struct virtio *virtio;
	const struct ram *ram;
	int server;
	struct loop_source *source;
	int is_started[FS_QUEUES];
	unsigned int stopping; /* rings that it has not answered for yet */
	struct vhost_user_reader reader;
	struct virtio_fs_config config;
};

static void fs_part(struct fs *fs)
{
	fs->source = loop_source_free(fs->source);
	fs->server = fd_close(fs->server);
	for (unsigned int i = 0; i < FS_QUEUES; i++)
		fs->is_started[i] = 0;
}

static void fs_on_server(void *ctx, uint32_t events _unused_)
{
	struct fs *fs = ctx;
	int was_stopping = fs->stopping > 0;
	int r = vhost_user_read_stopped(fs->server, &fs->reader);

	if (r == 0)
		return;
	if (r > 0 && fs->stopping) {
		fs->stopping--;
	} else {
		fs_part(fs);
		fs->stopping = 0;
		virtio_break(fs->virtio);
	}
	if (was_stopping && !fs->stopping)
		virtio_reset_done(fs->virtio);
}

/* What the driver has put in before is found by a kick of ours. */
static int fs_start_ring(struct fs *fs, unsigned int index)
{
	struct queue *queue = virtio_queue(fs->virtio, index);
	int kick = virtio_kick_fd(fs->virtio, index);
	const uint64_t one = 1;
	struct queue_setup setup;
	void *rings[3];
	int r;

	if (!queue_enabled(queue))
		return 0;
	queue_rings(queue, &setup, rings);
	virtio_offload(fs->virtio, index, 1);
	fs->is_started[index] = 1;
	r = vhost_user_start_ring(fs->server, index, &setup, kick,
				  virtio_call_fd(fs->virtio, index));
	if (r == 0 && write(kick, &one, sizeof(one)) < 0)
		r = -errno;
	return r;
}

static int fs_activate(void *ctx, uint64_t features)
{
	struct fs *fs = ctx;
	int r = fs->server < 0 ? -EPIPE : vhost_user_start(fs->server, features, fs->ram);

	for (unsigned int i = 0; r == 0 && i < FS_QUEUES; i++)
		r = fs_start_ring(fs, i);
	return r;
}

static void fs_kick(void *ctx _unused_, unsigned int queue _unused_)
{
}

static int fs_reset(void *ctx)
{
	struct fs *fs = ctx;

	for (unsigned int i = 0; i < FS_QUEUES; i++) {
		if (!fs->is_started[i])
			continue;
		virtio_offload(fs->virtio, i, 0);
		fs->is_started[i] = 0;
		if (vhost_user_stop_ring(fs->server, i) < 0) {
			fs_part(fs);
			fs->stopping = 0;
			return 0;
		}
		fs->stopping++;
	}
	return fs->stopping > 0;
}

static void fs_config_read(void *ctx, uint32_t offset, void *data, size_t len)
{
	const struct fs *fs = ctx;

	memcpy(data, (const uint8_t *)&fs->config + offset, len);
}

static void fs_free(void *ctx)
{
	struct fs *fs = ctx;

	fs_part(fs);
	free(fs);
}

static const struct virtio_ops fs_ops = {
	.config_read = fs_config_read,
	.activate = fs_activate,
	.kick = fs_kick,
	.reset = fs_reset,
	.free = fs_free,
};

int fs_new(const struct virtio_host *host, const struct fs_options *options, struct virtio **ret,
	   struct err *err)
{
	const struct virtio_kind kind = { .name = "fs",
					  .type = VIRTIO_ID_FS,
					  .n_queues = FS_QUEUES,
					  .queue_size = FS_QUEUE_SIZE,
					  .config_size = sizeof(struct virtio_fs_config),
					  .ops = &fs_ops };
	size_t len = strlen(options->tag);
	uint64_t features = 0;
	struct fs *fs;
	int r;

	if (!len || len > sizeof(fs->config.tag))
		return err_set(err, -EINVAL, "the tag of a shared folder has 1 to %zu bytes",
			       sizeof(fs->config.tag));
	if (ram_fd(host->ram) < 0)
		return err_set(err, -EINVAL, "a shared folder needs memory that is shared");
	r = vhost_user_features(options->server, &features);
	if (r < 0)
		return err_errno(err, r, "the server of the shared folder '%s' does not answer",
				 options->tag);
	if ((features & FS_NEEDS) != FS_NEEDS)
		return err_set(err, -EOPNOTSUPP,
			       "the server of the shared folder '%s' is too old: it offers %#jx",
			       options->tag, (uintmax_t)features);
	fs = mem_zalloc(sizeof(*fs));
	fs->ram = host->ram;
	fs->server = -EBADF;
	fs->config.num_request_queues = FS_QUEUES - 1;
	memcpy(fs->config.tag, options->tag, len);
	fs->source = loop_watch_fd(host->loop, options->server, EPOLLIN, fs_on_server, fs);
	if (!fs->source) {
		fs_free(fs);
		return err_errno(err, -errno, "cannot watch the server of a shared folder");
	}
	fs->server = options->server;
	fs->virtio = virtio_new(host, &kind, fs);
	*ret = fs->virtio;
	return 0;
}
