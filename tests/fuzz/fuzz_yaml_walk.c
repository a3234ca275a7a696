// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/yaml_walk.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int look(void *ctx, const char *path, const char *value, struct err *err)
{
	(void)ctx;
	(void)err;
	if (strlen(path) >= YAML_PATH_MAX || strlen(value) > 4 * YAML_TEXT_MAX)
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT;

	if ((yaml_walk((const char *)data, size, look, NULL, &err) < 0) != err_is_set(&err))
		abort();
	return 0;
}
