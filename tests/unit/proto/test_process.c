// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/process.h"
#include "base/mem.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

static const char passwd[] = "root:x:0:0:root:/root:/bin/bash\n"
			     "broken:x:12ab:0::/:/bin/sh\n"
			     "negative:x:-1:0::/:/bin/sh\n"
			     "no fields at all\n"
			     "web:x:33:133:web:/srv/web:/bin/false\n"
			     "1000:x:5:5::/trap:/bin/sh\n"
			     "alice:x:1000:1000:Alice,,,:/home/alice:/bin/zsh";
static const char group[] = "root:x:0:\n"
			    "adm:x:4:alice,web\n"
			    "broken:x:9999999999:alice\n"
			    "sudo:x:27:bob,alice\n"
			    "alice:x:1000:alice\n"
			    "alic:x:77:alic,alicee";

#define WORDS(...) ((char **)(const char *[]){ __VA_ARGS__, NULL })

static int identify(const char *user, struct process_identity *ret, struct err *err)
{
	return process_identify_text(user, passwd, strlen(passwd), group, strlen(group), ret, err);
}

static void a_name_brings_its_ids_groups_home_and_shell(void **state _unused_)
{
	struct process_identity who = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(identify("alice", &who, &err), 0);
	assert_int_equal(who.uid, 1000);
	assert_int_equal(who.gid, 1000);
	assert_int_equal(who.n_groups, 2);
	assert_int_equal(who.groups[0], 4);
	assert_int_equal(who.groups[1], 27);
	assert_string_equal(who.home, "/home/alice");
	assert_string_equal(who.shell, "/bin/zsh");
}

static void no_user_is_root(void **state _unused_)
{
	struct process_identity who = { .uid = 7 };
	struct err err = ERR_INIT;

	assert_int_equal(identify("", &who, &err), 0);
	assert_int_equal(who.uid, 0);
	assert_int_equal(who.gid, 0);
	assert_string_equal(who.home, "/root");
	assert_int_equal(process_identify_text(NULL, NULL, 0, NULL, 0, &who, &err), 0);
	assert_int_equal(who.uid, 0);
	assert_string_equal(who.home, "/");
}

static void a_number_is_a_uid_and_needs_no_entry(void **state _unused_)
{
	struct process_identity who = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(identify("1000", &who, &err), 0);
	assert_int_equal(who.uid, 1000); /* not the user whose name is 1000 */
	assert_int_equal(who.gid, 1000);
	assert_int_equal(who.n_groups, 2);
	assert_int_equal(identify("4242", &who, &err), 0);
	assert_int_equal(who.uid, 4242);
	assert_int_equal(who.gid, 0);
	assert_int_equal(who.n_groups, 0);
	assert_string_equal(who.home, "/");
}

static void a_group_replaces_the_users_groups(void **state _unused_)
{
	struct process_identity who = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(identify("alice:sudo", &who, &err), 0);
	assert_int_equal(who.uid, 1000);
	assert_int_equal(who.gid, 27);
	assert_int_equal(who.n_groups, 0);
	assert_int_equal(identify("33:44", &who, &err), 0);
	assert_int_equal(who.uid, 33);
	assert_int_equal(who.gid, 44);
}

static void what_is_no_user_is_refused(void **state _unused_)
{
	static const char *const bad[] = { "1abc",	 "-1",	       "0x10",
					   "4294967295", "4294967296", "nobody",
					   "broken",	 "negative",   "alice:",
					   "alice:no",	 "alice:-1",   "alice:99999999999999999999",
					   "1000 ",	 " 1000",      "alice:sudo:adm" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct process_identity who = { .uid = 77 };
		struct err err = ERR_INIT;

		assert_true(identify(bad[i], &who, &err) < 0);
		assert_true(err_is_set(&err));
		assert_int_equal(who.uid, 77);
	}
}

static void hostile_databases_do_no_harm(void **state _unused_)
{
	struct process_identity who = { 0 };
	struct err err = ERR_INIT;
	_cleanup_free_ char *text = mem_zalloc(1 << 20);
	size_t used = 0;

	/* a name of megabytes, no newline, NULs, a home that is too long */
	memset(text, 'a', (1 << 20) - 1);
	assert_int_equal(process_identify_text("a", text, 1 << 20, text, 1 << 20, &who, &err),
			 -ENOENT);
	used = (size_t)sprintf(text, "x:x:5:6:g:/");
	assert_int_equal(process_identify_text("x", text, 2000, NULL, 0, &who, &err), 0);
	assert_int_equal(who.uid, 5);
	assert_string_equal(who.home, "/");
	text[used] = '\0';
	assert_int_equal(process_identify_text("x", "x\0:x:5:6::/:", 12, NULL, 0, &who, &err),
			 -ENOENT);
	/* more groups than anybody has */
	used = 0;
	for (int i = 0; i < 1000; i++)
		used += (size_t)sprintf(text + used, "g%d:x:%d:alice\n", i, i + 2000);
	assert_int_equal(
		process_identify_text("alice", passwd, strlen(passwd), text, used, &who, &err), 0);
	assert_int_equal(who.n_groups, PROCESS_GROUPS_MAX);
}

static void this_machines_root_is_known(void **state _unused_)
{
	struct process_identity who = { .uid = 7 };
	struct err err = ERR_INIT;

	assert_int_equal(process_identify("root", &who, &err), 0);
	assert_int_equal(who.uid, 0);
	assert_string_equal(who.home, "/root");
	who = (struct process_identity){ .uid = 0, .home = "/else" };
	process_find_home(&who);
	assert_string_equal(who.home, "/root");
	who = (struct process_identity){ .uid = 4000000, .home = "/else" };
	process_find_home(&who);
	assert_string_equal(who.home, "/");
}

/* Runs argv in a child; its exit status, and what it said on stdout or as an error. */
static int run(const struct process *process, char *said, size_t size)
{
	struct process_identity who = { .home = "/nowhere" };
	struct err err = ERR_INIT;
	int pipefd[2], status = 0;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(pipefd), 0);
	pid = fork();
	if (pid == 0) {
		dup2(pipefd[1], STDOUT_FILENO);
		process_exec(process, &who, &err);
		if (write(STDOUT_FILENO, err.msg, strlen(err.msg)) < 0)
			_exit(1);
		_exit(err.exit_status);
	}
	close(pipefd[1]);
	while ((n = read(pipefd[0], said + len, size - 1 - len)) > 0)
		len += (size_t)n;
	said[len] = '\0';
	close(pipefd[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

static int run_words(const char *cwd, char *const *words, char *const *env, char said[512])
{
	struct process process = { .argv = (char **)words,
				   .env = (char **)env,
				   .cwd = (char *)cwd };

	return run(&process, said, 512);
}

static void a_program_is_looked_up_in_the_given_path(void **state _unused_)
{
	char **words = WORDS("sh", "-c", "echo $PATH $HOME $TERM; pwd");
	struct process process = { .argv = words,
				   .env = WORDS("PATH=/nowhere:/usr/bin:/bin"),
				   .tty = 1 };
	char said[512];

	assert_int_equal(run(&process, said, sizeof(said)), 0);
	assert_string_equal(said, "/nowhere:/usr/bin:/bin /nowhere xterm\n/\n");
	assert_int_equal(run_words("/", words, WORDS("PATH=/nowhere"), said), 127);
	assert_non_null(strstr(said, "'sh'"));
	assert_int_equal(run_words("", WORDS("sh", "-c", "exit 7"), NULL, said), 7);
}

static void failures_have_dockers_exit_statuses(void **state _unused_)
{
	char folder[] = "/tmp/brig-test-XXXXXX";
	_cleanup_free_ char *plain = NULL, *text = NULL, *script = NULL, *env_path = NULL;
	char said[512];
	int fd;

	assert_non_null(mkdtemp(folder));
	plain = mem_printf("%s/plain", folder);
	text = mem_printf("%s/text", folder);
	script = mem_printf("%s/script", folder);
	env_path = mem_printf("PATH=%s", folder);
	fd = open(plain, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	close(fd);
	fd = open(text, O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
	assert_int_equal(write(fd, "echo\n", 5), 5);
	close(fd);
	fd = open(script, O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
	assert_int_equal(write(fd, "#!/no/such/interpreter\n", 23), 23);
	close(fd);

	assert_int_equal(run_words("", WORDS(plain), NULL, said), 126);
	assert_int_equal(run_words("", WORDS(text), NULL, said), 126);
	assert_int_equal(run_words("", WORDS(script), NULL, said), 127);
	assert_non_null(strstr(said, "interpreter"));
	assert_int_equal(run_words("", WORDS(folder), NULL, said), 126);
	assert_non_null(strstr(said, "permission denied"));
	assert_int_equal(run_words("", WORDS("/no/such/thing"), NULL, said), 127);
	assert_non_null(strstr(said, "no such file or directory"));
	assert_int_equal(run_words("", WORDS("nosuch"), NULL, said), 127);
	assert_non_null(strstr(said, "executable file not found in $PATH"));
	assert_int_equal(run_words("", WORDS(""), NULL, said), 127);
	assert_int_equal(run_words("", WORDS("plain"), WORDS(env_path), said), 126);
	assert_int_equal(run_words("", WORDS("script"), WORDS(env_path), said), 127);
	assert_non_null(strstr(said, "interpreter"));
	assert_int_equal(run_words("/etc/passwd", WORDS("true"), NULL, said), 126);

	unlink(plain);
	unlink(text);
	unlink(script);
	rmdir(folder);
}

static void a_missing_working_directory_is_made(void **state _unused_)
{
	char folder[] = "/tmp/brig-test-XXXXXX", said[512];
	_cleanup_free_ char *deep = NULL, *middle = NULL, *line = NULL;

	assert_non_null(mkdtemp(folder));
	middle = mem_printf("%s/a", folder);
	deep = mem_printf("%s/b", middle);
	line = mem_printf("%s\n", deep);
	assert_int_equal(run_words(deep, WORDS("/bin/pwd"), NULL, said), 0);
	assert_string_equal(said, line);
	rmdir(deep);
	rmdir(middle);
	rmdir(folder);
}

static void a_process_crosses_the_wire_whole(void **state _unused_)
{
	struct process process = { .argv = WORDS("a", "", "c d"),
				   .env = WORDS("X=1"),
				   .cwd = (char *)"/w",
				   .user = (char *)"u",
				   .tty = 1,
				   .interactive = 1,
				   .groups = WORDS("7", "8"),
				   .no_new_privs = 1,
				   .rows = 24,
				   .columns = 80 };
	_cleanup_process_ struct process got = { 0 };
	_cleanup_buf_ struct buf buf = BUF_INIT;
	struct frame frame = { 0 };

	process_put(&buf, &process);
	frame = (struct frame){ .len = (uint32_t)buf.len, .payload = (uint8_t *)buf.data };
	assert_int_equal(process_get(&frame, &got), 0);
	assert_int_equal(strv_len(got.argv), 3);
	assert_string_equal(got.argv[2], "c d");
	assert_string_equal(got.env[0], "X=1");
	assert_string_equal(got.cwd, "/w");
	assert_string_equal(got.user, "u");
	assert_string_equal(got.groups[1], "8");
	assert_true(got.tty && got.interactive && got.no_new_privs && !got.privileged);
	assert_int_equal(got.rows, 24);
	assert_int_equal(got.columns, 80);
}

static void a_process_has_the_groups_that_it_names(void **state _unused_)
{
	struct process process = { .user = (char *)"4000:5000", .groups = WORDS("7", "8") };
	struct process bad = { .user = (char *)"4000:5000", .groups = WORDS("7x") };
	struct process_identity identity = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(process_identify_groups(&process, &identity, &err), 0);
	assert_int_equal(identity.uid, 4000);
	assert_int_equal(identity.gid, 5000);
	assert_int_equal(identity.n_groups, 2);
	assert_int_equal(identity.groups[1], 8);
	assert_int_equal(process_identify_groups(&bad, &identity, &err), -EINVAL);
}

static void a_cut_or_empty_process_is_refused(void **state _unused_)
{
	struct process process = { .argv = WORDS("a", "b") };
	_cleanup_buf_ struct buf buf = BUF_INIT;
	size_t whole;

	process_put(&buf, &process);
	whole = buf.len;
	for (size_t len = 0; len <= whole; len++) {
		_cleanup_process_ struct process got = { 0 };
		struct frame frame = { .len = (uint32_t)len, .payload = (uint8_t *)buf.data };

		assert_int_equal(process_get(&frame, &got), len == whole ? 0 : -EBADMSG);
	}
	process.argv = NULL;
	buf.len = 0;
	process_put(&buf, &process);
	{
		_cleanup_process_ struct process got = { 0 };
		struct frame frame = { .len = (uint32_t)buf.len, .payload = (uint8_t *)buf.data };

		assert_int_equal(process_get(&frame, &got), -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_brings_its_ids_groups_home_and_shell),
		cmocka_unit_test(no_user_is_root),
		cmocka_unit_test(a_number_is_a_uid_and_needs_no_entry),
		cmocka_unit_test(a_group_replaces_the_users_groups),
		cmocka_unit_test(what_is_no_user_is_refused),
		cmocka_unit_test(hostile_databases_do_no_harm),
		cmocka_unit_test(this_machines_root_is_known),
		cmocka_unit_test(a_program_is_looked_up_in_the_given_path),
		cmocka_unit_test(failures_have_dockers_exit_statuses),
		cmocka_unit_test(a_missing_working_directory_is_made),
		cmocka_unit_test(a_process_crosses_the_wire_whole),
		cmocka_unit_test(a_process_has_the_groups_that_it_names),
		cmocka_unit_test(a_cut_or_empty_process_is_refused),
	};

	return cmocka_run_group_tests_name("proto/process", tests, NULL, NULL);
}
