/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_VERB_COMPLETE_H
#define BASE_VERB_COMPLETE_H

#include "base/verb.h"

/*
 * Completion scripts, made from the tables of verbs and options. They know every verb, option and choice;
 * names of instances, images and kernels they ask of the program itself when they are wanted.
 */
extern const char *const verb_complete_shells[]; /* "bash", "zsh", "fish" */

/* The script for verb_complete_shells[shell]. */
void verb_complete_put(struct buf *out, const struct verb_program *program, int shell);
void verb_complete_show(const struct verb_program *program, int shell); /* on stdout */

/* For the files of the shells: before the program's names are filled in, see verb_complete.c. */
void verb_complete_bash_put(struct buf *out, const struct verb_program *program);
void verb_complete_zsh_put(struct buf *out, const struct verb_program *program);
void verb_complete_fish_put(struct buf *out, const struct verb_program *program);

/*
 * What an option's value completes to: "none", "signal", a word of struct verb's complete, or, for one of
 * a few choices, ":a b c". Valid until the next call.
 */
const char *verb_complete_kind(const struct option *option);

/* The text with every character of specials behind a backslash, and ' as a shell's '...' needs it. */
void verb_complete_put_quoted(struct buf *out, const char *text, const char *specials);

#endif
