// SPDX-License-Identifier: GPL-2.0-or-later
/* An OCI configuration that is taken is taken again when it is written, and then says the same. */
#include "container/config.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_config_ struct config config = { 0 }, again = { 0 };
	_cleanup_json_ struct json *json = NULL, *first = NULL, *second = NULL;
	_cleanup_free_ char *text = NULL, *text_again = NULL;
	struct err err = ERR_INIT;

	if (json_parse((const char *)data, size, "input", &json, &err) < 0)
		return 0;
	if (config_read(json, &config, &err) < 0)
		return !err_is_set(&err);
	first = config_write(&config);
	if (config_read(first, &again, &err) < 0)
		abort();
	second = config_write(&again);
	text = json_text(first, 0);
	text_again = json_text(second, 0);
	if (strcmp(text, text_again) != 0)
		abort();
	return 0;
}
