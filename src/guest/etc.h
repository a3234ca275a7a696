/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_ETC_H
#define GUEST_ETC_H

#include "base/err.h"
#include "proto/guest.h"

/*
 * Shows files of the machine's in /etc: hostname, hosts, resolv.conf. The caller's root is the instance's, and can be
 * written to. aside: a folder to mount on for a moment.
 */
int etc_show(const struct guest_config *config, const char *aside, struct err *err);

#endif
