// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/home.h"
#include "base/mem.h"
#include "sys/login.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A process of the host's root's takes no word of the environment, which sudo may have left as the user's. */
static const char *home_variable(const char *name)
{
	const char *value = getenv(name);

	/* XDG Base Directory Specification: a path that is not absolute counts as none */
	return value && *value == '/' ? value : NULL;
}

static int home_user_root(char **ret, struct err *err)
{
	_cleanup_login_ struct login login = { NULL };
	const char *data = home_variable("XDG_DATA_HOME"), *home = home_variable("HOME");

	if (data) {
		*ret = mem_printf("%s/brig", data);
		return 0;
	}
	if (!home && login_find(getuid(), &login) == 0)
		home = login.home;
	if (!home || *home != '/')
		return err_set(err, -ENOENT,
			       "user %u has no home folder: say with --root where to keep images "
			       "and instances",
			       getuid());
	*ret = mem_printf("%s/.local/share/brig", home);
	return 0;
}

/* A folder that nobody else had a hand in. */
static int home_is_private(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       !(st.st_mode & 077);
}

/*
 * Without a login that has set the variable, the folder that the last one made is still the place; where there was
 * none, everybody's /tmp is all there is, and whoever was there first may have made ours.
 */
static int home_user_run(char **ret, struct err *err)
{
	const char *runtime = home_variable("XDG_RUNTIME_DIR");
	_cleanup_free_ char *logged_in = mem_printf(HOME_RUN_OF_USERS "/%u", getuid());
	_cleanup_free_ char *shared = mem_printf("/tmp/brig-%u", getuid());

	if (!runtime && home_is_private(logged_in))
		runtime = logged_in;
	if (runtime) {
		*ret = mem_printf("%s/brig", runtime);
		return 0;
	}
	if (mkdir(shared, 0700) < 0 && errno != EEXIST)
		return err_errno(err, -errno, "cannot make %s", shared);
	if (!home_is_private(shared))
		return err_set(err, -EPERM,
			       "%s is not a folder of user %u alone: set XDG_RUNTIME_DIR, or give "
			       "--run",
			       shared, getuid());
	*ret = take_ptr(shared);
	return 0;
}

int home_find_root(const char *given, char **ret, struct err *err)
{
	if (given || !geteuid()) {
		*ret = mem_strdup(given ? given : HOME_ROOT);
		return 0;
	}
	return home_user_root(ret, err);
}

int home_find_run(const char *given, char **ret, struct err *err)
{
	if (given || !geteuid()) {
		*ret = mem_strdup(given ? given : HOME_RUN);
		return 0;
	}
	return home_user_run(ret, err);
}

int home_check(const char *path, const char *option, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_errno(err, -errno, "cannot look at %s", path);
	if (st.st_uid != geteuid())
		return err_set(
			err, -EPERM,
			"%s belongs to user %u, and this is user %u: each has a place of his "
			"own (%s)",
			path, st.st_uid, geteuid(), option);
	if (st.st_mode & S_IWOTH)
		return err_set(err, -EPERM, "everybody can write to %s: chmod o-w, or give %s",
			       path, option);
	return 0;
}
