// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One ring per disk. Requests gather in a list; a flush moves them into the ring and enters the kernel
 * once. No more are in the ring than its completion queue has room for.
 *
 * Only the loop's thread enters the kernel here: completions that the kernel finishes in the context of
 * who submitted wake that thread, and would throw a vCPU's out of its guest. That is also why
 * IORING_SETUP_COOP_TASKRUN is right: the loop's thread comes by the kernel soon by itself.
 */
#include "disk/uring.h"
#include "base/mem.h"
#include "disk/vector.h"

#include <fcntl.h>
#include <liburing.h>
#include <linux/falloc.h>

#define URING_ENTRIES 128
/* The kernel cuts what is longer. */
#define URING_IO_MAX (1 << 30)

struct uring {
	struct io_uring ring;
	struct blockfile file; /* a copy; the descriptor is the format's */
	int event_fd;
	unsigned int in_ring, room;
	struct disk_request *fresh, **fresh_last;
};

static int uring_takes(void *ctx, const struct disk_request *request)
{
	const struct uring *uring = ctx;
	struct vector v = { request->iov, request->n_iov, 0, request->len };

	switch (request->operation) {
	case DISK_READ:
	case DISK_WRITE:
		return request->len > 0 && request->len <= URING_IO_MAX &&
		       vector_bytes(request->iov, request->n_iov) == request->len &&
		       blockfile_fits(&uring->file, &v, request->offset);
	case DISK_FLUSH:
		return 1;
	default:
		return request->len > 0;
	}
}

static void uring_submit(void *ctx, struct disk_request *request)
{
	struct uring *uring = ctx;

	request->next = NULL;
	*uring->fresh_last = request;
	uring->fresh_last = &request->next;
}

static void uring_prepare(const struct uring *uring, struct io_uring_sqe *sqe,
			  struct disk_request *request)
{
	int fd = uring->file.fd, punch = request->operation == DISK_DISCARD || request->unmap;
	int mode = punch ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;

	switch (request->operation) {
	case DISK_READ:
		io_uring_prep_readv(sqe, fd, request->iov, (unsigned int)request->n_iov,
				    request->offset);
		break;
	case DISK_WRITE:
		io_uring_prep_writev(sqe, fd, request->iov, (unsigned int)request->n_iov,
				     request->offset);
		break;
	case DISK_FLUSH:
		io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
		break;
	default:
		io_uring_prep_fallocate(sqe, fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)request->offset,
					(off_t)request->len);
		break;
	}
	io_uring_sqe_set_data(sqe, request);
}

/* Moves as many as there is room for into the submission queue. */
static void uring_fill(struct uring *uring)
{
	while (uring->fresh && uring->in_ring < uring->room) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
		struct disk_request *request = uring->fresh;

		if (!sqe)
			return;
		uring->fresh = request->next;
		if (!uring->fresh)
			uring->fresh_last = &uring->fresh;
		uring_prepare(uring, sqe, request);
		uring->in_ring++;
	}
}

static void uring_flush(void *ctx)
{
	const uint64_t one = 1;
	struct uring *uring = ctx;
	int r = 0;

	do {
		uring_fill(uring);
		if (io_uring_sq_ready(&uring->ring) == 0)
			return;
		r = io_uring_submit(&uring->ring);
	} while (r > 0);
	/* The kernel is short of something: again, when the loop has been round. */
	if (write(uring->event_fd, &one, sizeof(one)) < 0)
		return;
}

static int uring_result(const struct disk_request *request, int r)
{
	int moves = request->operation == DISK_READ || request->operation == DISK_WRITE;

	if (r == -EINTR || (r >= 0 && moves && (uint64_t)r < request->len))
		return -EAGAIN;
	/* Ways of fallocate() that the file does not know. */
	if (!moves && (r == -EOPNOTSUPP || r == -EINVAL || r == -ENODEV))
		return -EAGAIN;
	return r < 0 ? r : 0;
}

static struct disk_request *uring_reap(void *ctx)
{
	struct uring *uring = ctx;
	struct disk_request *done = NULL, **last = &done;
	struct io_uring_cqe *cqe;

	while (io_uring_peek_cqe(&uring->ring, &cqe) == 0) {
		struct disk_request *request = io_uring_cqe_get_data(cqe);

		request->result = uring_result(request, cqe->res);
		io_uring_cqe_seen(&uring->ring, cqe);
		uring->in_ring--;
		*last = request;
		last = &request->next;
	}
	*last = NULL;
	return done;
}

static void uring_free(void *ctx)
{
	struct uring *uring = ctx;
	struct io_uring_cqe *cqe;

	while (uring->in_ring > io_uring_sq_ready(&uring->ring)) {
		int r = io_uring_wait_cqe(&uring->ring, &cqe);

		if (r < 0 && r != -EINTR && r != -EAGAIN)
			break;
		if (r == 0) {
			io_uring_cqe_seen(&uring->ring, cqe);
			uring->in_ring--;
		}
	}
	io_uring_queue_exit(&uring->ring);
	free(uring);
}

static const struct engine_ops uring_ops = {
	.name = "io_uring",
	.takes = uring_takes,
	.submit = uring_submit,
	.flush = uring_flush,
	.reap = uring_reap,
	.free = uring_free,
};

static int uring_able(struct io_uring *ring)
{
	static const unsigned int needed[] = { IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC,
					       IORING_OP_FALLOCATE };
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
	int able = probe != NULL;

	for (size_t i = 0; able && i < ARRAY_SIZE(needed); i++)
		able = io_uring_opcode_supported(probe, (int)needed[i]);
	io_uring_free_probe(probe);
	/* Lists of segments are read when a request is submitted. */
	return able && (ring->features & IORING_FEAT_SUBMIT_STABLE);
}

int uring_new(const struct blockfile *file, int event_fd, struct engine *ret)
{
	struct uring *uring = mem_zalloc(sizeof(*uring));
	int r = io_uring_queue_init(URING_ENTRIES, &uring->ring, IORING_SETUP_COOP_TASKRUN);

	if (r == -EINVAL)
		r = io_uring_queue_init(URING_ENTRIES, &uring->ring, 0);
	if (r < 0) {
		free(uring);
		return r;
	}
	r = uring_able(&uring->ring) ? io_uring_register_eventfd(&uring->ring, event_fd)
				     : -EOPNOTSUPP;
	if (r < 0) {
		io_uring_queue_exit(&uring->ring);
		free(uring);
		return r;
	}
	uring->file = *file;
	uring->event_fd = event_fd;
	uring->room = *uring->ring.cq.kring_entries;
	uring->fresh_last = &uring->fresh;
	*ret = (struct engine){ &uring_ops, uring };
	return 0;
}
