// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/manifest.h"

#include <string.h>

/* The first byte says which document the rest is. A manifest that is taken can be written and read. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_manifest_index_ struct manifest_index index = { .n_images = 0 };
	_cleanup_manifest_ struct manifest manifest = { .n_layers = 0 }, again = { .n_layers = 0 };
	const char *text = (const char *)data + 1;
	_cleanup_json_ struct json *json = NULL;
	_cleanup_strv_ char **diff_ids = NULL;
	_cleanup_free_ char *written = NULL;
	struct err err = ERR_INIT;

	if (!size)
		return 0;
	if (data[0] == 'i')
		return manifest_parse_index(text, size - 1, &index, &err) < 0 && !err_is_set(&err);
	if (data[0] == 'c') {
		if (json_parse(text, size - 1, "input", &json, &err) == 0)
			(void)manifest_check_config(json, &diff_ids, &err);
		return 0;
	}
	if (manifest_parse(text, size - 1, &manifest, &err) < 0)
		return 0;
	written = manifest_text(&manifest);
	if (manifest_parse(written, strlen(written), &again, &err) < 0 ||
	    again.n_layers != manifest.n_layers ||
	    strcmp(again.config.hex, manifest.config.hex) != 0)
		abort();
	return 0;
}
