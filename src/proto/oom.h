/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_OOM_H
#define PROTO_OOM_H

#include <stdint.h>

/*
 * What a kernel says in /dev/kmsg of a process that it killed for want of memory: one line, "oom-kill:constraint=..." (mm/oom_kill.c,
 * dump_oom_summary(), since Linux 4.19). Names in it are of anybody's choosing; what is read here is printable.
 */
#define OOM_NAME_MAX  64   /* a task's has 15 bytes, each perhaps escaped */
#define OOM_GROUP_MAX 256  /* of a group's path, which may be cut */
#define OOM_LINE_MAX  1024 /* LOG_LINE_MAX of kernel/printk */

struct oom_kill {
	int64_t pid, uid;
	char name[OOM_NAME_MAX];
	int global; /* there was no memory left at all; else a group's limit was met: */
	char limit[OOM_GROUP_MAX]; /* the group that has it, "/brig/web" */
	char group[OOM_GROUP_MAX]; /* the group that the process was in */
};

/* 1: it is such a line; 0: it is not. text: what is read from /dev/kmsg at once, or the line alone. */
int oom_parse(const char *text, struct oom_kill *ret);

/* Whether a group's path is this one, or below it; however far above it the reader's own root is. path: "brig/web". */
enum oom_place { OOM_ELSEWHERE, OOM_AT, OOM_BELOW };
enum oom_place oom_place(const char *group, const char *path);

#endif
