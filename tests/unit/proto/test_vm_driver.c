// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "proto/vm_driver.h"
#include "proto/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>

#define DEADLINE_MS 5000

/* A machine without an engine: the tests are its guest, and end it. */
struct vm_engine {
	int ours[VM_STREAMS], guest[VM_STREAMS];
	int end; /* in place of a pidfd */
	int killed, quits, paused, tunes, pressed[MESSAGE_BUTTONS];
	struct err failure; /* for reap() */
};

struct fixture {
	struct loop *loop;
	struct loop_source *deadline;
	struct driver *driver;
	struct instance instance;
	struct instance_run run;
	char folder[32];
	char said[256]; /* "TYPE " for what was delivered on channel 0 */
	int ended;
	struct err why;
};

static struct vm_engine machine;

static void machine_end(struct vm_engine *engine)
{
	assert_int_equal(eventfd_write(engine->end, 1), 0);
}

static int fake_start(const struct driver_host *host _unused_, struct vm_engine **ret,
		      struct err *err _unused_)
{
	for (int i = 0; i < VM_STREAMS; i++) {
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		machine.ours[i] = pair[0];
		machine.guest[i] = pair[1];
	}
	machine.end = eventfd(0, EFD_CLOEXEC);
	*ret = &machine;
	return 0;
}

static int fake_take_stream(struct vm_engine *engine, enum vm_stream stream)
{
	return take_fd(&engine->ours[stream]);
}

static pid_t fake_pid(const struct vm_engine *engine _unused_)
{
	return 4711;
}

static int fake_pidfd(const struct vm_engine *engine)
{
	return engine->end;
}

static int fake_pause(struct vm_engine *engine, int paused, struct err *err _unused_)
{
	engine->paused = paused;
	return 0;
}

static int fake_press(struct vm_engine *engine, enum message_button button,
		      struct err *err _unused_)
{
	engine->pressed[button]++;
	return 0;
}

static int fake_tune(struct vm_engine *engine, struct err *err _unused_)
{
	engine->tunes++;
	return 0;
}

static void fake_quit(struct vm_engine *engine)
{
	engine->quits++;
	machine_end(engine);
}

static void fake_kill(struct vm_engine *engine)
{
	engine->killed++;
	machine_end(engine);
}

static int fake_reap(struct vm_engine *engine, struct err *err)
{
	if (err_is_set(&engine->failure))
		*err = engine->failure;
	return engine->failure.code;
}

static void fake_free(struct vm_engine *engine)
{
	for (int i = 0; i < VM_STREAMS; i++) {
		fd_close(engine->ours[i]);
		fd_close(engine->guest[i]);
	}
	fd_close(engine->end);
}

static const struct vm_engine_ops fake_ops = {
	.process = "the machine",
	.start = fake_start,
	.take_stream = fake_take_stream,
	.pid = fake_pid,
	.pidfd = fake_pidfd,
	.pause = fake_pause,
	.press = fake_press,
	.tune = fake_tune,
	.quit = fake_quit,
	.kill = fake_kill,
	.reap = fake_reap,
	.free = fake_free,
};

static void on_deliver(void *ctx, uint32_t channel, uint16_t type, const void *payload _unused_,
		       size_t len _unused_)
{
	struct fixture *f = ctx;
	size_t used = strlen(f->said);

	if (!channel)
		snprintf(f->said + used, sizeof(f->said) - used, "%u ", type);
	loop_exit(f->loop, 0);
}

static void on_writable(void *ctx _unused_, uint32_t channel _unused_)
{
}

static void on_ended(void *ctx, const struct err *err)
{
	struct fixture *f = ctx;

	f->ended++;
	if (err)
		f->why = *err;
	loop_exit(f->loop, 0);
}

static const struct driver_host_ops host_ops = {
	.deliver = on_deliver,
	.writable = on_writable,
	.ended = on_ended,
};

static void on_deadline(void *ctx)
{
	struct fixture *f = ctx;

	loop_exit(f->loop, -ETIMEDOUT);
}

static void start(struct fixture *f)
{
	char *argv[] = { (char *)"true", NULL };
	struct driver_host host = {
		.loop = f->loop,
		.instance = &f->instance,
		.run = &f->run,
		.state_dir = f->folder,
		.root = f->folder,
		.process = { .argv = argv },
		.ops = &host_ops,
		.ctx = f,
	};
	struct err err = ERR_INIT;

	assert_int_equal(vm_driver_start(&host, &fake_ops, &f->driver, &err), 0);
	assert_int_equal(f->run.pid, 4711);
}

static int setup(void **state)
{
	struct fixture *f = mem_zalloc(sizeof(*f));
	struct err err = ERR_INIT;

	machine = (struct vm_engine){ .end = -EBADF };
	snprintf(f->folder, sizeof(f->folder), "/tmp/brig-test-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	assert_int_equal(loop_new(&f->loop, &err), 0);
	f->deadline = loop_add_timer(f->loop, on_deadline, f);
	instance_init(&f->instance);
	mem_replace(&f->instance.name, "box");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	vm_driver_free(f->driver);
	loop_source_free(f->deadline);
	loop_free(f->loop);
	instance_release(&f->instance);
	instance_run_release(&f->run);
	(void)file_remove_tree(AT_FDCWD, f->folder);
	free(f);
	return 0;
}

/* Runs until what is said on channel 0 is this. */
static void expect(struct fixture *f, const char *said)
{
	loop_timer_set(f->deadline, DEADLINE_MS);
	while (strcmp(f->said, said))
		assert_int_equal(loop_run(f->loop), 0);
}

static const char *end(struct fixture *f)
{
	loop_timer_set(f->deadline, DEADLINE_MS);
	while (!f->ended)
		assert_int_equal(loop_run(f->loop), 0);
	assert_int_equal(f->ended, 1);
	return f->why.msg;
}

static void write_serial(const char *text)
{
	assert_int_equal(file_write_all(machine.guest[VM_STREAM_SERIAL], text, strlen(text)), 0);
}

static void say(uint16_t type, const struct buf *payload)
{
	assert_int_equal(
		frame_send(machine.guest[VM_STREAM_AGENT], 0, type, payload->data, payload->len),
		0);
}

static void say_number(uint16_t type, uint32_t number)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	wire_put_u32(&payload, number);
	say(type, &payload);
}

/* The guest up to its workload's start. */
static void boot(struct fixture *f)
{
	_cleanup_buf_ struct buf hello = BUF_INIT;
	char started[16];

	wire_put_u32(&hello, MESSAGE_VERSION);
	wire_put_str(&hello, "6.1.0");
	say(MESSAGE_HELLO, &hello);
	say(MESSAGE_OK, &BUF_INIT);
	say_number(MESSAGE_STARTED, 1);
	snprintf(started, sizeof(started), "%d ", MESSAGE_STARTED);
	expect(f, started);
	assert_string_equal(f->run.kernel, "6.1.0");
}

/* The CPUs that the guest is told of next. */
static uint32_t told_cpus(void)
{
	_cleanup_buf_ struct buf received = BUF_INIT;
	struct message_tune tune;
	struct frame frame;

	do
		assert_int_equal(frame_receive(machine.guest[VM_STREAM_AGENT], &received, &frame),
				 0);
	while (frame.type != MESSAGE_TUNE);
	assert_int_equal(message_get_tune(&frame, &tune), 0);
	assert_int_equal(tune.pids_limit, 9);
	assert_int_equal(
		frame_send(machine.guest[VM_STREAM_AGENT], frame.channel, MESSAGE_OK, NULL, 0), 0);
	return tune.cpus;
}

static void a_guest_is_told_its_newest_limits_one_set_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	char said[16];

	start(f);
	f->instance.pids_limit = 9;
	for (int64_t milli = 4000; milli > 1000; milli -= 500) {
		f->instance.cpus_milli = milli;
		assert_int_equal(vm_driver_tune(f->driver, &err), 0);
		if (milli == 4000)
			boot(f);
	}
	assert_int_equal(machine.tunes, 6);
	assert_int_equal(told_cpus(), 4);
	say_number(MESSAGE_OUT, 0); /* by then the answer was heard, too */
	snprintf(said, sizeof(said), "%d %d ", MESSAGE_STARTED, MESSAGE_OUT);
	expect(f, said);
	assert_int_equal(told_cpus(), 2);
	machine_end(&machine);
	end(f);
}

static void a_guest_that_goes_before_its_workload_is_explained_by_its_console(void **state)
{
	struct fixture *f = *state;

	start(f);
	write_serial("loading\nno root here\n");
	machine_end(&machine);
	assert_non_null(strstr(end(f), "switched itself off or rebooted before its workload"));
	assert_non_null(strstr(f->why.msg, "loading / no root here"));
	assert_int_equal(f->why.exit_status, 125);
}

static void a_panic_is_told_in_the_kernels_words(void **state)
{
	struct fixture *f = *state;

	start(f);
	write_serial("[ 1.0] Kernel panic - not syncing: no init\n");
	machine_end(&machine);
	assert_non_null(strstr(end(f), "gave up: Kernel panic - not syncing: no init"));
}

static void what_the_engine_says_of_its_end_is_told_with_its_complaint(void **state)
{
	struct fixture *f = *state;

	err_set(&machine.failure, -ECANCELED, "the machine fell over");
	start(f);
	assert_int_equal(write(machine.guest[VM_STREAM_ERRORS], "no legs\n", 8), 8);
	machine_end(&machine);
	assert_string_equal(end(f), "the machine fell over: no legs");
}

static void a_machine_that_does_not_come_up_is_ended(void **state)
{
	struct fixture *f = *state;

	f->instance.boot_timeout_ms = 1;
	start(f);
	assert_non_null(strstr(end(f), "did not reach its agent"));
	assert_int_equal(machine.killed, 1);
}

static void to_kill_before_the_start_is_an_error_and_after_it_is_none(void **state)
{
	struct fixture *f = *state;

	start(f);
	vm_driver_kill(f->driver);
	assert_string_equal(end(f), "the VM was killed before its workload was started");
	vm_driver_free(f->driver);
	f->ended = 0;
	f->said[0] = '\0';
	f->why = ERR_INIT;
	start(f);
	boot(f);
	vm_driver_kill(f->driver);
	vm_driver_kill(f->driver); /* the second one does not wait */
	end(f);
	assert_false(err_is_set(&f->why));
	assert_int_equal(machine.killed, 2);
}

static void a_workloads_end_is_the_machines(void **state)
{
	struct fixture *f = *state;
	char said[16];

	start(f);
	boot(f);
	say_number(MESSAGE_EXIT, 3);
	snprintf(said, sizeof(said), "%d %d ", MESSAGE_STARTED, MESSAGE_EXIT);
	expect(f, said);
	assert_int_equal(f->ended, 0);
	machine_end(&machine);
	end(f);
	assert_false(err_is_set(&f->why));
	assert_int_equal(machine.killed + machine.quits, 0);
}

static void a_machine_lost_under_its_workload_ends_as_if_killed(void **state)
{
	struct fixture *f = *state;

	start(f);
	boot(f);
	machine_end(&machine);
	assert_non_null(strstr(end(f), "while its workload ran"));
	assert_int_equal(f->why.exit_status, 137);
}

/* Whether somebody else could fill the volume now. */
static int is_free(const struct fixture *f)
{
	_cleanup_free_ char *path = mem_printf("%s/volumes/db/data", f->folder);
	_cleanup_close_ int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(folder >= 0);
	return flock(folder, LOCK_EX | LOCK_NB) == 0;
}

static void an_empty_volume_is_the_guests_to_fill_until_its_workload_starts(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *path = mem_printf("%s/volumes/db/data", f->folder);

	assert_int_equal(file_mkdir_p(path, 0755), 0);
	strv_add(&f->instance.volumes, "db:/v");
	strv_add(&f->instance.volumes, "db:/w");
	start(f);
	assert_false(is_free(f));
	boot(f);
	assert_true(is_free(f));
}

static void a_machine_that_ends_lets_go_of_the_volume_that_it_was_to_fill(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *path = mem_printf("%s/volumes/db/data", f->folder);

	assert_int_equal(file_mkdir_p(path, 0755), 0);
	strv_add(&f->instance.volumes, "db:/v");
	start(f);
	machine_end(&machine);
	(void)end(f);
	assert_true(is_free(f));
}

static void only_what_runs_can_be_paused(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	start(f);
	assert_int_equal(vm_driver_pause(f->driver, 1, &err), -EBUSY);
	boot(f);
	assert_int_equal(vm_driver_pause(f->driver, 1, &err), 0);
	assert_int_equal(machine.paused, 1);
	vm_driver_kill(f->driver); /* what is paused cannot end by itself */
	assert_int_equal(machine.killed, 1);
	end(f);
}

static void buttons_work_from_the_boot_on_but_not_while_it_is_paused(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	start(f);
	assert_int_equal(vm_driver_press(f->driver, MESSAGE_BUTTON_NMI, &err), 0);
	boot(f);
	assert_int_equal(vm_driver_press(f->driver, MESSAGE_BUTTON_POWER, &err), 0);
	assert_int_equal(vm_driver_pause(f->driver, 1, &err), 0);
	assert_int_equal(vm_driver_press(f->driver, MESSAGE_BUTTON_POWER, &err), -EBUSY);
	assert_int_equal(machine.pressed[MESSAGE_BUTTON_NMI], 1);
	assert_int_equal(machine.pressed[MESSAGE_BUTTON_POWER], 1);
	vm_driver_kill(f->driver);
	assert_int_equal(vm_driver_press(f->driver, MESSAGE_BUTTON_POWER, &err), -EBUSY);
	end(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_guest_that_goes_before_its_workload_is_explained_by_its_console),
		TEST(a_panic_is_told_in_the_kernels_words),
		TEST(what_the_engine_says_of_its_end_is_told_with_its_complaint),
		TEST(a_machine_that_does_not_come_up_is_ended),
		TEST(to_kill_before_the_start_is_an_error_and_after_it_is_none),
		TEST(a_workloads_end_is_the_machines),
		TEST(a_machine_lost_under_its_workload_ends_as_if_killed),
		TEST(an_empty_volume_is_the_guests_to_fill_until_its_workload_starts),
		TEST(a_machine_that_ends_lets_go_of_the_volume_that_it_was_to_fill),
		TEST(only_what_runs_can_be_paused),
		TEST(a_guest_is_told_its_newest_limits_one_set_at_a_time),
		TEST(buttons_work_from_the_boot_on_but_not_while_it_is_paused),
	};

	return cmocka_run_group_tests_name("proto/vm_driver", tests, NULL, NULL);
}
