/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_NETIF_H
#define SYS_NETIF_H

#include "base/err.h"

/* Brings up the loopback interface of the calling process's network namespace; its addresses follow. */
int netif_loopback_up(struct err *err);

#endif
