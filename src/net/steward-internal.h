/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_STEWARD_INTERNAL_H
#define NET_STEWARD_INTERNAL_H

#include <sys/types.h>

#include "base/err.h"
#include "net/network.h"
#include "sys/link.h"

/* What the steward and who starts it agree on. */
#define STEWARD_REPORT_FD 3
#define STEWARD_DNS_PORT  53
#define STEWARD_SAID	  "said" /* a FIFO: what dnsmasq says */

/* Waits until neither steward nor dnsmasq has the FIFO open, which is made if it is not there. dir: RUN/.net/NAME. */
int steward_wait_gone(int dir, struct err *err);

/* Whom dnsmasq runs as: the package's user, else nobody. The caller frees the name. */
char *steward_find_user(uid_t *ret_uid, gid_t *ret_gid);

#endif
