// SPDX-License-Identifier: GPL-2.0-or-later
/* The tests are the engine, and the guest's agent at the other end of a socket. */
#include "proto/vm_plug.h"
#include "base/mem.h"
#include "proto/message.h"
#include "proto/nic.h"
#include "proto/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>

#define SETUP "name=eth1,mac=02:62:00:00:00:01"

struct vm_engine {
	char did[8]; /* '+' and '-' */
	int refuses;
	vm_engine_done_fn done;
	void *ctx;
};

struct fixture {
	struct vm_engine engine;
	struct loop *loop;
	struct agent_host *agent;
	struct vm_plug *plug;
	struct driver_nic nic;
	struct driver_device device;
	struct buf in;
	int guest, changes;
	struct err why;
};

static int engine_do(struct vm_engine *engine, char what, vm_engine_done_fn done, void *ctx,
		     struct err *err)
{
	engine->did[strlen(engine->did)] = what;
	engine->done = done;
	engine->ctx = ctx;
	return engine->refuses ? err_set(err, -EBUSY, "no") : 0;
}

static int engine_plug(struct vm_engine *engine, const struct driver_device *device _unused_,
		       vm_engine_done_fn done, void *ctx, struct err *err)
{
	return engine_do(engine, '+', done, ctx, err);
}

static int engine_unplug(struct vm_engine *engine, const struct driver_device *device _unused_,
			 vm_engine_done_fn done, void *ctx, struct err *err)
{
	return engine_do(engine, '-', done, ctx, err);
}

static const struct vm_engine_ops engine_ops = { .plug = engine_plug, .unplug = engine_unplug };

static void on_hello(void *ctx _unused_, const char *release _unused_)
{
}

static void on_deliver(void *ctx, uint32_t channel, uint16_t type, const void *payload, size_t len)
{
	struct fixture *f = ctx;

	if (channel == VM_PLUG_CHANNEL)
		vm_plug_take(f->plug, type, payload, len);
	loop_exit(f->loop, 0);
}

static const struct agent_host_ops agent_ops = { .hello = on_hello, .deliver = on_deliver };

static void on_changed(void *ctx, const struct err *err)
{
	struct fixture *f = ctx;

	f->changes++;
	f->why = err ? *err : (struct err)ERR_INIT;
}

static void say(const struct fixture *f, uint32_t channel, uint16_t type, const struct buf *payload)
{
	assert_int_equal(frame_send(f->guest, channel, type, payload->data, payload->len), 0);
}

static void say_number(const struct fixture *f, uint32_t channel, uint16_t type, uint32_t number)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	wire_put_u32(&payload, number);
	say(f, channel, type, &payload);
}

static int setup(void **state)
{
	struct fixture *f = mem_zalloc(sizeof(*f));
	_cleanup_buf_ struct buf hello = BUF_INIT;
	const struct guest_config config = { .hostname = (char *)"" };
	char *argv[] = { (char *)"true", NULL };
	const struct process process = { .argv = argv };
	struct err err = ERR_INIT;
	int pair[2];

	assert_int_equal(loop_new(&f->loop, &err), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	f->guest = pair[1];
	assert_int_equal(
		agent_host_new(f->loop, pair[0], &config, &process, &agent_ops, f, &f->agent, &err),
		0);
	assert_int_equal(
		vm_plug_new(f->loop, &engine_ops, &f->engine, on_changed, f, &f->plug, &err), 0);
	assert_int_equal(nic_parse_mac("02:62:00:00:00:01", f->nic.mac), 0);
	f->device = (struct driver_device){ .kind = MESSAGE_DEVICE_CARD,
					    .nic = &f->nic,
					    .setup = SETUP,
					    .name = "02:62:00:00:00:01" };
	wire_put_u32(&hello, MESSAGE_VERSION);
	wire_put_str(&hello, "6.1.0");
	say(f, 0, MESSAGE_HELLO, &hello);
	say(f, 0, MESSAGE_OK, &BUF_INIT);
	say_number(f, 0, MESSAGE_STARTED, 1);
	assert_int_equal(loop_run(f->loop), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	vm_plug_free(f->plug);
	agent_host_free(f->agent);
	loop_free(f->loop);
	close(f->guest);
	buf_release(&f->in);
	free(f);
	return 0;
}

static void start(struct fixture *f, int plugged, int forced)
{
	struct err err = ERR_INIT;

	assert_int_equal(vm_plug_start(f->plug, f->agent, &f->device, plugged, forced, &err), 0);
}

/* The guest is asked for this; CONFIGURE and EXEC came before. */
static void expect_asked(struct fixture *f, uint16_t type, const char *text)
{
	struct frame frame;

	do {
		assert_int_equal(frame_receive(f->guest, &f->in, &frame), 0);
	} while (frame.channel != VM_PLUG_CHANNEL);
	{
		struct wire_reader r = wire_read(frame.payload, frame.len);
		int device = wire_get_u8(&r);
		_cleanup_free_ char *said = wire_get_str(&r);

		assert_int_equal(frame.type, type);
		assert_int_equal(device, f->device.kind);
		assert_string_equal(said, text);
		assert_int_equal(wire_end(&r), 0);
	}
}

/* error NULL: it has done it. */
static void answer(struct fixture *f, const char *error)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;
	struct err err = ERR_INIT;

	if (!error) {
		say_number(f, VM_PLUG_CHANNEL, MESSAGE_STARTED, 2);
		assert_int_equal(loop_run(f->loop), 0);
		say_number(f, VM_PLUG_CHANNEL, MESSAGE_EXIT, 0);
	} else {
		err_set(&err, -EIO, "%s", error);
		message_put_error(&payload, &err);
		say(f, VM_PLUG_CHANNEL, MESSAGE_ERROR, &payload);
	}
	assert_int_equal(loop_run(f->loop), 0);
}

static void engine_done(struct fixture *f)
{
	f->engine.done(f->engine.ctx, NULL);
}

static void expect(const struct fixture *f, const char *did, int changes, const char *why)
{
	assert_string_equal(f->engine.did, did);
	assert_int_equal(f->changes, changes);
	assert_string_equal(f->why.msg, why);
}

static void a_disk_that_grew_stays_so_when_the_guest_cannot_use_it(void **state)
{
	struct fixture *f = *state;

	f->device = (struct driver_device){ .kind = MESSAGE_DEVICE_DISK,
					    .disk_size = 3 << 20,
					    .setup = "3145728" };
	start(f, 1, 0);
	engine_done(f);
	expect_asked(f, MESSAGE_PLUG, "3145728");
	answer(f, "no room for it");
	expect(f, "+", 1, "no room for it");
	start(f, 1, 0);
	engine_done(f);
	expect_asked(f, MESSAGE_PLUG, "3145728");
	answer(f, NULL);
	assert_int_equal(f->changes, 2);
}

static void a_device_comes_and_the_guest_sets_it_up(void **state)
{
	struct fixture *f = *state;

	start(f, 1, 0);
	engine_done(f);
	expect_asked(f, MESSAGE_PLUG, SETUP);
	expect(f, "+", 0, "");
	answer(f, NULL);
	expect(f, "+", 1, "");
	start(f, 0, 0);
	expect_asked(f, MESSAGE_UNPLUG, "02:62:00:00:00:01");
	expect(f, "+", 1, "");
	answer(f, NULL);
	expect(f, "+-", 1, "");
	engine_done(f);
	expect(f, "+-", 2, "");
}

static void what_the_guest_cannot_set_up_is_taken_away_again(void **state)
{
	struct fixture *f = *state;

	start(f, 1, 0);
	engine_done(f);
	answer(f, "no driver");
	expect(f, "+-", 0, "");
	engine_done(f);
	expect(f, "+-", 1, "no driver");
}

static void what_the_engine_cannot_take_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT, full = ERR_INIT;

	f->engine.refuses = 1;
	assert_int_equal(vm_plug_start(f->plug, f->agent, &f->device, 1, 0, &err), -EBUSY);
	f->engine.refuses = 0;
	start(f, 1, 0);
	err_set(&full, -ENOSPC, "full");
	f->engine.done(f->engine.ctx, &full);
	expect(f, "++", 1, "full");
}

static void a_guest_that_does_not_let_go_keeps_it_unless_forced(void **state)
{
	struct fixture *f = *state;

	start(f, 0, 0);
	answer(f, "it is in use");
	expect(f, "", 1, "it is in use");
	start(f, 0, 1);
	answer(f, "it is in use");
	engine_done(f);
	expect(f, "-", 2, "");
}

static void one_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	start(f, 1, 0);
	assert_int_equal(vm_plug_start(f->plug, f->agent, &f->device, 0, 1, &err), -EBUSY);
}

static void the_machines_end_is_the_end_of_it(void **state)
{
	struct fixture *f = *state;

	start(f, 0, 0);
	vm_plug_end(f->plug);
	expect(f, "", 1, "the VM has ended meanwhile");
	vm_plug_end(f->plug);
	answer(f, NULL);
	expect(f, "", 1, "the VM has ended meanwhile");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		T(a_device_comes_and_the_guest_sets_it_up),
		T(a_disk_that_grew_stays_so_when_the_guest_cannot_use_it),
		T(what_the_guest_cannot_set_up_is_taken_away_again),
		T(what_the_engine_cannot_take_changes_nothing),
		T(a_guest_that_does_not_let_go_keeps_it_unless_forced),
		T(one_at_a_time),
		T(the_machines_end_is_the_end_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
