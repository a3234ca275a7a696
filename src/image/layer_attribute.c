// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/layer_attribute.h"
#include "base/take.h"

#include <endian.h>
#include <linux/capability.h>
#include <string.h>

static const char *const layer_attribute_prefixes[] = { LAYER_ATTRIBUTE_OVERLAY,
							LAYER_ATTRIBUTE_USER_OVERLAY };

/* What overlayfs calls its note, or NULL. */
static const char *layer_attribute_note(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(layer_attribute_prefixes); i++) {
		size_t len = strlen(layer_attribute_prefixes[i]);

		if (!strncmp(name, layer_attribute_prefixes[i], len))
			return name + len;
	}
	return NULL;
}

int layer_attribute_is_kept(const char *name)
{
	return !strcmp(name, LAYER_ATTRIBUTE_CAPABILITY) ||
	       (!strncmp(name, "user.", strlen("user.")) && !layer_attribute_note(name));
}

int layer_attribute_is_partial(const char *name)
{
	const char *note = layer_attribute_note(name);

	return note && (!strcmp(note, "redirect") || !strcmp(note, "metacopy"));
}

int layer_attribute_is_opaque(const char *name, const void *value, size_t len)
{
	const char *note = layer_attribute_note(name);

	return note && !strcmp(note, "opaque") && len == 1 && !memcmp(value, "y", 1);
}

size_t layer_attribute_capability(void *value, size_t len, uint32_t root)
{
	struct vfs_ns_cap_data *data = value;
	uint32_t magic, theirs;

	if (len < sizeof(uint32_t))
		return 0;
	magic = le32toh(data->magic_etc);
	if ((magic & VFS_CAP_REVISION_MASK) != VFS_CAP_REVISION_3)
		return len;
	if (len != sizeof(*data))
		return 0;
	theirs = le32toh(data->rootid);
	if (theirs && theirs != root)
		return 0;
	data->magic_etc = htole32((magic & ~(uint32_t)VFS_CAP_REVISION_MASK) | VFS_CAP_REVISION_2);
	return XATTR_CAPS_SZ_2;
}
