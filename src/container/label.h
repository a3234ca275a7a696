/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_LABEL_H
#define CONTAINER_LABEL_H

#include "container/config.h"

/*
 * What the security modules of the host know a container by: process.apparmorProfile, process.selinuxLabel and
 * linux.mountLabel. An empty one, and AppArmor's "unconfined" on a host without AppArmor, ask for nothing.
 */

/* In the host's mounts: what is asked for of a module that is not at work here is refused with the member's
 * path, -EOPNOTSUPP. linux_config may be NULL. */
int label_check(const struct config_process *process, const struct config_linux *linux_config,
		struct err *err);

/*
 * What the calling thread becomes at its next execve(); for exec, too. proc: the root of a procfs, see
 * sys/procfs.h. -ENOENT: AppArmor has no such profile.
 */
int label_apply(const struct config_process *process, int proc, struct err *err);

/* "context=LABEL", an option of file systems in memory for fsconfig(2), which needs no quotes; caller frees. NULL
 * without a label. */
char *label_mount_option(const struct config_linux *linux_config);

/* For `features`. */
int label_has_apparmor(void);
int label_has_selinux(void);

#endif
