/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_CONTAINERFILE_H
#define IMAGE_CONTAINERFILE_H

#include "base/strv.h"

/*
 * The names of images that a Containerfile starts from (FROM) or takes files of (--from=), as they are written, each once;
 * not those of its own stages, nor what a variable decides. They are a guess, no check: whoever runs the file reads it.
 */
char **containerfile_images(const char *text);

#endif
