// SPDX-License-Identifier: GPL-2.0-or-later
/* What json_parse() accepts is written again as JSON that it accepts. */
#include "base/json.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT, ignored = ERR_INIT;
	_cleanup_json_ struct json *json = NULL, *again = NULL;
	_cleanup_free_ char *text = NULL;

	if (json_parse((const char *)data, size, "input", &json, &err) < 0)
		return err_is_set(&err) ? 0 : (__builtin_trap(), 0);
	text = json_text(json, 1);
	if (json_parse(text, strlen(text), "text", &again, &ignored) < 0)
		__builtin_trap();
	return 0;
}
