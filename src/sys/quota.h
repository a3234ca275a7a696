/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_QUOTA_H
#define SYS_QUOTA_H

#include <stdint.h>

#include "base/err.h"

/*
 * A bound on what folders hold, by the project quotas of xfs and ext4: each file has the number of a project, a folder
 * hands its own down to what is made in it, and the kernel counts each project's blocks against a limit. It takes root
 * of the host; in a user namespace nobody can change a file's project.
 *
 * Our projects have numbers of this range, so that they are told from an administrator's (/etc/projid). Which one a
 * folder has is written nowhere but in its inode, and whether a number is free, the kernel's counts say.
 */
#define QUOTA_PROJECT_MIN  UINT32_C(0x62000000)
#define QUOTA_PROJECT_MASK UINT32_C(0x00ffffff)

/* Whether the folder's file system holds projects to their limits. Else -EOPNOTSUPP, and what to do about it. */
int quota_check(int dir, struct err *err);

/*
 * Holds the folders `names` (NULL-terminated; those that are there) of the folder dir together to this many bytes.
 * What is in them may be of any project or none: then all of it is made the project's first, which is done when the
 * last of the names has it, so that has to be there. Nobody may change the folders meanwhile, whoever wrote them.
 */
int quota_bound(int dir, const char *const *names, int64_t bytes, struct err *err);

/* Of folders that quota_bound() has bound, all by the first of them: another limit, at once; -ENOENT, without a
 * word: there is none. */
int quota_change(int dir, const char *first, int64_t bytes, struct err *err);
/* No limit any more, and the number is free when the files are gone. Nothing if there is none. */
void quota_release(int dir, const char *first);
/* What they hold, and may; -ENOENT: they have no limit. */
int quota_read(int dir, const char *first, int64_t *ret_used, int64_t *ret_limit);

#endif
