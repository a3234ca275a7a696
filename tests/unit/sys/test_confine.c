// SPDX-License-Identifier: GPL-2.0-or-later
#include "sys/confine.h"
#include "base/file.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static const char *const syscalls[] = {
	"openat",   "openat2", "close",		 "read",	 "write",	 "newfstatat",
	"fstat",    "mknodat", "chdir",		 "brk",		 "mmap",	 "munmap",
	"mprotect", "futex",   "rt_sigprocmask", "rt_sigaction", "rt_sigreturn", "sigaltstack",
	"getpid",   "gettid",  "tgkill",	 "exit_group",	 NULL,
};

static char folder[64];

static int setup(void **state _unused_)
{
	if (geteuid() != 0)
		skip();
	snprintf(folder, sizeof(folder), "/var/tmp/brig-confine-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state _unused_)
{
	return file_remove_tree(AT_FDCWD, folder);
}

static int run(confine_fn fn, void *ctx, void *result, size_t size, struct err *err)
{
	_cleanup_close_ int root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_confine_ struct confine_child child = CONFINE_CHILD_INIT;
	const struct confine_spec spec = {
		.fn = fn,
		.ctx = ctx,
		.root_fd = root,
		.keep_fds = { -EBADF, -EBADF },
		.capabilities = 1ULL << CAP_MKNOD | 1ULL << CAP_DAC_OVERRIDE,
		.syscalls = syscalls,
		.memory_max = (uint64_t)256 << 20,
		.result_size = size,
	};
	int64_t done = 0;
	int r = confine_start(&spec, &child, err);

	while (r == 0 && (r = confine_read(&child, &done, result, size, err)) > 0)
		r = 0;
	return r;
}

/* What the child could do that it must not, one character each; "" is what we want. */
struct escapes {
	char text[32];
};

static void note(struct escapes *escapes, int escaped, char what)
{
	char letters[2] = { what, '\0' };

	if (escaped)
		strncat(escapes->text, letters, sizeof(escapes->text) - strlen(escapes->text) - 1);
}

static int try_to_escape(void *ctx, int report_fd _unused_, void *result, struct err *err _unused_)
{
	const int *outside = ctx;
	struct escapes *escapes = result;
	struct stat st;

	note(escapes, openat(AT_FDCWD, "/etc/passwd", O_RDONLY) >= 0, 'p');
	note(escapes, openat(AT_FDCWD, "../../etc/passwd", O_RDONLY) >= 0, 'u');
	note(escapes, openat(*outside, "etc/passwd", O_RDONLY) >= 0, 'f');
	note(escapes, fstatat(AT_FDCWD, "/inside", &st, 0) < 0, 'i');
	note(escapes, mknodat(AT_FDCWD, "null", S_IFCHR | 0666, makedev(1, 3)) < 0, 'n');
	note(escapes, openat(AT_FDCWD, "null", O_RDWR) >= 0, 'd');
	note(escapes, chroot(".") == 0, 'c');
	note(escapes, mount("x", "/", "tmpfs", 0, NULL) == 0, 'm');
	note(escapes, socket(AF_INET, SOCK_STREAM, 0) >= 0, 's');
	note(escapes, fork() >= 0, 'k');
	note(escapes, execl("/inside", "x", (char *)NULL) == 0, 'x');
	return 0;
}

static void the_child_reaches_its_folder_and_nothing_else(void **state _unused_)
{
	_cleanup_close_ int outside = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct escapes escapes = { .text = "" };
	struct err err = ERR_INIT;
	char inside[96];

	snprintf(inside, sizeof(inside), "%s/inside", folder);
	assert_int_equal(file_replace(AT_FDCWD, inside, "x", 1, 0755, 0), 0);
	assert_int_equal(run(try_to_escape, &outside, &escapes, sizeof(escapes), &err), 0);
	assert_string_equal(escapes.text, "");
}

static int fail_with_words(void *ctx _unused_, int report_fd, void *result _unused_,
			   struct err *err)
{
	confine_progress(report_fd, 1);
	confine_progress(report_fd, 2);
	return err_set(err, -EXDEV, "these words");
}

static void its_error_arrives_whole(void **state _unused_)
{
	struct err err = ERR_INIT;

	assert_int_equal(run(fail_with_words, NULL, NULL, 0, &err), -EXDEV);
	assert_string_equal(err.msg, "these words");
}

static int die(void *ctx _unused_, int report_fd _unused_, void *result _unused_,
	       struct err *err _unused_)
{
	raise(SIGKILL);
	return 0;
}

static void its_death_is_an_error(void **state _unused_)
{
	struct err err = ERR_INIT;

	assert_true(run(die, NULL, NULL, 0, &err) < 0);
	assert_non_null(strstr(err.msg, "signal 9"));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(the_child_reaches_its_folder_and_nothing_else),
		CASE(its_error_arrives_whole),
		CASE(its_death_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
