// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/oom_watch.h"
#include "base/mem.h"
#include "proto/oom.h"

#include <fcntl.h>
#include <string.h>

/* CONSOLE_EXT_LOG_MAX of kernel/printk */
#define OOM_WATCH_RECORD_MAX 8192
/* Records in a row before the agent's other work gets its turn. */
#define OOM_WATCH_RECORDS 64

struct oom_watch {
	int log;
	struct loop_source *source;
	void (*tell)(void *ctx, const char *line);
	void *ctx;
};

static void oom_watch_ready(void *ctx, uint32_t events _unused_)
{
	struct oom_watch *watch = ctx;
	char record[OOM_WATCH_RECORD_MAX];
	struct oom_kill kill;

	for (int i = 0; i < OOM_WATCH_RECORDS; i++) {
		ssize_t n = read(watch->log, record, sizeof(record) - 1);

		/* EPIPE: records were lost, and the next read goes on behind them */
		if (n < 0 && errno != EPIPE)
			return;
		record[n > 0 ? n : 0] = '\0';
		if (!oom_parse(record, &kill))
			continue;
		record[strnlen(record, OOM_LINE_MAX)] = '\0';
		watch->tell(watch->ctx, record);
	}
}

struct oom_watch *oom_watch(struct loop *loop, void (*tell)(void *ctx, const char *line), void *ctx)
{
	struct oom_watch *watch = mem_zalloc(sizeof(*watch));

	*watch = (struct oom_watch){ .tell = tell, .ctx = ctx };
	watch->log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (watch->log >= 0 && lseek(watch->log, 0, SEEK_END) >= 0)
		watch->source = loop_watch_fd(loop, watch->log, EPOLLIN, oom_watch_ready, watch);
	if (watch->source)
		return watch;
	oom_watch_free(watch);
	return NULL;
}

void oom_watch_free(struct oom_watch *watch)
{
	if (!watch)
		return;
	loop_source_free(watch->source);
	fd_close(watch->log);
	free(watch);
}
