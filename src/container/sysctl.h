/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_SYSCTL_H
#define CONTAINER_SYSCTL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/record.h"

/*
 * linux.sysctl: settings of the kernel's that belong to a namespace. Those that all of the host shares, or that the
 * container shares with the host, are refused.
 *
 * A name has dots ("net.ipv4.ip_forward") or slashes ("net/ipv4/ip_forward"), as for sysctl(8): the first one that
 * occurs separates, the other one is part of a name ("net.ipv4.conf.eth0/1.forwarding").
 */

/* own_namespaces: CLONE_NEW* that are not the host's. The error names linux.sysctl["NAME"]. */
int sysctl_check(const struct record_pair *pairs, size_t n, uint64_t own_namespaces,
		 struct err *err);

/*
 * By a process in the container's namespaces, and with its user namespace's root. proc: the root of a procfs, as
 * sys/procfs.h has it; one that hides sys (subset=pid) will not do. Names that sysctl_check() has not seen may be
 * anything below /proc/sys.
 */
int sysctl_apply(int proc, const struct record_pair *pairs, size_t n, struct err *err);

#endif
