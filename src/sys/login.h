/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_LOGIN_H
#define SYS_LOGIN_H

#include <sys/types.h>

/* A user of the host's. */
struct login {
	char *name, *home;
};

/*
 * From /etc/passwd, else by getent(1), which knows the users of a directory, too; this program is linked statically
 * and cannot ask for itself. -ENOENT: nobody has heard of the user.
 */
int login_find(uid_t uid, struct login *ret);
void login_release(struct login *login);
#define _cleanup_login_ _cleanup_(login_release)

#endif
