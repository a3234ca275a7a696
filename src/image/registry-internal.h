/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_REGISTRY_INTERNAL_H
#define IMAGE_REGISTRY_INTERNAL_H

#include "image/manifest.h"
#include "image/registry.h"
#include "image/work.h"

/* A conversation with a registry about one image. */
struct registry_call {
	const char *root;
	const struct registry_options *options;
	struct registry_access access;
	char *reference; /* as stored */
	char *remote;	 /* HOST/NAME:TAG or HOST/NAME@sha256:HEX */
	char *host;
	char *authfile; /* one of the call's own, or NULL */
};

void registry_call_release(struct registry_call *call);
#define _cleanup_registry_call_ _cleanup_(registry_call_release)

/* Who is spoken with, of call->options; --creds go to a file in the work folder. */
int registry_call_init(struct registry_call *call, const char *reference, struct err *err);
int registry_add_creds(struct registry_call *call, const struct work *work, struct err *err);

/* The image that is meant. */
struct registry_image {
	char *text; /* its manifest */
	size_t len;
	char hex[DIGEST_HEX_SIZE];
	char *media_type;
	struct manifest manifest;
};

void registry_image_release(struct registry_image *image);
#define _cleanup_registry_image_ _cleanup_(registry_image_release)

/* The words for skopeo_run(). */
struct skopeo registry_skopeo(const struct registry_call *call);

/* Asks for the manifest, and if it is a list, for the one of the platform. */
int registry_find(const struct registry_call *call, struct registry_image *ret, struct err *err);

#endif
