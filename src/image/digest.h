/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IMAGE_DIGEST_H
#define IMAGE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * SHA-256, which names all content of the store. A digest is handled as its bare hex digits; in
 * JSON it is written "sha256:HEX".
 */
#define DIGEST_SIZE	32
#define DIGEST_HEX_LEN	64
#define DIGEST_HEX_SIZE (DIGEST_HEX_LEN + 1)

struct digest;

struct digest *digest_new(void);
void digest_free(struct digest *digest);
void digest_add(struct digest *digest, const void *data, size_t len);
/* The digest of what was added; a new one begins. */
void digest_bytes(struct digest *digest, uint8_t bytes[DIGEST_SIZE]);
void digest_hex(struct digest *digest, char hex[DIGEST_HEX_SIZE]);

static inline void digest_freep(struct digest **digest)
{
	digest_free(*digest);
}
#define _cleanup_digest_ _cleanup_(digest_freep)

void digest_of(const void *data, size_t len, char hex[DIGEST_HEX_SIZE]);
/* Of a file from where fd stands. each() hears of the bytes that were read; it may be NULL. */
int digest_of_file(int fd, void (*each)(void *ctx, size_t n), void *ctx, char hex[DIGEST_HEX_SIZE]);

/* Exactly 64 lower-case hex digits? */
int digest_is_hex(const char *s);
/* Takes "sha256:HEX"; anything else, NULL included, is -EINVAL. */
int digest_parse(const char *s, char hex[DIGEST_HEX_SIZE], struct err *err);

#endif
