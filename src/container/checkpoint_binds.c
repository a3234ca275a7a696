// SPDX-License-Identifier: GPL-2.0-or-later
#include "container/checkpoint_binds.h"
#include "base/mem.h"
#include "base/strv.h"
#include "container/dev.h"
#include "container/mounts.h"

#include <string.h>

static void checkpoint_binds_add(struct checkpoint_binds *binds, const char *place,
				 const char *name, const char *source)
{
	struct checkpoint_bind *bind;

	binds->list = mem_realloc(binds->list, binds->n + 1, sizeof(*binds->list));
	bind = &binds->list[binds->n++];
	*bind = (struct checkpoint_bind){ .place = mem_strdup(place),
					  .name = mem_strdup(name),
					  .source = mem_strdup(source) };
}

/* What the host has mounted below a folder that came with all of it. */
static void checkpoint_binds_add_below(struct checkpoint_binds *binds, const struct mountinfo *host,
				       const char *folder, const char *place, const char *source)
{
	_cleanup_free_ char *real = realpath(folder, NULL);

	for (size_t i = 0; real && i < host->n; i++) {
		const char *rest = mountinfo_below(host->mounts[i].place, real);
		_cleanup_free_ char *at = rest ? mem_printf("%s%s", place, rest) : NULL;
		_cleanup_free_ char *from = rest ? mem_printf("%s%s", source, rest) : NULL;

		if (at)
			checkpoint_binds_add(binds, at, at, from);
	}
}

int checkpoint_binds_is_nodes(const struct spec *spec, size_t i)
{
	const struct spec_mount *mount = &spec->mounts[i];

	return spec_has_userns(spec) && !spec->no_nodes && !strcmp(mount->destination, "/dev") &&
	       !strcmp(mount->type, "tmpfs");
}

static void checkpoint_binds_add_mount(struct checkpoint_binds *binds, const struct spec *spec,
				       const struct mountinfo *host, size_t i)
{
	const struct spec_mount *mount = &spec->mounts[i];
	_cleanup_free_ char *source = mem_printf("%zu", i);

	if (mount->is_store || (!mounts_is_bind(mount) && !checkpoint_binds_is_nodes(spec, i)))
		return;
	checkpoint_binds_add(binds, mount->destination, mount->destination, source);
	if (strv_has(mount->options, "rbind"))
		checkpoint_binds_add_below(binds, host, mount->source, mount->destination, source);
}

/* The tmpfs with the nodes: it is shown at /dev, or nowhere itself. */
static size_t checkpoint_binds_find_nodes(const struct spec *spec)
{
	size_t i = 0;

	while (i < spec->n_mounts && !spec->mounts[i].is_store &&
	       (strcmp(spec->mounts[i].destination, "/dev") != 0 ||
		strcmp(spec->mounts[i].type, "tmpfs") != 0))
		i++;
	return i;
}

/* Nodes that are shown one by one. */
static void checkpoint_binds_add_devices(struct checkpoint_binds *binds, const struct spec *spec)
{
	size_t nodes = checkpoint_binds_find_nodes(spec);

	if (nodes == spec->n_mounts)
		return;
	for (unsigned int i = 0; spec->bare_dev && dev_standard_name(i); i++) {
		_cleanup_free_ char *place = mem_printf("/dev/%s", dev_standard_name(i));
		_cleanup_free_ char *node = mem_printf("%zu/%s", nodes, dev_standard_name(i));

		checkpoint_binds_add(binds, place, place, node);
	}
	for (size_t i = 0; i < spec->n_devices; i++) {
		const char *path = spec->devices[i].path;
		const char *below = mountinfo_below(path, "/dev");
		_cleanup_free_ char *node = NULL;
		char waiting[DEV_WAITING_MAX];

		if (below && !spec->mounts[nodes].is_store)
			continue;
		dev_waiting_name(i, waiting);
		node = mem_printf("%zu/%s", nodes, below ? below + 1 : waiting);
		checkpoint_binds_add(binds, path, path, node);
	}
}

/* A user namespace cannot take off the flags of the host's mount, so there it is one of the nodes that are ours. */
static char *checkpoint_binds_null(const struct spec *spec)
{
	size_t nodes = checkpoint_binds_find_nodes(spec);

	return nodes < spec->n_mounts && checkpoint_binds_is_nodes(spec, nodes)
		       ? mem_printf("%zu/null", nodes)
		       : mem_strdup(CHECKPOINT_NULL);
}

void checkpoint_binds_of(const struct spec *spec, const struct mountinfo *host,
			 struct checkpoint_binds *ret)
{
	_cleanup_free_ char *null = NULL;

	*ret = (struct checkpoint_binds){ 0 };
	if (spec->root_path)
		checkpoint_binds_add_below(ret, host, spec->root_path, "", CHECKPOINT_ROOT);
	for (size_t i = 0; i < spec->n_mounts; i++)
		checkpoint_binds_add_mount(ret, spec, host, i);
	checkpoint_binds_add_devices(ret, spec);
	null = checkpoint_binds_null(spec);
	strv_for_each(path, spec->masked_paths)
		checkpoint_binds_add(ret, *path, CHECKPOINT_NULL, null);
}

void checkpoint_binds_release(struct checkpoint_binds *binds)
{
	for (size_t i = 0; i < binds->n; i++) {
		free(binds->list[i].place);
		free(binds->list[i].name);
		free(binds->list[i].source);
	}
	free(binds->list);
	*binds = (struct checkpoint_binds){ 0 };
}
