// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/guest.h"
#include "base/fnv.h"
#include "proto/wire.h"

#include <stdio.h>
#include <string.h>

void guest_share_tag(const char *path, char ret[GUEST_TAG_MAX])
{
	uint64_t hash = fnv_mix64(FNV_64, path, strlen(path));

	snprintf(ret, GUEST_TAG_MAX, GUEST_SHARE "-%016llx", (unsigned long long)hash);
}

void guest_config_release(struct guest_config *config)
{
	free(config->hostname);
	strv_free(config->tmpfs);
	strv_free(config->shares);
	strv_free(config->mounts);
	strv_free(config->sysctls);
	strv_free(config->cap_add);
	strv_free(config->cap_drop);
	strv_free(config->rlimits);
	strv_free(config->nics);
	free(config->hosts);
	free(config->resolv_conf);
	memset(config, 0, sizeof(*config));
}

void guest_config_put(struct buf *payload, const struct guest_config *config)
{
	wire_put_str(payload, config->hostname);
	wire_put_u32(payload, config->layers);
	wire_put_u8(payload, !!config->user_marks);
	wire_put_u8(payload, !!config->read_only);
	wire_put_strv(payload, config->tmpfs);
	wire_put_strv(payload, config->shares);
	wire_put_u8(payload, !!config->folder_root);
	wire_put_strv(payload, config->mounts);
	wire_put_strv(payload, config->sysctls);
	wire_put_u64(payload, config->pids_limit);
	wire_put_u8(payload, !!config->system);
	wire_put_u8(payload, !!config->init);
	wire_put_u8(payload, !!config->privileged);
	wire_put_strv(payload, config->cap_add);
	wire_put_strv(payload, config->cap_drop);
	wire_put_strv(payload, config->rlimits);
	wire_put_strv(payload, config->nics);
	wire_put_str(payload, config->hosts);
	wire_put_str(payload, config->resolv_conf);
	wire_put_u64(payload, (uint64_t)config->time_ns);
}

int guest_config_get(const struct frame *frame, struct guest_config *ret)
{
	struct wire_reader r = wire_read(frame->payload, frame->len);

	ret->hostname = wire_get_str(&r);
	ret->layers = wire_get_u32(&r);
	ret->user_marks = wire_get_u8(&r);
	ret->read_only = wire_get_u8(&r);
	ret->tmpfs = wire_get_strv(&r);
	ret->shares = wire_get_strv(&r);
	ret->folder_root = wire_get_u8(&r);
	ret->mounts = wire_get_strv(&r);
	ret->sysctls = wire_get_strv(&r);
	ret->pids_limit = wire_get_u64(&r);
	ret->system = wire_get_u8(&r);
	ret->init = wire_get_u8(&r);
	ret->privileged = wire_get_u8(&r);
	ret->cap_add = wire_get_strv(&r);
	ret->cap_drop = wire_get_strv(&r);
	ret->rlimits = wire_get_strv(&r);
	ret->nics = wire_get_strv(&r);
	ret->hosts = wire_get_str(&r);
	ret->resolv_conf = wire_get_str(&r);
	ret->time_ns = (int64_t)wire_get_u64(&r);
	return wire_end(&r);
}
