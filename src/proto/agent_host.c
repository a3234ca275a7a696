// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: the stream goes through the phases HELLO (the agent speaks first), CONFIGURE (it
 * was told what machine it is in), HELD (only where somebody is to say when the workload starts) and
 * OPEN (the workload was started, sessions come and go). What the keeper sends before OPEN waits in
 * early and follows the workload's EXEC.
 *
 * Invariants:
 *  1. A session is in the table from its request to its last message, and only then: a frame of the
 *     agent for any other channel is a breach.
 *  2. A session takes a message only if agent_host_requests[] or agent_host_rules[] allows it then.
 *  3. in_credit + IN under way <= MESSAGE_WINDOW and out_window + OUT not yet given back =
 *     MESSAGE_WINDOW; a breach of either by the agent ends the stream.
 *  4. What waits in out is at most AGENT_HOST_QUEUE_MAX of IN, one request and CLOSE per session, the
 *     credit of a window per session, and AGENT_HOST_CONTROL_MAX of the rest.
 */
#include "proto/agent_host.h"
#include "base/mem.h"
#include "base/stream.h"
#include "proto/message.h"
#include "proto/oom.h"
#include "proto/wire.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

/* Unsent IN of all sessions: enough to keep the port busy while the keeper reads more. */
#define AGENT_HOST_QUEUE_MAX (128U << 10)
/* Signals and sizes that an agent which does not read may leave lying before more are dropped. */
#define AGENT_HOST_CONTROL_MAX (1U << 20)
/* OUT that the keeper passed on is given back in pieces of this size, not message by message. */
#define AGENT_HOST_CREDIT_STEP (MESSAGE_WINDOW / 4)
#define AGENT_HOST_READ_SIZE   (64U << 10)
/* Reads in a row before the loop's other sources get their turn. */
#define AGENT_HOST_READS       4
#define AGENT_HOST_RELEASE_MAX 128

enum agent_host_phase {
	AGENT_HOST_HELLO,
	AGENT_HOST_CONFIGURE,
	AGENT_HOST_HELD,
	AGENT_HOST_OPEN,
	AGENT_HOST_DEAD
};

struct agent_host_session {
	uint32_t channel;
	uint16_t answer; /* see agent_host_requests[] */
	int started;
	int starved; /* was told that there is no room */
	uint32_t in_credit;
	uint32_t out_window, out_owed;
};

struct agent_host {
	struct stream stream;
	enum agent_host_phase phase;
	const struct agent_host_ops *ops;
	void *ctx;
	int held;
	struct buf early;	    /* for out, once open */
	struct buf configure, exec; /* payloads */
	struct agent_host_session *sessions;
	size_t n_sessions;
};

/* What the keeper may ask for, and its one answer; 0: it runs something, see agent_host_rules[]. */
static const struct agent_host_request {
	uint16_t type, answer;
} agent_host_requests[] = {
	{ MESSAGE_EXEC, 0 },
	{ MESSAGE_TREE_GET, 0 },
	{ MESSAGE_TREE_PUT, 0 },
	{ MESSAGE_FREEZE, 0 },
	{ MESSAGE_PLUG, 0 },
	{ MESSAGE_UNPLUG, 0 },
	{ MESSAGE_STATS, MESSAGE_STATS },
	{ MESSAGE_PROCS, MESSAGE_PROCS },
	{ MESSAGE_PING, MESSAGE_OK },
	{ MESSAGE_TUNE, MESSAGE_OK },
};

/* What the agent may say in a session that runs something: STARTED or not yet, and how long. */
static const struct agent_host_rule {
	uint16_t type;
	uint8_t started, ends;
	uint32_t len; /* of the payload, exactly; 0: any */
} agent_host_rules[] = {
	{ MESSAGE_STARTED, .len = 4 },
	{ MESSAGE_OUT, .started = 1 },
	{ MESSAGE_ERR, .started = 1 },
	/* input may be taken, or thrown away, before the program is known to run */
	{ MESSAGE_CREDIT_IN, .started = 0, .len = 4 },
	{ MESSAGE_CREDIT_IN, .started = 1, .len = 4 },
	{ MESSAGE_EXIT, .started = 1, .ends = 1, .len = 4 },
	/* of the machine as a whole, as soon as there is a workload */
	{ MESSAGE_OOM, .started = 0 },
	{ MESSAGE_OOM, .started = 1 },
};

static const struct agent_host_request *agent_host_request(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(agent_host_requests); i++) {
		if (agent_host_requests[i].type == type)
			return &agent_host_requests[i];
	}
	return NULL;
}

static struct agent_host_session *agent_host_find(const struct agent_host *agent, uint32_t channel)
{
	for (size_t i = 0; i < agent->n_sessions; i++) {
		if (agent->sessions[i].channel == channel)
			return &agent->sessions[i];
	}
	return NULL;
}

static struct agent_host_session *agent_host_open(struct agent_host *agent, uint32_t channel,
						  uint16_t answer)
{
	struct agent_host_session *session;

	agent->sessions =
		mem_realloc(agent->sessions, agent->n_sessions + 1, sizeof(*agent->sessions));
	session = &agent->sessions[agent->n_sessions++];
	*session = (struct agent_host_session){ .channel = channel,
						.answer = answer,
						.in_credit = MESSAGE_WINDOW,
						.out_window = MESSAGE_WINDOW };
	return session;
}

static void agent_host_close(struct agent_host *agent, struct agent_host_session *session)
{
	*session = agent->sessions[--agent->n_sessions];
}

static void agent_host_break(struct agent_host *agent, const char *what)
{
	struct err err = ERR_INIT;

	agent->phase = AGENT_HOST_DEAD;
	stream_unwatch(&agent->stream);
	err_set(&err, -EPROTO, "the agent in the VM broke its protocol: %s", what);
	agent->ops->broken(agent->ctx, &err);
}

/* A session that waits for the queue, not for credit. */
static struct agent_host_session *agent_host_hungry(const struct agent_host *agent)
{
	for (size_t i = 0; i < agent->n_sessions; i++) {
		if (agent->sessions[i].starved && agent->sessions[i].in_credit >= FRAME_DATA_MAX)
			return &agent->sessions[i];
	}
	return NULL;
}

static void agent_host_wait(struct agent_host *agent)
{
	uint32_t out = agent->stream.out.len || agent_host_hungry(agent) ? EPOLLOUT : 0;

	if (agent->stream.source)
		loop_source_set_events(agent->stream.source, EPOLLIN | out);
}

/* An error of the socket is its machine's end, which the engine notices. */
static void agent_host_flush(struct agent_host *agent)
{
	(void)stream_flush(&agent->stream);
	agent_host_wait(agent);
}

static void agent_host_put(struct agent_host *agent, uint32_t channel, uint16_t type,
			   const void *payload, size_t len)
{
	if (agent->phase == AGENT_HOST_DEAD)
		return;
	frame_put(agent->phase == AGENT_HOST_OPEN ? &agent->stream.out : &agent->early, channel,
		  type, payload, len);
	if (agent->phase == AGENT_HOST_OPEN)
		agent_host_flush(agent);
}

static void agent_host_put_u32(struct agent_host *agent, uint32_t channel, uint16_t type,
			       uint32_t value)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	wire_put_u32(&payload, value);
	agent_host_put(agent, channel, type, payload.data, payload.len);
}

static void agent_host_deliver_error(struct agent_host *agent, uint32_t channel,
				     const struct err *err)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	message_put_error(&payload, err);
	agent->ops->deliver(agent->ctx, channel, MESSAGE_ERROR, payload.data, payload.len);
}

static void agent_host_on_hello(struct agent_host *agent, const struct frame *frame)
{
	struct wire_reader r = wire_read(frame->payload, frame->len);
	uint32_t version = wire_get_u32(&r);
	_cleanup_free_ char *release = wire_get_str(&r);

	if (frame->type != MESSAGE_HELLO || frame->channel || wire_end(&r) < 0 ||
	    strlen(release) > AGENT_HOST_RELEASE_MAX) {
		agent_host_break(agent, "no greeting");
		return;
	}
	if (version != MESSAGE_VERSION) {
		agent_host_break(agent,
				 "it speaks another version; its initramfs is not this brig's");
		return;
	}
	for (char *p = release; *p; p++) {
		if (!isgraph((unsigned char)*p))
			*p = '?';
	}
	agent->phase = AGENT_HOST_CONFIGURE;
	frame_put(&agent->stream.out, 0, MESSAGE_CONFIGURE, agent->configure.data,
		  agent->configure.len);
	agent_host_flush(agent);
	agent->ops->hello(agent->ctx, release);
}

static void agent_host_start(struct agent_host *agent)
{
	agent->phase = AGENT_HOST_OPEN;
	frame_put(&agent->stream.out, 0, MESSAGE_EXEC, agent->exec.data, agent->exec.len);
	buf_add(&agent->stream.out, agent->early.data, agent->early.len);
	buf_release(&agent->early);
	agent_host_flush(agent);
}

static void agent_host_on_held(struct agent_host *agent, const struct frame *frame _unused_)
{
	agent_host_break(agent, "it spoke before it was given a workload");
}

static void agent_host_on_configured(struct agent_host *agent, const struct frame *frame)
{
	struct err err = ERR_INIT;

	if (frame->channel || (frame->type != MESSAGE_OK && frame->type != MESSAGE_ERROR)) {
		agent_host_break(agent, "no answer to its configuration");
		return;
	}
	if (frame->type == MESSAGE_ERROR) {
		message_get_error(frame, &err);
		err_wrap(&err, "cannot set up the machine");
		agent->phase = AGENT_HOST_DEAD;
		agent_host_close(agent, agent_host_find(agent, 0));
		agent_host_deliver_error(agent, 0, &err);
		return;
	}
	if (!agent->held) {
		agent_host_start(agent);
		return;
	}
	agent->phase = AGENT_HOST_HELD;
	if (agent->ops->ready)
		agent->ops->ready(agent->ctx);
}

static const struct agent_host_rule *agent_host_rule(const struct agent_host_session *session,
						     const struct frame *frame)
{
	static const struct agent_host_rule end = { .ends = 1 };

	if (frame->type == MESSAGE_ERROR || (session->answer && session->answer == frame->type))
		return &end;
	for (size_t i = 0; !session->answer && i < ARRAY_SIZE(agent_host_rules); i++) {
		const struct agent_host_rule *rule = &agent_host_rules[i];

		if (rule->type == frame->type && rule->started == session->started &&
		    (!rule->len || rule->len == frame->len))
			return rule;
	}
	return NULL;
}

/* Returns what is wrong with a message that its rule allows, or NULL. */
static const char *agent_host_account(struct agent_host_session *session, const struct frame *frame)
{
	struct wire_reader r = wire_read(frame->payload, frame->len);
	uint32_t value = frame->len == 4 ? wire_get_u32(&r) : 0;

	switch (frame->type) {
	case MESSAGE_STARTED:
		session->started = 1;
		break;
	case MESSAGE_OUT:
	case MESSAGE_ERR:
		if (frame->len > session->out_window)
			return "more output than the window";
		session->out_window -= frame->len;
		break;
	case MESSAGE_CREDIT_IN:
		if (value > MESSAGE_WINDOW - session->in_credit)
			return "more credit than was used";
		session->in_credit += value;
		break;
	case MESSAGE_OOM:
		if (session->channel || frame->len > OOM_LINE_MAX)
			return "no word of its kernel's";
		break;
	case MESSAGE_EXIT:
		if (value > 255)
			return "an impossible exit status";
		break;
	default:
		break;
	}
	return NULL;
}

/* A channel's ERROR is made anew, so that only what we understood goes on. */
static void agent_host_pass(struct agent_host *agent, const struct frame *frame)
{
	struct err err = ERR_INIT;

	if (frame->type == MESSAGE_ERROR) {
		message_get_error(frame, &err);
		agent_host_deliver_error(agent, frame->channel, &err);
		return;
	}
	agent->ops->deliver(agent->ctx, frame->channel, frame->type, frame->payload, frame->len);
}

static void agent_host_offer_room(struct agent_host *agent, struct agent_host_session *session)
{
	uint32_t channel = session->channel;

	if (!session->starved || !agent_host_room(agent, channel))
		return;
	session->starved = 0;
	agent->ops->writable(agent->ctx, channel);
}

static void agent_host_on_session(struct agent_host *agent, const struct frame *frame)
{
	struct agent_host_session *session = agent_host_find(agent, frame->channel);
	const struct agent_host_rule *rule = session ? agent_host_rule(session, frame) : NULL;
	const char *wrong = rule ? agent_host_account(session, frame) : NULL;
	char what[96];

	if (!rule) {
		snprintf(what, sizeof(what), "unexpected message %u on channel %u", frame->type,
			 frame->channel);
		wrong = what;
	}
	if (wrong) {
		agent_host_break(agent, wrong);
		return;
	}
	if (rule->ends)
		agent_host_close(agent, session);
	if (frame->type == MESSAGE_CREDIT_IN)
		agent_host_offer_room(agent, session);
	else
		agent_host_pass(agent, frame);
}

static void (*const agent_host_phases[])(struct agent_host *agent, const struct frame *frame) = {
	[AGENT_HOST_HELLO] = agent_host_on_hello,
	[AGENT_HOST_CONFIGURE] = agent_host_on_configured,
	[AGENT_HOST_HELD] = agent_host_on_held,
	[AGENT_HOST_OPEN] = agent_host_on_session,
};

static void agent_host_parse(struct agent_host *agent)
{
	size_t done = 0;

	while (agent->phase != AGENT_HOST_DEAD) {
		struct frame frame;
		int r = frame_parse(agent->stream.in.data + done, agent->stream.in.len - done,
				    &frame);

		if (r < 0)
			agent_host_break(agent, "no frame");
		if (r <= 0)
			break;
		done += FRAME_HEADER_SIZE + frame.len;
		agent_host_phases[agent->phase](agent, &frame);
	}
	buf_consume(&agent->stream.in, done);
}

/* 1 if something was read, 0 if there is nothing now, negative at the end of the stream. */
static int agent_host_read(struct agent_host *agent)
{
	int r = agent->phase == AGENT_HOST_DEAD ? -EPIPE
						: stream_fill(&agent->stream, AGENT_HOST_READ_SIZE);

	if (r > 0)
		agent_host_parse(agent);
	return r;
}

/* writable() may open and close sessions, so every round looks anew. */
static void agent_host_offer_all(struct agent_host *agent)
{
	struct agent_host_session *session;

	while (agent->stream.out.len + FRAME_DATA_MAX <= AGENT_HOST_QUEUE_MAX &&
	       (session = agent_host_hungry(agent)))
		agent_host_offer_room(agent, session);
	agent_host_wait(agent);
}

static void agent_host_on_io(void *ctx, uint32_t events)
{
	struct agent_host *agent = ctx;
	int r = 1;

	if (events & EPOLLOUT) {
		agent_host_flush(agent);
		agent_host_offer_all(agent);
	}
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	for (int i = 0; r > 0 && i < AGENT_HOST_READS; i++)
		r = agent_host_read(agent);
	if (r < 0)
		stream_unwatch(&agent->stream);
}

static int agent_host_check_size(const struct buf *payload, const char *what, struct err *err)
{
	if (payload->len <= FRAME_PAYLOAD_MAX)
		return 0;
	return err_set(err, -E2BIG, "%s takes %zu bytes, but a VM can be told at most %u", what,
		       payload->len, FRAME_PAYLOAD_MAX);
}

void agent_host_hold(struct agent_host *agent)
{
	agent->held = 1;
}

void agent_host_release(struct agent_host *agent)
{
	if (agent->phase == AGENT_HOST_HELD)
		agent_host_start(agent);
}

int agent_host_new(struct loop *loop, int fd, const struct guest_config *config,
		   const struct process *process, const struct agent_host_ops *ops, void *ctx,
		   struct agent_host **ret, struct err *err)
{
	struct agent_host *agent = mem_zalloc(sizeof(*agent));
	int r;

	agent->ops = ops;
	agent->ctx = ctx;
	r = stream_init(&agent->stream, loop, fd, agent_host_on_io, agent, err);
	guest_config_put(&agent->configure, config);
	process_put(&agent->exec, process);
	agent_host_open(agent, 0, 0);
	if (r == 0)
		r = agent_host_check_size(&agent->exec, "the command with its environment", err);
	if (r == 0)
		r = agent_host_check_size(&agent->configure, "the machine's configuration", err);
	if (r < 0) {
		agent_host_free(agent);
		return r;
	}
	*ret = agent;
	return 0;
}

struct agent_host *agent_host_free(struct agent_host *agent)
{
	if (!agent)
		return NULL;
	stream_release(&agent->stream);
	buf_release(&agent->early);
	buf_release(&agent->configure);
	buf_release(&agent->exec);
	free(agent->sessions);
	free(agent);
	return NULL;
}

size_t agent_host_room(struct agent_host *agent, uint32_t channel)
{
	struct agent_host_session *session = agent_host_find(agent, channel);
	size_t queued = agent->stream.out.len + agent->early.len;
	size_t room = queued < AGENT_HOST_QUEUE_MAX ? AGENT_HOST_QUEUE_MAX - queued : 0;

	if (!session || agent->phase == AGENT_HOST_DEAD)
		return 0;
	if (room > session->in_credit)
		room = session->in_credit;
	if (room < FRAME_DATA_MAX)
		room = 0; /* the keeper has whole frames to give */
	session->starved = !room;
	return room;
}

/* A window's worth of data goes in frames that let other sessions in between. */
static void agent_host_put_data(struct agent_host *agent, struct agent_host_session *session,
				const char *data, size_t len)
{
	session->in_credit -= (uint32_t)len;
	while (len) {
		size_t n = len < FRAME_DATA_MAX ? len : FRAME_DATA_MAX;

		agent_host_put(agent, session->channel, MESSAGE_IN, data, n);
		data += n;
		len -= n;
	}
}

void agent_host_send(struct agent_host *agent, uint32_t channel, uint16_t type, const void *payload,
		     size_t len)
{
	struct agent_host_session *session = agent_host_find(agent, channel);
	const struct agent_host_request *request = agent_host_request(type);

	if (!session && request)
		session = agent_host_open(agent, channel, request->answer);
	if (!session)
		return;
	if (type == MESSAGE_IN && len > session->in_credit)
		return; /* the keeper's breach of room(), not to be made ours */
	if ((type == MESSAGE_SIGNAL || type == MESSAGE_RESIZE) &&
	    agent->stream.out.len + agent->early.len > AGENT_HOST_CONTROL_MAX)
		return;
	if (type == MESSAGE_IN)
		agent_host_put_data(agent, session, payload, len);
	else
		agent_host_put(agent, channel, type, payload, len);
}

void agent_host_consumed(struct agent_host *agent, uint32_t channel, size_t len)
{
	struct agent_host_session *session = agent_host_find(agent, channel);

	if (!session)
		return;
	session->out_owed += (uint32_t)len;
	assert(session->out_owed <= MESSAGE_WINDOW - session->out_window);
	if (session->out_owed < AGENT_HOST_CREDIT_STEP)
		return;
	session->out_window += session->out_owed;
	agent_host_put_u32(agent, channel, MESSAGE_CREDIT_OUT, session->out_owed);
	session->out_owed = 0;
}

void agent_host_shutdown(struct agent_host *agent)
{
	agent_host_put(agent, 0, MESSAGE_SHUTDOWN, NULL, 0);
}

void agent_host_drain(struct agent_host *agent)
{
	while (agent_host_read(agent) > 0)
		continue;
	stream_unwatch(&agent->stream);
}

void agent_host_end(struct agent_host *agent, const struct err *why)
{
	_cleanup_buf_ struct buf killed = BUF_INIT;
	struct err gone = ERR_INIT;

	err_set(&gone, -ESRCH, "%s", err_is_set(why) ? why->msg : "the VM has ended");
	wire_put_u32(&killed, 128 + 9);
	agent->phase = AGENT_HOST_DEAD;
	while (agent->n_sessions) {
		struct agent_host_session session = agent->sessions[agent->n_sessions - 1];

		agent->n_sessions--;
		if (session.started)
			agent->ops->deliver(agent->ctx, session.channel, MESSAGE_EXIT, killed.data,
					    killed.len);
		else
			agent_host_deliver_error(agent, session.channel, &gone);
	}
}

int agent_host_started(const struct agent_host *agent)
{
	const struct agent_host_session *session = agent_host_find((struct agent_host *)agent, 0);

	return session && session->started;
}
