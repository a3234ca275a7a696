// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/disk.h"
#include "base/file.h"
#include "base/take.h"
#include "base/units.h"
#include "image_fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define DISK_SIZE  (8 << 20)
#define GROWN_SIZE (INT64_C(2) * DISK_SIZE)
#define SLOT_SIZE  (256 << 10)
#define SLOTS	   (DISK_SIZE / SLOT_SIZE)

/* Everybody has a part of the disk of its own, so that requests under way together may come in any order. */
struct slot {
	struct disk_request request;
	struct iovec iov[2];
	uint8_t *bytes, *buffer;
	uint64_t offset, len; /* of the request, within the slot */
};

struct bench {
	char folder[64];
	struct loop *loop;
	struct loop_source *deadline;
	struct disk *disk;
	struct disk_options options;
	struct disk_file file;
	struct slot slots[SLOTS];
	int under_way, left, completed, result;
	uint64_t random;
};

static void on_deadline(void *ctx)
{
	loop_exit(((struct bench *)ctx)->loop, -ETIMEDOUT);
}

static void on_completed(void *ctx)
{
	((struct bench *)ctx)->completed++;
}

static void bench_start(struct bench *b, int real)
{
	struct err err = ERR_INIT;

	*b = (struct bench){ .random = 7 };
	fixture_folder(b->folder, real);
	assert_int_equal(loop_new(&b->loop, &err), 0);
	b->deadline = loop_add_timer(b->loop, on_deadline, b);
	loop_timer_set(b->deadline, 30000);
	b->options.files = &b->file;
	b->options.n_files = 1;
	for (int i = 0; i < SLOTS; i++) {
		b->slots[i].bytes = calloc(1, SLOT_SIZE);
		b->slots[i].buffer = aligned_alloc(4096, SLOT_SIZE);
	}
}

static int bench_try_open(struct bench *b, int fd, enum disk_format format, struct err *err)
{
	b->file = (struct disk_file){ fd, format };
	return disk_open(b->loop, &b->options, &b->disk, err);
}

static void bench_open(struct bench *b, int fd, enum disk_format format)
{
	struct err err = ERR_INIT;

	if (bench_try_open(b, fd, format, &err) < 0)
		fail_msg("%s", err.msg);
	disk_attach(b->disk, on_completed, b);
}

static void bench_stop(struct bench *b)
{
	disk_free(b->disk);
	loop_source_free(b->deadline);
	loop_free(b->loop);
	for (int i = 0; i < SLOTS; i++) {
		free(b->slots[i].bytes);
		free(b->slots[i].buffer);
	}
	fixture_remove(b->folder);
}

static void bench_wait(struct bench *b)
{
	if (disk_busy(b->disk) > 0)
		assert_int_equal(loop_run(b->loop), 0);
}

static void on_one_done(struct disk_request *request, int result)
{
	struct bench *b = request->ctx;

	b->result = result;
	loop_exit(b->loop, 0);
}

/* One request, start to end. */
static int bench_do(struct bench *b, enum disk_operation operation, uint64_t offset, void *data,
		    uint64_t len)
{
	struct iovec iov = { data, len };
	struct disk_request request = { .operation = operation,
					.offset = offset,
					.len = len,
					.iov = &iov,
					.n_iov = 1,
					.done = on_one_done,
					.ctx = b };
	int r = disk_submit(b->disk, &request);

	if (r < 0)
		return r;
	disk_submit_flush(b->disk);
	assert_int_equal(loop_run(b->loop), 0);
	return b->result;
}

static void slot_submit(struct bench *b, struct slot *slot);

static void on_slot_done(struct disk_request *request, int result)
{
	struct bench *b = request->ctx;
	struct slot *slot = (struct slot *)request;

	assert_int_equal(result, 0);
	if (request->operation == DISK_READ)
		assert_memory_equal(slot->buffer, slot->bytes + slot->offset, slot->len);
	b->under_way--;
	if (b->left > 0)
		slot_submit(b, slot);
	else if (b->under_way == 0)
		loop_exit(b->loop, 0);
}

static void slot_prepare(struct bench *b, struct slot *slot)
{
	uint64_t r = fixture_random(&b->random), block = disk_block(b->disk);

	slot->offset = r % SLOT_SIZE / block * block;
	slot->len = block * (1 + (r >> 32) % 64);
	if (slot->len > SLOT_SIZE - slot->offset)
		slot->len = SLOT_SIZE - slot->offset;
	switch ((r >> 56) % 8) {
	case 0:
		slot->request.operation = DISK_WRITE_ZEROES;
		slot->request.unmap = (int)(r >> 55) & 1;
		memset(slot->bytes + slot->offset, 0, slot->len);
		break;
	case 1:
		slot->request.operation = DISK_FLUSH;
		break;
	case 2:
	case 3:
	case 4:
		slot->request.operation = DISK_READ;
		break;
	default:
		slot->request.operation = DISK_WRITE;
		fixture_fill(&b->random, slot->bytes + slot->offset, slot->len);
		memcpy(slot->buffer, slot->bytes + slot->offset, slot->len);
	}
}

static void slot_submit(struct bench *b, struct slot *slot)
{
	uint64_t first;

	slot_prepare(b, slot);
	/* Now and then in two segments that are not aligned. */
	first = b->left % 5 == 0 ? 100 : slot->len;
	slot->iov[0] = (struct iovec){ slot->buffer, first };
	slot->iov[1] = (struct iovec){ slot->buffer + first, slot->len - first };
	slot->request.offset = (uint64_t)(slot - b->slots) * SLOT_SIZE + slot->offset;
	slot->request.len = slot->len;
	slot->request.iov = slot->iov;
	slot->request.n_iov = first == slot->len ? 1 : 2;
	slot->request.done = on_slot_done;
	slot->request.ctx = b;
	b->left--;
	b->under_way++;
	assert_int_equal(disk_submit(b->disk, &slot->request), 0);
}

/* Requests in all slots at once; then all is read by one. */
static void bench_storm(struct bench *b, int requests)
{
	uint8_t *all = malloc(DISK_SIZE);

	b->left = requests;
	for (int i = 0; i < SLOTS; i++)
		slot_submit(b, &b->slots[i]);
	disk_submit_flush(b->disk);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(disk_busy(b->disk), 0);
	assert_true(b->completed > 0);
	assert_int_equal(bench_do(b, DISK_READ, 0, all, DISK_SIZE), 0);
	for (int i = 0; i < SLOTS; i++)
		assert_memory_equal(all + (size_t)i * SLOT_SIZE, b->slots[i].bytes, SLOT_SIZE);
	free(all);
}

static void storm(int direct, int no_uring, enum disk_format format, int real)
{
	const struct fixture_shape shape = { 3, 16, 4, DISK_SIZE, 0 };
	struct bench b;

	bench_start(&b, real);
	b.options.direct = direct;
	b.options.no_uring = no_uring;
	bench_open(&b,
		   format == DISK_RAW ? fixture_file(b.folder, "image", DISK_SIZE)
				      : fixture_qcow2(b.folder, "image", &shape),
		   format);
	if (no_uring || format == DISK_QCOW2)
		assert_string_equal(disk_engine(b.disk), "threads");
	bench_storm(&b, real ? 150 : 600);
	b.disk = disk_free(b.disk);
	if (format == DISK_QCOW2 && fixture_has_qemu_img())
		assert_int_equal(fixture_check(b.folder, "image"), 0);
	bench_stop(&b);
}

static void test_raw_disks_hold_what_many_write_at_once(void **state)
{
	(void)state;
	storm(0, 0, DISK_RAW, 0);
	storm(0, 1, DISK_RAW, 0);
}

static void test_qcow2_disks_hold_what_many_write_at_once(void **state)
{
	(void)state;
	storm(0, 0, DISK_QCOW2, 0);
}

static void test_disks_work_past_the_page_cache(void **state)
{
	(void)state;
	storm(1, 0, DISK_RAW, 1);
	storm(1, 1, DISK_RAW, 1);
	storm(1, 0, DISK_QCOW2, 1);
}

static void test_what_is_not_on_the_disk_is_refused(void **state)
{
	uint8_t data[1024] = { 0 };
	struct bench b;

	(void)state;
	bench_start(&b, 0);
	bench_open(&b, fixture_file(b.folder, "image", DISK_SIZE + 511), DISK_RAW);
	assert_int_equal(disk_size(b.disk), DISK_SIZE);
	assert_int_equal(bench_do(&b, DISK_READ, DISK_SIZE - 512, data, 1024), -EINVAL);
	assert_int_equal(bench_do(&b, DISK_READ, DISK_SIZE, data, 512), -EINVAL);
	assert_int_equal(bench_do(&b, DISK_READ, UINT64_MAX - 511, data, 1024), -EINVAL);
	assert_int_equal(bench_do(&b, DISK_WRITE, 100, data, 512), -EINVAL);
	assert_int_equal(bench_do(&b, DISK_WRITE, 0, data, 100), -EINVAL);
	assert_int_equal(bench_do(&b, DISK_DISCARD, 0, data, UINT64_MAX - 511), -EINVAL);
	assert_int_equal(bench_do(&b, DISK_WRITE_ZEROES, 512, data, DISK_SIZE), -EINVAL);
	assert_int_equal(disk_busy(b.disk), 0);
	bench_stop(&b);
}

static void test_a_disk_grows_with_its_file_and_never_shrinks(void **state)
{
	_cleanup_close_ int file = -EBADF;
	uint8_t data[512] = { 1 };
	struct err err = ERR_INIT;
	struct bench b;

	(void)state;
	bench_start(&b, 0);
	bench_open(&b, fixture_file(b.folder, "image", DISK_SIZE), DISK_RAW);
	file = fixture_open(b.folder, "image", O_RDWR);
	assert_int_equal(ftruncate(file, GROWN_SIZE), 0);
	assert_int_equal(bench_do(&b, DISK_WRITE, DISK_SIZE, data, 512), -EINVAL);
	assert_int_equal(disk_grow(b.disk, GROWN_SIZE, &err), 0);
	assert_int_equal(disk_size(b.disk), GROWN_SIZE);
	assert_int_equal(bench_do(&b, DISK_WRITE, GROWN_SIZE - 512, data, 512), 0);
	assert_int_equal(disk_grow(b.disk, DISK_SIZE, &err), -EINVAL);
	err = (struct err)ERR_INIT;
	assert_int_equal(disk_grow(b.disk, GROWN_SIZE + 100, &err), -EINVAL);
	bench_stop(&b);
}

static void test_a_read_only_disk_is_not_written_to(void **state)
{
	uint8_t data[512];
	struct bench b;
	int fd;

	(void)state;
	bench_start(&b, 0);
	b.options.read_only = 1;
	fd = fixture_file(b.folder, "image", 700);
	assert_int_equal(pwrite(fd, "x", 1, 699), 1);
	bench_open(&b, fd, DISK_RAW);
	assert_int_equal(disk_read_only(b.disk), 1);
	assert_int_equal(bench_do(&b, DISK_WRITE, 0, data, 512), -EROFS);
	assert_int_equal(bench_do(&b, DISK_DISCARD, 0, data, 512), -EROFS);
	/* The last sector is there whole. */
	assert_int_equal(disk_size(b.disk), 1024);
	memset(data, 0xee, sizeof(data));
	assert_int_equal(bench_do(&b, DISK_READ, 512, data, 512), 0);
	assert_int_equal(data[187], 'x');
	assert_int_equal(data[188], 0);
	assert_int_equal(data[511], 0);
	bench_stop(&b);
}

static void test_one_writer_or_many_readers(void **state)
{
	struct err err = ERR_INIT;
	struct disk *first;
	struct bench b;

	(void)state;
	bench_start(&b, 0);
	bench_open(&b, fixture_file(b.folder, "image", DISK_SIZE), DISK_RAW);
	first = take_ptr(b.disk);
	assert_int_equal(
		bench_try_open(&b, fixture_open(b.folder, "image", O_RDWR), DISK_RAW, &err),
		-EBUSY);
	b.options.read_only = 1;
	assert_int_equal(
		bench_try_open(&b, fixture_open(b.folder, "image", O_RDONLY), DISK_RAW, &err),
		-EBUSY);
	disk_free(first);
	bench_open(&b, fixture_open(b.folder, "image", O_RDONLY), DISK_RAW);
	first = take_ptr(b.disk);
	bench_open(&b, fixture_open(b.folder, "image", O_RDONLY), DISK_RAW);
	b.options.read_only = 0;
	disk_free(first);
	first = take_ptr(b.disk);
	assert_int_equal(
		bench_try_open(&b, fixture_open(b.folder, "image", O_RDWR), DISK_RAW, &err),
		-EBUSY);
	disk_free(first);
	bench_stop(&b);
}

static void test_only_files_and_descriptors_for_the_purpose_are_disks(void **state)
{
	struct err err = ERR_INIT;
	struct bench b;
	int fd[2];

	(void)state;
	bench_start(&b, 0);
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	b.options.read_only = 1;
	assert_int_equal(bench_try_open(&b, fd[0], DISK_RAW, &err), -EINVAL);
	fd_close(fd[1]);
	b.options.read_only = 0;
	fd_close(fixture_file(b.folder, "image", DISK_SIZE));
	assert_int_equal(
		bench_try_open(&b, fixture_open(b.folder, "image", O_RDONLY), DISK_RAW, &err),
		-EACCES);
	assert_int_equal(
		bench_try_open(&b, fixture_open(b.folder, "image", O_WRONLY), DISK_RAW, &err),
		-EACCES);
	assert_int_equal(bench_try_open(&b, fixture_file(b.folder, "empty", 100), DISK_RAW, &err),
			 -EINVAL);
	bench_stop(&b);
}

/* The image names /dev/null or what one likes: what counts is what was given. */
static void test_a_chain_is_what_was_given(void **state)
{
	const struct fixture_shape shape = { 3, 16, 4, DISK_SIZE, 1 };
	struct disk_file files[3];
	struct err err = ERR_INIT;
	uint8_t data[512];
	struct bench b;

	(void)state;
	bench_start(&b, 0);
	files[0] = (struct disk_file){ fixture_qcow2(b.folder, "top", &shape), DISK_QCOW2 };
	files[1] = (struct disk_file){ fixture_qcow2(b.folder, "middle", &shape), DISK_QCOW2 };
	files[2] = (struct disk_file){ fixture_file(b.folder, "bottom", DISK_SIZE), DISK_RAW };
	assert_int_equal(pwrite(files[2].fd, "below", 5, 4096), 5);
	b.options.files = files;
	b.options.n_files = 3;
	assert_int_equal(disk_open(b.loop, &b.options, &b.disk, &err), 0);
	assert_int_equal(bench_do(&b, DISK_READ, 4096, data, 512), 0);
	assert_memory_equal(data, "below", 6);
	memcpy(data, "above", 5);
	assert_int_equal(bench_do(&b, DISK_WRITE, 4608, data, 512), 0);
	assert_int_equal(bench_do(&b, DISK_READ, 4096, data, 512), 0);
	assert_memory_equal(data, "below", 6);
	b.disk = disk_free(b.disk);

	files[0].fd = fixture_open(b.folder, "top", O_RDWR);
	b.options.n_files = 1;
	assert_int_equal(disk_open(b.loop, &b.options, &b.disk, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "backing file"));
	files[0] = (struct disk_file){ fixture_open(b.folder, "bottom", O_RDWR), DISK_RAW };
	files[1] = (struct disk_file){ fixture_open(b.folder, "middle", O_RDONLY), DISK_RAW };
	b.options.n_files = 2;
	assert_int_equal(disk_open(b.loop, &b.options, &b.disk, &err), -EINVAL);
	assert_int_equal(fcntl(files[0].fd, F_GETFD), -1);
	assert_int_equal(fcntl(files[1].fd, F_GETFD), -1);
	bench_stop(&b);
}

static void test_limits_hold(void **state)
{
	struct bench b;
	int64_t start, took;

	(void)state;
	bench_start(&b, 0);
	b.options.rates.write_operations = b.options.rates.read_operations = 500;
	bench_open(&b, fixture_file(b.folder, "image", DISK_SIZE), DISK_RAW);
	start = units_monotonic();
	bench_storm(&b, 500);
	took = units_monotonic() - start;
	/* The first hundred come at once. */
	assert_true(took >= INT64_C(390000000));
	bench_stop(&b);
}

static void on_canceled(struct disk_request *request, int result)
{
	struct bench *b = request->ctx;

	b->result += result == -ECANCELED;
}

static void test_what_waits_for_a_limit_can_be_canceled(void **state)
{
	struct disk_request requests[8];
	struct bench b;

	(void)state;
	bench_start(&b, 0);
	b.options.rates.write_operations = 1;
	bench_open(&b, fixture_file(b.folder, "image", DISK_SIZE), DISK_RAW);
	for (int i = 0; i < 8; i++) {
		requests[i] = (struct disk_request){ .operation = DISK_FLUSH,
						     .done = on_canceled,
						     .ctx = &b };
		assert_int_equal(disk_submit(b.disk, &requests[i]), 0);
	}
	disk_submit_flush(b.disk);
	assert_int_equal(disk_busy(b.disk), 8);
	disk_cancel(b.disk);
	assert_int_equal(b.result, 7);
	assert_int_equal(disk_busy(b.disk), 1);
	bench_stop(&b); /* waits for the one that is under way */
}

static void on_read(struct disk_request *request, int result)
{
	struct bench *b = request->ctx;

	b->result = result;
	loop_exit(b->loop, 0);
}

static void test_what_writes_slowly_lets_reads_pass_and_other_rates_hold_at_once(void **state)
{
	const struct disk_rates none = { .read_bytes = 0 };
	struct disk_request writes[2], read;
	struct bench b;
	char block[4096];
	struct iovec iov = { block, sizeof(block) };

	(void)state;
	bench_start(&b, 0);
	b.options.rates.write_operations = 1;
	bench_open(&b, fixture_file(b.folder, "image", DISK_SIZE), DISK_RAW);
	for (int i = 0; i < 2; i++) {
		writes[i] = (struct disk_request){ .operation = DISK_FLUSH,
						   .done = on_read,
						   .ctx = &b };
		assert_int_equal(disk_submit(b.disk, &writes[i]), 0);
	}
	disk_submit_flush(b.disk);
	assert_int_equal(loop_run(b.loop), 0);
	assert_int_equal(disk_busy(b.disk), 1);
	read = (struct disk_request){ .operation = DISK_READ,
				      .len = sizeof(block),
				      .iov = &iov,
				      .n_iov = 1,
				      .done = on_read,
				      .ctx = &b };
	assert_int_equal(disk_submit(b.disk, &read), 0);
	disk_submit_flush(b.disk);
	assert_int_equal(loop_run(b.loop), 0);
	assert_int_equal(disk_busy(b.disk), 1);
	disk_limit(b.disk, &none);
	assert_int_equal(loop_run(b.loop), 0);
	assert_int_equal(b.result, 0);
	assert_int_equal(disk_busy(b.disk), 0);
	bench_stop(&b);
}

static void *flush_elsewhere(void *ctx)
{
	disk_submit_flush(((struct bench *)ctx)->disk);
	return NULL;
}

static void test_a_vcpu_s_thread_may_flush(void **state)
{
	struct bench b;
	pthread_t thread;

	(void)state;
	bench_start(&b, 0);
	bench_open(&b, fixture_file(b.folder, "image", DISK_SIZE), DISK_RAW);
	b.left = 1;
	slot_submit(&b, &b.slots[0]);
	assert_int_equal(pthread_create(&thread, NULL, flush_elsewhere, &b), 0);
	pthread_join(thread, NULL);
	bench_wait(&b);
	assert_int_equal(disk_busy(b.disk), 0);
	bench_stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_raw_disks_hold_what_many_write_at_once),
		cmocka_unit_test(test_qcow2_disks_hold_what_many_write_at_once),
		cmocka_unit_test(test_disks_work_past_the_page_cache),
		cmocka_unit_test(test_what_is_not_on_the_disk_is_refused),
		cmocka_unit_test(test_a_disk_grows_with_its_file_and_never_shrinks),
		cmocka_unit_test(test_a_read_only_disk_is_not_written_to),
		cmocka_unit_test(test_one_writer_or_many_readers),
		cmocka_unit_test(test_only_files_and_descriptors_for_the_purpose_are_disks),
		cmocka_unit_test(test_a_chain_is_what_was_given),
		cmocka_unit_test(test_limits_hold),
		cmocka_unit_test(test_what_waits_for_a_limit_can_be_canceled),
		cmocka_unit_test(
			test_what_writes_slowly_lets_reads_pass_and_other_rates_hold_at_once),
		cmocka_unit_test(test_a_vcpu_s_thread_may_flush),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
