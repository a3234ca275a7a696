// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "sys/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define DEADLINE_MS 10000
#define NOBODY	    65534

/* What a shell script inside the sandbox prints. */
static struct buf output;
static int status;
static uint64_t capabilities;
static int keep_net;

static int setup(void **state _unused_)
{
	output = BUF_INIT;
	capabilities = 0;
	keep_net = 0;
	if (geteuid() != 0)
		skip();
	return 0;
}

static int teardown(void **state _unused_)
{
	buf_release(&output);
	return 0;
}

static int start(const struct sandbox_spec *spec, struct sandbox *sandbox, struct err *err)
{
	struct pollfd end;

	assert_int_equal(sandbox_start(spec, sandbox, err), 0);
	end = (struct pollfd){ .fd = sandbox->pidfd, .events = POLLIN };
	assert_int_equal(poll(&end, 1, DEADLINE_MS), 1);
	assert_int_equal(waitpid(sandbox->pid, &status, 0), sandbox->pid);
	sandbox->pid = 0;
	return sandbox_failure(sandbox, err);
}

static const char *run(const char *script, const struct sandbox_file *files, size_t n_files)
{
	_cleanup_(sandbox_release) struct sandbox sandbox = SANDBOX_INIT;
	char *argv[] = { (char *)"/bin/sh", (char *)"-c", (char *)script, NULL };
	char *env[] = { (char *)"PATH=/usr/bin:/bin", NULL };
	struct sandbox_limit limit = { RLIMIT_CORE, 0 };
	struct sandbox_spec spec = { .argv = argv,
				     .env = env,
				     .uid = NOBODY,
				     .gid = NOBODY,
				     .group = (gid_t)-1,
				     .capabilities = capabilities,
				     .keep_net = keep_net,
				     .files = files,
				     .n_files = n_files,
				     .limits = &limit,
				     .n_limits = 1,
				     .into_cgroup = -EBADF };
	int pipefd[2], fds[3];
	struct err err = ERR_INIT;
	char chunk[4096];
	ssize_t n;

	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	fds[0] = -EBADF;
	fds[1] = fds[2] = pipefd[1];
	spec.fds = fds;
	spec.n_fds = 3;
	if (start(&spec, &sandbox, &err) < 0)
		fail_msg("%s", err.msg);
	fd_close(pipefd[1]);
	while ((n = read(pipefd[0], chunk, sizeof(chunk))) > 0)
		buf_add(&output, chunk, (size_t)n);
	fd_close(pipefd[0]);
	return output.data ? output.data : "";
}

static void it_is_nobody_without_groups_or_privilege(void **state _unused_)
{
	assert_string_equal(run("id -u; id -g; id -G", NULL, 0), "65534\n65534\n65534\n");
}

static void it_sees_programs_but_no_data_of_the_host(void **state _unused_)
{
	assert_string_equal(
		run("ls -d /home /var /proc/1 /sys/kernel /etc/passwd 2>/dev/null; ls /dev", NULL,
		    0),
		"null\n");
}

static void it_can_write_nowhere(void **state _unused_)
{
	run("touch /x /usr/x /dev/x /etc/x 2>/dev/null; echo $?; echo y >/dev/null && echo null",
	    NULL, 0);
	assert_string_equal(output.data, "1\nnull\n");
}

static void it_is_alone(void **state _unused_)
{
	assert_string_equal(run("echo $$; kill -0 2 2>/dev/null || echo alone", NULL, 0),
			    "1\nalone\n");
}

static void files_are_shown_under_a_name_of_their_own(void **state _unused_)
{
	const struct sandbox_file file = { .path = "/etc/passwd", .name = "boot/users" };

	run("head -c 5 /boot/users; echo; cat /etc/passwd 2>/dev/null || echo hidden", &file, 1);
	assert_string_equal(output.data, "root:\nhidden\n");
}

static void a_folder_can_be_writable(void **state _unused_)
{
	char folder[] = "/tmp/brig-sandbox-XXXXXX";
	const struct sandbox_file file = { .path = folder, .name = "data", .writable = 1 };

	assert_non_null(mkdtemp(folder));
	assert_int_equal(chown(folder, NOBODY, NOBODY), 0);
	run("echo kept >/data/file; cat /data/file; touch /x 2>/dev/null || echo alone", &file, 1);
	assert_int_equal(file_remove_tree(AT_FDCWD, folder), 0);
	assert_string_equal(output.data, "kept\nalone\n");
}

static const char privileges[] = "/usr/bin/python3 -c '\n"
				 "import socket, os\n"
				 "def can(what, *args):\n"
				 "  try: what(*args)\n"
				 "  except PermissionError: return 0\n"
				 "  return 1\n"
				 "print(can(socket.socket, socket.AF_INET, socket.SOCK_RAW, 1),"
				 " can(os.setuid, 0), can(os.chroot, \"/\"), os.getuid())'";

static void it_keeps_only_the_capabilities_that_were_asked_for(void **state _unused_)
{
	run(privileges, NULL, 0);
	capabilities = UINT64_C(1) << CAP_NET_RAW;
	run(privileges, NULL, 0);
	assert_string_equal(output.data, "0 0 0 65534\n1 0 0 65534\n");
}

/* Names of abstract sockets are those of a network namespace. */
static void it_stays_in_our_network_if_it_is_to(void **state _unused_)
{
	const char *script = "/usr/bin/python3 -c '\n"
			     "import socket\n"
			     "s = socket.socket(socket.AF_UNIX)\n"
			     "print(s.connect_ex(\"\\0brig-test-sandbox\"))'";
	const struct sockaddr_un address = { .sun_family = AF_UNIX,
					     .sun_path = "\0brig-test-sandbox" };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (const struct sockaddr *)&address,
			      sizeof(sa_family_t) + sizeof("\0brig-test-sandbox") - 1),
			 0);
	assert_int_equal(listen(fd, 4), 0);
	run(script, NULL, 0);
	keep_net = 1;
	run(script, NULL, 0);
	assert_string_equal(output.data, "111\n0\n");
}

static void only_the_given_descriptors_are_open(void **state _unused_)
{
	int leak = open("/etc/shadow", O_RDONLY);

	assert_true(leak >= 0);
	run("for i in 3 4 5 6 7 8 9; do eval \"true <&$i\" 2>/dev/null && echo $i; done; echo end",
	    NULL, 0);
	fd_close(leak);
	assert_string_equal(output.data, "end\n");
}

static void what_goes_wrong_before_the_program_runs_is_told(void **state _unused_)
{
	_cleanup_(sandbox_release) struct sandbox sandbox = SANDBOX_INIT;
	char *argv[] = { (char *)"/nonexistent", NULL };
	const struct sandbox_spec spec = { .argv = argv,
					   .env = argv + 1,
					   .uid = NOBODY,
					   .gid = NOBODY,
					   .group = (gid_t)-1,
					   .into_cgroup = -EBADF };
	struct err err = ERR_INIT;

	assert_int_equal(start(&spec, &sandbox, &err), -ENOENT);
	assert_string_equal(err.msg, "cannot run /nonexistent: No such file or directory");
}

/* A child starts a sandbox that never ends by itself and dies; the sandbox must follow. */
static void it_dies_with_its_maker(void **state _unused_)
{
	char *argv[] = { (char *)"/bin/sh", (char *)"-c", (char *)"echo up; read x", NULL };
	struct pollfd end;
	int out[2], in[2];
	char line[3];
	pid_t pid;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		const int fds[] = { in[0], out[1], out[1] };
		const struct sandbox_spec spec = { .argv = argv,
						   .env = argv + 3,
						   .uid = NOBODY,
						   .gid = NOBODY,
						   .group = (gid_t)-1,
						   .fds = fds,
						   .n_fds = 3,
						   .into_cgroup = -EBADF };
		struct sandbox sandbox = SANDBOX_INIT;
		struct err err = ERR_INIT;

		if (sandbox_start(&spec, &sandbox, &err) == 0)
			pause();
		_exit(1);
	}
	fd_close(out[1]);
	assert_int_equal(read(out[0], line, 3), 3);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	end = (struct pollfd){ .fd = out[0] };
	assert_int_equal(poll(&end, 1, DEADLINE_MS), 1);
	assert_true(end.revents & POLLHUP);
	fd_close(out[0]);
	fd_close(in[0]);
	fd_close(in[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_nobody_without_groups_or_privilege),
		TEST(it_sees_programs_but_no_data_of_the_host),
		TEST(it_can_write_nowhere),
		TEST(it_is_alone),
		TEST(files_are_shown_under_a_name_of_their_own),
		TEST(a_folder_can_be_writable),
		TEST(it_keeps_only_the_capabilities_that_were_asked_for),
		TEST(it_stays_in_our_network_if_it_is_to),
		TEST(only_the_given_descriptors_are_open),
		TEST(what_goes_wrong_before_the_program_runs_is_told),
		TEST(it_dies_with_its_maker),
	};

	return cmocka_run_group_tests_name("sys/sandbox", tests, NULL, NULL);
}
