// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/mount_options.h"
#include "base/strv.h"

#include <linux/mount.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mount.h>
#include <cmocka.h>

static void parse(const char *text, struct mount_options *ret)
{
	_cleanup_strv_ char **words = strv_split(text, ",");

	mount_options_parse(words, ret);
}

static void attributes_are_set_and_cleared_and_the_last_word_counts(void **state _unused_)
{
	_cleanup_mount_options_ struct mount_options a = { 0 }, b = { 0 }, c = { 0 };

	parse("ro,nosuid,nodev", &a);
	assert_int_equal(a.set, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	assert_int_equal(a.clear, 0);
	parse("ro,rw,noexec,exec,suid", &b);
	assert_int_equal(b.set, 0);
	assert_int_equal(b.clear, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSUID);
	parse("rw,ro", &c);
	assert_int_equal(c.set, MOUNT_ATTR_RDONLY);
	assert_int_equal(c.clear, 0);
}

/* mount_setattr(2) wants the whole choice cleared whenever one is set. */
static void time_stamps_are_one_choice(void **state _unused_)
{
	_cleanup_mount_options_ struct mount_options a = { 0 }, b = { 0 };

	parse("noatime,strictatime", &a);
	assert_int_equal(a.set, MOUNT_ATTR_STRICTATIME);
	assert_int_equal(a.clear, MOUNT_ATTR__ATIME);
	parse("strictatime,relatime,nodiratime", &b);
	assert_int_equal(b.set, MOUNT_ATTR_NODIRATIME);
	assert_int_equal(b.clear, MOUNT_ATTR__ATIME);
}

static void an_r_in_front_means_all_that_is_below(void **state _unused_)
{
	_cleanup_mount_options_ struct mount_options a = { 0 };

	parse("rbind,rro,rnosuid,rnoatime,rprivate,slave,ridmap", &a);
	assert_true(a.bind && a.recursive);
	assert_int_equal(a.set, 0);
	assert_int_equal(a.set_all, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME);
	assert_int_equal(a.clear_all, MOUNT_ATTR__ATIME);
	assert_int_equal(a.propagation_all, MS_PRIVATE);
	assert_int_equal(a.propagation, MS_SLAVE);
	assert_int_equal(a.idmap, 2);
	assert_null(a.data);
}

static void the_rest_is_the_file_systems(void **state _unused_)
{
	_cleanup_mount_options_ struct mount_options a = { 0 }, none = { 0 };

	parse("mode=755,defaults,size=65536k,sync,tmpcopyup,bind", &a);
	assert_int_equal(strv_len(a.data), 3);
	assert_string_equal(a.data[0], "mode=755");
	assert_string_equal(a.data[2], "sync");
	assert_true(a.copy_up && a.bind && !a.recursive);
	mount_options_parse(NULL, &none);
	assert_null(none.data);
}

/* Of runtime-spec/features-linux.md and config.md, "Linux mount options". */
static void every_word_of_the_specification_is_known(void **state _unused_)
{
	static const char words[] =
		"async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand "
		"noatime nodev nodiratime noexec noiversion nolazytime nomand norelatime "
		"nostrictatime "
		"nosuid nosymfollow private ratime rbind rdev rdiratime relatime remount rexec "
		"rnoatime "
		"rnodev rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro "
		"rprivate "
		"rrelatime rro rrw rshared rslave rstrictatime rsuid rsymfollow runbindable rw "
		"shared "
		"silent slave strictatime suid symfollow sync tmpcopyup unbindable idmap ridmap";
	_cleanup_strv_ char **wanted = strv_split(words, " "), **known = NULL;

	for (unsigned int i = 0; mount_options_name(i); i++)
		strv_add(&known, mount_options_name(i));
	strv_for_each(word, wanted) {
		if (!strv_has(known, *word))
			fail_msg("%s", *word);
	}
	assert_int_equal(strv_len(known), strv_len(wanted));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attributes_are_set_and_cleared_and_the_last_word_counts),
		cmocka_unit_test(time_stamps_are_one_choice),
		cmocka_unit_test(an_r_in_front_means_all_that_is_below),
		cmocka_unit_test(the_rest_is_the_file_systems),
		cmocka_unit_test(every_word_of_the_specification_is_known),
	};

	return cmocka_run_group_tests_name("container/mount_options", tests, NULL, NULL);
}
