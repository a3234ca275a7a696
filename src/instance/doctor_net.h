/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_DOCTOR_NET_H
#define INSTANCE_DOCTOR_NET_H

#include "base/json.h"
#include "instance/doctor.h"

/* Checks of instance/doctor.c of what networks need, and of what else the host has that gets in their way. */

/* arg: a device file, which is opened; warns where it cannot be */
int doctor_net_device(const struct instance_home *home, const struct doctor_check *check,
		      char *detail);
int doctor_net_firewall(const struct instance_home *home, const struct doctor_check *check,
			char *detail);
int doctor_net_bridge_filter(const struct instance_home *home, const struct doctor_check *check,
			     char *detail);
int doctor_net_forwarding(const struct instance_home *home, const struct doctor_check *check,
			  char *detail);

/*
 * Who keeps packets from a bridge: given what `nft -j list ruleset` says, a table of somebody else's with a chain at the
 * hook forward that drops what no rule accepts (or firewalld's, which rejects it), and no rule that names the bridge. Says
 * which in detail and returns 1; 0 if there is none.
 */
int doctor_net_find_wall(const struct json *ruleset, const char *bridge, char *detail);

#endif
