// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/spec.h"
#include "base/mem.h"
#include "base/strv.h"

static void spec_mount_release(struct spec_mount *mount)
{
	free(mount->destination);
	free(mount->type);
	free(mount->source);
	strv_free(mount->options);
}

void spec_release(struct spec *spec)
{
	for (size_t i = 0; i < spec->n_mounts; i++)
		spec_mount_release(&spec->mounts[i]);
	for (size_t i = 0; i < spec->n_devices; i++) {
		free(spec->devices[i].source);
		free(spec->devices[i].path);
	}
	strv_free(spec->process.env);
	idmap_release(&spec->idmap);
	free(spec->mounts);
	free(spec->devices);
	free(spec->rlimits);
	strv_free(spec->masked_paths);
	strv_free(spec->readonly_paths);
	free(spec->hostname);
	free(spec->cgroup_path);
	*spec = (struct spec){ 0 };
}

void spec_set_caps(struct spec *spec, uint64_t caps)
{
	spec->bounding = caps;
	spec->caps = (struct caps_sets){ .effective = caps, .permitted = caps };
	spec->caps_of_root = 1;
}

void spec_privilege(const struct spec *spec, const struct filter *filter, int death_signal,
		    struct privilege *ret)
{
	*ret = (struct privilege){
		.bounding = spec->bounding,
		.caps = spec->caps,
		.caps_of_root = spec->caps_of_root,
		.no_new_privs = spec->no_new_privs,
		.filter = filter,
		.death_signal = death_signal,
	};
}

void spec_add_mount(struct spec *spec, const char *destination, const char *type,
		    const char *source, const char *options)
{
	spec->mounts = mem_realloc(spec->mounts, spec->n_mounts + 1, sizeof(*spec->mounts));
	spec->mounts[spec->n_mounts++] = (struct spec_mount){
		.destination = mem_strdup(destination),
		.type = mem_strdup(type),
		.source = mem_strdup(source),
		.options = strv_split(options, ","),
	};
}
