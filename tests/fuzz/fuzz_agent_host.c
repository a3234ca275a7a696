// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/agent_host.h"
#include "proto/message.h"

#include <sys/socket.h>

static void on_hello(void *ctx, const char *release)
{
	(void)ctx, (void)release;
}

static void on_deliver(void *agent, uint32_t channel, uint16_t type, const void *data, size_t len)
{
	if (type == MESSAGE_OUT && len > 8)
		agent_host_consumed(*(struct agent_host **)agent, channel, len);
	(void)data;
}

static void on_writable(void *ctx, uint32_t channel)
{
	(void)ctx, (void)channel;
}

static void on_broken(void *ctx, const struct err *err)
{
	(void)ctx, (void)err;
}

/* What a guest may send to its keeper, with a workload and two sessions open. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct agent_host_ops ops = { .hello = on_hello,
						   .deliver = on_deliver,
						   .writable = on_writable,
						   .broken = on_broken };
	char *argv[] = { (char *)"true", NULL };
	const struct process process = { .argv = argv };
	const struct guest_config config = { .layers = 1 };
	struct agent_host *agent = NULL;
	struct loop *loop = NULL;
	struct err err = ERR_INIT;
	int pair[2];

	if (size > FRAME_PAYLOAD_MAX || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 ||
	    loop_new(&loop, &err) < 0 || send(pair[1], data, size, MSG_DONTWAIT) < 0 ||
	    agent_host_new(loop, pair[0], &config, &process, &ops, &agent, &agent, &err) < 0)
		return 0;
	agent_host_send(agent, 1, MESSAGE_TREE_GET, "", 0);
	agent_host_send(agent, 2, MESSAGE_STATS, "", 0);
	close(pair[1]);
	agent_host_drain(agent);
	agent_host_end(agent, &err);
	agent_host_free(agent);
	loop_free(loop);
	return 0;
}
