// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/hooks.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#define STATE "{\"ociVersion\":\"1.3.0\",\"id\":\"a\",\"status\":\"creating\"}"

struct folder {
	char path[64];
	int fd;
};

static int setup(void **state)
{
	static struct folder folder;

	snprintf(folder.path, sizeof(folder.path), "/tmp/brig-hooks-XXXXXX");
	if (!mkdtemp(folder.path))
		return -1;
	folder.fd = open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = &folder;
	return folder.fd < 0;
}

static int teardown(void **state)
{
	struct folder *folder = *state;

	fd_close(folder->fd);
	return file_remove_tree(AT_FDCWD, folder->path);
}

/* A hook of the shell's; $D is the test's folder. */
static struct config_hook shell(const struct folder *folder, const char *script)
{
	struct config_hook hook = { .path = mem_strdup("/bin/sh") };

	strv_add(&hook.args, "hook");
	strv_add(&hook.args, "-c");
	strv_add(&hook.args, script);
	strv_add_printf(&hook.env, "D=%s", folder->path);
	return hook;
}

static void forget(struct config_hook *hooks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(hooks[i].path);
		strv_free(hooks[i].args);
		strv_free(hooks[i].env);
	}
}

static int run(struct config_hook *list, size_t n, const char *text, struct err *err)
{
	struct config_hooks hooks = { .list = list, .n = n };
	int r = hooks_run(&hooks, hooks_names[CONFIG_HOOK_PRESTART], text, err);

	forget(list, n);
	return r;
}

static void says(const struct folder *folder, const char *file, const char *wanted)
{
	_cleanup_free_ char *text = NULL;

	assert_int_equal(file_read(folder->fd, file, 1U << 20, &text, NULL), 0);
	assert_string_equal(text, wanted);
}

static void each_reads_the_whole_state_in_its_turn(void **state)
{
	struct folder *folder = *state;
	struct config_hook hooks[] = {
		shell(folder, "read line; echo one $line >> $D/order"),
		shell(folder, "/bin/cat > $D/state; echo two >> $D/order"),
		shell(folder, "/bin/cat /dev/stdin > $D/again; ! echo x 1<>/proc/self/fd/0"),
	};
	struct err err = ERR_INIT;

	assert_int_equal(run(hooks, 3, STATE, &err), 0);
	says(folder, "state", STATE);
	says(folder, "again", STATE);
	says(folder, "order", "one " STATE "\ntwo\n");
}

/* More than any pipe holds, and nobody reads it. */
static void one_that_reads_nothing_neither_blocks_nor_kills_us(void **state)
{
	_cleanup_free_ char *large = mem_zalloc((8U << 20) + 1);
	struct config_hook hooks[] = { shell(*state, "exit 0"), shell(*state, "exec 0<&-") };
	struct err err = ERR_INIT;

	memset(large, 'x', 8U << 20);
	signal(SIGPIPE, SIG_DFL);
	assert_int_equal(run(hooks, 2, large, &err), 0);
}

static void it_has_its_own_environment_arguments_and_three_descriptors(void **state)
{
	struct folder *folder = *state;
	struct config_hook hook = shell(folder, "echo $0 $1 $HOME$USER$PATH_X > $D/is; "
						"echo /proc/self/fd/* > $D/fds; kill -s PIPE $$");
	_cleanup_close_ int leak = open("/", O_RDONLY);
	struct err err = ERR_INIT;

	assert_true(leak > 2);
	strv_add(&hook.args, "zero");
	strv_add(&hook.args, "one");
	setenv("HOME", "/leaked", 1);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(run(&hook, 1, STATE, &err), -EREMOTEIO);
	assert_string_equal(err.msg, "hooks.prestart[0]: /bin/sh was killed by signal 13");
	says(folder, "is", "zero one\n");
	says(folder, "fds", "/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3\n");
}

static void no_arguments_and_no_environment_are_none(void **state)
{
	struct folder *folder = *state;
	struct config_hook hook = { .path = mem_printf("%s/bare", folder->path) };
	_cleanup_free_ char *script = mem_printf("#!/bin/sh\nexec > %s/said\necho $# $0\nexec "
						 "/usr/bin/env -u PWD -u OLDPWD -u _ -u SHLVL\n",
						 folder->path);
	_cleanup_free_ char *wanted = mem_printf("0 %s\n", hook.path);
	struct err err = ERR_INIT;

	assert_int_equal(file_replace(folder->fd, "bare", script, strlen(script), 0755, 0), 0);
	assert_int_equal(run(&hook, 1, STATE, &err), 0);
	says(folder, "said", wanted);
}

static void a_failure_says_which_and_why_and_ends_the_list(void **state)
{
	struct folder *folder = *state;
	struct config_hook hooks[] = {
		shell(folder, "exit 0"),
		shell(folder, "echo out; echo first >&2; echo no such bridge >&2; exit 7"),
		shell(folder, "echo > $D/never"),
	};
	struct config_hook missing = { .path = mem_strdup("/nowhere/hook") };
	struct err err = ERR_INIT;

	assert_int_equal(run(hooks, 3, STATE, &err), -EREMOTEIO);
	assert_string_equal(err.msg,
			    "hooks.prestart[1]: /bin/sh failed with status 7: no such bridge");
	assert_int_equal(faccessat(folder->fd, "never", F_OK, 0), -1);
	assert_int_equal(run(&missing, 1, STATE, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "hooks.prestart[0]: cannot run /nowhere/hook"));
}

/* The end of the fifo is the event: both processes of the hook hold it until they are killed. */
static void one_that_does_not_end_in_time_is_killed_with_its_group(void **state)
{
	struct folder *folder = *state;
	struct config_hook hook = shell(folder, "exec 3>$D/fifo; /bin/cat $D/block & wait");
	_cleanup_close_ int fifo = -EBADF;
	struct err err = ERR_INIT;
	int64_t begin = units_monotonic();
	char byte;

	assert_int_equal(mkfifoat(folder->fd, "fifo", 0600), 0);
	assert_int_equal(mkfifoat(folder->fd, "block", 0600), 0);
	fifo = openat(folder->fd, "fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	hook.timeout = 1;
	hook.has_timeout = 1;
	assert_int_equal(run(&hook, 1, STATE, &err), -ETIMEDOUT);
	assert_string_equal(err.msg, "hooks.prestart[0]: /bin/sh did not end within 1 s");
	assert_true(units_monotonic() - begin >= INT64_C(1000000000));
	assert_int_equal(fcntl(fifo, F_SETFL, 0), 0);
	assert_int_equal(read(fifo, &byte, 1), 0);
}

static void count(void *ctx, const struct err *err)
{
	strv_add(ctx, err->msg);
}

static void after_the_end_all_run_and_each_failure_is_told(void **state)
{
	struct folder *folder = *state;
	struct config_hook list[] = { shell(folder, "exit 1"), shell(folder, "echo b > $D/b"),
				      shell(folder, "kill -9 $$"), shell(folder, "echo d > $D/d") };
	struct config_hooks hooks = { .list = list, .n = ARRAY_SIZE(list) };
	_cleanup_strv_ char **told = NULL;

	hooks_run_all(&hooks, hooks_names[CONFIG_HOOK_POSTSTOP], STATE, count, &told);
	forget(list, ARRAY_SIZE(list));
	assert_int_equal(strv_len(told), 2);
	assert_string_equal(told[0], "hooks.poststop[0]: /bin/sh failed with status 1: no message");
	assert_string_equal(told[1], "hooks.poststop[2]: /bin/sh was killed by signal 9");
	says(folder, "b", "b\n");
	says(folder, "d", "d\n");
}

static void what_cannot_run_is_refused_beforehand(void **state _unused_)
{
	struct config_hook relative = { .path = (char *)"bin/hook" };
	struct config_hook unnamed = { .path = (char *)"/hook" };
	struct config_hooks hooks[CONFIG_HOOK_TIMES] = { 0 };
	struct err err = ERR_INIT;

	strv_add(&unnamed.env, "A=b");
	strv_add(&unnamed.env, "B");
	hooks[CONFIG_HOOK_POSTSTOP] = (struct config_hooks){ .list = &unnamed, .n = 1 };
	assert_int_equal(hooks_check(hooks, &err), -EINVAL);
	assert_string_equal(err.msg, "hooks.poststop[0]: env[1] must be NAME=VALUE");
	hooks[CONFIG_HOOK_CREATE_RUNTIME] = (struct config_hooks){ .list = &relative, .n = 1 };
	assert_int_equal(hooks_check(hooks, &err), -EINVAL);
	assert_string_equal(err.msg,
			    "hooks.createRuntime[0]: path must be absolute, not 'bin/hook'");
	strv_free(unnamed.env);
}

static void a_state_says_what_is_known(void **state _unused_)
{
	struct hooks_state known = {
		.version = "1.3.0", .id = "a", .status = "stopped", .pid = -1
	};
	struct json *annotations = json_new_object();
	_cleanup_json_ struct json *dead = NULL, *alive = NULL;

	json_object_add(annotations, "k", json_new_string("v"));
	dead = hooks_state(&known, annotations);
	known.pid = 7;
	alive = hooks_state(&known, json_new_object());
	assert_string_equal(json_get_string(dead, "ociVersion", ""), "1.3.0");
	assert_string_equal(json_get_string(dead, "id", ""), "a");
	assert_string_equal(json_get_string(dead, "status", ""), "stopped");
	assert_string_equal(json_get_string(dead, "bundle", "-"), "");
	assert_string_equal(json_get_string(json_get(dead, "annotations"), "k", ""), "v");
	assert_null(json_get(dead, "pid"));
	assert_int_equal(json_get_int(alive, "pid", 0), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_state_says_what_is_known),
		cmocka_unit_test_setup_teardown(each_reads_the_whole_state_in_its_turn, setup,
						teardown),
		cmocka_unit_test_setup_teardown(one_that_reads_nothing_neither_blocks_nor_kills_us,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			it_has_its_own_environment_arguments_and_three_descriptors, setup,
			teardown),
		cmocka_unit_test_setup_teardown(no_arguments_and_no_environment_are_none, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_failure_says_which_and_why_and_ends_the_list,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_that_does_not_end_in_time_is_killed_with_its_group, setup, teardown),
		cmocka_unit_test_setup_teardown(after_the_end_all_run_and_each_failure_is_told,
						setup, teardown),
		cmocka_unit_test(what_cannot_run_is_refused_beforehand),
	};

	return cmocka_run_group_tests_name("container/hooks", tests, NULL, NULL);
}
