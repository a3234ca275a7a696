// SPDX-License-Identifier: GPL-2.0-or-later
/* An instance record that loads is saved as one that loads. */
#include "proto/instance.h"

#include <stdint.h>

static void record_fuzz(const struct record_table *table, const struct json *json, void *record,
			void *again)
{
	struct err err = ERR_INIT;
	_cleanup_json_ struct json *saved = NULL;

	if (record_from_json(table, json, record, &err) == 0) {
		saved = record_to_json(table, record);
		if (record_from_json(table, saved, again, &err) < 0)
			__builtin_trap();
	}
	record_release(table, record);
	record_release(table, again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ struct json *json = NULL;
	struct instance instance = { 0 }, instance_again = { 0 };
	struct instance_run run = { 0 }, run_again = { 0 };
	struct err err = ERR_INIT;

	if (json_parse((const char *)data, size, "input", &json, &err) < 0)
		return 0;
	record_fuzz(&instance_table, json, &instance, &instance_again);
	record_fuzz(&instance_run_table, json, &run, &run_again);
	return 0;
}
