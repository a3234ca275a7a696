/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_WORD_H
#define BASE_WORD_H

/* The candidate nearest to word by edit distance, or NULL if none is near (distance > 1 + len/3). */
const char *word_nearest(const char *word, const char *const *candidates);

#endif
