/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_SCREEN_H
#define CLI_SCREEN_H

#include "base/loop.h"

/*
 * The terminal as one page that is drawn anew, and keys that come without Enter. At any end that a process can notice
 * (a signal, an error, a Ctrl-C) the terminal is as it was; at a Ctrl-Z too, for as long as that lasts.
 */
struct screen;

struct screen_ops {
	void (*key)(void *ctx, char key);
	void (*redraw)(void *ctx); /* the size has changed, or the program goes on after a stop */
};

/* Whether standard output is a terminal that can be drawn on. */
int screen_possible(void);
/* Keys are heard of if standard input is a terminal too; signals end the loop. */
int screen_new(struct loop *loop, const struct screen_ops *ops, void *ctx, struct screen **ret,
	       struct err *err);
struct screen *screen_free(struct screen *screen); /* the terminal is as it was; returns NULL */

/* Lines that end in a newline; what does not fit is left out. -errno: the terminal is gone. */
int screen_draw(struct screen *screen, const char *text);

static inline void screen_freep(struct screen **screen)
{
	*screen = screen_free(*screen);
}
#define _cleanup_screen_ _cleanup_(screen_freep)

#endif
