// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/login.h"
#include "base/mem.h"

int login_to(const char *host, const char *username, int from_stdin,
	     const struct registry_access *access, struct err *err)
{
	const struct skopeo skopeo = { .access = access,
				       .reference = host,
				       .host = host,
				       .in_fd = STDIN_FILENO,
				       .is_interactive = !from_stdin,
				       .watch_fd = -EBADF };
	_cleanup_strv_ char **argv = NULL;

	if (from_stdin && !username)
		return err_set(err, -EINVAL, "--password-stdin wants --username besides");
	if (!from_stdin && !isatty(STDIN_FILENO))
		return err_set(err, -ENOTTY,
			       "there is no terminal to ask for a password on: give --username and "
			       "--password-stdin");
	skopeo_begin(&argv, "login");
	skopeo_add_access(&argv, access, "");
	if (username)
		strv_add_printf(&argv, "--username=%s", username);
	if (from_stdin)
		strv_add(&argv, "--password-stdin");
	strv_add(&argv, "--");
	strv_add(&argv, host);
	return skopeo_run(&skopeo, argv, err);
}

int login_forget(const char *host, const struct registry_access *access, struct err *err)
{
	const struct skopeo skopeo = { .access = access,
				       .reference = host ? host : "",
				       .host = host ? host : "",
				       .in_fd = -EBADF,
				       .watch_fd = -EBADF };
	_cleanup_strv_ char **argv = NULL;

	skopeo_begin(&argv, "logout");
	if (access->authfile)
		strv_add_printf(&argv, "--authfile=%s", access->authfile);
	strv_add(&argv, host ? "--" : "--all");
	if (host)
		strv_add(&argv, host);
	return skopeo_run(&skopeo, argv, err);
}
