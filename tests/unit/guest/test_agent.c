// SPDX-License-Identifier: GPL-2.0-or-later
/* The agent as a process of its own on a socket, with sessions on this machine instead of in a VM. */
#include "guest/agent.h"
#include "base/mem.h"
#include "guest/stats.h"
#include "proto/message.h"
#include "proto/wire.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <cmocka.h>

#define WORDS(...) ((char **)(const char *[]){ __VA_ARGS__, NULL })

static const struct limits no_limits = { .capabilities = UINT64_MAX };

static int here(void *ctx _unused_, const struct process *process, struct launch *ret,
		struct err *err)
{
	struct launch_spec spec = LAUNCH_SPEC_INIT;

	spec.process = process;
	spec.limits = &no_limits;
	return launch_start(&spec, ret, err);
}

/* As the workload under an init of ours. */
static int here_with_init(void *ctx _unused_, const struct process *process, struct launch *ret,
			  struct err *err)
{
	struct launch_spec spec = LAUNCH_SPEC_INIT;

	spec.process = process;
	spec.limits = &no_limits;
	spec.init = 1;
	return launch_start(&spec, ret, err);
}

static int here_work(void *ctx _unused_, int (*fn)(void *fn_ctx, struct err *err), void *fn_ctx,
		     struct launch *ret, struct err *err)
{
	struct launch_spec spec = LAUNCH_SPEC_INIT;

	spec.work = fn;
	spec.work_ctx = fn_ctx;
	return launch_start(&spec, ret, err);
}

static int still(void *ctx _unused_, struct err *err _unused_)
{
	char c;

	return write(STDOUT_FILENO, "", 1) == 1 && read(STDIN_FILENO, &c, 1) == 0 ? 0 : -EIO;
}

static int here_freeze(void *ctx, struct launch *ret, struct err *err)
{
	return here_work(ctx, still, NULL, ret, err);
}

static int *thaws; /* of the agent's process, and seen in ours */

static void here_thaw(void *ctx _unused_)
{
	++*thaws;
}

static int here_plug(void *ctx _unused_, const struct plug *plug, struct launch *ret,
		     struct err *err)
{
	return plug_start(plug, NULL, ret, err);
}

static int here_ended(void *ctx _unused_, int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int here_tune(void *ctx _unused_, const struct message_tune *tune, struct err *err)
{
	return tune->pids_limit == 1 ? err_set(err, -EBUSY, "too many already") : 0;
}

static const struct agent_ops ops = { .run = here_with_init,
				      .exec = here,
				      .work = here_work,
				      .freeze = here_freeze,
				      .thaw = here_thaw,
				      .plug = here_plug,
				      .ended = here_ended,
				      .tune = here_tune,
				      .stats = stats_machine,
				      .processes = stats_processes };

struct stage {
	int fd;
	pid_t pid;
	struct buf buf;
	struct frame frame;
};

static _noreturn_ void serve(int fd)
{
	struct agent *agent = NULL;
	struct loop *loop = NULL;
	struct err err = ERR_INIT;
	int r;

	/* orphans of its sessions come to the agent, as to every PID 1 */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	r = loop_new(&loop, &err);
	if (r == 0)
		r = agent_new(loop, fd, &ops, NULL, &agent, &err);
	if (r == 0)
		r = agent_run(agent, &err);
	agent_free(agent);
	loop_free(loop);
	_exit(r < 0 ? 1 : 0);
}

static void receive(struct stage *stage)
{
	int r = frame_receive(stage->fd, &stage->buf, &stage->frame);

	if (r < 0)
		fail_msg("no frame came: %s", strerror(-r));
}

static void expect(struct stage *stage, uint32_t channel, uint16_t type)
{
	receive(stage);
	assert_int_equal(stage->frame.channel, channel);
	assert_int_equal(stage->frame.type, type);
}

static int setup(void **state)
{
	struct stage *stage = mem_zalloc(sizeof(*stage));
	struct timeval deadline = { .tv_sec = 20 };
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	stage->pid = fork();
	if (stage->pid == 0) {
		close(fds[0]);
		serve(fds[1]);
	}
	close(fds[1]);
	stage->fd = fds[0];
	assert_int_equal(
		setsockopt(stage->fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline)), 0);
	*state = stage;
	expect(stage, 0, MESSAGE_OK);
	return 0;
}

/* Its exit status: 0 unless we broke the protocol. */
static int end(struct stage *stage)
{
	int status = 0;

	assert_int_equal(waitpid(stage->pid, &status, 0), stage->pid);
	stage->pid = 0;
	return WEXITSTATUS(status);
}

static int teardown(void **state)
{
	struct stage *stage = *state;
	int status = 0;

	close(stage->fd);
	if (stage->pid)
		status = end(stage);
	buf_release(&stage->buf);
	free(stage);
	return status;
}

static void say(struct stage *stage, uint32_t channel, uint16_t type, const void *data, size_t len)
{
	assert_int_equal(frame_send(stage->fd, channel, type, data, len), 0);
}

static void say_u32(struct stage *stage, uint32_t channel, uint16_t type, uint32_t value)
{
	_cleanup_buf_ struct buf payload = BUF_INIT;

	wire_put_u32(&payload, value);
	say(stage, channel, type, payload.data, payload.len);
}

static void run(struct stage *stage, uint32_t channel, char **words, int interactive)
{
	struct process process = { .argv = words,
				   .env = WORDS("PATH=/usr/bin:/bin"),
				   .interactive = interactive };
	_cleanup_buf_ struct buf payload = BUF_INIT;

	process_put(&payload, &process);
	say(stage, channel, MESSAGE_EXEC, payload.data, payload.len);
}

static uint32_t value(const struct stage *stage)
{
	struct wire_reader r = wire_read(stage->frame.payload, stage->frame.len);

	return wire_get_u32(&r);
}

static void expect_text(struct stage *stage, uint32_t channel, uint16_t type, const char *text)
{
	expect(stage, channel, type);
	assert_int_equal(stage->frame.len, strlen(text));
	assert_memory_equal(stage->frame.payload, text, stage->frame.len);
}

static void expect_exit(struct stage *stage, uint32_t channel, uint32_t status)
{
	expect(stage, channel, MESSAGE_EXIT);
	assert_int_equal(value(stage), status);
}

static void a_program_starts_speaks_and_ends(void **state)
{
	struct stage *stage = *state;

	run(stage, 7, WORDS("sh", "-c", "echo out; sleep 0.1; echo err >&2; exit 3"), 0);
	expect(stage, 7, MESSAGE_STARTED);
	assert_true(value(stage) > 1);
	expect_text(stage, 7, MESSAGE_OUT, "out\n");
	expect_text(stage, 7, MESSAGE_ERR, "err\n");
	expect_exit(stage, 7, 3);
}

static void a_program_that_is_not_there_never_starts(void **state)
{
	struct stage *stage = *state;
	struct err err = ERR_INIT;

	run(stage, 1, WORDS("/no/such"), 0);
	expect(stage, 1, MESSAGE_ERROR);
	assert_int_equal(message_get_error(&stage->frame, &err), -ENOENT);
	assert_int_equal(err.exit_status, 127);
	run(stage, 1, WORDS("/etc/passwd"), 0); /* the channel is free again */
	expect(stage, 1, MESSAGE_ERROR);
	message_get_error(&stage->frame, &err);
	assert_int_equal(err.exit_status, 126);
}

static void the_workload_is_channel_0_and_has_an_init(void **state)
{
	struct stage *stage = *state;

	run(stage, 0,
	    WORDS("sh", "-c", "trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done"), 0);
	expect(stage, 0, MESSAGE_STARTED);
	expect_text(stage, 0, MESSAGE_OUT, "up\n");
	say_u32(stage, 0, MESSAGE_SIGNAL, SIGTERM);
	expect_exit(stage, 0, 9);
	say(stage, 0, MESSAGE_SHUTDOWN, NULL, 0);
	assert_int_equal(end(stage), 0);
}

static void input_is_passed_on_and_given_back(void **state)
{
	static const char block[FRAME_DATA_MAX];
	struct stage *stage = *state;
	uint32_t credit = 0, sum = 0;

	run(stage, 2, WORDS("sh", "-c", "wc -c"), 1);
	expect(stage, 2, MESSAGE_STARTED);
	for (int i = 0; i < 40; i++) {
		while (sum + sizeof(block) > MESSAGE_WINDOW + credit) {
			expect(stage, 2, MESSAGE_CREDIT_IN);
			credit += value(stage);
		}
		say(stage, 2, MESSAGE_IN, block, sizeof(block));
		sum += sizeof(block);
	}
	say(stage, 2, MESSAGE_IN_END, NULL, 0);
	do {
		receive(stage);
		if (stage->frame.type == MESSAGE_CREDIT_IN)
			credit += value(stage);
	} while (stage->frame.type != MESSAGE_OUT);
	assert_memory_equal(stage->frame.payload, "1310720\n", 8);
	assert_int_equal(credit, sum);
	expect_exit(stage, 2, 0);
}

static void output_waits_for_credit(void **state)
{
	struct stage *stage = *state;
	size_t got = 0;

	run(stage, 3, WORDS("head", "-c", "400000", "/dev/zero"), 0);
	expect(stage, 3, MESSAGE_STARTED);
	while (got < MESSAGE_WINDOW) {
		expect(stage, 3, MESSAGE_OUT);
		got += stage->frame.len;
	}
	assert_int_equal(got, MESSAGE_WINDOW);
	/* nothing more comes before the answer to this */
	say(stage, 4, MESSAGE_PING, NULL, 0);
	expect(stage, 4, MESSAGE_OK);
	say_u32(stage, 3, MESSAGE_CREDIT_OUT, MESSAGE_WINDOW);
	while (got < 400000) {
		expect(stage, 3, MESSAGE_OUT);
		got += stage->frame.len;
	}
	expect_exit(stage, 3, 0);
}

static void a_client_that_goes_leaves_no_process(void **state)
{
	struct stage *stage = *state;

	run(stage, 5, WORDS("sh", "-c", "echo up; cat; yes"), 1);
	expect(stage, 5, MESSAGE_STARTED);
	expect_text(stage, 5, MESSAGE_OUT, "up\n");
	say(stage, 5, MESSAGE_CLOSE, NULL, 0);
	expect_exit(stage, 5, 128 + SIGHUP);
}

static void questions_are_answered(void **state)
{
	struct stage *stage = *state;
	struct message_stats stats = { 0 };

	say(stage, 9, MESSAGE_STATS, NULL, 0);
	expect(stage, 9, MESSAGE_STATS);
	assert_int_equal(message_get_stats(&stage->frame, &stats), 0);
	assert_true(stats.memory_total > stats.memory_used && stats.cpu_ns > 0);
	say(stage, 9, MESSAGE_PROCS, NULL, 0);
	expect(stage, 9, MESSAGE_PROCS);
}

static void limits_are_answered_for(void **state)
{
	struct stage *stage = *state;

	for (uint64_t limit = 0; limit < 2; limit++) {
		const struct message_tune tune = { .cpus = 1, .pids_limit = limit };
		_cleanup_buf_ struct buf payload = BUF_INIT;

		message_put_tune(&payload, &tune);
		say(stage, 9, MESSAGE_TUNE, payload.data, payload.len);
		expect(stage, 9, limit ? MESSAGE_ERROR : MESSAGE_OK);
	}
}

static void a_file_is_sent_as_a_tree(void **state)
{
	struct stage *stage = *state;
	_cleanup_buf_ struct buf payload = BUF_INIT;
	struct err err = ERR_INIT;

	wire_put_str(&payload, "/etc/hostname");
	wire_put_u8(&payload, 0);
	say(stage, 1, MESSAGE_TREE_GET, payload.data, payload.len);
	expect(stage, 1, MESSAGE_STARTED);
	expect(stage, 1, MESSAGE_OUT);
	expect_exit(stage, 1, 0);
	payload.len = 0;
	wire_put_str(&payload, "/no/such");
	wire_put_u8(&payload, 0);
	say(stage, 1, MESSAGE_TREE_GET, payload.data, payload.len);
	expect(stage, 1, MESSAGE_STARTED);
	expect(stage, 1, MESSAGE_ERROR);
	assert_int_equal(message_get_error(&stage->frame, &err), -ENOENT);
}

static void freeze(struct stage *stage, uint32_t channel)
{
	say(stage, channel, MESSAGE_FREEZE, NULL, 0);
	expect(stage, channel, MESSAGE_STARTED);
	expect(stage, channel, MESSAGE_OUT);
}

static void a_file_system_stands_still_as_long_as_is_wanted(void **state)
{
	struct stage *stage = *state;

	freeze(stage, 1);
	say(stage, 2, MESSAGE_FREEZE, NULL, 0);
	expect(stage, 2, MESSAGE_ERROR);
	say(stage, 1, MESSAGE_IN_END, NULL, 0);
	expect_exit(stage, 1, 0);
	freeze(stage, 2);
	*thaws = 0;
	/* of a client that was killed, whose process is then killed, too */
	say(stage, 2, MESSAGE_CLOSE, NULL, 0);
	expect(stage, 2, MESSAGE_EXIT);
	assert_int_equal(*thaws, 1);
	freeze(stage, 3);
	shutdown(stage->fd, SHUT_RDWR);
	assert_int_equal(end(stage), 0);
	assert_int_equal(*thaws, 2);
}

static void what_becomes_of_a_device_is_told(void **state)
{
	struct stage *stage = *state;
	_cleanup_buf_ struct buf payload = BUF_INIT;
	struct err err = ERR_INIT;

	wire_put_u8(&payload, MESSAGE_DEVICE_CARD);
	wire_put_str(&payload, "02:00:00:00:00:99");
	/* what is not there has been let go of */
	say(stage, UINT32_MAX, MESSAGE_UNPLUG, payload.data, payload.len);
	expect(stage, UINT32_MAX, MESSAGE_STARTED);
	expect_exit(stage, UINT32_MAX, 0);
	payload.len = 0;
	wire_put_u8(&payload, MESSAGE_DEVICE_CARD);
	wire_put_str(&payload, "eth0");
	say(stage, UINT32_MAX, MESSAGE_UNPLUG, payload.data, payload.len);
	expect(stage, UINT32_MAX, MESSAGE_STARTED);
	expect(stage, UINT32_MAX, MESSAGE_ERROR);
	assert_int_equal(message_get_error(&stage->frame, &err), -EPROTO);
}

static void the_hosts_end_is_the_agents(void **state)
{
	struct stage *stage = *state;

	shutdown(stage->fd, SHUT_RDWR);
	assert_int_equal(end(stage), 0);
}

/* Each is more than the protocol allows, and ends the connection. */
static void breach_window(struct stage *stage)
{
	static const char block[FRAME_DATA_MAX];

	/* what the two pipes and both windows take, and more */
	for (int i = 0; i < 40; i++)
		(void)frame_send(stage->fd, 1, MESSAGE_IN, block, sizeof(block));
}

static void breach_credit(struct stage *stage)
{
	say_u32(stage, 1, MESSAGE_CREDIT_OUT, 1);
}

static void breach_channel(struct stage *stage)
{
	run(stage, 1, WORDS("true"), 0);
}

static void breach_process(struct stage *stage)
{
	say(stage, 2, MESSAGE_EXEC, "xyz", 3);
}

static void breach_signal(struct stage *stage)
{
	say_u32(stage, 1, MESSAGE_SIGNAL, 65);
}

static void breach_frame(struct stage *stage)
{
	assert_int_equal(send(stage->fd, "\377\377\377\377\0\0\0\0\0\0\0\0", 12, MSG_NOSIGNAL), 12);
}

static void a_breach_of_the_protocol_ends_the_agent(void **state)
{
	static void (*const breaches[])(struct stage *) = { breach_window,  breach_credit,
							    breach_channel, breach_process,
							    breach_signal,  breach_frame };
	struct stage *stage;

	assert_int_equal(teardown(state), 0);
	for (size_t i = 0; i < ARRAY_SIZE(breaches); i++) {
		setup(state);
		stage = *state;
		run(stage, 1, WORDS("cat"), 1); /* ends with the agent */
		expect(stage, 1, MESSAGE_STARTED);
		breaches[i](stage);
		assert_int_equal(end(stage), 1);
		assert_int_equal(teardown(state), 0);
	}
	setup(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_program_starts_speaks_and_ends),
		TEST(a_program_that_is_not_there_never_starts),
		TEST(the_workload_is_channel_0_and_has_an_init),
		TEST(input_is_passed_on_and_given_back),
		TEST(output_waits_for_credit),
		TEST(a_client_that_goes_leaves_no_process),
		TEST(questions_are_answered),
		TEST(limits_are_answered_for),
		TEST(a_file_is_sent_as_a_tree),
		TEST(a_file_system_stands_still_as_long_as_is_wanted),
		TEST(what_becomes_of_a_device_is_told),
		TEST(the_hosts_end_is_the_agents),
		TEST(a_breach_of_the_protocol_ends_the_agent),
	};

	/* it sets users, as root does */
	if (geteuid()) {
		print_message("1..0 # SKIP needs root\n");
		return 0;
	}
	thaws = mmap(NULL, sizeof(*thaws), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (thaws == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests_name("guest/agent", tests, NULL, NULL);
}
