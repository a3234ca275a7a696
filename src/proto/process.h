/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_PROCESS_H
#define PROTO_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/strv.h"
#include "proto/frame.h"

/* A program to run in an instance, and the last steps to it, which both kinds take alike. */
struct process {
	char **argv;
	char **env; /* KEY=VALUE */
	char *cwd;  /* "": / */
	char *user; /* "", NAME, UID, NAME:GROUP, UID:GID */
	int tty;
	int interactive;	/* stdin is passed on; else it is /dev/null */
	char **groups;		/* GIDs beside user's, as digits */
	int no_new_privs;	/* set-user-id programs give it nothing */
	int privileged;		/* exec --privileged: all capabilities, no seccomp filter */
	uint16_t rows, columns; /* of the terminal; 0: unknown */
};

void process_release(struct process *process);
#define _cleanup_process_ _cleanup_(process_release)

void process_put(struct buf *payload, const struct process *process);
/* Hostile bytes: bounded, at least one argv word. Release the process even on failure. */
int process_get(const struct frame *frame, struct process *ret);

#define PROCESS_GROUPS_MAX 64

struct process_identity {
	uid_t uid;
	gid_t gid;
	gid_t groups[PROCESS_GROUPS_MAX];
	size_t n_groups;
	const gid_t *all_groups; /* these n_groups instead, where there are too many; borrowed */
	int keep_groups;	 /* those of the caller stay where they cannot be changed */
	char home[256];
	char shell[256];
};

/*
 * Who `user` is by /etc/passwd and /etc/group of the current root (both optional, read with bounds; a
 * number needs no entry). An unknown name is -ENOENT. An all-digit user is always a uid, never a name.
 */
int process_identify(const char *user, struct process_identity *ret, struct err *err);

/* The same for a process, with its own groups. */
int process_identify_groups(const struct process *process, struct process_identity *ret,
			    struct err *err);

/* Where identity->uid is at home by the current root's /etc/passwd, as far as that tells; else "/". */
void process_find_home(struct process_identity *identity);

/* Who `user` is by the text of the two files, which is hostile and need not be terminated. */
int process_identify_text(const char *user, const char *passwd, size_t passwd_len,
			  const char *group, size_t group_len, struct process_identity *ret,
			  struct err *err);

/* setgroups, setgid, setuid of the calling process; capabilities are the caller's affair. */
int process_become(const struct process_identity *identity, struct err *err);

/* What process_prepare() found out: the program's file, and its whole environment. */
struct process_program {
	char *file;
	char **env;
};

void process_program_release(struct process_program *program);
#define _cleanup_process_program_ _cleanup_(process_program_release)

/*
 * In the process that becomes the program, as its user: environment (HOME, and TERM with a tty, are added
 * if missing), working directory (made if it is missing, as docker does, when the caller may), and argv[0]
 * looked up in the environment's PATH (or the usual one). Errors have err->exit_status 127 for "not found"
 * and 126 for "cannot be executed". Release the program in any case.
 */
int process_prepare(const struct process *process, const struct process_identity *identity,
		    struct process_program *ret, struct err *err);

/* The last step: execve. Returns only on failure, with an error as above. */
int process_run(const struct process *process, const struct process_program *program,
		struct err *err);

/* The two in one. */
int process_exec(const struct process *process, const struct process_identity *identity,
		 struct err *err);

#endif
