/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_INGRESS_H
#define SYS_INGRESS_H

#include "base/err.h"

/*
 * All that comes in by one interface goes out by another, in the kernel and before its stack has seen it. sock: as in
 * sys/link.h, of the calling thread's own network namespace, where both interfaces are. Functions return 0 or -errno, with
 * the kernel's words.
 */

/*
 * *ret_hold: a descriptor that holds it: with the last one closed it is over. Or -EBADF, before Linux 6.6: it stays until
 * ingress_clear(), or the interface's end; and once `to` is gone, what comes in is dropped.
 */
int ingress_redirect(int sock, int from, int to, int *ret_hold, struct err *err);
/* The one with a descriptor and that without alone. -EINVAL: the kernel has no such thing (no words). */
int ingress_redirect_held(int from, int to, int *ret_hold, struct err *err);
int ingress_redirect_left(int sock, int from, int to, struct err *err);

/* Takes away what ingress_redirect() has left. None, or no such interface, is fine. */
int ingress_clear(int sock, int from, struct err *err);

#endif
