/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_LAYER_ATTRIBUTE_H
#define IMAGE_LAYER_ATTRIBUTE_H

#include <stddef.h>
#include <stdint.h>

/* What becomes of the extended attributes of a writable layer's files in a layer of an image. */

#define LAYER_ATTRIBUTE_CAPABILITY "security.capability"
/* As root and as a user, by overlayfs(5). */
#define LAYER_ATTRIBUTE_OVERLAY	     "trusted.overlay."
#define LAYER_ATTRIBUTE_USER_OVERLAY "user.overlay."

/* It is user.*, or file capabilities, and no note of overlayfs. */
int layer_attribute_is_kept(const char *name);
/* overlayfs has noted that the file is not whole: its data, or its place, is in a lower layer. */
int layer_attribute_is_partial(const char *name);
/* A folder with this hides what lower layers have in it. */
int layer_attribute_is_opaque(const char *name, const void *value, size_t len);

/*
 * File capabilities of root, as whom uid `root` stands on the disk (0: as himself), in the form that says nothing of
 * namespaces; those of a root of namespaces inside are dropped, since they would become root's, too. Returns the length
 * of what is left in value.
 */
size_t layer_attribute_capability(void *value, size_t len, uint32_t root);

#endif
