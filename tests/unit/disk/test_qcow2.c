// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/qcow2.h"
#include "disk/qcow2-internal.h"
#include "disk/raw.h"
#include "image_fixture.h"

#include <endian.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#define DISK_SIZE (5 << 19)

/* An image beside the bytes that it must have. */
struct oracle {
	char folder[64];
	const char *name, *backing; /* files; backing is raw, or NULL */
	struct fixture_shape shape;
	int direct, few_tables;
	struct format *format;
	uint8_t *bytes, *read;
	uint64_t random;
};

static int oracle_try_open(struct oracle *o, int writable, struct err *err)
{
	struct format *backing = NULL;
	struct blockfile file;
	int r;

	if (o->backing) {
		r = blockfile_open(&file, fixture_open(o->folder, o->backing, O_RDONLY), 0,
				   o->direct, err);
		assert_int_equal(r, 0);
		assert_int_equal(raw_open(&file, 0, &backing, err), 0);
	}
	r = blockfile_open(&file, fixture_open(o->folder, o->name, writable ? O_RDWR : O_RDONLY),
			   writable, o->direct, err);
	assert_int_equal(r, 0);
	return qcow2_open(&file, writable, backing, &o->format, err);
}

/* Caches of eight tables, so that there is never room. */
static void oracle_shrink_caches(struct oracle *o)
{
	struct qcow2 *image = (struct qcow2 *)o->format;

	qcow2_cache_release(&image->l2);
	qcow2_cache_release(&image->refblocks);
	qcow2_cache_init(&image->l2, 0, image->cluster_size, 1);
	qcow2_cache_init(&image->refblocks, 0, image->cluster_size, 1);
}

static void oracle_open(struct oracle *o)
{
	struct err err = ERR_INIT;

	if (oracle_try_open(o, 1, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(o->format->size, DISK_SIZE);
	if (o->few_tables)
		oracle_shrink_caches(o);
}

static void oracle_close(struct oracle *o)
{
	o->format->ops->free(o->format);
	o->format = NULL;
}

static void oracle_init(struct oracle *o)
{
	fixture_folder(o->folder, o->direct);
	o->bytes = calloc(1, DISK_SIZE);
	o->read = aligned_alloc(4096, DISK_SIZE);
	o->random = 42;
	o->name = "image";
}

static void oracle_release(struct oracle *o)
{
	fixture_remove(o->folder);
	free(o->bytes);
	free(o->read);
}

/* A backing file that ends in the middle of the disk. */
static void oracle_add_backing(struct oracle *o)
{
	size_t len = DISK_SIZE / 2 + 1536;
	_cleanup_close_ int fd = fixture_file(o->folder, "base.i", len);

	fixture_fill(&o->random, o->bytes, len);
	assert_int_equal(pwrite(fd, o->bytes, len, 0), len);
	o->backing = "base.i";
}

static void oracle_compare(struct oracle *o, uint64_t offset, uint64_t len)
{
	struct iovec iov;
	struct vector v = vector_of(&iov, o->read, len);

	memset(o->read, 0xee, len);
	assert_int_equal(o->format->ops->read(o->format, &v, offset), 0);
	if (memcmp(o->read, o->bytes + offset, len) == 0)
		return;
	for (uint64_t i = 0; i < len; i++)
		if (o->read[i] != o->bytes[offset + i])
			fail_msg("byte %llu is 0x%02x, not 0x%02x", (unsigned long long)offset + i,
				 o->read[i], o->bytes[offset + i]);
}

/* In three segments, the middle one of odd length. */
static void oracle_write(struct oracle *o, uint64_t offset, uint64_t len)
{
	struct iovec iov[3];
	struct vector v = { iov, 3, 0, len };

	fixture_fill(&o->random, o->bytes + offset, len);
	memcpy(o->read, o->bytes + offset, len);
	iov[0] = (struct iovec){ o->read, 100 };
	iov[1] = (struct iovec){ o->read + 100, 133 };
	iov[2] = (struct iovec){ o->read + 233, len - 233 };
	assert_int_equal(o->format->ops->write(o->format, &v, offset), 0);
}

/* Of whole clusters nothing is left; of others all is. */
static void oracle_discard(struct oracle *o, uint64_t offset, uint64_t len)
{
	uint64_t cluster = UINT64_C(1) << o->shape.cluster_bits;
	uint64_t first = (offset + cluster - 1) & ~(cluster - 1), end = offset + len;

	assert_int_equal(o->format->ops->discard(o->format, offset, len), 0);
	if (end != DISK_SIZE)
		end &= ~(cluster - 1);
	if (end > first && !(o->shape.version == 2 && o->backing))
		memset(o->bytes + first, 0, end - first);
}

static void oracle_step(struct oracle *o)
{
	uint64_t sectors = DISK_SIZE / 512, r = fixture_random(&o->random);
	uint64_t first = (r >> 8) % sectors, max = (r >> 32) % 8 ? 40 : 1200;
	uint64_t n = 1 + (r >> 40) % max, offset = first * 512, len;

	if (n > sectors - first)
		n = sectors - first;
	len = n * 512;
	switch (r % 16) {
	case 0:
	case 1:
		oracle_discard(o, offset, len);
		break;
	case 2:
	case 3:
		assert_int_equal(o->format->ops->zero(o->format, offset, len, r & 1), 0);
		memset(o->bytes + offset, 0, len);
		break;
	case 4:
	case 5:
	case 6:
		oracle_compare(o, offset, len);
		break;
	case 7:
		if (fixture_random(&o->random) % 4 == 0)
			assert_int_equal(o->format->ops->flush(o->format), 0);
		break;
	default:
		oracle_write(o, offset, len);
		break;
	}
}

static void oracle_run(struct oracle *o, int steps)
{
	int qemu = fixture_has_qemu_img();

	oracle_open(o);
	for (int i = 1; i <= steps; i++) {
		oracle_step(o);
		if (i == steps / 3 && qemu) { /* what a crash here would leave */
			fixture_copy(o->folder, o->name, "crashed");
			assert_in_range(fixture_check(o->folder, "crashed") % 3, 0, 0);
		}
		if (i % (steps / 2) == 0) {
			oracle_compare(o, 0, DISK_SIZE);
			oracle_close(o);
			if (qemu)
				assert_int_equal(fixture_check(o->folder, o->name), 0);
			oracle_open(o);
			oracle_compare(o, 0, DISK_SIZE);
		}
	}
	oracle_close(o);
}

static void oracle_shape(unsigned int version, unsigned int cluster_bits,
			 unsigned int refcount_order, int backing, int direct)
{
	struct oracle o = { .shape = { version, cluster_bits, refcount_order, DISK_SIZE, backing },
			    .direct = direct };

	oracle_init(&o);
	if (backing)
		oracle_add_backing(&o);
	fd_close(fixture_qcow2(o.folder, o.name, &o.shape));
	oracle_run(&o, direct ? 60 : cluster_bits == 12 ? 120 : 240);
	oracle_release(&o);
}

static void test_version_3_holds_what_was_written(void **state)
{
	(void)state;
	oracle_shape(3, 16, 4, 0, 0);
}

static void test_version_2_holds_what_was_written(void **state)
{
	(void)state;
	oracle_shape(2, 16, 4, 0, 0);
}

static void test_what_is_not_written_comes_from_the_backing_file(void **state)
{
	(void)state;
	oracle_shape(3, 16, 4, 1, 0);
	oracle_shape(2, 12, 4, 1, 0);
}

static void test_small_clusters_make_the_refcount_table_grow(void **state)
{
	(void)state;
	oracle_shape(3, 9, 6, 0, 0);
	oracle_shape(3, 9, 4, 1, 0);
}

static void test_reference_counts_may_have_any_size(void **state)
{
	(void)state;
	for (unsigned int order = 0; order <= 6; order++)
		oracle_shape(3, 12, order, 0, 0);
}

static void test_tables_that_leave_the_cache_are_written_in_order(void **state)
{
	struct oracle o = { .shape = { 3, 9, 6, DISK_SIZE, 1 }, .few_tables = 1 };

	(void)state;
	oracle_init(&o);
	oracle_add_backing(&o);
	fd_close(fixture_qcow2(o.folder, o.name, &o.shape));
	oracle_run(&o, 240);
	oracle_release(&o);
}

static void test_large_clusters(void **state)
{
	(void)state;
	oracle_shape(3, 21, 4, 1, 0);
}

static void test_works_without_the_page_cache(void **state)
{
	(void)state;
	oracle_shape(3, 16, 4, 1, 1);
}

/* A raw file of random bytes and holes as "raw", and in o->bytes. */
static void oracle_make_raw(struct oracle *o)
{
	_cleanup_close_ int fd = fixture_file(o->folder, "raw", DISK_SIZE);

	for (size_t at = 0; at < DISK_SIZE; at += 65536) {
		if (at % 196608 == 0)
			continue;
		/* Half of it can be compressed. */
		fixture_fill(&o->random, o->bytes + at, 32768);
		assert_int_equal(pwrite(fd, o->bytes + at, 65536, (off_t)at), 65536);
	}
}

static void oracle_qemu(struct oracle *o, const char *const *args)
{
	int status = fixture_qemu_img(o->folder, args);

	if (status != 0)
		fail_msg("qemu-img %s: %d", args[0], status);
}

static void oracle_convert(const char *options)
{
	struct oracle o = { .shape = { 3, 16, 4, DISK_SIZE, 0 } };

	oracle_init(&o);
	oracle_make_raw(&o);
	oracle_qemu(&o, (const char *const[]){ "convert", "-c", "-f", "raw", "-O", "qcow2", "-o",
					       options, "raw", "image", NULL });
	oracle_open(&o);
	oracle_compare(&o, 0, DISK_SIZE);
	oracle_close(&o);
	oracle_run(&o, 120);
	oracle_release(&o);
}

static void test_compressed_clusters_are_read_and_copied(void **state)
{
	(void)state;
	if (!fixture_has_qemu_img())
		skip();
	oracle_convert("compat=1.1,compression_type=zlib");
	oracle_convert("compat=1.1,compression_type=zstd");
}

static void test_an_internal_snapshot_stays_as_it_was(void **state)
{
	struct oracle o = { .shape = { 3, 16, 4, DISK_SIZE, 0 } };
	uint8_t *before;

	(void)state;
	if (!fixture_has_qemu_img())
		skip();
	oracle_init(&o);
	fd_close(fixture_qcow2(o.folder, o.name, &o.shape));
	oracle_run(&o, 120);
	before = malloc(DISK_SIZE);
	memcpy(before, o.bytes, DISK_SIZE);
	oracle_qemu(&o, (const char *const[]){ "snapshot", "-c", "then", "image", NULL });
	oracle_run(&o, 120);
	oracle_qemu(&o, (const char *const[]){ "snapshot", "-a", "then", "image", NULL });
	memcpy(o.bytes, before, DISK_SIZE);
	oracle_open(&o);
	oracle_compare(&o, 0, DISK_SIZE);
	oracle_close(&o);
	free(before);
	oracle_release(&o);
}

static void test_qemu_reads_what_was_written(void **state)
{
	struct oracle o = { .shape = { 3, 16, 4, DISK_SIZE, 0 } };
	int fd;

	(void)state;
	if (!fixture_has_qemu_img())
		skip();
	oracle_init(&o);
	fd_close(fixture_qcow2(o.folder, o.name, &o.shape));
	oracle_run(&o, 120);
	oracle_qemu(&o, (const char *const[]){ "convert", "-f", "qcow2", "-O", "raw", "image",
					       "out", NULL });
	fd = fixture_open(o.folder, "out", O_RDONLY);
	assert_int_equal(pread(fd, o.read, DISK_SIZE, 0), DISK_SIZE);
	assert_memory_equal(o.read, o.bytes, DISK_SIZE);
	fd_close(fd);
	oracle_release(&o);
}

static void test_room_that_was_discarded_is_given_back(void **state)
{
	struct oracle o = { .shape = { 3, 16, 4, DISK_SIZE, 0 } };
	struct stat full, empty;

	(void)state;
	oracle_init(&o);
	fd_close(fixture_qcow2(o.folder, o.name, &o.shape));
	oracle_open(&o);
	oracle_write(&o, 0, DISK_SIZE);
	oracle_close(&o);
	oracle_open(&o);
	{
		_cleanup_close_ int fd = fixture_open(o.folder, o.name, O_RDONLY);

		assert_int_equal(fstat(fd, &full), 0);
		oracle_discard(&o, 0, DISK_SIZE);
		assert_int_equal(o.format->ops->flush(o.format), 0);
		assert_int_equal(fstat(fd, &empty), 0);
	}
	assert_true(full.st_blocks * 512 >= DISK_SIZE);
	assert_true(empty.st_blocks * 512 < DISK_SIZE / 4);
	/* And it is used again: the file does not grow. */
	oracle_write(&o, 0, DISK_SIZE / 2);
	oracle_compare(&o, 0, DISK_SIZE);
	oracle_close(&o);
	{
		_cleanup_close_ int fd = fixture_open(o.folder, o.name, O_RDONLY);

		assert_int_equal(fstat(fd, &empty), 0);
	}
	assert_int_equal(empty.st_size, full.st_size);
	oracle_release(&o);
}

struct refusal {
	const char *words;
	uint64_t offset, value;
	size_t bytes;
	int reads; /* it can be read all the same */
};

static void refuse(const struct refusal *refusal)
{
	struct oracle o = { .shape = { 3, 16, 4, DISK_SIZE, 0 } };
	uint64_t be = htobe64(refusal->value << (8 * (8 - refusal->bytes)));
	struct err err = ERR_INIT;
	int fd;

	oracle_init(&o);
	fd = fixture_qcow2(o.folder, o.name, &o.shape);
	assert_int_equal(pwrite(fd, &be, refusal->bytes, (off_t)refusal->offset), refusal->bytes);
	fd_close(fd);
	assert_true(oracle_try_open(&o, 1, &err) < 0);
	if (!strstr(err.msg, refusal->words))
		fail_msg("'%s' does not say '%s'", err.msg, refusal->words);
	err = ERR_INIT;
	if (refusal->reads) {
		assert_int_equal(oracle_try_open(&o, 0, &err), 0);
		oracle_compare(&o, 0, DISK_SIZE);
		oracle_close(&o);
	} else {
		assert_true(oracle_try_open(&o, 0, &err) < 0);
	}
	oracle_release(&o);
}

static void test_what_is_not_supported_is_refused_with_the_reason(void **state)
{
	static const struct refusal refusals[] = {
		{ "no qcow2", 0, 0x514649fa, 4, 0 },
		{ "version 4", 4, 4, 4, 0 },
		{ "backing file", 8, 200, 8, 0 },
		{ "cluster size", 20, 22, 4, 0 },
		{ "cluster size", 20, 8, 4, 0 },
		{ "size is not valid", 24, UINT64_MAX, 8, 0 },
		{ "L1 table", 24, UINT64_C(1) << 40, 8, 0 },
		{ "encrypted", 32, 1, 4, 0 },
		{ "L1 table", 36, 0x10000000, 4, 0 },
		{ "L1 table", 40, UINT64_C(1) << 40, 8, 0 },
		{ "L1 table", 40, 3 * 65536 + 512, 8, 0 },
		{ "refcount table", 48, UINT64_C(1) << 40, 8, 1 },
		{ "refcount table", 56, 1000, 4, 0 },
		{ "refcount table", 56, 100, 4, 1 },
		{ "not closed", 72, 1, 8, 1 },
		{ "corrupt", 72, 2, 8, 1 },
		{ "data file", 72, 4, 8, 0 },
		{ "compression", 72, 8, 8, 0 },
		{ "extended L2", 72, 16, 8, 0 },
		{ "not known", 72, 32, 8, 0 },
		{ "reference counts", 96, 7, 4, 0 },
		{ "header", 100, 103, 4, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
		refuse(&refusals[i]);
}

static void test_an_image_that_makes_no_sense_is_not_written_to_any_more(void **state)
{
	struct oracle o = { .shape = { 3, 16, 4, DISK_SIZE, 0 } };
	uint64_t table = htobe64((UINT64_C(1) << 63) | (UINT64_C(1) << 40));
	struct err err = ERR_INIT;
	struct iovec iov;
	struct vector v;
	int fd;

	(void)state;
	oracle_init(&o);
	fd = fixture_qcow2(o.folder, o.name, &o.shape);
	assert_int_equal(pwrite(fd, &table, 8, 196608), 8);
	fd_close(fd);
	oracle_open(&o);
	v = vector_of(&iov, o.read, 512);
	assert_int_equal(o.format->ops->write(o.format, &v, 0), -EIO);
	assert_int_equal(o.format->ops->flush(o.format), -EIO);
	oracle_close(&o);
	assert_int_equal(oracle_try_open(&o, 1, &err), -EROFS);
	oracle_release(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_version_3_holds_what_was_written),
		cmocka_unit_test(test_version_2_holds_what_was_written),
		cmocka_unit_test(test_what_is_not_written_comes_from_the_backing_file),
		cmocka_unit_test(test_small_clusters_make_the_refcount_table_grow),
		cmocka_unit_test(test_reference_counts_may_have_any_size),
		cmocka_unit_test(test_tables_that_leave_the_cache_are_written_in_order),
		cmocka_unit_test(test_large_clusters),
		cmocka_unit_test(test_works_without_the_page_cache),
		cmocka_unit_test(test_compressed_clusters_are_read_and_copied),
		cmocka_unit_test(test_an_internal_snapshot_stays_as_it_was),
		cmocka_unit_test(test_qemu_reads_what_was_written),
		cmocka_unit_test(test_room_that_was_discarded_is_given_back),
		cmocka_unit_test(test_what_is_not_supported_is_refused_with_the_reason),
		cmocka_unit_test(test_an_image_that_makes_no_sense_is_not_written_to_any_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
