// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How it works: one SOCK_SEQPACKET pair, as `criu swrk` wants it. CRIU looks descriptors up in the process that has
 * made the pair, and takes them for places in its own mount namespace: so it is made by the child that becomes CRIU,
 * which has opened its folders there, and sends us our end.
 *
 *   we:   the request
 *   criu: a notification, as often as it likes      we: that it was dealt with, or not
 *   criu: the answer
 *
 * Invariants:
 *  1. While it saves, CRIU is not killed because we are: stopped in the middle, it would leave processes with its
 *     own code in them. It comes to its end alone. While it restores, it is: the processes are not what they shall
 *     be anyway, and being our children and not its own, it would wait for ever if somebody ended them.
 *     criu_free() before its end is for that time, too: nobody lets go of it while it saves.
 *  2. Nothing of what it says is trusted to be whole: its end without an answer is a failure.
 */
#include "container/criu.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "sys/child.h"
#include "sys/spawn.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define CRIU_PROGRAM  "criu"
#define CRIU_PACKAGED "/usr/sbin/criu" /* where users without root have no PATH to */
#define CRIU_LOG_MAX  ((size_t)32 << 20)
/* Everything but the values of registers and the like: what fails is hard to find out later. */
#define CRIU_LOG_ALL 4

struct criu {
	const struct criu_call *call;
	int sock;
	int starting[2]; /* brings our end of the pair, or what kept the program from its start */
	int pidfd;
	int errors; /* what it writes to stderr: of the time before it has its log */
	int ended;
	struct err failure; /* the first of a notification's */
};

struct criu_start {
	struct err err;
};

/* Waits for its end, which comes by itself when it has nobody to speak with. */
static void criu_end(struct criu *criu)
{
	criu->sock = fd_close(criu->sock);
	if (criu->pidfd >= 0 && !criu->ended)
		(void)spawn_wait(criu->pidfd);
	criu->ended = 1;
}

struct criu *criu_free(struct criu *criu)
{
	if (!criu)
		return NULL;
	if (!criu->ended)
		criu_kill(criu);
	criu_end(criu);
	fd_close(criu->starting[0]);
	fd_close(criu->starting[1]);
	fd_close(criu->pidfd);
	fd_close(criu->errors);
	free(criu);
	return NULL;
}

static void criu_freep(struct criu **criu)
{
	criu_free(*criu);
}

int criu_fd(const struct criu *criu)
{
	return criu->sock;
}

void criu_kill(const struct criu *criu)
{
	if (criu->pidfd >= 0)
		(void)pidfd_send_signal(criu->pidfd, SIGKILL, NULL, 0);
}

static char *criu_find(struct err *err)
{
	char *path = child_find(CRIU_PROGRAM);

	if (!path && access(CRIU_PACKAGED, X_OK) == 0)
		path = mem_strdup(CRIU_PACKAGED);
	if (!path)
		err_set(err, -ENOENT,
			"the tool " CRIU_PROGRAM " is not installed: install the package criu");
	return path;
}

static int criu_open(struct criu *criu, struct err *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, criu->starting) < 0)
		return err_errno(err, -errno, "cannot make a socket pair");
	criu->errors = memfd_create("criu-errors", MFD_CLOEXEC);
	return criu->errors < 0 ? err_errno(err, -errno, "cannot make a file in memory") : 0;
}

static int criu_set_streams(const struct criu *criu)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || (!criu->call->in_session && dup2(null, STDIN_FILENO) < 0) ||
	    dup2(null, STDOUT_FILENO) < 0 || dup2(criu->errors, STDERR_FILENO) < 0)
		return -errno;
	return 0;
}

/* The same folder by the same number, as it is in our mount namespace now. */
static int criu_reopen(const char *path, int fd, struct err *err)
{
	_cleanup_close_ int again =
		fd < 0 ? -EBADF : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat before, now;

	if (fd < 0)
		return 0;
	if (again < 0 || fstat(fd, &before) < 0 || fstat(again, &now) < 0)
		return err_errno(err, -errno, "cannot open the folder %s", path);
	if (before.st_dev != now.st_dev || before.st_ino != now.st_ino)
		return err_set(err, -ESTALE, "the folder %s has changed", path);
	return dup2(again, fd) < 0 ? err_errno(err, -errno, "cannot open the folder %s", path) : 0;
}

/* The others stay where they are, and ours end with the program's start. */
static int criu_keep_fds(const struct criu_call *call, int sock)
{
	if (close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0 ||
	    fcntl(sock, F_SETFD, 0) < 0 ||
	    (call->images >= 0 && fcntl(call->images, F_SETFD, 0) < 0) ||
	    (call->work >= 0 && fcntl(call->work, F_SETFD, 0) < 0))
		return -errno;
	for (size_t i = 0; i < call->n_fds; i++) {
		if (call->fds[i] >= 0 && fcntl(call->fds[i], F_SETFD, 0) < 0)
			return -errno;
	}
	return 0;
}

int criu_reopen_folders(const struct criu_call *call, struct err *err)
{
	int r = criu_reopen(call->images_path, call->images, err);

	return r < 0 ? r : criu_reopen(call->work_path, call->work, err);
}

static int criu_prepare(const struct criu_call *call, struct err *err)
{
	if (!call->prepare)
		return 0;
	/* what is mounted on the host later is still seen, and nothing of this on the host */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return err_errno(err, -errno, "cannot make a mount namespace");
	return call->prepare(call->ctx, err);
}

/* Its end of the pair; the other one is sent to who waits for it. */
static int criu_make_pair(const struct criu *criu)
{
	const struct criu_start start = { .err = ERR_INIT };
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	r = spawn_send(criu->starting[1], &start, sizeof(start), pair[1]);
	fd_close(pair[1]);
	return r < 0 ? r : pair[0];
}

static int criu_exec(const struct criu *criu, const char *path)
{
	char fd[16];
	char *argv[] = { (char *)(uintptr_t)CRIU_PROGRAM, (char *)(uintptr_t) "swrk", fd, NULL };
	int sock = criu_make_pair(criu), r = sock < 0 ? sock : criu_set_streams(criu);

	if (r == 0)
		r = criu_keep_fds(criu->call, sock);
	if (r < 0)
		return r;
	snprintf(fd, sizeof(fd), "%d", sock);
	execv(path, argv);
	return -errno;
}

static _noreturn_ void criu_become(const struct criu *criu, const char *path)
{
	struct criu_start start = { .err = ERR_INIT };
	int r;

	spawn_reset_signals();
	if (criu->call->type == CRIU_RESTORE)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* a key that somebody presses at our terminal is for us */
	if (!criu->call->in_session)
		(void)setsid();
	r = criu_prepare(criu->call, &start.err);
	if (r == 0) {
		r = criu_exec(criu, path);
		err_errno(&start.err, r, "cannot start %s", path);
	}
	(void)spawn_send(criu->starting[1], &start, sizeof(start), -EBADF);
	_exit(127);
}

/* Our end of the pair comes, and then, at the program's start, nothing more. */
static int criu_wait_start(struct criu *criu, struct err *err)
{
	struct criu_start start;
	ssize_t n;

	do {
		_cleanup_close_ int fd = -EBADF;

		start = (struct criu_start){ .err = ERR_INIT };
		n = spawn_receive(criu->starting[0], &start, sizeof(start), &fd, 0);
		if (n == (ssize_t)sizeof(start) && criu->sock < 0)
			criu->sock = take_fd(&fd);
	} while (n == (ssize_t)sizeof(start) && !start.err.code);
	if (start.err.code) {
		start.err.msg[sizeof(start.err.msg) - 1] = '\0';
		*err = start.err;
		return err->code;
	}
	return criu->sock < 0 ? err_set(err, -ECHILD, CRIU_PROGRAM " was killed at its start") : 0;
}

static int criu_start(struct criu *criu, struct err *err)
{
	_cleanup_free_ char *path = criu_find(err);
	int r = path ? criu_open(criu, err) : err->code;
	pid_t pid;

	if (r < 0)
		return r;
	pid = spawn_clone(0, -EBADF, &criu->pidfd);
	if (pid == 0)
		criu_become(criu, path);
	if (pid < 0)
		return err_errno(err, (int)pid, "cannot start " CRIU_PROGRAM);
	criu->starting[1] = fd_close(criu->starting[1]);
	return criu_wait_start(criu, err);
}

static int criu_send(const struct criu *criu, const struct buf *message)
{
	return spawn_send(criu->sock, message->data, message->len, -EBADF);
}

static int criu_ask(const struct criu *criu, struct err *err)
{
	const struct criu_call *call = criu->call;
	_cleanup_buf_ struct buf options = BUF_INIT, request = BUF_INIT;
	int r;

	if (call->options) {
		buf_add(&options, call->options->data, call->options->len);
		criu_wire_put_number(&options, CRIU_LOG_LEVEL, CRIU_LOG_ALL);
		criu_wire_put_string(&options, CRIU_LOG_FILE, call->log);
		criu_wire_put_number(&options, CRIU_IMAGES_DIR_FD, (uint64_t)call->images);
		criu_wire_put_number(&options, CRIU_WORK_DIR_FD, (uint64_t)call->work);
		criu_wire_put_number(&options, CRIU_NOTIFY_SCRIPTS, call->notify != NULL);
	}
	criu_wire_put_request(&request, call->type, call->options ? &options : NULL);
	r = criu_send(criu, &request);
	/* if it is gone, its last words say why */
	return r < 0 && r != -EPIPE ? err_errno(err, r, "cannot ask " CRIU_PROGRAM) : 0;
}

/* Its next word; 0 at its end. */
static int criu_receive(const struct criu *criu, struct criu_answer *ret, int *ret_fd,
			struct err *err)
{
	_cleanup_free_ char *data = mem_zalloc(CRIU_ANSWER_MAX);
	ssize_t n = spawn_receive(criu->sock, data, CRIU_ANSWER_MAX, ret_fd, 0);

	*ret = (struct criu_answer){ 0 };
	if (n <= 0)
		return 0;
	if (criu_wire_get_answer(data, (size_t)n, ret) < 0)
		return err_set(err, -EPROTO, CRIU_PROGRAM " says what we do not understand");
	return 1;
}

static int criu_notified(const struct criu *criu, const struct criu_answer *answer, int fd,
			 struct err *err)
{
	_cleanup_buf_ struct buf reply = BUF_INIT;
	const struct criu_call *call = criu->call;
	int r = 0;

	if (call->notify)
		r = call->notify(call->ctx, answer->script, answer->pid, fd, err);
	criu_wire_put_notified(&reply, r == 0);
	(void)criu_send(criu, &reply);
	return r;
}

static char *criu_read_errors(const struct criu *criu)
{
	char path[32];
	char *text = NULL;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", criu->errors);
	if (file_read(AT_FDCWD, path, CRIU_LOG_MAX, &text, NULL) < 0)
		return NULL;
	return text;
}

/* Why it has failed: by its log, by what it said, or by what it wrote before it had one. */
static int criu_failed(const struct criu *criu, const struct criu_answer *answer, struct err *err)
{
	const struct criu_call *call = criu->call;
	_cleanup_free_ char *log = NULL, *errors = criu_read_errors(criu), *reason = NULL;
	int code = answer->code ? -answer->code : -EREMOTEIO;

	if (call->work >= 0)
		(void)file_read(call->work, call->log, CRIU_LOG_MAX, &log, NULL);
	reason = criu_wire_log_reason(log ? log : "");
	if (!reason && !answer->message[0])
		reason = criu_wire_log_reason(errors ? errors : "");
	if (!reason)
		reason = mem_strdup(answer->message[0] ? answer->message
				    : answer->code     ? strerror(answer->code)
						       : "it does not say why");
	if (log && call->work_path)
		return err_set(err, code, CRIU_PROGRAM " failed: %.300s (log: %.150s/%s)", reason,
			       call->work_path, call->log);
	return err_set(err, code, CRIU_PROGRAM " failed: %.400s", reason);
}

int criu_begin(const struct criu_call *call, struct criu **ret, struct err *err)
{
	_cleanup_(criu_freep) struct criu *criu = mem_zalloc(sizeof(*criu));
	int r;

	*criu = (struct criu){
		.call = call,
		.sock = -EBADF,
		.starting = { -EBADF, -EBADF },
		.pidfd = -EBADF,
		.errors = -EBADF,
		.failure = ERR_INIT,
	};
	r = criu_start(criu, err);
	if (r == 0)
		r = criu_ask(criu, err);
	if (r == 0)
		*ret = take_ptr(criu);
	return r;
}

int criu_step(struct criu *criu, struct criu_answer *ret, struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	struct err reason = ERR_INIT;
	int r = criu_receive(criu, ret, &fd, &reason);

	if (r > 0 && ret->type == CRIU_NOTIFY)
		(void)criu_notified(criu, ret, fd, &reason);
	if (err_is_set(&reason) && !err_is_set(&criu->failure))
		criu->failure = reason;
	if (r > 0 && ret->type == CRIU_NOTIFY)
		return 1;
	criu_end(criu);
	if (err_is_set(&criu->failure)) {
		*err = criu->failure;
		return err->code;
	}
	return r > 0 && ret->success ? 0 : criu_failed(criu, ret, err);
}

int criu_run(const struct criu_call *call, struct criu_answer *ret, struct err *err)
{
	_cleanup_(criu_freep) struct criu *criu = NULL;
	int r = criu_begin(call, &criu, err);

	if (r == 0) {
		do
			r = criu_step(criu, ret, err);
		while (r > 0);
	}
	return r;
}

/* It wants a folder even for that, and has a log in it (seen of 3.17). */
int criu_check(struct err *err)
{
	_cleanup_buf_ struct buf options = BUF_INIT;
	_cleanup_close_ int dir = -EBADF;
	struct criu_answer answer = { 0 };
	struct criu_call call = { .type = CRIU_CHECK, .options = &options, .log = "check.log" };
	char path[] = "/tmp/brig-criu-XXXXXX";
	int r;

	if (!mkdtemp(path))
		return err_errno(err, -errno, "cannot make a folder in /tmp");
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	call.images = call.work = dir;
	r = dir < 0 ? err_errno(err, -errno, "cannot open %s", path)
		    : criu_run(&call, &answer, err);
	(void)file_remove_tree(AT_FDCWD, path);
	return r;
}
