/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/take.h"

/*
 * An error that a user can hear of. It is set once, where it happens, and wrapped on the way up with
 * what we were doing. It holds no pointers, so the same bytes go through a pipe from a forked child.
 * Functions that take one take it last, return 0 or -errno, and leave it alone on success.
 */
struct err {
	int code;	 /* -errno of the cause; 0: no error */
	int exit_status; /* what `run` and `exec` exit with: 125, or 126/127 for the workload's file */
	char msg[512]; /* one line, no full stop, no trailing newline */
};

#define ERR_INIT ((struct err){ .code = 0 })

/*
 * Sets the error. code is a negative errno (0 counts as -EIO). Returns code. The message says what is
 * wrong and, where it can, what to do; err_set() does not add strerror(), err_errno() does.
 */
int err_set(struct err *err, int code, const char *fmt, ...) _printf_(3, 4);
int err_errno(struct err *err, int code, const char *fmt, ...) _printf_(3, 4);

/* Prepends "what: " to the message of an error that is set; returns its code. */
int err_wrap(struct err *err, const char *fmt, ...) _printf_(2, 3);

/* True if the error is set. */
static inline int err_is_set(const struct err *err)
{
	return err->code != 0;
}

#endif
