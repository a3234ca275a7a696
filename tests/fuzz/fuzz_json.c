// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/json.h"

#include <string.h>

/* What is read is written and read again as the same text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ struct json *json = NULL, *again = NULL;
	_cleanup_free_ char *text = NULL, *text_again = NULL;
	struct err err = ERR_INIT;

	if (json_parse((const char *)data, size, "input", &json, &err) < 0)
		return err_is_set(&err) ? 0 : __LINE__;
	text = json_text(json, 0);
	if (json_parse(text, strlen(text), "output", &again, &err) < 0)
		abort();
	text_again = json_text(again, 0);
	if (strcmp(text, text_again) != 0)
		abort();
	return 0;
}
