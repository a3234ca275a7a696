/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_TAKE_H
#define BASE_TAKE_H

/*
 * Ownership: release at the end of the scope (_cleanup_*), hand-over by take_*().
 * A function that uses these uses no goto. Descriptors start at -EBADF and are O_CLOEXEC.
 */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn)	  __attribute__((cleanup(fn)))
#define _printf_(f, a)	  __attribute__((format(printf, f, a)))
#define _unused_	  __attribute__((unused))
#define _must_check_	  __attribute__((warn_unused_result))
#define _noreturn_	  __attribute__((noreturn))
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Closes fd if it is one, keeps errno. Always returns -EBADF, to be stored back. */
static inline int fd_close(int fd)
{
	if (fd >= 0) {
		int saved = errno;

		close(fd);
		errno = saved;
	}
	return -EBADF;
}

static inline void take_closep(int *fd)
{
	*fd = fd_close(*fd);
}

static inline void take_freep(void *p)
{
	free(*(void **)p);
}

static inline void take_fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void take_closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

#define _cleanup_close_	   _cleanup_(take_closep)
#define _cleanup_free_	   _cleanup_(take_freep)
#define _cleanup_fclose_   _cleanup_(take_fclosep)
#define _cleanup_closedir_ _cleanup_(take_closedirp)

/* Hands the descriptor over to the caller; the variable no longer owns it. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -EBADF;
	return taken;
}

/* Hands the pointer over to the caller; the variable no longer owns it. */
#define take_ptr(p)                       \
	({                                \
		__auto_type _taken = (p); \
		(p) = NULL;               \
		_taken;                   \
	})

#endif
