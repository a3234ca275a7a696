// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/limits.h"
#include "proto/guest.h"
#include "proto/nic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame frame = { .len = (uint32_t)size, .payload = data };
	struct guest_config config = { 0 };
	struct limits limits = { 0 };
	struct err err = ERR_INIT;

	if (size > FRAME_PAYLOAD_MAX)
		return 0;
	if (guest_config_get(&frame, &config) == 0 && limits_parse(&config, &limits, &err) == 0) {
		for (size_t i = 0; i < limits.n_rlimits; i++) {
			if (limits.rlimits[i].soft > limits.rlimits[i].hard)
				abort();
		}
	}
	strv_for_each(nic, config.nics) {
		struct nic_setup setup;

		if (nic_setup_parse(*nic, &setup, &err) == 0 && !nic_name_is_valid(setup.name))
			abort();
	}
	guest_config_release(&config);
	return 0;
}
