/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_DOCTOR_USER_H
#define INSTANCE_DOCTOR_USER_H

#include "instance/doctor.h"

/* Checks of instance/doctor.c of what a user needs who is not root. */

int doctor_user_ids(const struct instance_home *home, const struct doctor_check *check,
		    char *detail);
int doctor_user_overlayfs(const struct instance_home *home, const struct doctor_check *check,
			  char *detail);
int doctor_user_cgroups(const struct instance_home *home, const struct doctor_check *check,
			char *detail);

int doctor_user_network(const struct instance_home *home, const struct doctor_check *check,
			char *detail);

/* Which setting of the host keeps users from namespaces, as the end of a sentence; "": none that we know. */
const char *doctor_user_forbidden(void);

#endif
