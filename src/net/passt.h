/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_PASST_H
#define NET_PASST_H

#include <sys/types.h>

#include "base/err.h"
#include "proto/nic.h"

/*
 * Command lines of passt(1): an ordinary process that takes packets and makes connections of its own of them, with no more rights
 * than any program of the user's. By the name pasta it has its end of the packets in a network namespace, for a container; by
 * the name passt on a stream, for a VM. The oldest version that is meant is of March 2023 (Debian 12).
 */
struct passt {
	const struct nic_setup
		*setup;	    /* of the instance; what it has no address of is not spoken at all */
	char *const *ports; /* as of net/publish.h */
	pid_t pid;	    /* pasta: in whose namespaces; 0: passt */
};

/* passt's stream (proto/driver.h, struct driver_nic); and where it says that it is ready, by any byte. */
#define PASST_STREAM 3
#define PASST_READY  STDOUT_FILENO

/*
 * What an instance has for addresses: everyone the same, since each is alone there. slirp4netns(1) has them as well, so that
 * they are nothing new to who knows rootless containers.
 */
#define PASST_IP      "10.0.2.100"
#define PASST_VIA     "10.0.2.2"
#define PASST_IP6     "fd00::100"
#define PASST_VIA6    "fd00::2"
#define PASST_PREFIX  24
#define PASST_PREFIX6 64    /* what it takes for granted */
#define PASST_MTU     65520 /* its own default: the largest packet, in words of 32 bits */

/* What is missing here for containers, or for VMs: -ENOENT the program, or else the error of /dev/net/tun; it says what to do. */
int passt_check(int is_vm, struct err *err);

/* All arguments, the program's path the first; caller frees. */
int passt_command(const struct passt *passt, char ***ret, struct err *err);

#endif
