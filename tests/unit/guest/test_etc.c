// SPDX-License-Identifier: GPL-2.0-or-later
/* In a mount namespace of the test's own, whose root is an empty tmpfs. */
#include "guest/etc.h"
#include "base/file.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define ASIDE "/aside"

static char *nics[] = { (char *)"name=eth0,mac=02:62:00:00:00:01", NULL };
static int has_root;

/* The last one's is below the next one's, and nobody's when the process ends. */
static int setup(void **state _unused_)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
		return 0;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    (mkdir("/tmp", 0755) < 0 && errno != EEXIST) ||
	    mount("tmpfs", "/tmp", "tmpfs", 0, NULL) < 0 || chroot("/tmp") < 0 || chdir("/") < 0 ||
	    mkdir(ASIDE, 0755) < 0 || mkdir("/etc", 0755) < 0 || mkdir("/proc", 0755) < 0 ||
	    mount("proc", "/proc", "proc", 0, NULL) < 0) /* which LeakSanitizer looks at */
		return -1;
	has_root = 1;
	return 0;
}

static void show(const char *hosts, const char *resolv_conf, int networks, int system)
{
	const struct guest_config config = {
		.hostname = (char *)"web",
		.hosts = (char *)(uintptr_t)hosts,
		.resolv_conf = (char *)(uintptr_t)resolv_conf,
		.nics = networks ? nics : NULL,
		.system = system,
	};
	struct err err = ERR_INIT;

	if (!has_root)
		skip();
	if (etc_show(&config, ASIDE, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(rmdir(ASIDE), 0); /* it is empty, and nothing is mounted there */
}

static void put(const char *path, const char *text)
{
	if (!has_root)
		skip();
	assert_int_equal(file_replace(AT_FDCWD, path, text, strlen(text), 0644, 0), 0);
}

static void assert_file(const char *path, const char *expected)
{
	_cleanup_free_ char *text = NULL;

	assert_int_equal(file_read(AT_FDCWD, path, 4096, &text, NULL), 0);
	assert_string_equal(text, expected);
}

static void they_stand_over_those_of_the_image_which_stay_as_they_are(void **state _unused_)
{
	put("/etc/hostname", "image\n");
	put("/etc/hosts", "image's hosts\n");
	put("/etc/resolv.conf", "image's resolver\n");
	show("ours\n", "nameserver 10.0.0.1\n", 0, 0);
	assert_file("/etc/hostname", "web\n");
	assert_file("/etc/hosts", "ours\n");
	assert_file("/etc/resolv.conf", "nameserver 10.0.0.1\n");
	put("/etc/other", "");
	assert_int_equal(umount2("/etc/hosts", MNT_DETACH), 0);
	assert_file("/etc/hosts", "image's hosts\n");
}

static void they_can_be_written_to(void **state _unused_)
{
	_cleanup_close_ int fd = -EBADF;

	show("ours\n", "", 1, 0);
	fd = open("/etc/hosts", O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(file_write_all(fd, "more\n", 5), 0);
	assert_file("/etc/hosts", "ours\nmore\n");
}

static void what_the_image_lacks_is_made_where_there_is_a_network(void **state _unused_)
{
	show("ours\n", "nameserver 10.0.0.1\n", 1, 0);
	assert_file("/etc/hostname", "web\n");
	assert_file("/etc/hosts", "ours\n");
	assert_file("/etc/resolv.conf", "nameserver 10.0.0.1\n");
}

static void what_the_image_lacks_is_not_made_without_a_network(void **state _unused_)
{
	show("ours\n", "", 0, 0);
	assert_int_equal(access("/etc/hostname", F_OK), -1);
	assert_int_equal(access("/etc/hosts", F_OK), -1);
	assert_int_equal(access("/etc/resolv.conf", F_OK), -1);
}

static void a_systems_own_resolver_is_left_its_link(void **state _unused_)
{
	char target[64] = "";

	if (!has_root)
		skip();
	assert_int_equal(symlink("../run/resolver/stub.conf", "/etc/resolv.conf"), 0);
	show("ours\n", "nameserver 10.0.0.1\n", 1, 1);
	assert_true(readlink("/etc/resolv.conf", target, sizeof(target) - 1) > 0);
	assert_string_equal(target, "../run/resolver/stub.conf");
	assert_int_equal(access("/run/resolver", F_OK), -1);
}

static void a_programs_resolver_file_is_where_its_link_leads(void **state _unused_)
{
	if (!has_root)
		skip();
	assert_int_equal(symlink("../run/resolver/stub.conf", "/etc/resolv.conf"), 0);
	show("ours\n", "nameserver 10.0.0.1\n", 1, 0);
	assert_file("/run/resolver/stub.conf", "nameserver 10.0.0.1\n");
	assert_file("/etc/resolv.conf", "nameserver 10.0.0.1\n");
}

static void what_cannot_be_shown_is_named(void **state _unused_)
{
	const struct guest_config config = { .hostname = (char *)"web",
					     .hosts = (char *)"ours\n",
					     .resolv_conf = (char *)"",
					     .nics = nics };
	struct err err = ERR_INIT;

	if (!has_root)
		skip();
	assert_int_equal(mkdir("/etc/hosts", 0755), 0);
	assert_true(etc_show(&config, ASIDE, &err) < 0);
	assert_non_null(strstr(err.msg, "/etc/hosts"));
	assert_int_equal(rmdir(ASIDE), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		TEST(they_stand_over_those_of_the_image_which_stay_as_they_are),
		TEST(they_can_be_written_to),
		TEST(what_the_image_lacks_is_made_where_there_is_a_network),
		TEST(what_the_image_lacks_is_not_made_without_a_network),
		TEST(a_systems_own_resolver_is_left_its_link),
		TEST(a_programs_resolver_file_is_where_its_link_leads),
		TEST(what_cannot_be_shown_is_named),
	};

	return cmocka_run_group_tests_name("guest/etc", tests, NULL, NULL);
}
