/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_STORE_INTERNAL_H
#define IMAGE_STORE_INTERNAL_H

#include "image/manifest.h"
#include "image/store.h"

/* What checking the store takes of how it is kept; see store.c for its invariants. */

#define STORE_LAYER_END ".erofs"
#define STORE_REMOVED	".removed."

/* index.json, with a list `manifests`; an absent one is that of an empty store. */
int store_read_index(const char *root, struct json **ret, struct err *err);
/* Of an entry of that list: NAME:TAG, and the digits of its digest; NULL: it has none. */
const char *store_entry_reference(const struct json *entry);
const char *store_entry_hex(const struct json *entry);
/* Its documents, whose digests are checked; the second one is the configuration. */
int store_load_documents(const char *root, const struct json *entry, char **ret_manifest,
			 struct json **ret_config, struct manifest *ret, struct err *err);

/* What images and instances need. */
struct store_needs {
	char **blobs, **layers;
};

void store_needs_release(struct store_needs *needs);

/* Calls each() with the records of all instances until it returns non-zero; returns that. */
int store_each_instance(const char *root,
			int (*each)(const char *name, const struct json *record, void *ctx),
			void *ctx, struct err *err);
/* Such an each(): ctx is the struct store_needs to add to. */
int store_need_instance(const char *name, const struct json *record, void *ctx);

/* Removes a file or a folder, which loses its name first. */
void store_remove_file(int dirfd, const char *name);
/* Removes what nothing leads to. Needs the lock. */
int store_sweep(const char *root, const struct json *list, struct err *err);

#endif
