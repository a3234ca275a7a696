/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CLI_COMPLETION_H
#define CLI_COMPLETION_H

#include "base/buf.h"
#include "base/option.h"

/*
 * Completion scripts, made from the tables of verbs and options. They know every verb, option and choice;
 * names of instances, images and kernels they ask of brig itself when they are wanted.
 */
extern const char *const completion_shells[]; /* "bash", "zsh", "fish" */

void completion_bash_put(struct buf *out);
void completion_zsh_put(struct buf *out);
void completion_fish_put(struct buf *out);

/* The script for completion_shells[shell] on stdout. */
void completion_show(int shell);

/*
 * What an option's value completes to: "none", "signal", a word of struct verb's complete, or, for one of
 * a few choices, ":a b c". Valid until the next call.
 */
const char *completion_kind(const struct option *option);

/* The text with every character of specials behind a backslash, and ' as a shell's '...' needs it. */
void completion_put_quoted(struct buf *out, const char *text, const char *specials);

#endif
