// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/message.h"
#include "proto/wire.h"

#include <ctype.h>

void message_put_error(struct buf *payload, const struct err *err)
{
	wire_put_u32(payload, (uint32_t)err->code);
	wire_put_u32(payload, (uint32_t)err->exit_status);
	wire_put_str(payload, err->msg);
}

int message_get_error(const struct frame *frame, struct err *err)
{
	struct wire_reader r = wire_read(frame->payload, frame->len);
	int code = (int)wire_get_u32(&r);
	uint32_t status = wire_get_u32(&r);
	_cleanup_free_ char *text = wire_get_str(&r);

	if (wire_end(&r) < 0 || code >= 0 || code < -4095)
		return err_set(err, -EBADMSG, "the other side sent a broken error message");
	for (char *p = text; *p; p++) {
		if (iscntrl((unsigned char)*p))
			*p = '?';
	}
	err_set(err, code, "%s", text);
	if (status >= 1 && status <= 255)
		err->exit_status = (int)status;
	return code;
}

void message_put_stats(struct buf *payload, const struct message_stats *stats)
{
	wire_put_u64(payload, stats->memory_total);
	wire_put_u64(payload, stats->memory_used);
	wire_put_u64(payload, stats->cpu_ns);
	wire_put_u64(payload, stats->processes);
}

int message_get_stats(const struct frame *frame, struct message_stats *ret)
{
	struct wire_reader r = wire_read(frame->payload, frame->len);

	ret->memory_total = wire_get_u64(&r);
	ret->memory_used = wire_get_u64(&r);
	ret->cpu_ns = wire_get_u64(&r);
	ret->processes = wire_get_u64(&r);
	return wire_end(&r);
}

void message_put_tune(struct buf *payload, const struct message_tune *tune)
{
	wire_put_u32(payload, tune->cpus);
	wire_put_u64(payload, tune->pids_limit);
}

int message_get_tune(const struct frame *frame, struct message_tune *ret)
{
	struct wire_reader r = wire_read(frame->payload, frame->len);

	ret->cpus = wire_get_u32(&r);
	ret->pids_limit = wire_get_u64(&r);
	return wire_end(&r) < 0 || !ret->cpus ? -EBADMSG : 0;
}
