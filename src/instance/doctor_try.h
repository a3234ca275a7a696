/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_DOCTOR_TRY_H
#define INSTANCE_DOCTOR_TRY_H

#include "instance/doctor.h"

/* How the checks of instance/doctor.c are tried; each is a run() of struct doctor_check. */

int doctor_try_root(const struct instance_home *home, const struct doctor_check *check,
		    char *detail);
int doctor_try_kvm(const struct instance_home *home, const struct doctor_check *check,
		   char *detail);
int doctor_try_kvm_guest(const struct instance_home *home, const struct doctor_check *check,
			 char *detail);
/* arg: names of namespaces, separated by blanks */
int doctor_try_namespaces(const struct instance_home *home, const struct doctor_check *check,
			  char *detail);
int doctor_try_cgroups(const struct instance_home *home, const struct doctor_check *check,
		       char *detail);
/* arg: "memory", "cpu" or "pids" */
int doctor_try_controller(const struct instance_home *home, const struct doctor_check *check,
			  char *detail);
/* arg: a type of file system */
int doctor_try_filesystem(const struct instance_home *home, const struct doctor_check *check,
			  char *detail);
int doctor_try_layers(const struct instance_home *home, const struct doctor_check *check,
		      char *detail);
int doctor_try_idmap(const struct instance_home *home, const struct doctor_check *check,
		     char *detail);
int doctor_try_subuid(const struct instance_home *home, const struct doctor_check *check,
		      char *detail);
int doctor_try_seccomp(const struct instance_home *home, const struct doctor_check *check,
		       char *detail);
int doctor_try_lxcfs(const struct instance_home *home, const struct doctor_check *check,
		     char *detail);
int doctor_try_files(const struct instance_home *home, const struct doctor_check *check,
		     char *detail);
int doctor_try_space(const struct instance_home *home, const struct doctor_check *check,
		     char *detail);
int doctor_try_policy(const struct instance_home *home, const struct doctor_check *check,
		      char *detail);
/* arg: the tool's name */
int doctor_try_tool(const struct instance_home *home, const struct doctor_check *check,
		    char *detail);
int doctor_try_qemu(const struct instance_home *home, const struct doctor_check *check,
		    char *detail);
int doctor_try_kernel(const struct instance_home *home, const struct doctor_check *check,
		      char *detail);
/* arg: the part's name, of sys/part.h */
int doctor_try_part(const struct instance_home *home, const struct doctor_check *check,
		    char *detail);

#endif
