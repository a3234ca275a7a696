// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/digest.h"
#include "base/mem.h"

#include <nettle/sha2.h>
#include <string.h>
#include <unistd.h>

#define DIGEST_CHUNK ((size_t)256 << 10)

struct digest {
	struct sha256_ctx sha256;
};

struct digest *digest_new(void)
{
	struct digest *digest = mem_zalloc(sizeof(*digest));

	sha256_init(&digest->sha256);
	return digest;
}

void digest_free(struct digest *digest)
{
	free(digest);
}

void digest_add(struct digest *digest, const void *data, size_t len)
{
	sha256_update(&digest->sha256, len, data);
}

void digest_bytes(struct digest *digest, uint8_t bytes[DIGEST_SIZE])
{
	sha256_digest(&digest->sha256, DIGEST_SIZE, bytes);
}

void digest_hex(struct digest *digest, char hex[DIGEST_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t bytes[SHA256_DIGEST_SIZE];

	sha256_digest(&digest->sha256, sizeof(bytes), bytes);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	hex[DIGEST_HEX_LEN] = '\0';
}

void digest_of(const void *data, size_t len, char hex[DIGEST_HEX_SIZE])
{
	_cleanup_digest_ struct digest *digest = digest_new();

	digest_add(digest, data, len);
	digest_hex(digest, hex);
}

int digest_of_file(int fd, void (*each)(void *ctx, size_t n), void *ctx, char hex[DIGEST_HEX_SIZE])
{
	_cleanup_digest_ struct digest *digest = digest_new();
	_cleanup_free_ char *chunk = mem_zalloc(DIGEST_CHUNK);
	ssize_t n;

	while ((n = read(fd, chunk, DIGEST_CHUNK)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		digest_add(digest, chunk, (size_t)n);
		if (each)
			each(ctx, (size_t)n);
	}
	digest_hex(digest, hex);
	return 0;
}

int digest_is_hex(const char *s)
{
	return strspn(s, "0123456789abcdef") == DIGEST_HEX_LEN && !s[DIGEST_HEX_LEN];
}

int digest_parse(const char *s, char hex[DIGEST_HEX_SIZE], struct err *err)
{
	static const char prefix[] = "sha256:";

	if (!s || strncmp(s, prefix, strlen(prefix)) || !digest_is_hex(s + strlen(prefix)))
		return err_set(err, -EINVAL, "'%.80s' is not a digest of the form sha256:HEX",
			       s ? s : "");
	memcpy(hex, s + strlen(prefix), DIGEST_HEX_SIZE);
	return 0;
}
