/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_FILTER_H
#define SYS_FILTER_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A seccomp filter as the kernel takes it. */
struct filter {
	struct sock_filter *code;
	size_t n;
};

void filter_release(struct filter *filter);
#define _cleanup_filter_ _cleanup_(filter_release)

/* Installs it in the calling process for good; it needs no_new_privs or CAP_SYS_ADMIN. flags:
 * SECCOMP_FILTER_FLAG_*. */
int filter_install(const struct filter *filter, unsigned int flags, struct err *err);

/*
 * The same for a filter with SECCOMP_RET_USER_NOTIF: who listens to it gets its descriptor by the Unix
 * socket `sock`, with data. Whatever the filter decides about the calls that this takes, it is sent.
 */
int filter_install_listener(const struct filter *filter, unsigned int flags, int sock,
			    const void *data, size_t len, struct err *err);

/* Whether the kernel knows the flag. */
int filter_knows_flag(unsigned int flag);

/* A filter in a file: a header with version, length and checksum, then the code. What is not whole and
 * ours is -EBADMSG. */
int filter_load(int dirfd, const char *path, struct filter *ret);
int filter_save(int dirfd, const char *path, const struct filter *filter);

#endif
