// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/agent.h"
#include "base/mem.h"
#include "guest/port.h"
#include "guest/session.h"
#include "proto/message.h"
#include "proto/tree.h"
#include "proto/wire.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

struct agent_session {
	struct agent_session *next;
	struct session *session;
};

struct agent {
	struct loop *loop;
	struct loop_source *signals;
	struct port *port;
	const struct agent_ops *ops;
	void *ctx;
	struct agent_session *sessions;
	size_t n_sessions;
	pid_t workload; /* 0: not yet; -1: it has ended */
	pid_t freezer;	/* 0: the file system does not stand still */
};

static void agent_reply_error(struct agent *agent, uint32_t channel, const struct err *err)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	message_put_error(&payload, err);
	port_send(agent->port, channel, MESSAGE_ERROR, payload.data, payload.len);
}

/* Sessions */

static struct session *agent_find(const struct agent *agent, uint32_t channel)
{
	for (struct agent_session *s = agent->sessions; s; s = s->next) {
		if (session_channel(s->session) == channel)
			return s->session;
	}
	return NULL;
}

static struct session *agent_find_pid(const struct agent *agent, pid_t pid)
{
	for (struct agent_session *s = agent->sessions; s; s = s->next) {
		if (session_pid(s->session) == pid)
			return s->session;
	}
	return NULL;
}

static void agent_forget(void *ctx, struct session *session)
{
	struct agent *agent = ctx;

	for (struct agent_session **at = &agent->sessions; *at; at = &(*at)->next) {
		struct agent_session *s = *at;

		if (s->session != session)
			continue;
		*at = s->next;
		free(s);
		session_free(session);
		agent->n_sessions--;
		return;
	}
}

static void agent_adopt(struct agent *agent, uint32_t channel, struct launch *launch, int work)
{
	struct session_owner owner = {
		.loop = agent->loop, .port = agent->port, .ended = agent_forget, .ctx = agent
	};
	struct agent_session *s = mem_zalloc(sizeof(*s));

	s->session = session_new(&owner, channel, launch, work);
	s->next = agent->sessions;
	agent->sessions = s;
	agent->n_sessions++;
}

static int agent_may_start(const struct agent *agent, struct err *err)
{
	if (agent->n_sessions >= MESSAGE_SESSIONS_MAX)
		return err_set(err, -EUSERS, "the instance has %d sessions already",
			       MESSAGE_SESSIONS_MAX);
	return 0;
}

static int agent_start(struct agent *agent, uint32_t channel, const struct process *process,
		       struct err *err)
{
	struct launch launch = { .pidfd = -EBADF, .in = -EBADF, .out = -EBADF, .err = -EBADF };
	int r = agent_may_start(agent, err);

	if (r == 0)
		r = channel ? agent->ops->exec(agent->ctx, process, &launch, err)
			    : agent->ops->run(agent->ctx, process, &launch, err);
	if (r < 0)
		return r;
	if (!channel)
		agent->workload = launch.pid;
	agent_adopt(agent, channel, &launch, 0);
	return 0;
}

/* Requests that begin a session; what they return is a breach of the protocol. */

static int agent_exec(struct agent *agent, const struct frame *frame)
{
	_cleanup_process_ struct process process = { 0 };
	struct err err = ERR_INIT;

	if (process_get(frame, &process) < 0 || agent_find(agent, frame->channel) ||
	    (!frame->channel && agent->workload))
		return -EPROTO;
	if (agent_start(agent, frame->channel, &process, &err) < 0)
		agent_reply_error(agent, frame->channel, &err);
	return 0;
}

struct agent_tree {
	const char *path;
	unsigned int flags;
	int put;
};

/* In a child whose root is the instance's. */
static int agent_tree_work(void *ctx, struct err *err)
{
	const struct agent_tree *tree = ctx;
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return err_errno(err, -errno, "cannot open the instance's root");
	return tree->put ? tree_receive(root, tree->path, tree->flags, STDIN_FILENO, err)
			 : tree_send(root, tree->path, tree->flags, STDOUT_FILENO, err);
}

static int agent_tree(struct agent *agent, const struct frame *frame)
{
	struct wire_reader r = wire_read(frame->payload, frame->len);
	_cleanup_free_ char *path = wire_get_str(&r);
	struct agent_tree tree = { .path = path,
				   .flags = wire_get_u8(&r),
				   .put = frame->type == MESSAGE_TREE_PUT };
	struct err err = ERR_INIT;
	struct launch launch;
	int status;

	if (wire_end(&r) < 0 || !frame->channel || agent_find(agent, frame->channel))
		return -EPROTO;
	status = agent_may_start(agent, &err);
	if (status == 0)
		status = agent->ops->work(agent->ctx, agent_tree_work, &tree, &launch, &err);
	if (status < 0)
		agent_reply_error(agent, frame->channel, &err);
	else
		agent_adopt(agent, frame->channel, &launch, 1);
	return 0;
}

static int agent_freeze(struct agent *agent, const struct frame *frame)
{
	struct launch launch = { .pid = 0 };
	struct err err = ERR_INIT;
	int r;

	if (frame->len || !frame->channel || agent_find(agent, frame->channel))
		return -EPROTO;
	r = agent->freezer ? err_set(&err, -EBUSY, "the file system stands still already")
			   : agent_may_start(agent, &err);
	if (r == 0)
		r = agent->ops->freeze(agent->ctx, &launch, &err);
	if (r < 0) {
		agent_reply_error(agent, frame->channel, &err);
		return 0;
	}
	agent->freezer = launch.pid;
	agent_adopt(agent, frame->channel, &launch, 1);
	return 0;
}

static int agent_plug(struct agent *agent, const struct frame *frame)
{
	struct wire_reader r = wire_read(frame->payload, frame->len);
	uint8_t device = wire_get_u8(&r);
	_cleanup_free_ char *text = wire_get_str(&r);
	const struct plug plug = { .plugged = frame->type == MESSAGE_PLUG,
				   .device = device,
				   .text = text };
	struct launch launch = { .pid = 0 };
	struct err err = ERR_INIT;
	int status;

	if (wire_end(&r) < 0 || device >= MESSAGE_DEVICES || !frame->channel ||
	    agent_find(agent, frame->channel))
		return -EPROTO;
	status = agent_may_start(agent, &err);
	if (status == 0)
		status = agent->ops->plug(agent->ctx, &plug, &launch, &err);
	if (status < 0)
		agent_reply_error(agent, frame->channel, &err);
	else
		agent_adopt(agent, frame->channel, &launch, 1);
	return 0;
}

/* Nothing can be killed that waits for the file system. */
static void agent_thaw(struct agent *agent)
{
	if (agent->freezer)
		agent->ops->thaw(agent->ctx);
	agent->freezer = 0;
}

/* Requests that are answered at once */

static int agent_answer(struct agent *agent, const struct frame *frame,
			int (*ask)(struct buf *payload, struct err *err))
{
	_cleanup_buf_ struct buf payload = BUF_INIT;
	struct err err = ERR_INIT;

	if (ask(&payload, &err) < 0)
		agent_reply_error(agent, frame->channel, &err);
	else
		port_send(agent->port, frame->channel, frame->type, payload.data, payload.len);
	return 0;
}

static int agent_stats(struct agent *agent, const struct frame *frame)
{
	return agent_answer(agent, frame, agent->ops->stats);
}

static int agent_processes(struct agent *agent, const struct frame *frame)
{
	return agent_answer(agent, frame, agent->ops->processes);
}

static int agent_ping(struct agent *agent, const struct frame *frame)
{
	port_send(agent->port, frame->channel, MESSAGE_OK, NULL, 0);
	return 0;
}

static int agent_tune(struct agent *agent, const struct frame *frame)
{
	struct message_tune tune;
	struct err err = ERR_INIT;

	if (message_get_tune(frame, &tune) < 0)
		return -EBADMSG;
	if (agent->ops->tune(agent->ctx, &tune, &err) < 0)
		agent_reply_error(agent, frame->channel, &err);
	else
		port_send(agent->port, frame->channel, MESSAGE_OK, NULL, 0);
	return 0;
}

static int agent_shutdown(struct agent *agent, const struct frame *frame _unused_)
{
	loop_exit(agent->loop, 0);
	return 0;
}

void agent_tell_oom(struct agent *agent, const char *line)
{
	if (agent->workload <= 0)
		return;
	port_send(agent->port, 0, MESSAGE_OOM, line, strlen(line));
	port_flush(agent->port);
}

struct agent_request {
	uint16_t type;
	int (*handle)(struct agent *agent, const struct frame *frame);
};

static const struct agent_request agent_requests[] = {
	{ MESSAGE_EXEC, agent_exec },	      { MESSAGE_TREE_GET, agent_tree },
	{ MESSAGE_TREE_PUT, agent_tree },     { MESSAGE_FREEZE, agent_freeze },
	{ MESSAGE_STATS, agent_stats },	      { MESSAGE_PROCS, agent_processes },
	{ MESSAGE_PING, agent_ping },	      { MESSAGE_PLUG, agent_plug },
	{ MESSAGE_UNPLUG, agent_plug },	      { MESSAGE_TUNE, agent_tune },
	{ MESSAGE_SHUTDOWN, agent_shutdown },
};

static int agent_handle(struct agent *agent, const struct frame *frame)
{
	struct session *session;

	for (size_t i = 0; i < ARRAY_SIZE(agent_requests); i++) {
		if (agent_requests[i].type == frame->type)
			return agent_requests[i].handle(agent, frame);
	}
	/* What comes for a session that has just ended has crossed with its end. */
	session = agent_find(agent, frame->channel);
	return session ? session_handle(session, frame) : 0;
}

static void agent_frame(void *ctx, const struct frame *frame)
{
	struct agent *agent = ctx;
	int r = agent_handle(agent, frame);

	if (r < 0)
		loop_exit(agent->loop, r);
}

static void agent_drained(void *ctx)
{
	struct agent *agent = ctx;

	for (struct agent_session *s = agent->sessions; s; s = s->next)
		session_resume(s->session);
}

static void agent_closed(void *ctx, int error)
{
	struct agent *agent = ctx;

	loop_exit(agent->loop, error);
}

/* We are PID 1: children of ours and orphans alike end here. */
static void agent_reap(void *ctx, int number _unused_)
{
	struct agent *agent = ctx;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct session *session = agent_find_pid(agent, pid);
		int exit_status =
			WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);

		if (pid == agent->workload) {
			exit_status = agent->ops->ended(agent->ctx, status);
			agent->workload = -1;
		}
		if (pid == agent->freezer)
			agent_thaw(agent);
		if (session)
			session_exited(session, exit_status);
	}
	port_flush(agent->port);
}

int agent_run(struct agent *agent, struct err *err)
{
	int r;

	port_send(agent->port, 0, MESSAGE_OK, NULL, 0);
	port_flush(agent->port);
	r = loop_run(agent->loop);
	agent_thaw(agent);
	return r < 0 ? err_errno(err, r, "the connection to the host broke") : 0;
}

int agent_new(struct loop *loop, int port, const struct agent_ops *ops, void *ctx,
	      struct agent **ret, struct err *err)
{
	static const struct port_ops port_ops = { .frame = agent_frame,
						  .drained = agent_drained,
						  .closed = agent_closed };
	static const int signals[] = { SIGCHLD, 0 };
	struct agent *agent = mem_zalloc(sizeof(*agent));
	int r;

	*agent = (struct agent){ .loop = loop, .ops = ops, .ctx = ctx };
	/* A process that closes its stdin is no reason to end. */
	(void)signal(SIGPIPE, SIG_IGN);
	r = port_new(loop, port, &port_ops, agent, &agent->port, err);
	if (r == 0) {
		agent->signals = loop_watch_signals(loop, signals, agent_reap, agent);
		if (!agent->signals)
			r = err_errno(err, -errno, "cannot watch for the end of processes");
	}
	if (r < 0) {
		agent_free(agent);
		return r;
	}
	*ret = agent;
	return 0;
}

struct agent *agent_free(struct agent *agent)
{
	if (!agent)
		return NULL;
	while (agent->sessions)
		agent_forget(agent, agent->sessions->session);
	loop_source_free(agent->signals);
	port_free(agent->port);
	free(agent);
	return NULL;
}
