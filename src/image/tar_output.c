// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/tar_output.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

/*
 * POSIX.1-2001's pax interchange format: blocks of 512 bytes, a header before each entry; what a header cannot say
 * stands as "LENGTH KEY=VALUE\n" in an entry of type 'x' before it. Holes are GNU tar's format 1.0: the map of the
 * data stands before it, in decimal lines. libarchive would write the same, but its static library needs that of
 * every format then.
 */

#define TAR_OUTPUT_BLOCK    512
#define TAR_OUTPUT_NAME	    100
#define TAR_OUTPUT_ID_MAX   07777777	   /* 7 octal digits */
#define TAR_OUTPUT_SIZE_MAX 077777777777LL /* 11 */
#define TAR_OUTPUT_SPARSE   "GNU.sparse."
#define TAR_OUTPUT_XATTR    "SCHILY.xattr."

/* The header as ustar has it. */
struct tar_output_header {
	char name[TAR_OUTPUT_NAME], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type,
		link[TAR_OUTPUT_NAME], magic[6], version[2], user[32], group[32], major[8],
		minor[8], prefix[155], rest[12];
};

_Static_assert(sizeof(struct tar_output_header) == TAR_OUTPUT_BLOCK, "a header is a block");

struct tar_output {
	int fd;
	struct buf records; /* of the next entry */
	struct buf map;	    /* its extents, as lines */
	size_t n_extents;
	int64_t n_data;	 /* bytes in them */
	int64_t left;	 /* of the entry's data */
	int64_t written; /* bytes of the archive */
};

struct tar_output *tar_output_new(int fd)
{
	struct tar_output *writer = mem_zalloc(sizeof(*writer));

	writer->fd = fd;
	return writer;
}

void tar_output_free(struct tar_output *writer)
{
	if (!writer)
		return;
	buf_release(&writer->records);
	buf_release(&writer->map);
	free(writer);
}

static int tar_output_write(struct tar_output *writer, const void *data, size_t len,
			    struct err *err)
{
	int r = file_write_all(writer->fd, data, len);

	writer->written += (int64_t)len;
	return r < 0 ? err_errno(err, r, "cannot write the archive") : 0;
}

/* To the end of the block. */
static int tar_output_pad(struct tar_output *writer, struct err *err)
{
	static const char zeroes[TAR_OUTPUT_BLOCK];
	size_t used = (size_t)(writer->written % TAR_OUTPUT_BLOCK);

	return used ? tar_output_write(writer, zeroes, sizeof(zeroes) - used, err) : 0;
}

/* --- records --- */

static void tar_output_record(struct buf *records, const char *key, const void *value, size_t len)
{
	size_t rest = strlen(key) + len + 3; /* ' ', '=', '\n' */
	size_t digits = (size_t)snprintf(NULL, 0, "%zu", rest);
	size_t total = rest + digits;

	/* the length counts its own digits, which may make it one digit longer */
	total = rest + (size_t)snprintf(NULL, 0, "%zu", total);
	buf_printf(records, "%zu %s=", total, key);
	buf_add(records, value, len);
	buf_add_str(records, "\n");
}

static void tar_output_number(struct buf *records, const char *key, int64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRId64, value);
	tar_output_record(records, key, text, strlen(text));
}

void tar_output_xattr(struct tar_output *writer, const char *name, const void *value, size_t len)
{
	_cleanup_free_ char *key = mem_printf(TAR_OUTPUT_XATTR "%s", name);

	tar_output_record(&writer->records, key, value, len);
}

void tar_output_extent(struct tar_output *writer, int64_t offset, int64_t len)
{
	buf_printf(&writer->map, "%" PRId64 "\n%" PRId64 "\n", offset, len);
	writer->n_extents++;
	writer->n_data += len;
}

/* What the header cannot say. path: in the header's place of it. */
static void tar_output_add_records(struct tar_output *writer, const struct tar_item *item,
				   const char *path, int64_t size)
{
	struct buf *records = &writer->records;
	char time[48];

	if (strlen(path) > TAR_OUTPUT_NAME)
		tar_output_record(records, "path", path, strlen(path));
	if (item->link && strlen(item->link) > TAR_OUTPUT_NAME)
		tar_output_record(records, "linkpath", item->link, strlen(item->link));
	if (item->uid > TAR_OUTPUT_ID_MAX)
		tar_output_number(records, "uid", item->uid);
	if (item->gid > TAR_OUTPUT_ID_MAX)
		tar_output_number(records, "gid", item->gid);
	if (size > TAR_OUTPUT_SIZE_MAX)
		tar_output_number(records, "size", size);
	if (item->mtime.tv_nsec || item->mtime.tv_sec < 0 ||
	    item->mtime.tv_sec > TAR_OUTPUT_SIZE_MAX) {
		/* a time before the epoch is a negative number and a fraction that goes on from there */
		int negative = item->mtime.tv_sec < 0 && item->mtime.tv_nsec;
		int64_t seconds = (int64_t)item->mtime.tv_sec + negative;

		snprintf(time, sizeof(time), "%s%" PRId64 ".%09ld", negative && !seconds ? "-" : "",
			 seconds,
			 negative ? 1000000000 - item->mtime.tv_nsec : item->mtime.tv_nsec);
		tar_output_record(records, "mtime", time, strlen(time));
	}
}

/* --- headers --- */

static void tar_output_octal(char *field, size_t size, int64_t value, int64_t max)
{
	snprintf(field, size, "%0*" PRIo64, (int)size - 1, value < 0 || value > max ? 0 : value);
}

static char tar_output_type(const struct tar_item *item)
{
	if (item->is_hard_link)
		return '1';
	switch (item->mode & S_IFMT) {
	case S_IFLNK:
		return '2';
	case S_IFCHR:
		return '3';
	case S_IFBLK:
		return '4';
	case S_IFDIR:
		return '5';
	case S_IFIFO:
		return '6';
	default:
		return '0';
	}
}

static int tar_output_header(struct tar_output *writer, const struct tar_item *item,
			     const char *path, char type, int64_t size, struct err *err)
{
	struct tar_output_header header = { .type = type };
	const unsigned char *bytes = (const unsigned char *)&header;
	unsigned int sum = 0;

	memcpy(header.name, path, strnlen(path, sizeof(header.name)));
	if (item->link && type != 'x')
		memcpy(header.link, item->link, strnlen(item->link, sizeof(header.link)));
	tar_output_octal(header.mode, sizeof(header.mode), item->mode & 07777, TAR_OUTPUT_ID_MAX);
	tar_output_octal(header.uid, sizeof(header.uid), item->uid, TAR_OUTPUT_ID_MAX);
	tar_output_octal(header.gid, sizeof(header.gid), item->gid, TAR_OUTPUT_ID_MAX);
	tar_output_octal(header.size, sizeof(header.size), size, TAR_OUTPUT_SIZE_MAX);
	tar_output_octal(header.mtime, sizeof(header.mtime), item->mtime.tv_sec,
			 TAR_OUTPUT_SIZE_MAX);
	tar_output_octal(header.major, sizeof(header.major), item->major, TAR_OUTPUT_ID_MAX);
	tar_output_octal(header.minor, sizeof(header.minor), item->minor, TAR_OUTPUT_ID_MAX);
	memcpy(header.magic, "ustar", sizeof(header.magic));
	memcpy(header.version, "00", sizeof(header.version));
	memset(header.checksum, ' ', sizeof(header.checksum));
	for (size_t i = 0; i < sizeof(header); i++)
		sum += bytes[i];
	snprintf(header.checksum, sizeof(header.checksum), "%06o", sum);
	return tar_output_write(writer, &header, sizeof(header), err);
}

static int tar_output_put_records(struct tar_output *writer, struct err *err)
{
	const struct tar_item item = { .mode = 0644 };
	struct buf *records = &writer->records;
	int r = 0;

	if (!records->len)
		return 0;
	r = tar_output_header(writer, &item, "PaxHeaders/entry", 'x', (int64_t)records->len, err);
	if (r == 0)
		r = tar_output_write(writer, records->data, records->len, err);
	buf_release(records);
	return r < 0 ? r : tar_output_pad(writer, err);
}

/* The map of a file with holes, padded to a block. */
static void tar_output_finish_map(struct tar_output *writer, const struct tar_item *item)
{
	_cleanup_buf_ struct buf map = BUF_INIT;
	static const char zeroes[TAR_OUTPUT_BLOCK];

	buf_printf(&map, "%zu\n", writer->n_extents);
	buf_add(&map, writer->map.data, writer->map.len);
	if (map.len % TAR_OUTPUT_BLOCK)
		buf_add(&map, zeroes, TAR_OUTPUT_BLOCK - map.len % TAR_OUTPUT_BLOCK);
	tar_output_number(&writer->records, TAR_OUTPUT_SPARSE "major", 1);
	tar_output_number(&writer->records, TAR_OUTPUT_SPARSE "minor", 0);
	tar_output_record(&writer->records, TAR_OUTPUT_SPARSE "name", item->path,
			  strlen(item->path));
	tar_output_number(&writer->records, TAR_OUTPUT_SPARSE "realsize", item->size);
	buf_release(&writer->map);
	writer->map = map;
	map = BUF_INIT;
}

int tar_output_add(struct tar_output *writer, const struct tar_item *item, struct err *err)
{
	char type = tar_output_type(item);
	int64_t size = type == '0' ? item->size : 0;
	const char *path = item->path;
	_cleanup_free_ char *slashed = NULL;
	int sparse = writer->n_extents > 0, r;

	if (type == '5' && *path && path[strlen(path) - 1] != '/')
		path = slashed = mem_printf("%s/", path);
	if (sparse) {
		tar_output_finish_map(writer, item);
		size = (int64_t)writer->map.len + writer->n_data;
		path = "GNUSparseFile.0/entry";
	}
	writer->left = size;
	tar_output_add_records(writer, item, path, size);
	r = tar_output_put_records(writer, err);
	if (r == 0)
		r = tar_output_header(writer, item, path, type, size, err);
	if (r == 0 && sparse)
		r = tar_output_data(writer, writer->map.data, writer->map.len, err);
	buf_release(&writer->map);
	writer->n_extents = 0;
	writer->n_data = 0;
	return r;
}

int tar_output_data(struct tar_output *writer, const void *data, size_t len, struct err *err)
{
	if ((int64_t)len > writer->left)
		return err_set(err, -EFBIG, "a file has more data than it had");
	if (tar_output_write(writer, data, len, err) < 0)
		return err->code;
	writer->left -= (int64_t)len;
	return writer->left ? 0 : tar_output_pad(writer, err);
}

int tar_output_finish(struct tar_output *writer, struct err *err)
{
	static const char zeroes[2 * TAR_OUTPUT_BLOCK];

	return tar_output_write(writer, zeroes, sizeof(zeroes), err);
}
