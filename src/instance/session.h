/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_SESSION_H
#define INSTANCE_SESSION_H

#include "base/err.h"

/*
 * The client's side of a process in an instance: passes bytes between three local descriptors and a
 * session with a keeper (or a terminal's master), until the process ends. Signals that reach us
 * (HUP INT QUIT TERM USR1 USR2, without a tty) go to it; with a tty the local terminal is raw meanwhile,
 * follows SIGWINCH, and is restored whatever happens.
 */
struct session_options {
	int stdio[3]; /* in (negative: none), out, err */
	int tty;      /* the remote side is a terminal; if stdio[0] is one too it becomes raw */
	int pass_signals;
	const char *detach_keys; /* bytes that detach ("\x10\x11" = ctrl-p ctrl-q), NULL: none */
};

#define SESSION_DETACHED (-1000) /* *ret_status when the user detached */

/* fd: a keeper's socket on which the request was sent already. Takes over fd. */
int session_run(int fd, const struct session_options *options, int *ret_status, struct err *err);
/* The same with a child of ours: its pid, and its terminal's master if it has one (taken over). */
int session_run_child(int pid, int pty, const struct session_options *options, int *ret_status,
		      struct err *err);

/* Waits for a session's STARTED; an ERROR becomes err. */
int session_wait_started(int fd, struct err *err);

#endif
