// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/label.h"
#include "base/file.h"
#include "sys/procfs.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <cmocka.h>

static void nothing_asked_for_is_fine_everywhere(void **state _unused_)
{
	static char *const profiles[] = { NULL, (char *)"", (char *)"unconfined" };
	struct config_linux none = { 0 }, empty = { .mount_label = (char *)"" };
	struct err err = ERR_INIT;
	int proc = -EBADF;

	assert_int_equal(procfs_open(&proc, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(profiles); i++) {
		struct config_process process = { .apparmor_profile = profiles[i],
						  .selinux_label = (char *)"" };

		assert_int_equal(label_check(&process, i ? &empty : NULL, &err), 0);
		assert_int_equal(label_apply(&process, proc, &err), 0);
	}
	close(proc);
	assert_null(label_mount_option(&none));
	assert_null(label_mount_option(&empty));
}

static void a_module_that_is_not_there_is_refused_by_name(void **state _unused_)
{
	struct config_process apparmor = { .apparmor_profile = (char *)"brig-default" };
	struct config_process selinux = { .selinux_label = (char *)"system_u:system_r:x_t:s0" };
	struct config_process neither = { 0 };
	struct config_linux mount = { .mount_label = (char *)"system_u:object_r:x_t:s0" };
	struct err err = ERR_INIT;

	if (label_has_apparmor() || label_has_selinux())
		skip();
	assert_int_equal(label_check(&apparmor, NULL, &err), -EOPNOTSUPP);
	assert_string_equal(err.msg,
			    "process.apparmorProfile: there is no AppArmor on this host to "
			    "apply 'brig-default'; leave it out, or say 'unconfined'");
	assert_int_equal(label_check(&selinux, NULL, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "process.selinuxLabel: there is no SELinux on this host"));
	assert_int_equal(label_check(&neither, &mount, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "linux.mountLabel: there is no SELinux on this host"));
}

/* A label that is not set must never pass for one that is. */
static void one_that_cannot_be_applied_is_an_error(void **state _unused_)
{
	struct config_process apparmor = { .apparmor_profile = (char *)"brig-no-such-profile" };
	struct config_process selinux = { .selinux_label = (char *)"no:such:label" };
	struct err err = ERR_INIT;
	int proc = -EBADF, tmp = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(procfs_open(&proc, &err), 0);
	assert_true(label_apply(&apparmor, proc, &err) < 0);
	assert_non_null(strstr(err.msg, "process.apparmorProfile: "));
	if (label_has_apparmor())
		assert_non_null(strstr(err.msg, "AppArmor has no profile 'brig-no-such-profile'"));
	assert_true(label_apply(&selinux, proc, &err) < 0);
	assert_non_null(strstr(err.msg, "process.selinuxLabel: "));
	/* not into what somebody else put there */
	assert_int_equal(label_apply(&selinux, tmp, &err), -EXDEV);
	close(proc);
	close(tmp);
}

static void a_label_with_a_newline_is_refused(void **state _unused_)
{
	struct config_process process = { .apparmor_profile = (char *)"a\nb" };
	struct err err = ERR_INIT;

	if (!label_has_apparmor())
		skip();
	assert_int_equal(label_check(&process, NULL, &err), -EINVAL);
	assert_string_equal(err.msg, "process.apparmorProfile has a control character in it");
}

/* What is set for the next program can be read back. */
static int is_set(const char *profile)
{
	struct config_process process = { .apparmor_profile = (char *)(uintptr_t)profile };
	_cleanup_free_ char *text = NULL;
	struct err err = ERR_INIT;
	int proc = -EBADF;

	if (procfs_open(&proc, &err) < 0 || label_apply(&process, proc, &err) < 0) {
		fprintf(stderr, "# %s\n", err.msg);
		return 1;
	}
	if (file_read(AT_FDCWD, "/proc/thread-self/attr/apparmor/exec", 4096, &text, NULL) < 0)
		return 2;
	return strncmp(text, profile, strlen(profile)) != 0;
}

/* "unconfined" is always there; others are in the list if that can be read. */
static void the_profile_is_that_of_the_next_program(void **state _unused_)
{
	_cleanup_free_ char *list = NULL;
	char *profiles[] = { (char *)"unconfined", NULL };

	if (!label_has_apparmor())
		skip();
	if (file_read(AT_FDCWD, "/sys/kernel/security/apparmor/profiles", 1U << 20, &list, NULL) ==
		    0 &&
	    strstr(list, " ("))
		profiles[1] = strtok(list, " ");
	for (size_t i = 0; i < ARRAY_SIZE(profiles) && profiles[i]; i++) {
		int status = 0;
		pid_t pid = fork();

		if (!pid)
			_exit(is_set(profiles[i]));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

static void file_systems_get_it_as_their_context(void **state _unused_)
{
	struct config_linux config = { .mount_label = (char *)"system_u:object_r:x_t:s0:c1,c2" };
	_cleanup_free_ char *option = label_mount_option(&config);

	assert_string_equal(option, "context=system_u:object_r:x_t:s0:c1,c2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_asked_for_is_fine_everywhere),
		cmocka_unit_test(a_module_that_is_not_there_is_refused_by_name),
		cmocka_unit_test(one_that_cannot_be_applied_is_an_error),
		cmocka_unit_test(a_label_with_a_newline_is_refused),
		cmocka_unit_test(the_profile_is_that_of_the_next_program),
		cmocka_unit_test(file_systems_get_it_as_their_context),
	};

	return cmocka_run_group_tests_name("container/label", tests, NULL, NULL);
}
