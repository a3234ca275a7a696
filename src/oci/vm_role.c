// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: vm_role_start() up to a machine that boots, then a loop. The machine's agent comes, is told of its root, and
 * its workload is held until somebody comes to the gate, or brig-oci itself says so.
 *
 *   BOOTING --ready()--> CREATED --gate, INNER_START--> STARTING --STARTED--> RUNNING --ended()--> the end
 *
 * Invariants:
 *  1. What brig-oci, or who came to the gate, waits for is told once: INNER_CREATED and INNER_READY, or INNER_FAILED. Then
 *     the connection is closed.
 *  2. Until INNER_DETACH we die with brig-oci; the machine's processes die with us, always.
 *  3. The exit status is the workload's, and comes after its last output was passed on.
 *
 * We stay root, in a mount and a network namespace of our own: what a guest can reach is the machine's process and the
 * servers of folders, each of which is in a sandbox, never this process but by the agent's bounded frames.
 */
#include "oci/vm_role.h"
#include "base/file.h"
#include "base/log.h"
#include "oci/vm_role-internal.h"
#include "proto/message.h"
#include "proto/wire.h"
#include "sys/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <termios.h>

#define ROLE_FAILURE 1

void vm_role_tell(int sock, enum inner_kind kind, const struct err *err, int fd)
{
	struct inner_report report = { .kind = kind };

	if (err)
		report.err = *err;
	if (sock >= 0)
		(void)spawn_send(sock, &report, sizeof(report), fd);
}

static void role_blame(struct vm_role *role, const struct err *err)
{
	if (!err_is_set(&role->why))
		role->why = *err;
	role->status = err->exit_status > 0 ? err->exit_status : ROLE_FAILURE;
}

/* Whoever waits to hear whether the workload runs. */
static void role_answer(struct vm_role *role, enum inner_kind kind, const struct err *err)
{
	vm_role_tell(role->starter >= 0 ? role->starter : role->sock, kind, err, -EBADF);
	role->sock_source = loop_source_free(role->sock_source);
	role->starter = fd_close(role->starter);
	role->sock = fd_close(role->sock);
}

static void role_leave(struct vm_role *role)
{
	if (role->ended && role->drained)
		loop_exit(role->loop, 0);
}

/* The main workload's streams. */
static size_t role_room(void *ctx)
{
	struct vm_role *role = ctx;

	return role->ended ? 0 : role->ops->room(role->driver, 0);
}

static void role_input(void *ctx, const void *data, size_t len)
{
	struct vm_role *role = ctx;

	if (!role->ended)
		role->ops->send(role->driver, 0, MESSAGE_IN, data, len);
}

static void role_input_end(void *ctx)
{
	struct vm_role *role = ctx;

	if (!role->ended)
		role->ops->send(role->driver, 0, MESSAGE_IN_END, NULL, 0);
}

static void role_consumed(void *ctx, size_t len)
{
	struct vm_role *role = ctx;

	if (!role->ended)
		role->ops->consumed(role->driver, 0, len);
}

static void role_on_drained(void *ctx)
{
	struct vm_role *role = ctx;

	role->drained = 1;
	role_leave(role);
}

const struct vm_relay_ops vm_role_relay_ops = {
	.room = role_room,
	.input = role_input,
	.input_end = role_input_end,
	.consumed = role_consumed,
	.drained = role_on_drained,
};

static void role_resize(struct vm_role *role)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;
	struct winsize size = { 0 };

	if (role->slave < 0 || ioctl(role->slave, TIOCGWINSZ, &size) < 0 || !size.ws_row)
		return;
	wire_put_u16(&payload, size.ws_row);
	wire_put_u16(&payload, size.ws_col);
	role->ops->send(role->driver, 0, MESSAGE_RESIZE, payload.data, payload.len);
}

static void role_start(struct vm_role *role)
{
	role->phase = ROLE_STARTING;
	role->ops->release(role->driver);
	role_resize(role);
	vm_relay_start(&role->relay);
}

static void role_on_gate(void *ctx, uint32_t events _unused_)
{
	struct vm_role *role = ctx;

	if (role->phase != ROLE_CREATED)
		return;
	role->starter = accept4(role->gate, NULL, NULL, SOCK_CLOEXEC);
	if (role->starter < 0)
		return;
	role->gate_source = loop_source_free(role->gate_source);
	role->gate = fd_close(role->gate);
	role_start(role);
}

static void role_detach(struct vm_role *role)
{
	(void)prctl(PR_SET_PDEATHSIG, 0);
	role->gate_source = loop_watch_fd(role->loop, role->gate, EPOLLIN, role_on_gate, role);
	vm_role_tell(role->sock, INNER_DETACHED, NULL, -EBADF);
	role->sock_source = loop_source_free(role->sock_source);
	role->sock = fd_close(role->sock);
}

static void role_on_sock(void *ctx, uint32_t events _unused_)
{
	struct vm_role *role = ctx;
	struct inner_report report = { 0 };
	int fd = -EBADF;
	ssize_t n = spawn_receive(role->sock, &report, sizeof(report), &fd, MSG_DONTWAIT);

	fd_close(fd);
	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n != (ssize_t)sizeof(report)) {
		role->sock_source = loop_source_free(role->sock_source);
		role->ops->kill(role->driver);
	} else if (role->phase == ROLE_CREATED && report.kind == INNER_START) {
		role_start(role);
	} else if (role->phase == ROLE_CREATED && report.kind == INNER_DETACH && role->gate >= 0) {
		role_detach(role);
	}
}

/* Before its program runs, the default action of those that people end programs with; all others are lost on it. */
static void role_signal_early(struct vm_role *role, int number)
{
	static const int ending[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };

	for (size_t i = 0; i < ARRAY_SIZE(ending); i++) {
		if (number == ending[i]) {
			role->status = 128 + number;
			role->ops->kill(role->driver);
		}
	}
}

static void role_on_signal(void *ctx, int number)
{
	struct vm_role *role = ctx;
	_cleanup_buf_ struct buf payload = BUF_INIT;

	if (role->ended)
		return;
	if (number == SIGWINCH && role->slave >= 0) {
		role_resize(role);
		return;
	}
	if (role->phase < ROLE_STARTING) {
		role_signal_early(role, number);
		return;
	}
	wire_put_u32(&payload, (uint32_t)number);
	role->ops->send(role->driver, 0, MESSAGE_SIGNAL, payload.data, payload.len);
}

static void role_on_exit(struct vm_role *role, const void *payload, size_t len)
{
	struct wire_reader reader = wire_read(payload, len);

	role->status = (int)wire_get_u32(&reader);
}

static void role_deliver(void *ctx, uint32_t channel, uint16_t type, const void *payload,
			 size_t len)
{
	struct vm_role *role = ctx;
	struct frame frame = { .payload = payload, .len = (uint32_t)len };
	struct err err = ERR_INIT;

	if (channel) {
		vm_sessions_deliver(role->sessions, channel, type, payload, len);
	} else if (type == MESSAGE_OUT || type == MESSAGE_ERR) {
		vm_relay_output(&role->relay, type == MESSAGE_ERR, payload, len);
	} else if (type == MESSAGE_STARTED) {
		role->phase = ROLE_RUNNING;
		role_answer(role, INNER_READY, NULL);
		vm_sessions_open(role->sessions, role->ops, role->driver);
	} else if (type == MESSAGE_EXIT) {
		role_on_exit(role, payload, len);
	} else if (type == MESSAGE_ERROR) {
		message_get_error(&frame, &err);
		role_blame(role, &err);
	}
}

static void role_writable(void *ctx, uint32_t channel)
{
	struct vm_role *role = ctx;

	if (channel)
		vm_sessions_writable(role->sessions, channel);
	else
		vm_relay_writable(&role->relay);
}

static void role_ready(void *ctx)
{
	struct vm_role *role = ctx;

	role->phase = ROLE_CREATED;
	vm_role_tell(role->sock, INNER_CREATED, NULL, -EBADF);
}

static int role_limit(void *ctx _unused_, int64_t overhead, int has_group _unused_,
		      const char *missing _unused_, struct err *err)
{
	if (overhead <= VM_PLAN_OVERHEAD)
		return 0;
	return err_set(err, -E2BIG,
		       "mounts: too many of them lie where the guest mounts something of its own "
		       "above them: each takes a server");
}

static void role_changed(void *ctx _unused_, const struct err *err _unused_)
{
}

static void role_ended(void *ctx, const struct err *err)
{
	struct vm_role *role = ctx;

	role->ended = 1;
	vm_sessions_open(role->sessions, role->ops, NULL);
	if (err && role->status <= 128)
		role_blame(role, err);
	if (role->phase < ROLE_RUNNING && err_is_set(&role->why))
		role_answer(role, INNER_FAILED, &role->why);
	else if (err)
		log_error("%s", err->msg);
	vm_relay_finish(&role->relay);
	role_leave(role);
}

const struct driver_host_ops vm_role_host_ops = {
	.deliver = role_deliver,
	.writable = role_writable,
	.ready = role_ready,
	.limit = role_limit,
	.changed = role_changed,
	.ended = role_ended,
};

int vm_role_watch(struct vm_role *role, struct err *err)
{
	int signals[65], n = 0;

	for (int i = 1; i < 65; i++) {
		if (i != SIGKILL && i != SIGSTOP && i != SIGCHLD && i != SIGPIPE && i != SIGSEGV &&
		    i != SIGBUS && i != SIGILL && i != SIGFPE && (i < 32 || i >= SIGRTMIN))
			signals[n++] = i;
	}
	signals[n] = 0;
	(void)signal(SIGPIPE, SIG_IGN);
	role->signals = loop_watch_signals(role->loop, signals, role_on_signal, role);
	role->sock_source = loop_watch_fd(role->loop, role->sock, EPOLLIN, role_on_sock, role);
	if (!role->signals || !role->sock_source)
		return err_errno(err, -errno, "cannot wait for a start");
	return vm_sessions_new(role->loop, VM_ROLE_EXEC, &role->sessions, err);
}

static void role_release(struct vm_role *role)
{
	if (role->driver)
		role->ops->free(role->driver);
	vm_net_release(&role->net);
	vm_sessions_free(role->sessions);
	vm_relay_release(&role->relay);
	loop_source_free(role->sock_source);
	loop_source_free(role->gate_source);
	loop_source_free(role->signals);
	loop_free(role->loop);
	fd_close(role->slave);
	fd_close(role->starter);
	kernel_files_release(&role->kernel);
	instance_run_release(&role->run);
	vm_plan_release(&role->plan);
	spec_release(&role->spec);
	config_release(&role->config);
}

static int role_run(struct vm_role *role)
{
	struct err err = ERR_INIT;
	int r = loop_new(&role->loop, &err);

	if (r == 0)
		r = vm_role_start(role, &err);
	if (r == 0)
		r = loop_run(role->loop);
	if (r < 0) {
		if (!err_is_set(&err))
			err_errno(&err, r, "cannot wait for the machine");
		vm_role_tell(role->sock, INNER_FAILED, &err, -EBADF);
		role->status = ROLE_FAILURE;
	}
	return role->status;
}

/* Nobody else's descriptors: what is given is numbered, and none of it goes to what we start. */
static int role_take_descriptors(int *ret_gate)
{
	for (int fd = VM_ROLE_SOCK; fd < VM_ROLE_FDS; fd++) {
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 && fd != VM_ROLE_GATE)
			return -EBADF;
	}
	*ret_gate = fcntl(VM_ROLE_GATE, F_GETFD) < 0 ? -EBADF : VM_ROLE_GATE;
	return 0;
}

static void role_open_log(const char *path, const char *format)
{
	int fd = *path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644)
		       : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, VM_ROLE_FDS);

	log_set_program("brig-oci");
	log_set_file(fd, !strcmp(format, "json") ? LOG_JSON : *path ? LOG_TEXT : LOG_PLAIN);
}

int vm_role_main(int argc, char **argv, const struct driver_ops *const *drivers)
{
	struct vm_role role = { .drivers = drivers,
				.sock = VM_ROLE_SOCK,
				.gate = -EBADF,
				.starter = -EBADF,
				.slave = -EBADF,
				.net = VM_NET_INIT,
				.relay = { .in = -EBADF,
					   .out = { { .fd = -EBADF }, { .fd = -EBADF } } } };
	int status;

	if (argc != 6 || role_take_descriptors(&role.gate) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) {
		log_error("this part of brig is started by brig-oci");
		return ROLE_FAILURE;
	}
	role.id = argv[1];
	role.bundle = argv[2];
	role.root = argv[3];
	role_open_log(argv[4], argv[5]);
	status = role_run(&role);
	role_release(&role);
	return status;
}
