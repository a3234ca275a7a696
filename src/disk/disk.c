// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A request's way: disk_submit() checks it; where the disk's limits are reached it waits in a list for their
 * timer; then an engine has it until the eventfd says that it is done. Requests that io_uring could not
 * do whole go to the threads, from their start.
 *
 * Engines are flushed in the loop's thread. A flush in another only writes to the eventfd.
 */
#include "disk/disk.h"
#include "base/mem.h"
#include "base/units.h"
#include "disk/engine.h"
#include "disk/limit.h"
#include "disk/pool.h"
#include "disk/qcow2.h"
#include "disk/raw.h"
#include "disk/uring.h"

#include <pthread.h>
#include <sys/eventfd.h>

/* What is read, and what is written, each with its limits and what waits for them. */
enum { DISK_LANE_READ, DISK_LANE_WRITE, DISK_LANES };

struct disk_lane {
	struct limit bytes, operations;
	struct disk_request *waiting, **waiting_last;
};

struct disk {
	struct format *format;
	int read_only;
	struct engine engines[2]; /* the quick one, which may not be there, and the threads */
	int event_fd;
	struct loop_source *event, *timer;
	pthread_t thread;
	size_t busy;
	struct disk_lane lanes[DISK_LANES];
	void (*completed)(void *ctx);
	void *ctx;
};

enum { DISK_QUICK, DISK_THREADS, DISK_ENGINES };

static void disk_dispatch(struct disk *disk, struct disk_request *request)
{
	const struct engine *quick = &disk->engines[DISK_QUICK], *engine = quick;

	if (!quick->ops || !quick->ops->takes(quick->ctx, request))
		engine = &disk->engines[DISK_THREADS];
	engine->ops->submit(engine->ctx, request);
}

static void disk_flush_engines(struct disk *disk)
{
	for (int i = 0; i < DISK_ENGINES; i++)
		if (disk->engines[i].ops)
			disk->engines[i].ops->flush(disk->engines[i].ctx);
}

static struct disk_lane *disk_lane_of(struct disk *disk, const struct disk_request *request)
{
	return &disk->lanes[request->operation == DISK_READ ? DISK_LANE_READ : DISK_LANE_WRITE];
}

/* Nanoseconds that the limits want us to wait. */
static int64_t disk_limited(struct disk_lane *lane)
{
	int64_t now, bytes, operations;

	if (lane->bytes.rate == 0 && lane->operations.rate == 0)
		return 0;
	now = units_monotonic();
	bytes = limit_wait(&lane->bytes, now);
	operations = limit_wait(&lane->operations, now);
	return bytes > operations ? bytes : operations;
}

static void disk_account(struct disk_lane *lane, const struct disk_request *request)
{
	limit_take(&lane->operations, 1);
	if (request->operation == DISK_READ || request->operation == DISK_WRITE)
		limit_take(&lane->bytes, request->len);
}

static void disk_set_timer(struct disk *disk, int64_t ns)
{
	loop_timer_set(disk->timer, (ns + 999999) / 1000000);
}

static void disk_drain(struct disk *disk, struct disk_lane *lane)
{
	while (lane->waiting && disk_limited(lane) == 0) {
		struct disk_request *request = lane->waiting;

		lane->waiting = request->next;
		if (!lane->waiting)
			lane->waiting_last = &lane->waiting;
		disk_account(lane, request);
		disk_dispatch(disk, request);
	}
}

/* For whichever lane may go on first. */
static void disk_arm(struct disk *disk)
{
	int64_t least = INT64_MAX;

	for (int i = 0; i < DISK_LANES; i++) {
		int64_t ns = disk->lanes[i].waiting ? disk_limited(&disk->lanes[i]) : INT64_MAX;

		least = ns < least ? ns : least;
	}
	if (least < INT64_MAX)
		disk_set_timer(disk, least);
}

static void disk_on_timer(void *ctx)
{
	struct disk *disk = ctx;

	for (int i = 0; i < DISK_LANES; i++)
		disk_drain(disk, &disk->lanes[i]);
	disk_arm(disk);
	disk_flush_engines(disk);
}

static void disk_wait(struct disk *disk, struct disk_lane *lane, struct disk_request *request)
{
	int is_first = !lane->waiting;

	request->next = NULL;
	*lane->waiting_last = request;
	lane->waiting_last = &request->next;
	if (is_first)
		disk_arm(disk);
}

static int disk_check(const struct disk *disk, const struct disk_request *request)
{
	uint64_t size = disk->format->size, mask = disk->format->block - 1;
	int moves = request->operation == DISK_READ || request->operation == DISK_WRITE;

	if (request->operation == DISK_FLUSH)
		return 0;
	if (disk->read_only && request->operation != DISK_READ)
		return -EROFS;
	if (request->offset > size || request->len > size - request->offset)
		return -EINVAL;
	if (((request->offset | request->len) & mask) != 0)
		return -EINVAL;
	if (moves && (request->n_iov > VECTOR_MAX ||
		      vector_bytes(request->iov, request->n_iov) < request->len))
		return -EINVAL;
	return 0;
}

int disk_submit(struct disk *disk, struct disk_request *request)
{
	struct disk_lane *lane = disk_lane_of(disk, request);
	int r = disk_check(disk, request);

	if (r < 0)
		return r;
	disk->busy++;
	request->result = 0;
	if (lane->waiting || disk_limited(lane) > 0) {
		disk_wait(disk, lane, request);
		return 0;
	}
	disk_account(lane, request);
	disk_dispatch(disk, request);
	return 0;
}

static void disk_wake(struct disk *disk)
{
	const uint64_t one = 1;

	/* A counter that is full wakes the loop too. */
	if (write(disk->event_fd, &one, sizeof(one)) < 0)
		return;
}

void disk_submit_flush(struct disk *disk)
{
	if (pthread_equal(pthread_self(), disk->thread))
		disk_flush_engines(disk);
	else
		disk_wake(disk);
}

static void disk_finish(struct disk *disk, struct disk_request *list)
{
	while (list) {
		struct disk_request *request = list;

		list = request->next;
		disk->busy--;
		request->done(request, request->result);
	}
}

/* What an engine has done. From the quick one, what it could not do whole goes to the threads. */
static struct disk_request *disk_reap(struct disk *disk, int i)
{
	const struct engine *engine = &disk->engines[i], *threads = &disk->engines[DISK_THREADS];
	struct disk_request *list = engine->ops->reap(engine->ctx), *next;
	struct disk_request *done = NULL, **last = &done;

	for (; list; list = next) {
		next = list->next;
		if (i == DISK_QUICK && list->result == -EAGAIN) {
			threads->ops->submit(threads->ctx, list);
			continue;
		}
		*last = list;
		last = &list->next;
	}
	*last = NULL;
	return done;
}

static void disk_on_event(void *ctx, uint32_t events)
{
	struct disk *disk = ctx;
	uint64_t count;
	int any = 0;

	(void)events;
	if (read(disk->event_fd, &count, sizeof(count)) < 0)
		return;
	for (int i = 0; i < DISK_ENGINES; i++) {
		struct disk_request *done = disk->engines[i].ops ? disk_reap(disk, i) : NULL;

		any |= done != NULL;
		disk_finish(disk, done);
	}
	disk_flush_engines(disk);
	if (any && disk->completed)
		disk->completed(disk->ctx);
}

static void disk_cancel_lane(struct disk *disk, struct disk_lane *lane)
{
	struct disk_request *list = take_ptr(lane->waiting);

	lane->waiting_last = &lane->waiting;
	for (struct disk_request *request = list; request; request = request->next)
		request->result = -ECANCELED;
	disk_finish(disk, list);
	if (list && disk->completed)
		disk->completed(disk->ctx);
}

void disk_cancel(struct disk *disk)
{
	for (int i = 0; i < DISK_LANES; i++)
		disk_cancel_lane(disk, &disk->lanes[i]);
}

void disk_limit(struct disk *disk, const struct disk_rates *rates)
{
	int64_t now = units_monotonic();
	struct disk_lane *lanes = disk->lanes;

	limit_init(&lanes[DISK_LANE_READ].bytes, rates->read_bytes, now);
	limit_init(&lanes[DISK_LANE_WRITE].bytes, rates->write_bytes, now);
	limit_init(&lanes[DISK_LANE_READ].operations, rates->read_operations, now);
	limit_init(&lanes[DISK_LANE_WRITE].operations, rates->write_operations, now);
	disk_arm(disk);
}

static int disk_open_file(const struct disk_file *from, int writable, int direct,
			  struct format *backing, struct format **ret, struct err *err)
{
	struct blockfile file;
	int r = blockfile_open(&file, from->fd, writable, direct, err);

	if (r < 0 && backing)
		backing->ops->free(backing);
	if (r < 0)
		return r;
	if (from->format == DISK_QCOW2)
		return qcow2_open(&file, writable, backing, ret, err);
	if (!backing)
		return raw_open(&file, writable, ret, err);
	backing->ops->free(backing);
	blockfile_close(&file);
	return err_set(err, -EINVAL, "a raw image has no backing file");
}

/* The chain, from its far end. Closes what it has not opened where it fails. */
static int disk_open_files(const struct disk_options *options, struct format **ret, struct err *err)
{
	struct format *backing = NULL;
	size_t i = options->n_files;
	int r = 0;

	while (r == 0 && i > 0) {
		i--;
		r = disk_open_file(&options->files[i], i == 0 && !options->read_only,
				   options->direct, backing, &backing, err);
	}
	if (r == 0)
		*ret = backing;
	while (r < 0 && i > 0)
		fd_close(options->files[--i].fd);
	return r;
}

static int disk_start(struct disk *disk, struct loop *loop, int no_uring, struct err *err)
{
	disk->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (disk->event_fd < 0)
		return err_errno(err, -errno, "cannot make an eventfd for a disk");
	disk->event = loop_watch_fd(loop, disk->event_fd, EPOLLIN, disk_on_event, disk);
	disk->timer = loop_add_timer(loop, disk_on_timer, disk);
	if (!disk->event || !disk->timer)
		return err_errno(err, -errno, "cannot watch a disk");
	/* If there is no io_uring, the threads do everything. */
	if (disk->format->plain && !no_uring)
		(void)uring_new(disk->format->plain, disk->event_fd, &disk->engines[DISK_QUICK]);
	pool_new(disk->format, disk->event_fd, &disk->engines[DISK_THREADS]);
	return 0;
}

int disk_open(struct loop *loop, const struct disk_options *options, struct disk **ret,
	      struct err *err)
{
	struct disk *disk;
	int r;

	disk = mem_zalloc(sizeof(*disk));
	*disk = (struct disk){ .event_fd = -EBADF,
			       .read_only = options->read_only,
			       .thread = pthread_self() };
	for (int i = 0; i < DISK_LANES; i++)
		disk->lanes[i].waiting_last = &disk->lanes[i].waiting;
	disk_limit(disk, &options->rates);
	if (options->n_files == 0 || options->n_files > DISK_FILES_MAX) {
		for (size_t i = 0; i < options->n_files; i++)
			fd_close(options->files[i].fd);
		r = err_set(err, -EINVAL, "a disk has from 1 to %d files", DISK_FILES_MAX);
	} else {
		r = disk_open_files(options, &disk->format, err);
	}
	if (r == 0)
		r = disk_start(disk, loop, options->no_uring, err);
	if (r < 0) {
		disk_free(disk);
		return r;
	}
	*ret = disk;
	return 0;
}

struct disk *disk_free(struct disk *disk)
{
	if (!disk)
		return NULL;
	for (int i = 0; i < DISK_ENGINES; i++)
		if (disk->engines[i].ops)
			disk->engines[i].ops->free(disk->engines[i].ctx);
	loop_source_free(disk->event);
	loop_source_free(disk->timer);
	fd_close(disk->event_fd);
	if (disk->format)
		disk->format->ops->free(disk->format);
	free(disk);
	return NULL;
}

uint64_t disk_size(const struct disk *disk)
{
	return disk->format->size;
}

int disk_grow(struct disk *disk, uint64_t size, struct err *err)
{
	if (!disk->format->plain)
		return err_set(err, -EOPNOTSUPP, "a disk of the format '%s' cannot grow",
			       disk_format_name(disk));
	if (size < disk->format->size || size % disk->format->block)
		return err_set(err, -EINVAL, "that is no size for a disk to grow to");
	disk->format->size = size;
	return 0;
}

uint32_t disk_block(const struct disk *disk)
{
	return disk->format->block;
}

uint32_t disk_physical(const struct disk *disk)
{
	return disk->format->physical;
}

int disk_read_only(const struct disk *disk)
{
	return disk->read_only;
}

const char *disk_engine(const struct disk *disk)
{
	const struct engine *quick = &disk->engines[DISK_QUICK];

	return quick->ops ? quick->ops->name : disk->engines[DISK_THREADS].ops->name;
}

const char *disk_format_name(const struct disk *disk)
{
	return disk->format->ops->name;
}

void disk_attach(struct disk *disk, void (*completed)(void *ctx), void *ctx)
{
	disk->completed = completed;
	disk->ctx = ctx;
}

size_t disk_busy(const struct disk *disk)
{
	return disk->busy;
}
