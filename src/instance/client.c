// SPDX-License-Identifier: GPL-2.0-or-later
/* What clients ask of an instance's keeper, and how one is started. */
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/name.h"
#include "image/store.h"
#include "base/units.h"
#include "instance/admit.h"
#include "instance/clean.h"
#include "instance/instance.h"
#include "instance/keeper.h"
#include "instance/paths.h"
#include "instance/policy.h"
#include "instance/rollback.h"
#include "instance/session.h"
#include "net/attach.h"
#include "proto/procs.h"
#include "proto/tree.h"
#include "proto/wire.h"
#include "sys/cgroup_own.h"
#include "sys/child.h"
#include "sys/spawn.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>

/* How long a guest may take to write out what its programs have written. */
#define CLIENT_FREEZE_S 60

/* What cannot be reached does not run, or is not there at all. */
static int client_not_running(const struct instance_home *home, const char *name, struct err *err)
{
	_cleanup_instance_ struct instance record = { 0 };
	int r = instance_load(home, name, &record, err);

	if (r < 0)
		return r;
	return err_set(err, -ESRCH, "'%s' is not running; start it with 'brig start %s'", name,
		       name);
}

int instance_connect(const struct instance_home *home, const char *name, int *ret_fd,
		     struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -EBADF, dir = -EBADF;
	_cleanup_free_ char *run_dir = NULL;
	int r = name_check("instance", name, err);

	if (r < 0)
		return r;
	run_dir = paths_run(home, name);
	dir = open(run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return client_not_running(home, name, err);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(err, -errno, "cannot make a socket");
	/* the path of a socket is at most 107 bytes long; this way any folder is near enough */
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" PATHS_SOCKET, dir);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return client_not_running(home, name, err);
	*ret_fd = take_fd(&fd);
	return 0;
}

/* One answer of the keeper; OK is 0, ERROR becomes err. */
static int client_answer(int fd, const char *name, struct err *err)
{
	_cleanup_buf_ struct buf buf = BUF_INIT;
	struct frame frame = { 0 };
	int r = frame_receive(fd, &buf, &frame);

	if (r < 0)
		return err_set(err, -EPIPE, "the keeper of '%s' went away", name);
	if (frame.type == MESSAGE_ERROR)
		return message_get_error(&frame, err);
	return frame.type == MESSAGE_OK ? 0
					: err_set(err, -EBADMSG, "unexpected answer of the keeper");
}

int instance_request(const struct instance_home *home, const char *name, uint16_t type,
		     const void *payload, size_t len, struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	int r = instance_connect(home, name, &fd, err);

	if (r < 0)
		return r;
	if (frame_send(fd, 0, type, payload, len) < 0)
		return client_not_running(home, name, err);
	return client_answer(fd, name, err);
}

int instance_request_set(const struct instance_home *home, const char *name, const char *assignment,
			 int lock, struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	_cleanup_buf_ struct buf frame = BUF_INIT;
	int r = instance_connect(home, name, &fd, err);

	if (r < 0)
		return r;
	/* the socket blocks, so it goes whole */
	frame_put(&frame, 0, MESSAGE_SET, assignment, strlen(assignment));
	if (spawn_send(fd, frame.data, frame.len, lock) < 0)
		return client_not_running(home, name, err);
	return client_answer(fd, name, err);
}

int instance_hold(const struct instance_home *home, const char *name, int *ret_fd, struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	int r = instance_connect(home, name, &fd, err);

	if (r < 0)
		return r;
	if (frame_send(fd, 0, MESSAGE_HOLD, NULL, 0) < 0)
		return client_not_running(home, name, err);
	r = client_answer(fd, name, err);
	if (r == 0)
		*ret_fd = take_fd(&fd);
	return r;
}

static int client_no_answer(const char *name, struct err *err)
{
	return err_set(err, -ETIMEDOUT,
		       "the VM '%s' does not answer; 'brig pause %s' first, for its disk as a "
		       "power cut would leave it",
		       name, name);
}

static int client_let_go(const struct frame *frame, const char *name, struct err *err)
{
	struct wire_reader r = wire_read(frame->payload, frame->len);
	uint32_t status = wire_get_u32(&r);

	if (wire_end(&r) == 0 && !status)
		return 0;
	return err_set(err, -EIO, "the file system of '%s' was let go too early", name);
}

/*
 * Reads on to what ends a session of FREEZE, or to OUT. 0: it was OUT, or an EXIT after all went well, as wanted. What a
 * guest says besides does not make the wait longer.
 */
static int client_freeze_answer(int fd, const char *name, uint16_t wanted, struct err *err)
{
	_cleanup_buf_ struct buf buf = BUF_INIT;
	int64_t deadline = units_monotonic() + (int64_t)CLIENT_FREEZE_S * 1000000000;
	struct frame frame = { 0 };

	while (units_monotonic() < deadline) {
		int r = frame_receive(fd, &buf, &frame);

		if (r == -EAGAIN)
			break;
		if (r < 0)
			return err_set(err, -EPIPE, "the keeper of '%s' went away", name);
		if (frame.type == MESSAGE_ERROR)
			return message_get_error(&frame, err);
		if (frame.type == MESSAGE_EXIT)
			return wanted == MESSAGE_EXIT
				       ? client_let_go(&frame, name, err)
				       : err_set(err, -EIO, "the file system of '%s' was let go",
						 name);
		if (frame.type == wanted)
			return 0;
	}
	return client_no_answer(name, err);
}

int instance_freeze(const struct instance_home *home, const char *name, int *ret_fd,
		    struct err *err)
{
	const struct timeval patience = { .tv_sec = CLIENT_FREEZE_S };
	_cleanup_close_ int fd = -EBADF;
	int r = instance_connect(home, name, &fd, err);

	if (r < 0)
		return r;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return err_errno(err, -errno, "cannot set a deadline");
	if (frame_send(fd, 0, MESSAGE_FREEZE, NULL, 0) < 0)
		return client_not_running(home, name, err);
	r = client_freeze_answer(fd, name, MESSAGE_OUT, err);
	if (r == 0)
		*ret_fd = take_fd(&fd);
	return r;
}

int instance_thaw(int fd, const char *name, struct err *err)
{
	if (frame_send(fd, 0, MESSAGE_IN_END, NULL, 0) < 0)
		return err_set(err, -EPIPE, "the keeper of '%s' went away", name);
	return client_freeze_answer(fd, name, MESSAGE_EXIT, err);
}

int instance_signal(const struct instance_home *home, const char *name, int signal, struct err *err)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	wire_put_u32(&payload, (uint32_t)signal);
	return instance_request(home, name, MESSAGE_SIGNAL, payload.data, payload.len, err);
}

static void client_wait_process(pid_t pid)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd fd = { .fd = pidfd, .events = POLLIN };

	if (pidfd < 0)
		return;
	while (poll(&fd, 1, -1) < 0 && errno == EINTR)
		continue;
}

/* For who holds the lock. */
static int client_stop_locked(const struct instance_home *home, const char *name,
			      struct instance_view *view, int64_t timeout_ms, struct err *err)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;
	_cleanup_free_ char *state_dir = NULL;
	struct err failure = ERR_INIT;
	int r;

	wire_put_u32(&payload, timeout_ms < 0 || timeout_ms >= UINT32_MAX ? UINT32_MAX
									  : (uint32_t)timeout_ms);
	r = instance_request(home, name, MESSAGE_STOP, payload.data, payload.len, &failure);
	/* after its word everything is in its place; what it has to do then is nobody's to wait for */
	if (r < 0)
		client_wait_process((pid_t)view->run.keeper_pid);
	/* a keeper that died while it stopped the instance has stopped it too */
	if (r < 0 && r != -EPIPE && r != -ESRCH) {
		*err = failure;
		return r;
	}
	state_dir = paths_state(home, name);
	if (access(state_dir, F_OK) < 0)
		return 0; /* it was to be removed at its end */
	return clean_leftovers(home, &view->record, name, err);
}

int instance_stop(const struct instance_home *home, const char *name, int64_t timeout_ms,
		  struct err *err)
{
	_cleanup_instance_view_ struct instance_view view = { 0 };
	_cleanup_close_ int lock = -EBADF;
	int r = instance_lock(home, name, &lock, err);

	if (r == 0)
		r = instance_view(home, name, &view, err);
	if (r < 0)
		return r;
	if (!view.alive)
		return clean_leftovers(home, &view.record, name, err);
	return client_stop_locked(home, name, &view, timeout_ms, err);
}

/* For a client that came when the keeper was already leaving: the record has the end by then. */
static int client_recorded_end(const struct instance_home *home, const char *name, int *ret_status,
			       struct err *err)
{
	_cleanup_instance_view_ struct instance_view view = { 0 };
	struct err ignored = ERR_INIT;

	if (instance_view(home, name, &view, &ignored) < 0 || !view.record.finished)
		return err_set(err, -EPIPE, "the keeper of '%s' was killed", name);
	*ret_status = (int)view.record.exit_code;
	return 0;
}

int instance_wait(const struct instance_home *home, const char *name, int *ret_status,
		  struct err *err)
{
	_cleanup_instance_view_ struct instance_view view = { 0 };
	_cleanup_close_ int fd = -EBADF;
	_cleanup_buf_ struct buf buf = BUF_INIT;
	struct frame frame = { 0 };
	const uint8_t attach[2] = { 0, 0 };
	int r = instance_view(home, name, &view, err);

	if (r < 0)
		return r;
	*ret_status = (int)view.record.exit_code;
	if (!view.alive)
		return 0;
	r = instance_connect(home, name, &fd, err);
	if (r < 0)
		return r == -ESRCH ? client_recorded_end(home, name, ret_status, err) : r;
	(void)frame_send(fd, 0, MESSAGE_ATTACH, attach, sizeof(attach));
	while (frame_receive(fd, &buf, &frame) == 0) {
		struct wire_reader reader = wire_read(frame.payload, frame.len);

		if (frame.type == MESSAGE_EXIT) {
			*ret_status = (int)wire_get_u32(&reader);
			return 0;
		}
		if (frame.type == MESSAGE_ERROR)
			return message_get_error(&frame, err);
	}
	return client_recorded_end(home, name, ret_status, err);
}

/* The keeper's descriptors: its session, and nothing else of ours. */
static int client_keeper_files(posix_spawn_file_actions_t *files, int session)
{
	int r = posix_spawn_file_actions_adddup2(files, session, KEEPER_SESSION_FD);

	if (!r)
		r = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDWR, 0);
	if (!r)
		r = posix_spawn_file_actions_adddup2(files, STDIN_FILENO, STDOUT_FILENO);
	if (!r && !log_is_debug())
		r = posix_spawn_file_actions_adddup2(files, STDIN_FILENO, STDERR_FILENO);
	if (!r)
		r = posix_spawn_file_actions_addclosefrom_np(files, KEEPER_SESSION_FD + 1);
	return r ? r : posix_spawn_file_actions_addchdir_np(files, "/");
}

/*
 * Without a copy of our memory, as fork() makes one: that alone was a tenth of a container's start. The
 * keeper outlives most clients and then belongs to init; if it ends first, it is a zombie until they do.
 */
static int client_spawn(const char *program, char *const *argv, int session, struct err *err)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none;
	pid_t pid;
	int r;

	sigemptyset(&none);
	(void)posix_spawnattr_init(&attributes);
	(void)posix_spawnattr_setsigmask(&attributes, &none);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
	(void)posix_spawn_file_actions_init(&files);
	r = client_keeper_files(&files, session);
	if (!r)
		r = posix_spawn(&pid, program, &files, &attributes, argv, environ);
	(void)posix_spawn_file_actions_destroy(&files);
	(void)posix_spawnattr_destroy(&attributes);
	return r ? err_errno(err, -r, "cannot start a keeper") : 0;
}

/* restore: NULL, and then the last word. */
static int client_spawn_keeper(const struct instance_home *home, const char *name, const char *mode,
			       const char *restore, int session, struct err *err)
{
	char *argv[] = { (char *)(uintptr_t)KEEPER_ROLE,
			 (char *)(uintptr_t)home->root,
			 (char *)(uintptr_t)home->run,
			 (char *)(uintptr_t)name,
			 (char *)(uintptr_t)mode,
			 (char *)(uintptr_t)restore,
			 NULL };

	return client_spawn("/proc/self/exe", argv, session, err);
}

/* Where his systemd makes a user control groups: it asks for one, and then becomes the keeper. */
static int client_spawn_in_scope(const struct instance_home *home, const char *name,
				 const char *mode, const char *restore, int session,
				 struct err *err)
{
	_cleanup_strv_ char **argv = cgroup_own_scope(name);
	_cleanup_free_ char *tool = child_find(argv[0]);
	char program[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (!tool || n < 0)
		return err_set(err, -EPIPE, "there is no %s", argv[0]);
	program[n] = '\0';
	strv_add(&argv, program);
	strv_add(&argv, KEEPER_ROLE);
	strv_add(&argv, home->root);
	strv_add(&argv, home->run);
	strv_add(&argv, name);
	strv_add(&argv, mode);
	if (restore)
		strv_add(&argv, restore);
	return client_spawn(tool, argv, session, err);
}

int session_wait_started(int fd, struct err *err)
{
	_cleanup_buf_ struct buf buf = BUF_INIT;
	struct frame frame = { 0 };

	/* nothing but these two can come first; bytes of output stay in the socket */
	if (frame_receive(fd, &buf, &frame) < 0)
		return err_set(err, -EPIPE, "the keeper was killed");
	if (frame.type == MESSAGE_ERROR)
		return message_get_error(&frame, err);
	return frame.type == MESSAGE_STARTED
		       ? 0
		       : err_set(err, -EBADMSG, "unexpected message of the keeper");
}

static int client_try_start(const struct instance_home *home, const char *name, const char *mode,
			    const char *restore, int in_scope, int *ret_session, struct err *err)
{
	_cleanup_close_ int ours = -EBADF, theirs = -EBADF;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, -errno, "cannot make a socket pair");
	ours = pair[0];
	theirs = pair[1];
	r = in_scope ? client_spawn_in_scope(home, name, mode, restore, theirs, err)
		     : client_spawn_keeper(home, name, mode, restore, theirs, err);
	if (r < 0)
		return r;
	theirs = fd_close(theirs);
	r = session_wait_started(ours, err);
	if (r == 0)
		*ret_session = take_fd(&ours);
	return r;
}

static int client_start_locked(const struct instance_home *home, const char *name, const char *mode,
			       const char *restore, int overcommit, int *ret_session,
			       struct err *err)
{
	_cleanup_instance_view_ struct instance_view view = { 0 };
	_cleanup_close_ int promises = -EBADF;
	struct err no_scope = ERR_INIT;
	int r = instance_view(home, name, &view, err);

	if (r == 0 && view.alive)
		r = err_set(err, -EBUSY, "'%s' is running already", name);
	if (r == 0 && policy_check(&view.record, view.record.kind, err) < 0)
		r = err_wrap(err, "'%s'", name);
	if (r == 0)
		r = clean_leftovers(home, &view.record, name, err);
	if (r == 0 && !overcommit)
		r = admit_start(home, &view.record, &promises, err);
	if (r < 0)
		return r;
	if (geteuid() && !cgroup_own_is_ours() && cgroup_own_has_manager()) {
		r = client_try_start(home, name, mode, restore, 1, ret_session, &no_scope);
		/* not a word: systemd-run did not become a keeper */
		if (r != -EPIPE) {
			if (r < 0)
				*err = no_scope;
			return r;
		}
		log_debug("no scope of systemd's for '%s'", name);
	}
	return client_try_start(home, name, mode, restore, 0, ret_session, err);
}

int instance_start(const struct instance_home *home, const char *name, unsigned int flags,
		   int *ret_session, struct err *err)
{
	const char *mode = !ret_session ? "none" : flags & INSTANCE_START_STDIN ? "in" : "out";
	int overcommit = (flags & INSTANCE_START_OVERCOMMIT) != 0;
	_cleanup_close_ int lock = -EBADF, session = -EBADF;
	int r = instance_lock(home, name, &lock, err);

	if (r == 0)
		r = client_start_locked(home, name, mode, NULL, overcommit, &session, err);
	if (r == 0 && ret_session)
		*ret_session = take_fd(&session);
	return r;
}

/* What enter and exec of a container need; paths are built once and released with the view. */
struct client_target {
	struct instance_view view;
	struct driver_target target;
	char *state_dir;
	char **layer_paths;
	const struct driver_ops *ops;
};

static void client_target_release(struct client_target *t)
{
	instance_view_release(&t->view);
	strv_free(t->layer_paths);
	free(t->state_dir);
}

static int client_target_get(const struct instance_home *home, const char *name,
			     struct client_target *t, struct err *err)
{
	int r = instance_view(home, name, &t->view, err);

	if (r < 0)
		return r;
	t->ops = instance_driver(home, t->view.record.kind,
				 t->view.alive ? t->view.run.engine : NULL);
	if (!t->ops)
		return err_set(err, -EOPNOTSUPP, "this brig has no engine for '%s'", name);
	t->state_dir = paths_state(home, name);
	strv_for_each(layer, t->view.record.layers)
		strv_add_take(&t->layer_paths, store_layer_path(home->root, *layer));
	t->target = (struct driver_target){
		.instance = &t->view.record,
		.run = t->view.alive ? &t->view.run : NULL,
		.root = home->root,
		.state_dir = t->state_dir,
		.layer_paths = t->layer_paths,
	};
	return 0;
}

/* How the start went, once; report is NULL where nobody waits for that. */
static void client_tell_start(int *report, const struct err *err)
{
	if (!report || *report < 0)
		return;
	(void)file_write_all(*report, err, sizeof(*err));
	*report = fd_close(*report);
}

static int client_exec_session(const struct instance_home *home, const char *name,
			       const struct process *process, const struct session_options *options,
			       int *started, int *ret_status, struct err *err)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;
	int fd = -EBADF;
	int r = instance_connect(home, name, &fd, err);

	if (r < 0)
		return r;
	process_put(&payload, process);
	if (payload.len > FRAME_PAYLOAD_MAX) {
		fd_close(fd);
		return err_set(err, -E2BIG,
			       "the command and its environment are longer than %u bytes",
			       FRAME_PAYLOAD_MAX);
	}
	if (frame_send(fd, 0, MESSAGE_EXEC, payload.data, payload.len) < 0) {
		fd_close(fd);
		return client_not_running(home, name, err);
	}
	if (started && session_wait_started(fd, err) < 0) {
		fd_close(fd);
		return err->code;
	}
	client_tell_start(started, &ERR_INIT);
	return session_run(fd, options, ret_status, err);
}

/* started: NULL, or where client_tell_start() tells that the process runs. */
static int client_exec(const struct instance_home *home, const char *name,
		       const struct process *process, const int stdio[3], int *started,
		       int *ret_status, struct err *err)
{
	_cleanup_(client_target_release) struct client_target t = { 0 };
	struct session_options options = {
		.stdio = { process->interactive ? stdio[0] : -EBADF, stdio[1], stdio[2] },
		.tty = process->tty,
		.pass_signals = !process->tty,
	};
	pid_t pid = 0;
	int pty = -EBADF, child_stdio[3] = { stdio[0], stdio[1], stdio[2] };
	_cleanup_close_ int null = -EBADF;
	int r = client_target_get(home, name, &t, err);

	if (r < 0)
		return r;
	if (!t.view.alive || !t.view.run.pid)
		return client_not_running(home, name, err);
	if (t.view.state == INSTANCE_PAUSED)
		return err_set(err, -EBUSY, "'%s' is paused; resume it first", name);
	if (t.ops->sessions)
		return client_exec_session(home, name, process, &options, started, ret_status, err);
	if (!process->interactive)
		child_stdio[0] = null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	r = t.ops->exec(&t.target, process, child_stdio, &pid, &pty, err);
	if (r < 0)
		return r;
	client_tell_start(started, &ERR_INIT);
	return session_run_child(pid, pty, &options, ret_status, err);
}

int instance_exec(const struct instance_home *home, const char *name, const struct process *process,
		  const int stdio[3], int *ret_status, struct err *err)
{
	return client_exec(home, name, process, stdio, NULL, ret_status, err);
}

static _noreturn_ void client_exec_stay(const struct instance_home *home, const char *name,
					const struct process *process, int report)
{
	const int stdio[3] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), started, status = 0;
	struct err err = ERR_INIT;

	started = fcntl(report, F_DUPFD_CLOEXEC, 3);
	if (null < 0 || started < 0 || setsid() < 0 || chdir("/") < 0 || dup2(null, 0) < 0 ||
	    dup2(null, 1) < 0 || dup2(null, 2) < 0)
		err_errno(&err, -errno, "cannot go to the background");
	report = fd_close(report);
	null = fd_close(null);
	if (!err_is_set(&err))
		(void)client_exec(home, name, process, stdio, &started, &status, &err);
	if (err_is_set(&err))
		client_tell_start(&started, &err);
	_exit(0);
}

int instance_exec_behind(const struct instance_home *home, const char *name,
			 const struct process *process, struct err *err)
{
	struct err failure = ERR_INIT;
	int fds[2];
	ssize_t n;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(err, -errno, "cannot make a pipe");
	pid = fork();
	if (!pid) {
		fd_close(fds[0]);
		client_exec_stay(home, name, process, fds[1]);
	}
	fd_close(fds[1]);
	if (pid < 0) {
		int code = -errno;

		fd_close(fds[0]);
		return err_errno(err, code, "cannot start a process");
	}
	do {
		n = read(fds[0], &failure, sizeof(failure));
	} while (n < 0 && errno == EINTR);
	fd_close(fds[0]);
	if (n != (ssize_t)sizeof(failure))
		return err_set(err, -EPIPE, "the process that starts it was killed");
	if (err_is_set(&failure))
		*err = failure;
	return failure.code;
}

static int client_check_checkpoint(const struct client_target *t, int leave_running,
				   struct err *err)
{
	const struct instance *record = &t->view.record;

	if (!t->ops->checkpoint)
		return err_set(err, -EOPNOTSUPP,
			       "'%s' is a VM, which cannot be checkpointed yet; containers can",
			       record->name);
	if (!t->view.alive || !t->view.run.pid)
		return err_set(err, -ESRCH, "'%s' is not running; start it with 'brig start %s'",
			       record->name, record->name);
	if (record->remove && !leave_running)
		return err_set(err, -EINVAL,
			       "'%s' was made with --rm, and would be gone with its checkpoint: "
			       "say --leave-running",
			       record->name);
	return 0;
}

/* A folder of its own is complete if it is there. */
static int client_dump(const struct client_target *t, const char *dir, struct err *err)
{
	_cleanup_free_ char *place = mem_printf("%s/" PATHS_CHECKPOINT, t->state_dir);
	_cleanup_free_ char *making = mem_printf("%s/." PATHS_CHECKPOINT, t->state_dir);
	int r;

	if (dir)
		return t->ops->checkpoint(&t->target, dir, err);
	r = file_remove_tree(AT_FDCWD, making);
	if (r < 0)
		return err_errno(err, r, "cannot remove %s", making);
	r = t->ops->checkpoint(&t->target, making, err);
	if (r == 0)
		r = file_remove_tree(AT_FDCWD, place);
	if (r == 0 && rename(making, place) < 0)
		r = -errno;
	return r < 0 && !err_is_set(err) ? err_errno(err, r, "cannot make %s", place) : r;
}

/* Its keeper is gone, so the record is who holds the lock's. */
static int client_note_checkpoint(const struct instance_home *home, const struct client_target *t,
				  const char *name, struct err *err)
{
	_cleanup_close_ int dir =
		open(t->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_instance_ struct instance record = { 0 };
	int r = instance_load(home, name, &record, err);

	if (r < 0)
		return r;
	record.checkpointed = units_now();
	return record_save(&instance_table, &record, dir, PATHS_RECORD, 1, err);
}

int instance_checkpoint(const struct instance_home *home, const char *name, const char *dir,
			int leave_running, struct err *err)
{
	_cleanup_(client_target_release) struct client_target t = { 0 };
	_cleanup_close_ int lock = -EBADF;
	const struct network_home networks = { .root = home->root, .run = home->run };
	struct err ignored = ERR_INIT;
	int r = instance_lock(home, name, &lock, err), was_paused;

	if (r == 0)
		r = client_target_get(home, name, &t, err);
	if (r == 0)
		r = client_check_checkpoint(&t, leave_running, err);
	if (r < 0)
		return r;
	was_paused = t.view.state == INSTANCE_PAUSED;
	r = was_paused ? 0 : instance_request(home, name, MESSAGE_PAUSE, NULL, 0, err);
	if (r < 0)
		return r;
	r = client_dump(&t, dir, err);
	if (r == 0 && !leave_running) {
		/* connections go on with the restored one: they must not be closed by the death of this one */
		attach_silence(&networks, &t.view.record);
		r = client_stop_locked(home, name, &t.view, 0, err);
		return r < 0 ? r : client_note_checkpoint(home, &t, name, err);
	}
	if (!was_paused)
		(void)instance_request(home, name, MESSAGE_RESUME, NULL, 0, &ignored);
	return r;
}

int instance_restore(const struct instance_home *home, const char *name, const char *dir,
		     struct err *err)
{
	_cleanup_(client_target_release) struct client_target t = { 0 };
	_cleanup_close_ int lock = -EBADF, session = -EBADF;
	_cleanup_free_ char *images = NULL;
	int r = instance_lock(home, name, &lock, err);

	if (r == 0)
		r = client_target_get(home, name, &t, err);
	if (r < 0)
		return r;
	if (!t.ops || !t.ops->checkpoint)
		return err_set(err, -EOPNOTSUPP,
			       "'%s' is a VM, which cannot be restored yet; containers can", name);
	images = dir ? realpath(dir, NULL) : mem_printf("%s/" PATHS_CHECKPOINT, t.state_dir);
	if (!images || access(images, F_OK) < 0)
		return dir ? err_errno(err, -errno, "cannot open the folder %s", dir)
			   : err_set(err, -ENOENT,
				     "'%s' has no checkpoint; 'brig checkpoint %s' makes one", name,
				     name);
	return client_start_locked(home, name, "none", images, 0, &session, err);
}

struct client_tree {
	int send;
	const char *path;
	unsigned int flags;
	int fd, error_fd;
};

/* Runs in the instance's root. Why it failed goes through a pipe, the struct is the message. */
static int client_tree_child(void *ctx)
{
	struct client_tree *tree = ctx;
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err err = ERR_INIT;
	int r;

	if (root < 0)
		r = err_errno(&err, -errno, "cannot open the instance's root");
	else if (tree->send)
		r = tree_send(root, tree->path, tree->flags, tree->fd, &err);
	else
		r = tree_receive(root, tree->path, tree->flags, tree->fd, &err);
	if (r < 0 && write(tree->error_fd, &err, sizeof(err)) < 0)
		return 1;
	return r < 0;
}

static int client_tree_enter(struct client_target *t, struct client_tree *tree, struct err *err)
{
	_cleanup_close_ int read_end = -EBADF, write_end = -EBADF;
	struct err failure = ERR_INIT;
	int pipe_fds[2], status = 0, r;
	pid_t pid = 0;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_errno(err, -errno, "cannot make a pipe");
	read_end = pipe_fds[0];
	write_end = tree->error_fd = pipe_fds[1];
	r = t->ops->enter(&t->target, client_tree_child, tree, &pid, err);
	if (r < 0)
		return r;
	write_end = fd_close(write_end);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (read(read_end, &failure, sizeof(failure)) == (ssize_t)sizeof(failure)) {
		failure.msg[sizeof(failure.msg) - 1] = '\0';
		*err = failure;
		return failure.code < 0 ? failure.code : -EIO;
	}
	return status ? err_set(err, -EIO, "the copy ended early") : 0;
}

static int client_tree_session(const struct instance_home *home, const char *name,
			       const struct client_tree *tree, struct err *err)
{
	struct session_options options = { .stdio = { -EBADF, -EBADF, -EBADF } };
	_cleanup_buf_ struct buf payload = BUF_INIT;
	int fd = -EBADF, status = 0;
	int r = instance_connect(home, name, &fd, err);

	if (r < 0)
		return r;
	options.stdio[tree->send ? 1 : 0] = tree->fd;
	wire_put_str(&payload, tree->path);
	wire_put_u8(&payload, (uint8_t)tree->flags);
	if (frame_send(fd, 0, tree->send ? MESSAGE_TREE_GET : MESSAGE_TREE_PUT, payload.data,
		       payload.len) < 0) {
		fd_close(fd);
		return client_not_running(home, name, err);
	}
	r = session_run(fd, &options, &status, err);
	if (r == 0 && status)
		r = err_set(err, -EIO, "the copy ended early");
	return r;
}

/* Between the steps of a restore that was killed the instance's files are not all there. */
static int client_finish_rollback(const struct instance_home *home, const char *name,
				  struct client_target *t, struct err *err)
{
	_cleanup_close_ int dir = open(t->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int lock = -EBADF;
	int r;

	if (t->view.alive || dir < 0 || !rollback_is_unfinished(dir))
		return 0;
	r = instance_lock(home, name, &lock, err);
	return r < 0 ? r : clean_leftovers(home, &t->view.record, name, err);
}

static int client_tree(const struct instance_home *home, const char *name, struct client_tree *tree,
		       struct err *err)
{
	_cleanup_(client_target_release) struct client_target t = { 0 };
	int r = client_target_get(home, name, &t, err);

	if (r == 0)
		r = client_finish_rollback(home, name, &t, err);
	if (r < 0)
		return r;
	if (!t.ops->sessions)
		return client_tree_enter(&t, tree, err);
	if (!t.view.alive)
		return err_set(
			err, -EOPNOTSUPP,
			"'%s' is a VM that does not run, and its disk is read by its own kernel "
			"alone; start it first",
			name);
	return client_tree_session(home, name, tree, err);
}

int instance_tree_get(const struct instance_home *home, const char *name, const char *path,
		      unsigned int flags, int fd, struct err *err)
{
	struct client_tree tree = { .send = 1, .path = path, .flags = flags, .fd = fd };

	return client_tree(home, name, &tree, err);
}

int instance_tree_put(const struct instance_home *home, const char *name, const char *path,
		      unsigned int flags, int fd, struct err *err)
{
	struct client_tree tree = { .path = path, .flags = flags, .fd = fd };

	return client_tree(home, name, &tree, err);
}
