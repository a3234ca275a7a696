// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/virtiofsd.h"
#include "base/file.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* The virtiofsd of the distribution, if it is there. */
#define DEADLINE_MS 10000
#define ERRORS	    "errors"
#define TEXT_MAX    (256U << 10)

static char folder[] = "/tmp/test-virtiofsd.XXXXXX";
static char *source;
static struct virtiofsd virtiofsd;
static struct virtiofsd_spec spec;

static int setup(void **state _unused_)
{
	if (geteuid() != 0 || (access("/usr/lib/qemu/virtiofsd", X_OK) < 0 &&
			       access("/usr/libexec/virtiofsd", X_OK) < 0))
		skip();
	memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
	source = mem_printf("%s/source", folder);
	assert_int_equal(mkdir("run", 0700) | mkdir(source, 0755), 0);
	spec = (struct virtiofsd_spec){
		.run_dir = "run",
		.errors_fd = open(ERRORS, O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC, 0600),
		.into_cgroup = -EBADF,
	};
	assert_true(spec.errors_fd >= 0);
	return 0;
}

static int teardown(void **state _unused_)
{
	virtiofsd_release(&virtiofsd);
	spec.errors_fd = fd_close(spec.errors_fd);
	free(source);
	source = NULL;
	assert_int_equal(chdir("/"), 0);
	return file_remove_tree(AT_FDCWD, folder);
}

static void add(const struct virtiofsd_share *share)
{
	struct err err = ERR_INIT;

	assert_int_equal(virtiofsd_add(&virtiofsd, share, &spec, &err), 0);
}

static const struct virtiofsd_server *last(void)
{
	return &virtiofsd.servers[virtiofsd.n - 1];
}

static int becomes(int fd, short events)
{
	struct pollfd wait = { .fd = fd, .events = events };

	return poll(&wait, 1, DEADLINE_MS) == 1;
}

/* vhost-user's GET_FEATURES. 0: it went instead of answering. */
static int answers(const struct virtiofsd_server *server)
{
	const uint32_t request[3] = { 1, 1, 0 };
	uint32_t answer[5] = { 0 };

	if (send(server->socket, request, sizeof(request), MSG_NOSIGNAL) != sizeof(request) ||
	    !becomes(server->socket, POLLIN) ||
	    recv(server->socket, answer, sizeof(answer), MSG_WAITALL) != sizeof(answer))
		return 0;
	return answer[0] == 1 && answer[2] == sizeof(uint64_t);
}

/* The options of what the server, in its jail, has mounted at path; NULL: nothing. */
static char *mounted_as(const struct virtiofsd_server *server, const char *path)
{
	_cleanup_free_ char *name = mem_printf("/proc/%d/mountinfo", (int)server->pid),
			    *want = mem_printf(" %s ", path), *text = NULL;
	const char *next = NULL;

	assert_int_equal(file_read(AT_FDCWD, name, TEXT_MAX, &text, NULL), 0);
	for (const char *at = text; (at = strstr(at, want)); at++)
		next = at;
	return next ? mem_strndup(next + strlen(want), strcspn(next + strlen(want), " ")) : NULL;
}

static void each_folder_has_a_server_until_all_are_released(void **state _unused_)
{
	int pidfds[2];

	add(&(struct virtiofsd_share){ .source = source });
	add(&(struct virtiofsd_share){ .source = folder });
	for (size_t i = 0; i < 2; i++) {
		assert_true(answers(&virtiofsd.servers[i]));
		pidfds[i] = fcntl(virtiofsd.servers[i].pidfd, F_DUPFD_CLOEXEC, 0);
	}
	/* no name leads to them */
	assert_int_not_equal(access("run/share.sock", F_OK), 0);
	virtiofsd_release(&virtiofsd);
	assert_int_equal(virtiofsd.n, 0);
	for (size_t i = 0; i < 2; i++) {
		assert_true(becomes(pidfds[i], POLLIN));
		close(pidfds[i]);
	}
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void one_of_them_can_go_before_the_others(void **state _unused_)
{
	pid_t second;

	add(&(struct virtiofsd_share){ .source = source });
	add(&(struct virtiofsd_share){ .source = folder });
	second = virtiofsd.servers[1].pid;
	virtiofsd_remove(&virtiofsd, 0);
	assert_int_equal(virtiofsd.n, 1);
	assert_int_equal(virtiofsd.servers[0].pid, second);
	assert_true(answers(&virtiofsd.servers[0]));
	virtiofsd_remove(&virtiofsd, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void a_server_ends_with_its_machine(void **state _unused_)
{
	struct virtiofsd_server *server;

	add(&(struct virtiofsd_share){ .source = source });
	server = &virtiofsd.servers[0];
	assert_true(answers(server));
	server->socket = fd_close(server->socket);
	assert_true(becomes(server->pidfd, POLLIN));
}

static void memory_that_ends_costs_the_share_and_not_the_machine(void **state _unused_)
{
	_cleanup_free_ char *path = NULL, *text = NULL;

	add(&(struct virtiofsd_share){ .source = source });
	assert_true(answers(last()));
	path = mem_printf("/proc/%d/oom_score_adj", (int)last()->pid);
	assert_int_equal(file_read(AT_FDCWD, path, TEXT_MAX, &text, NULL), 0);
	assert_string_equal(text, "1000\n");
}

static void what_is_read_only_is_mounted_so(void **state _unused_)
{
	_cleanup_free_ char *writable = NULL, *read_only = NULL;

	add(&(struct virtiofsd_share){ .source = source });
	assert_true(answers(last()));
	writable = mounted_as(last(), "/");
	add(&(struct virtiofsd_share){ .source = source, .read_only = 1 });
	assert_true(answers(last()));
	read_only = mounted_as(last(), "/");
	assert_non_null(writable);
	assert_non_null(read_only);
	assert_memory_equal(writable, "rw", 2);
	assert_memory_equal(read_only, "ro", 2);
	assert_int_equal(access(source, W_OK), 0);
}

static void a_file_is_alone_in_a_folder_of_its_own(void **state _unused_)
{
	_cleanup_free_ char *file = mem_printf("%s/a, file", source),
			    *run_dir = mem_printf("%s/run", folder),
			    *outside = mem_printf("%s/" VIRTIOFSD_FILE, run_dir), *of_folder = NULL,
			    *of_file = NULL;

	assert_int_equal(file_replace(AT_FDCWD, file, "text", 4, 0600, 0), 0);
	spec.run_dir = run_dir;
	add(&(struct virtiofsd_share){ .source = file });
	assert_true(answers(last()));
	of_folder = mounted_as(last(), "/");
	of_file = mounted_as(last(), "/" VIRTIOFSD_FILE);
	assert_non_null(of_folder);
	assert_non_null(of_file);
	assert_memory_equal(of_folder, "ro", 2);
	assert_memory_equal(of_file, "rw", 2);
	/* nothing of that is seen outside */
	assert_int_not_equal(access(outside, F_OK), 0);
}

static void what_cannot_be_shown_is_refused(void **state _unused_)
{
	static const struct {
		const char *source;
		int code;
	} bad[] = { { "/nowhere-at-all", -ENOENT }, { "/dev/null", -EINVAL }, { "a,b", -EINVAL } };

	assert_int_equal(mkdir("a,b", 0755), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const struct virtiofsd_share share = { .source = bad[i].source };
		struct err err = ERR_INIT;

		assert_int_equal(virtiofsd_add(&virtiofsd, &share, &spec, &err), bad[i].code);
		assert_non_null(strstr(err.msg, bad[i].source));
	}
	assert_int_equal(virtiofsd.n, 0);
}

static int refuse(void *ctx _unused_, struct err *err)
{
	return err_set(err, -EPERM, "no cgroup today");
}

static void a_server_that_cannot_be_prepared_says_why_and_goes(void **state _unused_)
{
	_cleanup_free_ char *text = NULL;

	spec.prepare = refuse;
	add(&(struct virtiofsd_share){ .source = source });
	assert_false(answers(last()));
	assert_true(becomes(last()->pidfd, POLLIN));
	assert_int_equal(file_read(AT_FDCWD, ERRORS, TEXT_MAX, &text, NULL), 0);
	assert_string_equal(text, "virtiofsd: no cgroup today\n");
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		WITH(each_folder_has_a_server_until_all_are_released),
		WITH(one_of_them_can_go_before_the_others),
		WITH(a_server_ends_with_its_machine),
		WITH(memory_that_ends_costs_the_share_and_not_the_machine),
		WITH(what_is_read_only_is_mounted_so),
		WITH(a_file_is_alone_in_a_folder_of_its_own),
		WITH(what_cannot_be_shown_is_refused),
		WITH(a_server_that_cannot_be_prepared_says_why_and_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
