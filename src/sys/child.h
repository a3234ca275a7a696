/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SYS_CHILD_H
#define SYS_CHILD_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* The tools that brig runs as children: mkfs.erofs, tar, skopeo, apt-get... */
struct child_spec {
	char *const *argv; /* argv[0] is looked up in PATH */
	const char *path;  /* this is executed instead, and argv[0] is only said */
	char *const *env;  /* all of it; NULL: ours */
	int in_fd;	   /* stdin; negative: /dev/null */
	int out_fd;	   /* stdout; negative: collected in out if that is set, else /dev/null */
	struct buf *out;   /* collects stdout, at most out_max bytes */
	size_t out_max;	   /* 0: 1 MiB; more output than that is -EFBIG */
	int hold_fd; /* stays open in the tool, which thus keeps a lock for as long as it runs; 0: none */
	const char *cwd; /* NULL: ours */
	int show_stderr; /* pass stderr through instead of keeping its tail for the message */
	const char
		*reason;  /* how the line of stderr begins that says why; NULL: the last one does */
	const char *hint; /* what to do if the tool is missing: "install erofs-utils" */
	struct buf *
		said; /* gets the end of stderr, for who makes a better message of it; NULL: nobody */
	/* Called when there is something at watch_fd, until it has failed: with that error the tool is killed. */
	int (*watch)(void *ctx, struct err *err);
	int watch_fd;
	void *watch_ctx;
	int64_t timeout_ms; /* then it is killed with what it started, in a session of its own; 0: never */
	/*
	 * It is killed once it has read and written less than CHILD_STALL_RATE for so long; 0: never. What its own
	 * children do counts when they have ended.
	 */
	int64_t stall_ms;
};

/* Bytes a second: a Go program that waits for a peer wakes itself by a few, over and over. */
#define CHILD_STALL_RATE 512

#define CHILD_SPEC_INIT ((struct child_spec){ .in_fd = -EBADF, .out_fd = -EBADF })

/*
 * Runs the tool to its end with clean signals, no descriptors but stdio, and death with us (PDEATHSIG). What it
 * leaves running does not hold us up, unless that holds the end of `out`. A missing tool is -ENOENT; an exit status
 * other than 0 is -EREMOTEIO with the last line of stderr in the message, or the first that begins with reason;
 * no end in time, or no headway, is -ETIMEDOUT.
 */
int child_run(const struct child_spec *spec, struct err *err);

/* The full path of a tool in PATH; caller frees. NULL if it is not installed. */
char *child_find(const char *tool);

#endif
