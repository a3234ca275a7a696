/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTAINER_STREAMS_H
#define CONTAINER_STREAMS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"

/*
 * The streams of a container's workload, in its keeper's loop: pipes, or one terminal. What comes out goes
 * on as MESSAGE_OUT and MESSAGE_ERR of at most FRAME_DATA_MAX bytes, and at most MESSAGE_WINDOW of it
 * unconsumed; what goes in is buffered up to MESSAGE_WINDOW.
 */
struct streams;

struct streams_ops {
	void (*output)(void *ctx, uint16_t type, const void *data, size_t len);
	void (*writable)(void *ctx); /* there is room for FRAME_DATA_MAX bytes again */
	void (*drained)(void *ctx);  /* after streams_finish(): the last of the output is out */
};

struct streams_out {
	struct streams *streams;
	struct loop_source *source;
	int fd; /* negative: at its end, or not there */
	uint16_t type;
};

struct streams {
	struct loop *loop;
	const struct streams_ops *ops;
	void *ctx;
	struct streams_out out[2];
	size_t unconsumed;
	struct loop_source *in_source;
	struct buf in;
	int in_fd;	/* negative: closed, or the terminal has not come yet */
	int in_open;	/* input is wanted */
	int in_ending;	/* closes when the buffer is empty */
	int in_starved; /* somebody waits for room */
	int slave;	/* keeps a terminal from hanging up while nobody inside has it open */
	uint16_t rows, columns;
	int is_terminal;
	int finishing, pumping;
};

/* Takes over the descriptors (as launch.stdio); terminal: one comes by streams_set_terminal(). */
int streams_init(struct streams *streams, struct loop *loop, const struct streams_ops *ops,
		 void *ctx, int stdio[3], int terminal, struct err *err);
void streams_release(struct streams *streams);

/* Takes over master. */
int streams_set_terminal(struct streams *streams, int master, struct err *err);

size_t streams_room(const struct streams *streams);
void streams_input(struct streams *streams, const void *data, size_t len);
void streams_input_end(struct streams *streams);
void streams_resize(struct streams *streams, uint16_t rows, uint16_t columns);
void streams_consumed(struct streams *streams, size_t len);

/* The workload is dead: passes on what is still in the streams, then calls drained(). */
void streams_finish(struct streams *streams);

#endif
