// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/word.h"

#include <string.h>

/* a longer word is not compared */
#define WORD_LETTERS_MAX 64

/* Levenshtein distance of two words of at most WORD_LETTERS_MAX letters. */
static size_t word_distance(const char *a, const char *b)
{
	size_t row[WORD_LETTERS_MAX + 1], la = strlen(a), lb = strlen(b);

	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[lb];
}

const char *word_nearest(const char *word, const char *const *candidates)
{
	size_t limit = 1 + strlen(word) / 3, best = limit + 1;
	const char *near = NULL;

	if (strlen(word) > WORD_LETTERS_MAX)
		return NULL;
	for (; *candidates; candidates++) {
		size_t d = strlen(*candidates) > WORD_LETTERS_MAX
				   ? best
				   : word_distance(word, *candidates);

		if (d < best) {
			best = d;
			near = *candidates;
		}
	}
	return near;
}
