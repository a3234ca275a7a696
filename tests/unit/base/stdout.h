/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_BASE_STDOUT_H
#define TESTS_BASE_STDOUT_H

#include "base/take.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* What is printed to stdout between the two calls, as a string that the caller frees. */
static FILE *stdout_saved;
static char *stdout_text;
static size_t stdout_len;

static inline void stdout_begin(void)
{
	fflush(stdout);
	stdout_saved = stdout;
	stdout = open_memstream(&stdout_text, &stdout_len);
}

static inline char *stdout_end(void)
{
	fclose(stdout);
	stdout = stdout_saved;
	return take_ptr(stdout_text);
}

#endif
