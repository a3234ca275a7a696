// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The life cycle with an engine that runs host programs as they are, so that it needs no root, image or
 * kernel: what is tested is the keeper, its clients and what they find on disk.
 */
#include "base/file.h"
#include "base/mem.h"
#include "instance/instance.h"
#include "instance/keeper.h"
#include "instance/session.h"
#include "proto/wire.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <cmocka.h>

struct driver {
	const struct driver_host *host;
	pid_t pid;
	int in, out, pidfd;
	size_t unconsumed;
	struct buf input; /* that the pipe had no room for */
	int input_ends;
	struct loop_source *in_source, *out_source, *end_source;
};

static void fake_end_input(struct driver *d)
{
	d->in_source = loop_source_free(d->in_source);
	d->in = fd_close(d->in);
	d->input.len = 0;
}

/* Never waits for the program: that may wait for its output to be read. */
static void fake_on_input_room(void *ctx, uint32_t events _unused_)
{
	struct driver *d = ctx;
	ssize_t n = write(d->in, d->input.data, d->input.len);

	if (n < 0 && errno != EAGAIN) {
		fake_end_input(d);
		return;
	}
	buf_consume(&d->input, n > 0 ? (size_t)n : 0);
	if (d->input.len)
		return;
	loop_source_set_events(d->in_source, 0);
	if (d->input_ends)
		fake_end_input(d);
	d->host->ops->writable(d->host->ctx, 0);
}

static void fake_finish(struct driver *d)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;
	int status = 0;

	if (d->out_source || d->end_source)
		return;
	waitpid(d->pid, &status, 0);
	wire_put_u32(&payload, (uint32_t)(WIFSIGNALED(status) ? 128 + WTERMSIG(status)
							      : WEXITSTATUS(status)));
	d->host->ops->deliver(d->host->ctx, 0, MESSAGE_EXIT, payload.data, payload.len);
	d->host->ops->ended(d->host->ctx, NULL);
}

static void fake_on_output(void *ctx, uint32_t events _unused_)
{
	struct driver *d = ctx;
	char data[FRAME_DATA_MAX];
	ssize_t n = read(d->out, data, sizeof(data));

	if (n <= 0) {
		d->out_source = loop_source_free(d->out_source);
		fake_finish(d);
		return;
	}
	d->unconsumed += (size_t)n;
	if (d->unconsumed > MESSAGE_WINDOW / 2)
		loop_source_set_events(d->out_source, 0);
	d->host->ops->deliver(d->host->ctx, 0, MESSAGE_OUT, data, (size_t)n);
}

static void fake_on_end(void *ctx, uint32_t events _unused_)
{
	struct driver *d = ctx;

	d->end_source = loop_source_free(d->end_source);
	fake_finish(d);
}

static int fake_start(const struct driver_host *host, struct driver **ret, struct err *err)
{
	struct driver *d = mem_zalloc(sizeof(*d));
	int in[2], out[2];

	if (!strcmp(host->process.argv[0], "refuse")) {
		free(d);
		return err_set(err, -ENOENT, "refused as it was told");
	}
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	d->pid = fork();
	if (!d->pid) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], 0);
		dup2(out[1], 1);
		execvp(host->process.argv[0], host->process.argv);
		_exit(127);
	}
	fd_close(in[0]);
	fd_close(out[1]);
	d->host = host;
	d->in = in[1];
	d->out = out[0];
	d->pidfd = (int)syscall(SYS_pidfd_open, d->pid, 0);
	assert_int_equal(fcntl(d->in, F_SETFL, O_NONBLOCK), 0);
	d->in_source = loop_watch_fd(host->loop, d->in, 0, fake_on_input_room, d);
	d->out_source = loop_watch_fd(host->loop, d->out, EPOLLIN, fake_on_output, d);
	d->end_source = loop_watch_fd(host->loop, d->pidfd, EPOLLIN, fake_on_end, d);
	host->run->pid = d->pid;
	*ret = d;
	host->ops->deliver(host->ctx, 0, MESSAGE_STARTED, NULL, 0);
	return 0;
}

static size_t fake_room(struct driver *d, uint32_t channel _unused_)
{
	return d->input.len ? 0 : FRAME_DATA_MAX;
}

static void fake_send(struct driver *d, uint32_t channel _unused_, uint16_t type,
		      const void *payload, size_t len)
{
	struct wire_reader r = wire_read(payload, len);

	if (type == MESSAGE_IN && d->in_source) {
		buf_add(&d->input, payload, len);
		loop_source_set_events(d->in_source, EPOLLOUT);
	} else if (type == MESSAGE_IN_END && d->in_source) {
		d->input_ends = 1;
		loop_source_set_events(d->in_source, EPOLLOUT);
	} else if (type == MESSAGE_SIGNAL) {
		kill(d->pid, (int)wire_get_u32(&r));
	}
}

static void fake_consumed(struct driver *d, uint32_t channel _unused_, size_t len)
{
	d->unconsumed -= len;
	if (d->out_source && d->unconsumed <= MESSAGE_WINDOW / 2)
		loop_source_set_events(d->out_source, EPOLLIN);
}

static int fake_pause(struct driver *d, int paused, struct err *err _unused_)
{
	kill(d->pid, paused ? SIGSTOP : SIGCONT);
	return 0;
}

static void fake_kill(struct driver *d)
{
	kill(d->pid, SIGKILL);
}

static void fake_free(struct driver *d)
{
	fake_end_input(d);
	buf_release(&d->input);
	fd_close(d->out);
	fd_close(d->pidfd);
	free(d);
}

static const struct driver_ops fake_driver = {
	.engine = "fake",
	.kind = INSTANCE_CONTAINER,
	.start = fake_start,
	.room = fake_room,
	.send = fake_send,
	.consumed = fake_consumed,
	.pause = fake_pause,
	.kill = fake_kill,
	.free = fake_free,
};

static const struct driver_ops *const fake_drivers[] = { &fake_driver, NULL };

struct place {
	struct instance_home home;
	char *dir, *root, *run;
};

static int make_place(void **state)
{
	struct place *place = mem_zalloc(sizeof(*place));
	char path[] = "/tmp/brig-test-keeper-XXXXXX";

	if (!mkdtemp(path))
		return -1;
	place->dir = mem_strdup(path);
	place->root = mem_printf("%s/root", path);
	place->run = mem_printf("%s/run", path);
	place->home = (struct instance_home){ place->root, place->run, fake_drivers };
	*state = place;
	return 0;
}

static int remove_place(void **state)
{
	struct place *place = *state;
	int r = file_remove_tree(AT_FDCWD, place->dir);

	free(place->dir);
	free(place->root);
	free(place->run);
	free(place);
	return r;
}

/* Creates "a" that runs the shell script. */
static void create(struct place *place, const char *script, void (*change)(struct instance *))
{
	_cleanup_instance_ struct instance record = { 0 };
	struct err err = ERR_INIT;

	instance_init(&record);
	record.name = mem_strdup("a");
	strv_add(&record.argv, script ? "/bin/sh" : "refuse");
	strv_add(&record.argv, "-c");
	strv_add(&record.argv, script ? script : "");
	record.interactive = 1;
	if (change)
		change(&record);
	assert_int_equal(instance_create(&place->home, &record, &err), 0);
}

static int status_of_run(struct place *place, int in, int out)
{
	struct session_options options = { .stdio = { in, out, -1 } };
	struct err err = ERR_INIT;
	int session = -1, status = -1;

	assert_int_equal(instance_start(&place->home, "a", 1, &session, &err), 0);
	assert_int_equal(session_run(session, &options, &status, &err), 0);
	return status;
}

static void wait_for_end(struct place *place)
{
	struct err err = ERR_INIT;
	int status;

	assert_int_equal(instance_wait(&place->home, "a", &status, &err), 0);
}

static void assert_state(struct place *place, int state)
{
	_cleanup_instance_view_ struct instance_view view = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(instance_view(&place->home, "a", &view, &err), 0);
	assert_int_equal(view.state, state);
}

static void the_exit_status_is_the_workloads(void **state)
{
	_cleanup_instance_ struct instance record = { 0 };
	struct err err = ERR_INIT;

	create(*state, "exit 42", NULL);
	assert_state(*state, INSTANCE_CREATED);
	assert_int_equal(status_of_run(*state, -1, -1), 42);
	assert_state(*state, INSTANCE_STOPPED);
	assert_int_equal(instance_load(&((struct place *)*state)->home, "a", &record, &err), 0);
	assert_int_equal(record.exit_code, 42);
	assert_true(record.finished >= record.started && record.started > 0);
}

static void bytes_pass_whole_both_ways(void **state)
{
	struct place *place = *state;
	_cleanup_free_ char *in_path = mem_printf("%s/in", place->dir);
	_cleanup_free_ char *out_path = mem_printf("%s/out", place->dir);
	_cleanup_free_ char *data = mem_zalloc(8 << 20), *got = NULL;
	int in, out;
	size_t len;

	for (size_t i = 0; i < 8 << 20; i++)
		data[i] = (char)(i * 2654435761U >> 13);
	in = open(in_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	out = open(out_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(file_write_all(in, data, 8 << 20), 0);
	lseek(in, 0, SEEK_SET);
	create(place, "cat", NULL);
	assert_int_equal(status_of_run(place, in, out), 0);
	fd_close(in);
	fd_close(out);
	assert_int_equal(file_read(AT_FDCWD, out_path, 16 << 20, &got, &len), 0);
	assert_int_equal(len, 8 << 20);
	assert_memory_equal(got, data, len);
}

static void what_cannot_start_says_why_and_leaves_nothing(void **state)
{
	struct place *place = *state;
	_cleanup_free_ char *run = mem_printf("%s/a", place->run);
	struct err err = ERR_INIT;

	create(place, NULL, NULL);
	assert_int_equal(instance_start(&place->home, "a", 0, NULL, &err), -ENOENT);
	assert_string_equal(err.msg, "refused as it was told");
	assert_int_equal(access(run, F_OK), -1);
}

static void a_running_one_is_not_started_twice_nor_removed(void **state)
{
	struct place *place = *state;
	struct err err = ERR_INIT;

	create(place, "exec sleep 1000", NULL);
	assert_int_equal(instance_start(&place->home, "a", 0, NULL, &err), 0);
	assert_state(place, INSTANCE_RUNNING);
	assert_int_equal(instance_start(&place->home, "a", 0, NULL, &err), -EBUSY);
	assert_int_equal(instance_remove(&place->home, "a", 0, &err), -EBUSY);
	assert_int_equal(instance_rename(&place->home, "a", "b", &err), -EBUSY);
	assert_int_equal(instance_remove(&place->home, "a", 1, &err), 0);
	assert_int_equal(instance_stop(&place->home, "a", 0, &err), -ENOENT);
}

static void stop_signals_and_then_kills(void **state)
{
	struct place *place = *state;
	struct err err = ERR_INIT;
	int status = 0;

	create(place, "trap 'exit 9' TERM; while :; do sleep 0.01; done", NULL);
	assert_int_equal(instance_start(&place->home, "a", 0, NULL, &err), 0);
	assert_int_equal(instance_stop(&place->home, "a", 60000, &err), 0);
	assert_int_equal(instance_wait(&place->home, "a", &status, &err), 0);
	assert_true(status == 9 || status == 143); /* 143: before the shell had set its trap */
	assert_int_equal(instance_start(&place->home, "a", 0, NULL, &err), 0);
	assert_int_equal(instance_stop(&place->home, "a", 0, &err), 0);
	assert_int_equal(instance_wait(&place->home, "a", &status, &err), 0);
	assert_int_equal(status, 137);
}

static void pause_is_a_state_that_resume_ends(void **state)
{
	struct place *place = *state;
	struct err err = ERR_INIT;

	create(place, "exec sleep 1000", NULL);
	assert_int_equal(instance_start(&place->home, "a", 0, NULL, &err), 0);
	assert_int_equal(instance_request(&place->home, "a", MESSAGE_PAUSE, NULL, 0, &err), 0);
	assert_state(place, INSTANCE_PAUSED);
	assert_int_equal(instance_request(&place->home, "a", MESSAGE_PAUSE, NULL, 0, &err),
			 -EALREADY);
	assert_int_equal(instance_request(&place->home, "a", MESSAGE_RESUME, NULL, 0, &err), 0);
	assert_state(place, INSTANCE_RUNNING);
	assert_int_equal(instance_stop(&place->home, "a", 60000, &err), 0);
}

/* How a session of FREEZE has ended. */
static int thaw_after(uint16_t type, const struct buf *payload)
{
	struct err err = ERR_INIT;
	int fds[2], r;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(frame_send(fds[1], 0, MESSAGE_OUT, "", 1), 0);
	assert_int_equal(frame_send(fds[1], 0, type, payload->data, payload->len), 0);
	r = instance_thaw(fds[0], "a", &err);
	assert_int_equal(r, err.code);
	fd_close(fds[0]);
	fd_close(fds[1]);
	return r;
}

static void it_stood_still_only_if_that_ended_as_asked(void **state _unused_)
{
	_cleanup_buf_ struct buf zero = BUF_INIT, killed = BUF_INIT, over = BUF_INIT;
	struct err err = ERR_INIT;

	wire_put_u32(&zero, 0);
	wire_put_u32(&killed, 128 + SIGKILL);
	err_set(&err, -ETIMEDOUT, "for too long");
	message_put_error(&over, &err);
	assert_int_equal(thaw_after(MESSAGE_EXIT, &zero), 0);
	assert_int_equal(thaw_after(MESSAGE_EXIT, &killed), -EIO);
	assert_int_equal(thaw_after(MESSAGE_ERROR, &over), -ETIMEDOUT);
}

static void it_stands_still_for_as_long_as_somebody_holds_it(void **state)
{
	struct place *place = *state;
	struct err err = ERR_INIT;
	int first = -1, second = -1;

	create(place, "exec sleep 1000", NULL);
	assert_int_equal(instance_hold(&place->home, "a", &first, &err), -ESRCH);
	assert_int_equal(instance_start(&place->home, "a", 0, NULL, &err), 0);
	assert_int_equal(instance_hold(&place->home, "a", &first, &err), 0);
	assert_state(place, INSTANCE_PAUSED);
	assert_int_equal(instance_request(&place->home, "a", MESSAGE_RESUME, NULL, 0, &err),
			 -EBUSY);
	assert_int_equal(instance_hold(&place->home, "a", &second, &err), 0);
	/* a client's end, however it comes, is the end of its connection */
	fd_close(first);
	assert_int_equal(instance_request(&place->home, "a", MESSAGE_PING, NULL, 0, &err), 0);
	assert_state(place, INSTANCE_PAUSED);
	fd_close(second);
	assert_int_equal(instance_request(&place->home, "a", MESSAGE_PAUSE, NULL, 0, &err), 0);
	/* what a user has paused stays so */
	assert_int_equal(instance_hold(&place->home, "a", &first, &err), 0);
	fd_close(first);
	assert_int_equal(instance_request(&place->home, "a", MESSAGE_PING, NULL, 0, &err), 0);
	assert_state(place, INSTANCE_PAUSED);
	/* and what is held can be stopped */
	assert_int_equal(instance_request(&place->home, "a", MESSAGE_RESUME, NULL, 0, &err), 0);
	assert_int_equal(instance_hold(&place->home, "a", &first, &err), 0);
	assert_int_equal(instance_stop(&place->home, "a", 60000, &err), 0);
	fd_close(first);
}

static void an_instance_without_buttons_says_so(void **state)
{
	struct place *place = *state;
	const uint8_t button = MESSAGE_BUTTON_NMI;
	struct err err = ERR_INIT;

	create(place, "exec sleep 1000", NULL);
	assert_int_equal(instance_start(&place->home, "a", 0, NULL, &err), 0);
	assert_int_equal(instance_request(&place->home, "a", MESSAGE_PRESS, &button, 1, &err),
			 -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "container"));
	assert_int_equal(instance_request(&place->home, "a", MESSAGE_PRESS, NULL, 0, &err),
			 -EINVAL);
	assert_int_equal(instance_stop(&place->home, "a", 0, &err), 0);
}

static void remove_at_end(struct instance *record)
{
	record->remove = 1;
}

static void one_that_is_to_be_removed_is_gone_when_its_end_is_told(void **state)
{
	struct place *place = *state;
	_cleanup_free_ char *path = mem_printf("%s/instances/a", place->root);

	create(place, "true", remove_at_end);
	assert_int_equal(status_of_run(place, -1, -1), 0);
	assert_int_equal(access(path, F_OK), -1);
}

static void retry_twice(struct instance *record)
{
	record->restart = INSTANCE_RESTART_ON_FAILURE;
	record->restart_max = 2;
}

static void a_failing_one_is_restarted_as_often_as_it_may(void **state)
{
	struct place *place = *state;
	_cleanup_instance_ struct instance record = { 0 };
	struct err err = ERR_INIT;

	create(place, "exit 3", retry_twice);
	assert_int_equal(instance_start(&place->home, "a", 0, NULL, &err), 0);
	wait_for_end(place);
	assert_int_equal(instance_load(&place->home, "a", &record, &err), 0);
	assert_int_equal(record.restarts, 2);
	assert_int_equal(record.exit_code, 3);
}

static int pidfd_of(int64_t pid)
{
	return (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
}

static void wait_for_keeper(int pidfd)
{
	struct pollfd fd = { .fd = pidfd, .events = POLLIN };

	assert_int_equal(poll(&fd, 1, 10000), 1);
	fd_close(pidfd);
}

static void a_killed_keeper_leaves_a_stopped_instance(void **state)
{
	struct place *place = *state;
	_cleanup_instance_view_ struct instance_view view = { 0 };
	struct err err = ERR_INIT;
	int keeper;

	create(place, "exec sleep 1000", NULL);
	assert_int_equal(instance_start(&place->home, "a", 0, NULL, &err), 0);
	assert_int_equal(instance_view(&place->home, "a", &view, &err), 0);
	keeper = pidfd_of(view.run.keeper_pid);
	kill((pid_t)view.run.keeper_pid, SIGKILL);
	wait_for_keeper(keeper);
	assert_state(place, INSTANCE_STOPPED);
	assert_int_equal(instance_start(&place->home, "a", 0, NULL, &err), 0);
	assert_int_equal(instance_remove(&place->home, "a", 1, &err), 0);
}

static int sees_a_status_with_the_end(const struct place *place)
{
	struct instance_view view = { 0 };
	struct err err = ERR_INIT;

	return instance_view(&place->home, "a", &view, &err) == 0 &&
	       (view.alive || view.record.exit_code == 137);
}

/* Who looks is held up by the record, which is a pipe until the keeper has written the end. */
static void a_look_while_it_ends_finds_no_end_without_its_status(void **state)
{
	struct place *place = *state;
	_cleanup_free_ char *path = mem_printf("%s/instances/a/instance.json", place->root);
	_cleanup_instance_view_ struct instance_view view = { 0 };
	_cleanup_free_ char *before = NULL;
	struct err err = ERR_INIT;
	int fd, keeper, status = -1;
	size_t len;
	pid_t viewer;

	create(place, "exec sleep 1000", NULL);
	assert_int_equal(instance_start(&place->home, "a", 0, NULL, &err), 0);
	assert_int_equal(instance_view(&place->home, "a", &view, &err), 0);
	keeper = pidfd_of(view.run.keeper_pid);
	assert_int_equal(file_read(AT_FDCWD, path, 1 << 20, &before, &len), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	viewer = fork();
	if (!viewer)
		_exit(!sees_a_status_with_the_end(place));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	kill((pid_t)view.run.pid, SIGKILL);
	wait_for_keeper(keeper);
	assert_int_equal(file_write_all(fd, before, len), 0);
	fd_close(fd);
	assert_int_equal(waitpid(viewer, &status, 0), viewer);
	assert_int_equal(status, 0);
}

static void garbage_from_a_client_ends_that_client_alone(void **state)
{
	struct place *place = *state;
	struct err err = ERR_INIT;
	char answer[64];
	int fd = -1;

	create(place, "exec sleep 1000", NULL);
	assert_int_equal(instance_start(&place->home, "a", 0, NULL, &err), 0);
	assert_int_equal(instance_connect(&place->home, "a", &fd, &err), 0);
	assert_int_equal(write(fd, "\xff\xff\xff\xff garbage garbage", 20), 20);
	assert_int_equal(read(fd, answer, sizeof(answer)), 0);
	fd_close(fd);
	assert_int_equal(instance_request(&place->home, "a", MESSAGE_PING, NULL, 0, &err), 0);
	assert_int_equal(instance_stop(&place->home, "a", 0, &err), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, remove_place)
		TEST(the_exit_status_is_the_workloads),
		TEST(bytes_pass_whole_both_ways),
		TEST(what_cannot_start_says_why_and_leaves_nothing),
		TEST(a_running_one_is_not_started_twice_nor_removed),
		TEST(stop_signals_and_then_kills),
		TEST(pause_is_a_state_that_resume_ends),
		cmocka_unit_test(it_stood_still_only_if_that_ended_as_asked),
		TEST(it_stands_still_for_as_long_as_somebody_holds_it),
		TEST(an_instance_without_buttons_says_so),
		TEST(one_that_is_to_be_removed_is_gone_when_its_end_is_told),
		TEST(a_failing_one_is_restarted_as_often_as_it_may),
		TEST(a_killed_keeper_leaves_a_stopped_instance),
		TEST(a_look_while_it_ends_finds_no_end_without_its_status),
		TEST(garbage_from_a_client_ends_that_client_alone),
	};

	/* the keeper is this program executed again, as it is in the product */
	if (!strcmp(argv[0], KEEPER_ROLE))
		return keeper_main(argc, argv, fake_drivers);
	return cmocka_run_group_tests_name("instance/keeper", tests, NULL, NULL);
}
