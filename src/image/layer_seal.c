// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/layer_seal.h"

#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

int layer_seal_set(int fd)
{
	char hex[DIGEST_HEX_SIZE];
	int r = digest_of_file(fd, NULL, NULL, hex);

	if (r < 0)
		return r;
	if (fsetxattr(fd, LAYER_SEAL, hex, DIGEST_HEX_LEN, 0) < 0 && errno != EOPNOTSUPP)
		return -errno;
	return 0;
}

int layer_seal_check(int fd, void (*each)(void *ctx, size_t n), void *ctx)
{
	char sealed[DIGEST_HEX_SIZE], found[DIGEST_HEX_SIZE];
	ssize_t n = fgetxattr(fd, LAYER_SEAL, sealed, DIGEST_HEX_LEN);
	int r;

	if (n < 0)
		return errno == EOPNOTSUPP ? -ENODATA : errno == ERANGE ? 0 : -errno;
	sealed[n] = '\0';
	r = digest_of_file(fd, each, ctx, found);
	return r < 0 ? r : !strcmp(found, sealed);
}
