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

/* Installs it in the calling process for good; it needs no_new_privs or CAP_SYS_ADMIN. */
int filter_install(const struct filter *filter, struct err *err);

/* A filter in a file: a header with version, length and checksum, then the code. What is not whole and
 * ours is -EBADMSG. */
int filter_load(int dirfd, const char *path, struct filter *ret);
int filter_save(int dirfd, const char *path, const struct filter *filter);

#endif
