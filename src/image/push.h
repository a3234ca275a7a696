/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_PUSH_H
#define IMAGE_PUSH_H

#include "image/registry.h"

/*
 * Brings an image of the store to a registry: to where its name says, or to destination, which is another name or
 * TRANSPORT:WHERE of skopeo (oci-archive, oci, dir). *ret_destination: where it went; caller frees.
 */
int push_image(const char *root, const char *reference, const char *destination,
	       const struct registry_options *options, char **ret_destination, struct err *err);

#endif
