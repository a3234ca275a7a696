/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_STORE_H
#define IMAGE_STORE_H

#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/strv.h"
#include "image/digest.h"

/*
 * The image store: ROOT/images is an OCI image layout (oci-layout, index.json, blobs/sha256/HEX)
 * that other tools read too; ROOT/layers/HEX.erofs holds one file system image per layer, named by
 * the layer's diff id (the digest of its uncompressed tar), shared by every image that has the
 * layer and by both kinds of instance. A user's store has folders ROOT/layers/HEX/fs instead, which his containers can
 * mount (image/layer.h).
 *
 * A reference is NAME[:TAG] ("debian:bookworm", "localhost/web"; the tag defaults to "latest"), or
 * a prefix of at least 6 hex digits of a manifest's digest, with or without "sha256:". Writers hold
 * the lock ROOT/images/.lock; readers need none.
 */

/* What an image says of how to run it (the OCI image configuration), and what it is made of. */
struct image {
	char *reference; /* NAME:TAG as stored */
	char *digest;	 /* "sha256:HEX" of the manifest */
	char **layers;	 /* diff ids as bare HEX, lowest layer first */
	char **entrypoint, **cmd, **env;
	char *user, *working_dir, *stop_signal; /* NULL: not given */
	char **volumes, **exposed_ports;
	char **labels; /* KEY=VALUE */
	char *architecture, *os;
	int64_t created; /* ns since the epoch; 0: unknown */
	int64_t size;	 /* bytes of its erofs layers */
};

void image_release(struct image *image);
#define _cleanup_image_ _cleanup_(image_release)

/* Finds an image; an unknown one is -ENOENT with a message that says how to get it. */
int store_get(const char *root, const char *reference, struct image *ret, struct err *err);

/* Calls each() for every tagged image, in the order of their references, until it returns non-zero;
 * returns that. A damaged image has a reference and a digest and is otherwise empty. */
int store_each(const char *root, int (*each)(const struct image *image, void *ctx), void *ctx,
	       struct err *err);

/* Path of a layer's erofs image, or of the folder with a user's; caller frees. */
char *store_layer_path(const char *root, const char *diff_id);

/* Path of its erofs image, which is a VM's disk; a user's is made if it is missing. Caller frees. */
int store_layer_disk(const char *root, const char *diff_id, char **ret, struct err *err);

/* Gives the image a second reference; one that another image has moves to this one. */
int store_tag(const char *root, const char *reference, const char *new_reference, struct err *err);

/*
 * Takes a reference away; the last one takes the blobs and layers that no other image and no
 * instance (ROOT/instances) has. If an instance would be left without an image, that is -EBUSY,
 * unless force: the layers then stay for as long as it does. *ret_reference: what was removed, in
 * full; caller frees.
 */
int store_remove(const char *root, const char *reference, int force, char **ret_reference,
		 struct err *err);

/* Everything that is known of an image as JSON text, for `image inspect`; caller frees. */
int store_inspect(const char *root, const char *reference, char **ret_json, struct err *err);

/* The documents of an image, for who carries it elsewhere under the store's lock. */
struct manifest;
struct store_documents {
	char *reference;
	char hex[DIGEST_HEX_SIZE]; /* of the manifest */
	char *media_type, *text;   /* likewise */
	struct manifest *manifest; /* what it says */
	struct json *config;
};

int store_get_documents(const char *root, const char *reference, struct store_documents *ret,
			struct err *err);
void store_documents_release(struct store_documents *documents);
#define _cleanup_store_documents_ _cleanup_(store_documents_release)

/* Normalizes "debian" to "debian:latest" after checking it; caller frees. */
int store_reference(const char *text, char **ret, struct err *err);

/*
 * The lock of the store, to be closed. Writers take it exclusively. Who makes a record that names
 * layers holds it shared from store_get() until the record is written, so that they stay.
 */
int store_lock(const char *root, int exclusive, struct err *err);

/* For the writers of this room, which hold the lock exclusively. */
struct work;

struct store_image {
	char *reference;
	char hex[DIGEST_HEX_SIZE]; /* of the manifest */
	int64_t size;
	char *media_type;
};

int store_has_layer(const char *root, const char *diff_id);
/* Moves all blobs and layers of the work folder into the store, then names the images. On failure
 * the store is as before. */
int store_add(const char *root, const struct work *work, const struct store_image *images, size_t n,
	      struct err *err);

#endif
