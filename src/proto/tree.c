// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The stream: records of u8 type, u32 length of the payload, payload (proto/wire.h).
 *
 *   START    u32 magic, u16 version, u8 TREE_STREAM_* flags
 *   ENTRY    the fields of tree_fields, str name, str target of a symlink, xattrs (u32 count; str, bytes)
 *   DATA     u64 offset, the bytes       only behind a file's ENTRY, in any number: what is between is a hole
 *   SAME     u64 offset, u32 length, 32 bytes of digest: as DATA, but the earlier tree has these (proto/tree_since.h)
 *   FILE_END u64 size                    ends each file's ENTRY but one that is a further link
 *   DIR_END  ends each folder's ENTRY; the entries between are in it
 *   END
 *
 * A file with several links is numbered (shared: 1, 2, ...) where it comes first; further ones (again) name
 * that number and bring no data. So no path is ever in a stream. In an exact stream (TREE_STREAM_EXACT) that goes for
 * whatever can have several links, and all have their attributes; else they are a file's and a folder's alone. A list
 * (TREE_STREAM_LIST) is an exact one without DATA, and SAME is in an increment (TREE_STREAM_SINCE), an exact one, alone.
 */
#include "proto/tree-internal.h"
#include "base/file.h"
#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stddef.h>
#include <string.h>

struct tree_field {
	size_t offset, size;
};

#define TREE_FIELD(member)                                       \
	{                                                        \
		.offset = offsetof(struct tree_entry, member),   \
		.size = sizeof(((struct tree_entry *)0)->member) \
	}

static const struct tree_field tree_fields[] = {
	TREE_FIELD(mode),  TREE_FIELD(uid),	 TREE_FIELD(gid),
	TREE_FIELD(mtime), TREE_FIELD(mtime_ns), TREE_FIELD(major),
	TREE_FIELD(minor), TREE_FIELD(shared),	 TREE_FIELD(again),
};

void tree_entry_put(struct buf *out, const struct tree_entry *entry)
{
	for (size_t i = 0; i < ARRAY_SIZE(tree_fields); i++) {
		const char *p = (const char *)entry + tree_fields[i].offset;
		uint64_t wide;
		uint32_t narrow;

		if (tree_fields[i].size == sizeof(wide)) {
			memcpy(&wide, p, sizeof(wide));
			wire_put_u64(out, wide);
		} else {
			memcpy(&narrow, p, sizeof(narrow));
			wire_put_u32(out, narrow);
		}
	}
	wire_put_str(out, entry->name);
	wire_put_str(out, entry->target);
	wire_put_u32(out, entry->n_xattrs);
	buf_add(out, entry->xattrs.data, entry->xattrs.len);
}

int tree_entry_get(struct wire_reader *r, struct tree_entry *entry)
{
	for (size_t i = 0; i < ARRAY_SIZE(tree_fields); i++) {
		char *p = (char *)entry + tree_fields[i].offset;

		if (tree_fields[i].size == sizeof(uint64_t)) {
			uint64_t wide = wire_get_u64(r);

			memcpy(p, &wide, sizeof(wide));
		} else {
			uint32_t narrow = wire_get_u32(r);

			memcpy(p, &narrow, sizeof(narrow));
		}
	}
	entry->name = wire_get_str(r);
	entry->target = wire_get_str(r);
	entry->n_xattrs = wire_get_u32(r);
	buf_add(&entry->xattrs, r->p, r->left);
	return r->bad ? -EBADMSG : 0;
}

struct tree_shown tree_show(const char *name)
{
	struct tree_shown shown = { 0 };

	for (size_t i = 0; i < sizeof(shown.text) - 1 && name[i]; i++)
		shown.text[i] = isprint((unsigned char)name[i]) || (name[i] & 0x80) ? name[i] : '?';
	return shown;
}

void tree_place_release(struct tree_place *place)
{
	fd_close(place->parent);
	free(place->name);
}

static int tree_open_in_root(int rootfd, const char *path)
{
	return file_open_scoped(rootfd, path, O_PATH | O_DIRECTORY, RESOLVE_IN_ROOT);
}

int tree_is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

int tree_is_name(const char *name)
{
	return *name && strlen(name) <= NAME_MAX && !strchr(name, '/') && !tree_is_dots(name);
}

char *tree_split(char *path)
{
	char *slash, *name;

	for (size_t len = strlen(path); len && path[len - 1] == '/'; len--)
		path[len - 1] = '\0';
	slash = strrchr(path, '/');
	name = mem_strdup(slash ? slash + 1 : path);
	if (slash)
		slash[1] = '\0';
	else
		*path = '\0';
	return name;
}

/* One round: the place of a path whose last component is not followed. path becomes the parent's. */
static int tree_place_step(int rootfd, char *path, struct tree_place *place)
{
	free(place->name);
	place->name = tree_split(path);
	fd_close(place->parent);
	place->parent = tree_open_in_root(rootfd, path);
	if (place->parent >= 0 && (!*place->name || tree_is_dots(place->name))) {
		_cleanup_free_ char *whole = mem_printf("%s%s", path, place->name);

		fd_close(place->parent);
		place->parent = tree_open_in_root(rootfd, whole);
		mem_replace(&place->name, ".");
	}
	if (place->parent < 0)
		return place->parent;
	place->exists = fstatat(place->parent, place->name, &place->st, AT_SYMLINK_NOFOLLOW) == 0;
	return place->exists || errno == ENOENT ? 0 : -errno;
}

int tree_place_find(int rootfd, const char *path, int follow, struct tree_place *place)
{
	_cleanup_free_ char *at = mem_strdup(path);
	size_t len = strlen(path);

	place->wants_folder = len && path[len - 1] == '/';
	for (int i = 0; i <= TREE_SYMLINKS_MAX; i++) {
		char target[PATH_MAX], *next;
		ssize_t n;
		int r = tree_place_step(rootfd, at, place);

		if (r < 0 || !place->exists || !S_ISLNK(place->st.st_mode) ||
		    !(follow || place->wants_folder))
			return r;
		n = readlinkat(place->parent, place->name, target, sizeof(target) - 1);
		if (n < 0)
			return -errno;
		target[n] = '\0';
		next = mem_printf("%s%s", *target == '/' ? "" : at, target);
		free(at);
		at = next;
	}
	return -ELOOP;
}

int tree_is_kept_xattr(const char *name)
{
	return !strncmp(name, "user.", 5) || !strcmp(name, "security.capability");
}

int tree_is_metacopy(const char *name)
{
	return !strcmp(name, "trusted.overlay.metacopy") || !strcmp(name, "user.overlay.metacopy");
}

int tree_is_exact_xattr(const char *name)
{
	static const char *const left[] = {
		"trusted.overlay.origin", "trusted.overlay.nlink", "trusted.overlay.uuid",
		"user.overlay.origin",	  "user.overlay.nlink",	   "user.overlay.uuid",
	};

	for (size_t i = 0; i < ARRAY_SIZE(left); i++) {
		if (!strcmp(name, left[i]))
			return 0;
	}
	return tree_is_kept_xattr(name) || !strncmp(name, "trusted.", 8) ||
	       !strcmp(name, "system.posix_acl_access") ||
	       !strcmp(name, "system.posix_acl_default");
}
