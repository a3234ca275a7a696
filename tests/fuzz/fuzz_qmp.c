// SPDX-License-Identifier: GPL-2.0-or-later
#include "qemu/qmp.h"

#include <sys/socket.h>

static void on_event(void *ctx, const char *event, const struct json *data)
{
	(void)ctx, (void)event;
	(void)json_get_string(data, "reason", NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loop *loop = NULL;
	struct qmp *qmp = NULL;
	struct err err = ERR_INIT;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || loop_new(&loop, &err) < 0)
		return 0;
	if (qmp_new(loop, pair[0], on_event, NULL, &qmp, &err) == 0) {
		if (qmp_feed(qmp, (const char *)data, size / 2) == 0)
			(void)qmp_feed(qmp, (const char *)data + size / 2, size - size / 2);
		qmp_command(qmp, "quit");
	}
	close(pair[1]);
	qmp_free(qmp);
	loop_free(loop);
	return 0;
}
