// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/criu_wire.h"
#include "base/mem.h"

#include <limits.h>
#include <string.h>

/* protobuf.dev, "Encoding": wire types */
#define CRIU_VARINT	 0
#define CRIU_FIXED64	 1
#define CRIU_LENGTH	 2
#define CRIU_FIXED32	 5
#define CRIU_TYPE_BITS	 3
#define CRIU_VARINT_BITS 7
#define CRIU_VARINT_MAX	 10 /* bytes */

/* criu_req and criu_resp */
#define CRIU_REQ_TYPE	  1
#define CRIU_REQ_OPTS	  2
#define CRIU_REQ_NOTIFIED 3
#define CRIU_RESP_TYPE	  1
#define CRIU_RESP_SUCCESS 2
#define CRIU_RESP_RESTORE 4
#define CRIU_RESP_NOTIFY  5
#define CRIU_RESP_ERRNO	  7
#define CRIU_RESP_ERRMSG  9
/* criu_restore_resp and criu_notify */
#define CRIU_RESTORE_PID   1
#define CRIU_NOTIFY_SCRIPT 1
#define CRIU_NOTIFY_PID	   2

/* Of a log, how much is told. */
#define CRIU_REASONS	3
#define CRIU_REASON_MAX 160

static void criu_put_varint(struct buf *out, uint64_t value)
{
	while (value >= 1U << CRIU_VARINT_BITS) {
		char byte = (char)((value & 0x7f) | 0x80);

		buf_add(out, &byte, 1);
		value >>= CRIU_VARINT_BITS;
	}
	buf_add(out, &(char){ (char)value }, 1);
}

void criu_wire_put_number(struct buf *out, unsigned int field, uint64_t value)
{
	criu_put_varint(out, (uint64_t)field << CRIU_TYPE_BITS | CRIU_VARINT);
	criu_put_varint(out, value);
}

static void criu_put_bytes(struct buf *out, unsigned int field, const void *data, size_t len)
{
	criu_put_varint(out, (uint64_t)field << CRIU_TYPE_BITS | CRIU_LENGTH);
	criu_put_varint(out, len);
	if (len)
		buf_add(out, data, len);
}

void criu_wire_put_string(struct buf *out, unsigned int field, const char *value)
{
	criu_put_bytes(out, field, value, strlen(value));
}

void criu_wire_put_message(struct buf *out, unsigned int field, const struct buf *message)
{
	criu_put_bytes(out, field, message->data, message->len);
}

void criu_wire_put_pair(struct buf *out, unsigned int field, const char *first, const char *second)
{
	_cleanup_buf_ struct buf message = BUF_INIT;

	criu_wire_put_string(&message, 1, first);
	criu_wire_put_string(&message, 2, second);
	criu_wire_put_message(out, field, &message);
}

void criu_wire_put_numbered(struct buf *out, unsigned int field, const char *first, uint64_t second)
{
	_cleanup_buf_ struct buf message = BUF_INIT;

	criu_wire_put_string(&message, 1, first);
	criu_wire_put_number(&message, 2, second);
	criu_wire_put_message(out, field, &message);
}

void criu_wire_put_request(struct buf *out, enum criu_type type, const struct buf *options)
{
	criu_wire_put_number(out, CRIU_REQ_TYPE, type);
	if (options)
		criu_wire_put_message(out, CRIU_REQ_OPTS, options);
}

void criu_wire_put_notified(struct buf *out, int success)
{
	criu_wire_put_number(out, CRIU_REQ_TYPE, CRIU_NOTIFY);
	criu_wire_put_number(out, CRIU_REQ_NOTIFIED, success ? 1 : 0);
}

/* A message that is read field by field. */
struct criu_reader {
	const unsigned char *at, *end;
};

struct criu_field {
	uint64_t number;
	unsigned int type;
	uint64_t value; /* CRIU_VARINT */
	const unsigned char *data;
	size_t len; /* CRIU_LENGTH */
};

static int criu_get_varint(struct criu_reader *reader, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < CRIU_VARINT_MAX && reader->at < reader->end; i++) {
		unsigned int byte = *reader->at++;

		value |= (uint64_t)(byte & 0x7f) << (i * CRIU_VARINT_BITS);
		if (!(byte & 0x80)) {
			*ret = value;
			return 0;
		}
	}
	return -EBADMSG;
}

/* 1, 0 at the end, or -EBADMSG. */
static int criu_get_field(struct criu_reader *reader, struct criu_field *ret)
{
	uint64_t key = 0, len = 0;
	int r;

	*ret = (struct criu_field){ 0 };
	if (reader->at == reader->end)
		return 0;
	r = criu_get_varint(reader, &key);
	ret->number = key >> CRIU_TYPE_BITS;
	ret->type = (unsigned int)key & ((1U << CRIU_TYPE_BITS) - 1);
	if (r < 0)
		return r;
	if (ret->type == CRIU_VARINT)
		return criu_get_varint(reader, &ret->value) < 0 ? -EBADMSG : 1;
	if (ret->type == CRIU_LENGTH)
		r = criu_get_varint(reader, &len);
	else if (ret->type == CRIU_FIXED64 || ret->type == CRIU_FIXED32)
		len = ret->type == CRIU_FIXED64 ? sizeof(uint64_t) : sizeof(uint32_t);
	else
		r = -EBADMSG;
	if (r < 0 || len > (size_t)(reader->end - reader->at))
		return -EBADMSG;
	ret->data = reader->at;
	ret->len = (size_t)len;
	reader->at += len;
	return 1;
}

/* What is no plain text, as a container could have it, would steer a terminal. */
static void criu_copy_text(const void *data, size_t len, char *to, size_t size)
{
	size_t n = len < size - 1 ? len : size - 1;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = ((const unsigned char *)data)[i];

		to[i] = c < ' ' || c >= 0x7f ? '?' : (char)c;
	}
	to[n] = '\0';
}

/* Before there is a process, -1 is said, in 64 bits. */
static int criu_get_pid(const struct criu_field *field, int32_t *ret)
{
	if (field->type != CRIU_VARINT)
		return -EBADMSG;
	*ret = field->value > INT32_MAX ? 0 : (int32_t)field->value;
	return 0;
}

static int criu_get_restored(const struct criu_field *message, struct criu_answer *ret)
{
	struct criu_reader reader = { message->data, message->data + message->len };
	struct criu_field field;
	int r;

	while ((r = criu_get_field(&reader, &field)) > 0) {
		if (field.number == CRIU_RESTORE_PID && criu_get_pid(&field, &ret->pid) < 0)
			return -EBADMSG;
	}
	return r;
}

static int criu_get_notify(const struct criu_field *message, struct criu_answer *ret)
{
	struct criu_reader reader = { message->data, message->data + message->len };
	struct criu_field field;
	int r;

	while ((r = criu_get_field(&reader, &field)) > 0) {
		if (field.number == CRIU_NOTIFY_SCRIPT && field.type == CRIU_LENGTH)
			criu_copy_text(field.data, field.len, ret->script, sizeof(ret->script));
		if (field.number == CRIU_NOTIFY_PID && criu_get_pid(&field, &ret->pid) < 0)
			return -EBADMSG;
	}
	return r;
}

static int criu_take_field(const struct criu_field *field, struct criu_answer *ret)
{
	int is_message = field->type == CRIU_LENGTH;

	if (is_message) {
		if (field->number == CRIU_RESP_RESTORE)
			return criu_get_restored(field, ret);
		if (field->number == CRIU_RESP_NOTIFY)
			return criu_get_notify(field, ret);
		if (field->number == CRIU_RESP_ERRMSG)
			criu_copy_text(field->data, field->len, ret->message, sizeof(ret->message));
		return 0;
	}
	if (field->type != CRIU_VARINT)
		return 0;
	if (field->number == CRIU_RESP_TYPE && field->value <= INT_MAX)
		ret->type = (enum criu_type)field->value;
	if (field->number == CRIU_RESP_SUCCESS)
		ret->success = field->value != 0;
	if (field->number == CRIU_RESP_ERRNO && field->value <= INT_MAX)
		ret->code = (int)field->value;
	return 0;
}

int criu_wire_get_answer(const void *data, size_t len, struct criu_answer *ret)
{
	struct criu_reader reader = { data, (const unsigned char *)data + len };
	struct criu_field field;
	int r;

	*ret = (struct criu_answer){ 0 };
	while ((r = criu_get_field(&reader, &field)) > 0) {
		if (criu_take_field(&field, ret) < 0)
			return -EBADMSG;
	}
	return r < 0 || !ret->type ? -EBADMSG : 0;
}

/* A file of images, of images/magic.h: two numbers, then messages behind their lengths, all in the host's order. */
#define CRIU_IMAGE_MAGIC   0x54564319U
#define CRIU_PAGEMAP_MAGIC 0x56084025U
/* pagemap_head and pagemap_entry of images/pagemap.proto, and the entry's flags */
#define CRIU_HEAD_PAGES	   1
#define CRIU_ENTRY_PAGES32 2
#define CRIU_ENTRY_PARENT  3
#define CRIU_ENTRY_FLAGS   4
#define CRIU_ENTRY_PAGES   5
#define CRIU_FLAG_PRESENT  4U

/* How many pages it says are in the file of pages. */
static int criu_count_entry(struct criu_reader *reader, uint64_t *total)
{
	uint64_t pages = 0, flags = CRIU_FLAG_PRESENT, in_parent = 0;
	struct criu_field field;
	int r;

	while ((r = criu_get_field(reader, &field)) > 0) {
		if (field.type != CRIU_VARINT)
			continue;
		if (field.number == CRIU_ENTRY_PAGES32 || field.number == CRIU_ENTRY_PAGES)
			pages = field.value > pages ? field.value : pages;
		if (field.number == CRIU_ENTRY_PARENT)
			in_parent = field.value;
		if (field.number == CRIU_ENTRY_FLAGS)
			flags = field.value;
	}
	if (r < 0 || pages > UINT32_MAX || *total > UINT64_MAX / 2)
		return -EBADMSG;
	if ((flags & CRIU_FLAG_PRESENT) && !in_parent)
		*total += pages;
	return 0;
}

static int criu_get_head(struct criu_reader *reader, uint64_t *ret)
{
	struct criu_field field;
	int r, found = 0;

	while ((r = criu_get_field(reader, &field)) > 0) {
		if (field.number == CRIU_HEAD_PAGES && field.type == CRIU_VARINT) {
			*ret = field.value;
			found = 1;
		}
	}
	return r == 0 && found ? 0 : -EBADMSG;
}

static int criu_get_fixed(struct criu_reader *reader, uint32_t *ret)
{
	if ((size_t)(reader->end - reader->at) < sizeof(*ret))
		return -EBADMSG;
	memcpy(ret, reader->at, sizeof(*ret));
	reader->at += sizeof(*ret);
	return 0;
}

int criu_wire_count_pages(const void *data, size_t len, uint64_t *ret_id, uint64_t *ret_pages)
{
	struct criu_reader reader = { data, (const unsigned char *)data + len };
	uint32_t common = 0, kind = 0, size = 0;
	int r = 0, first = 1;

	*ret_pages = 0;
	if (criu_get_fixed(&reader, &common) < 0 || criu_get_fixed(&reader, &kind) < 0 ||
	    common != CRIU_IMAGE_MAGIC || kind != CRIU_PAGEMAP_MAGIC)
		return -EBADMSG;
	while (r == 0 && reader.at < reader.end) {
		struct criu_reader message;

		if (criu_get_fixed(&reader, &size) < 0 || size > (size_t)(reader.end - reader.at))
			return -EBADMSG;
		message = (struct criu_reader){ reader.at, reader.at + size };
		r = first ? criu_get_head(&message, ret_id) : criu_count_entry(&message, ret_pages);
		first = 0;
		reader.at += size;
	}
	return first ? -EBADMSG : r;
}

/* "(00.012345)     12: Error (criu/mount.c:1234): mnt: ..." or the same without a time; what follows from an error
 * says but FAILED. */
static const char *criu_log_error(const char *line, size_t len, size_t *ret_len)
{
	static const char mark[] = "Error (", end[] = "): ";
	static const char alone[] = "Can't connect to server"; /* a page server: no error to CRIU */
	const char *start = memmem(line, len, mark, strlen(mark));
	const char *said = memmem(line, len, alone, strlen(alone));
	const char *text =
		start ? memmem(start, len - (size_t)(start - line), end, strlen(end)) : NULL;

	if (!text && !said)
		return NULL;
	text = text ? text + strlen(end) : said;
	*ret_len = len - (size_t)(text - line);
	return *ret_len && !memmem(text, *ret_len, "FAILED", strlen("FAILED")) ? text : NULL;
}

char *criu_wire_log_reason(const char *log)
{
	char last[CRIU_REASONS][CRIU_REASON_MAX] = { { 0 } };
	_cleanup_buf_ struct buf out = BUF_INIT;
	size_t n = 0;

	while (*log) {
		size_t line_len = strcspn(log, "\n"), len = 0;
		const char *text = criu_log_error(log, line_len, &len);

		if (text)
			criu_copy_text(text, len, last[n++ % CRIU_REASONS], CRIU_REASON_MAX);
		log += line_len + (log[line_len] == '\n');
	}
	for (size_t i = n < CRIU_REASONS ? 0 : n - CRIU_REASONS; i < n; i++)
		buf_printf(&out, "%s%s", out.len ? "; " : "", last[i % CRIU_REASONS]);
	return out.len ? buf_take(&out) : NULL;
}
