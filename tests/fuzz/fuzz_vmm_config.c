// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mem.h"
#include "proto/vmm.h"

#include <string.h>

/*
 * What is read as a configuration, or as a request with more than its name, is written as the same bytes, and keeps the
 * bounds that the machine counts on.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame frame = { .len = (uint32_t)size, .payload = data };
	_cleanup_buf_ struct buf again = BUF_INIT;
	struct vmm_config config = { 0 };
	struct vmm_plug plug;
	struct vmm_grow grow;
	struct vmm_tune tune;

	if (size > FRAME_PAYLOAD_MAX)
		return 0;
	if (vmm_config_get(&frame, &config) == 0) {
		if (config.n_disks > VMM_DISKS_MAX || config.n_nets > VMM_NETS_MAX || !config.cpus)
			abort();
		for (uint32_t i = 0; i < config.n_disks; i++) {
			if (strlen(config.disks[i].serial) > VMM_SERIAL_MAX)
				abort();
		}
		vmm_config_put(&again, &config);
		if (again.len != size)
			abort();
	}
	vmm_config_release(&config);
	if (vmm_plug_get(&frame, &plug) == 0) {
		if (vmm_plug_fds(&plug) > VMM_PLUG_FDS_MAX)
			abort();
		again.len = 0;
		vmm_plug_put(&again, &plug);
		if (again.len != size)
			abort();
	}
	if (vmm_grow_get(&frame, &grow) == 0) {
		again.len = 0;
		vmm_grow_put(&again, &grow);
		if (again.len != size)
			abort();
	}
	if (vmm_tune_get(&frame, &tune) == 0) {
		again.len = 0;
		vmm_tune_put(&again, &tune);
		if (again.len != size || memcmp(again.data, data, size) != 0)
			abort();
	}
	return 0;
}
