/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_FOREGROUND_H
#define CLI_FOREGROUND_H

#include "instance/instance.h"

/* A user's stdio at an instance's main workload: `run`, `start -a`, `attach` and `console`. */

#define FOREGROUND_DETACH_KEYS	"\x10\x11" /* ctrl-p ctrl-q, as docker and podman have it */
#define FOREGROUND_CONSOLE_KEYS "\x01q"	   /* ctrl-a q, as QEMU's and LXC's consoles have it */

struct foreground {
	const char *name;
	int tty; /* the workload has a terminal */
	int take_stdin;
	const char *detach_keys;
};

/* Passes bytes until the workload ends or the user detaches. session is taken over. Returns the exit
 * status (0 after detaching), or -errno. */
int foreground_run(int session, const struct foreground *foreground, struct err *err);

/* The same with a workload that runs already. */
int foreground_attach(const struct instance_home *home, const struct foreground *foreground,
		      struct err *err);

#endif
