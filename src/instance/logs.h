/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef INSTANCE_LOGS_H
#define INSTANCE_LOGS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * The console log of an instance: what its workload wrote, with time and stream, in a ring of two files
 * in ROOT/instances/NAME (log, log.1), each at most LOGS_SEGMENT_MAX bytes. Written by its keeper alone.
 * A record is a header "%016x %c %08x\n" (ns since the epoch, stream 'o' or 'e', length) and the bytes.
 */
#define LOGS_SEGMENT_MAX (8U << 20)

struct logs_writer;

int logs_writer_new(const char *state_dir, struct logs_writer **ret, struct err *err);
void logs_writer_free(struct logs_writer *writer);
/* A full disk loses log records, never the workload's output to attached clients. */
void logs_write(struct logs_writer *writer, char stream, const void *data, size_t len);

struct logs_options {
	int follow;	  /* until the instance's keeper ends */
	int64_t tail;	  /* last lines; negative: all */
	int64_t since_ns; /* 0: all */
	int64_t until_ns; /* 0: no bound */
	int timestamps;	  /* each line begins with its time */
	int out, err;	  /* where stdout and stderr go */
};

/* run_lock: path of RUN/NAME/lock, which says when following ends. */
int logs_print(const char *state_dir, const char *run_lock, const struct logs_options *options,
	       struct err *err);

/* pidfd of the keeper that holds RUN/NAME/lock, for poll(); negative if there is none. */
int logs_keeper(const char *run_lock);

#endif
