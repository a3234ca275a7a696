// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The device's side (submit, flush, reap: with the device lock) and the threads meet under pool->lock.
 * Invariants:
 *  1. A request is in exactly one place: the list of new ones, the work list, a thread's hands, the done list.
 *  2. The eventfd is written after the done list was empty, so whoever reads it and then reaps misses none.
 *  3. Threads touch only the request, its memory and the format, which locks for itself.
 */
#include "disk/pool.h"
#include "base/mem.h"

#include <pthread.h>
#include <signal.h>

#define POOL_THREADS 8
/* Decompression keeps its state on the heap; lists of segments are the largest things here. */
#define POOL_STACK (256 << 10)

struct pool_list {
	struct disk_request *first, **last;
};

struct pool {
	struct format *format;
	int event_fd;
	struct pool_list fresh; /* the device's side alone */

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t more;
	struct pool_list work;
	struct disk_request *done;
	unsigned int n_threads, n_idle, n_work;
	int ending;
	pthread_t threads[POOL_THREADS];
};

static void pool_list_add(struct pool_list *list, struct disk_request *request)
{
	request->next = NULL;
	*list->last = request;
	list->last = &request->next;
}

static void pool_list_reset(struct pool_list *list)
{
	*list = (struct pool_list){ .last = &list->first };
}

static int pool_do(struct format *format, const struct disk_request *request)
{
	struct vector v = { request->iov, request->n_iov, 0, request->len };

	switch (request->operation) {
	case DISK_READ:
		return format->ops->read(format, &v, request->offset);
	case DISK_WRITE:
		return format->ops->write(format, &v, request->offset);
	case DISK_FLUSH:
		return format->ops->flush(format);
	case DISK_DISCARD:
		return format->ops->discard(format, request->offset, request->len);
	case DISK_WRITE_ZEROES:
		return format->ops->zero(format, request->offset, request->len, request->unmap);
	default:
		return -EINVAL;
	}
}

/* With the lock. */
static void pool_finish(struct pool *pool, struct disk_request *request)
{
	const uint64_t one = 1;
	int was_empty = !pool->done;

	request->next = pool->done;
	pool->done = request;
	/* It cannot fail: a counter that is full would have woken the loop long ago. */
	if (was_empty && write(pool->event_fd, &one, sizeof(one)) < 0)
		return;
}

static struct disk_request *pool_take(struct pool *pool)
{
	struct disk_request *request = pool->work.first;

	pool->work.first = request->next;
	if (!pool->work.first)
		pool_list_reset(&pool->work);
	pool->n_work--;
	return request;
}

static void *pool_thread(void *ctx)
{
	struct pool *pool = ctx;

	pthread_mutex_lock(&pool->lock);
	for (;;) {
		struct disk_request *request;

		while (pool->n_work == 0 && !pool->ending) {
			pool->n_idle++;
			pthread_cond_wait(&pool->more, &pool->lock);
			pool->n_idle--;
		}
		if (pool->n_work == 0)
			break;
		request = pool_take(pool);
		pthread_mutex_unlock(&pool->lock);
		request->result = pool_do(pool->format, request);
		pthread_mutex_lock(&pool->lock);
		pool_finish(pool, request);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* With the lock. Signals are for other threads. */
static int pool_start(struct pool *pool)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, POOL_STACK);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&pool->threads[pool->n_threads], &attr, pool_thread, pool);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	pool->n_threads += r == 0;
	return -r;
}

static void pool_submit(void *ctx, struct disk_request *request)
{
	struct pool *pool = ctx;

	pool_list_add(&pool->fresh, request);
}

/* With the lock: as many threads as there is work, if that can be had. */
static void pool_staff(struct pool *pool)
{
	int r = 0;

	for (unsigned int n = pool->n_idle; r == 0 && n < pool->n_work; n++)
		r = pool->n_threads < POOL_THREADS ? pool_start(pool) : -EAGAIN;
	while (pool->n_threads == 0 && pool->n_work > 0) {
		struct disk_request *request = pool_take(pool);

		request->result = r;
		pool_finish(pool, request);
	}
}

static void pool_flush(void *ctx)
{
	struct pool *pool = ctx;
	unsigned int n = 0;

	if (!pool->fresh.first)
		return;
	pthread_mutex_lock(&pool->lock);
	while (pool->fresh.first) {
		struct disk_request *request = pool->fresh.first;

		pool->fresh.first = request->next;
		pool_list_add(&pool->work, request);
		n++;
	}
	pool_list_reset(&pool->fresh);
	pool->n_work += n;
	pool_staff(pool);
	if (n == 1)
		pthread_cond_signal(&pool->more);
	else
		pthread_cond_broadcast(&pool->more);
	pthread_mutex_unlock(&pool->lock);
}

static struct disk_request *pool_reap(void *ctx)
{
	struct pool *pool = ctx;
	struct disk_request *done;

	pthread_mutex_lock(&pool->lock);
	done = take_ptr(pool->done);
	pthread_mutex_unlock(&pool->lock);
	return done;
}

static void pool_free(void *ctx)
{
	struct pool *pool = ctx;

	pthread_mutex_lock(&pool->lock);
	pool->ending = 1;
	pthread_cond_broadcast(&pool->more);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned int i = 0; i < pool->n_threads; i++)
		pthread_join(pool->threads[i], NULL);
	pthread_mutex_destroy(&pool->lock);
	pthread_cond_destroy(&pool->more);
	free(pool);
}

static const struct engine_ops pool_ops = {
	.name = "threads",
	.submit = pool_submit,
	.flush = pool_flush,
	.reap = pool_reap,
	.free = pool_free,
};

void pool_new(struct format *format, int event_fd, struct engine *ret)
{
	struct pool *pool = mem_zalloc(sizeof(*pool));

	pool->format = format;
	pool->event_fd = event_fd;
	pool_list_reset(&pool->fresh);
	pool_list_reset(&pool->work);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->more, NULL);
	*ret = (struct engine){ &pool_ops, pool };
}
