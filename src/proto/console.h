/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_CONSOLE_H
#define PROTO_CONSOLE_H

#include <stddef.h>

#include "base/err.h"
#include "base/loop.h"

/*
 * The last of what a stream of text said, for the message when a machine fails: the guest's serial
 * console, or QEMU's stderr. Bounded in memory (CONSOLE_KEPT) and on disk (CONSOLE_LOG_MAX).
 */
#define CONSOLE_KEPT	(64U << 10)
#define CONSOLE_LOG_MAX (256U << 10)

struct console;

/* Takes over fd. log: a file that is begun anew and always holds the end of the stream; NULL: none. */
int console_new(struct loop *loop, int fd, const char *log, struct console **ret, struct err *err);
struct console *console_free(struct console *console); /* returns NULL */

/* Reads what is left, after the writer's end. */
void console_drain(struct console *console);

/* The last lines with text in them, joined by " / ", as many as fit; "" if there are none. */
void console_tail(const struct console *console, char *text, size_t size);
/* The first line that holds the words, from there on; 0 if there is none. */
int console_find(const struct console *console, const char *words, char *text, size_t size);

#endif
