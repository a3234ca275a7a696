/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_MANIFEST_H
#define IMAGE_MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/strv.h"
#include "image/digest.h"

/*
 * The JSON documents of OCI images: the index (index.json, or a list of manifests for several
 * platforms), the manifest of one image, its configuration. docker's schema 2 documents are the
 * same with other media types. All of it is outside bytes: counts and sizes are bounded here.
 */
#define MANIFEST_TEXT_MAX \
	((size_t)4 << 20)	 /* of a document; docker's registry has the same bound */
#define MANIFEST_LAYERS_MAX 128	 /* docker allows 127; a mount of overlayfs takes 500 */
#define MANIFEST_IMAGES_MAX 4096 /* in an index */
#define MANIFEST_BLOB_MAX   ((int64_t)1 << 50) /* bytes; sums of such sizes do not overflow */
#define MANIFEST_WORDS_MAX \
	16384 /* of a command, variables, labels...; execve(2) takes about as many */

#define MANIFEST_TYPE_INDEX    "application/vnd.oci.image.index.v1+json"
#define MANIFEST_TYPE_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define MANIFEST_TYPE_CONFIG   "application/vnd.oci.image.config.v1+json"
#define MANIFEST_TYPE_LAYER    "application/vnd.oci.image.layer.v1.tar" /* "+gzip", "+zstd" */

/* Where a blob is named: by an index, or by a manifest. */
struct descriptor {
	char hex[DIGEST_HEX_SIZE];
	int64_t size;
	char *media_type;
	char *reference; /* index: the names that annotations give it, or NULL: NAME[:TAG], ... */
	char *tag;	 /* ...or a tag alone */
	char *architecture, *os; /* index: platform, or NULL */
};

struct manifest {
	struct descriptor config;
	struct descriptor *layers;
	size_t n_layers;
};

void manifest_release(struct manifest *manifest);
#define _cleanup_manifest_ _cleanup_(manifest_release)

struct manifest_index {
	struct descriptor *images;
	size_t n_images;
};

void manifest_index_release(struct manifest_index *index);
#define _cleanup_manifest_index_ _cleanup_(manifest_index_release)

/* Does the media type say that it is a list of manifests? */
int manifest_type_is_index(const char *media_type);

int manifest_parse(const char *text, size_t len, struct manifest *ret, struct err *err);
int manifest_parse_index(const char *text, size_t len, struct manifest_index *ret, struct err *err);

/* Checks that a configuration is one that can be used. *ret_diff_ids: its layers as bare hex,
 * lowest first; caller frees. */
int manifest_check_config(const struct json *config, char ***ret_diff_ids, struct err *err);

/* The text of a manifest; caller frees. config and layers have hex, size and media_type. */
char *manifest_text(const struct manifest *manifest);

/* The name of the kind of machine that we are in such documents ("amd64"). */
const char *manifest_architecture(void);

/*
 * The configuration of an image that is a bare root file system. changes: "CMD [...]", "CMD=[...]",
 * ENTRYPOINT, ENV, USER, WORKDIR, EXPOSE, VOLUME, LABEL, STOPSIGNAL as in a Dockerfile. Caller
 * frees.
 */
int manifest_new_config(char *const *changes, const char *created_by, struct json **ret,
			struct err *err);
/* Applies such changes to a configuration whose member `config` is an object. */
int manifest_change_config(struct json *image, char *const *changes, struct err *err);
/* Adds the layer. */
void manifest_config_add_layer(struct json *config, const char *diff_id);
/* Sets Cmd, unless the configuration says already what to run. */
void manifest_config_default_cmd(struct json *config, const char *command);

#endif
