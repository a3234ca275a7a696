/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_LOGIN_H
#define IMAGE_LOGIN_H

#include "image/skopeo.h"

#define LOGIN_HOST "docker.io" /* where names without a host are */

/*
 * Checks name and password with the registry and keeps them in the auth file. The password does not pass through
 * us: skopeo asks for it on the terminal, or takes it from our stdin.
 */
int login_to(const char *host, const char *username, int from_stdin,
	     const struct registry_access *access, struct err *err);
/* host NULL: of all registries. */
int login_forget(const char *host, const struct registry_access *access, struct err *err);

#endif
