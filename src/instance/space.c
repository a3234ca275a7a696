// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/space.h"
#include "base/mem.h"
#include "image/kernel.h"
#include "image/manifest.h"
#include "image/store.h"
#include "instance/paths.h"
#include "instance/volume.h"
#include "sys/diskuse.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <string.h>

const char *const space_kind_names[] = {
	[SPACE_IMAGES] = "images",   [SPACE_INSTANCES] = "instances", [SPACE_VOLUMES] = "volumes",
	[SPACE_KERNELS] = "kernels", [SPACE_CACHE] = "cache",	      NULL,
};

/* Below ROOT: what is made anew when it is wanted. */
static const char *const space_caches[] = { "cache", "tmp/fetched", NULL };

void space_release(struct space *space)
{
	for (size_t kind = 0; kind < SPACE_KINDS; kind++) {
		struct space_group *group = &space->groups[kind];

		for (size_t i = 0; i < group->n; i++) {
			free(group->items[i].name);
			free(group->items[i].path);
			strv_free(group->items[i].users);
		}
		free(group->items);
	}
	*space = (struct space){ 0 };
}

/* --- what there is --- */

/* What an instance needs of the images. */
struct space_need {
	char *name, *image_digest;
	char **layers;
};

struct space_look {
	const struct instance_home *home;
	struct space *space;
	struct space_need *needs;
	size_t n_needs;
};

static void space_look_release(struct space_look *look)
{
	for (size_t i = 0; i < look->n_needs; i++) {
		free(look->needs[i].name);
		free(look->needs[i].image_digest);
		strv_free(look->needs[i].layers);
	}
	free(look->needs);
}

/* Takes over the users. */
static struct space_item *space_add(const struct space_look *look, enum space_kind kind,
				    const char *name, char **users)
{
	struct space_group *group = &look->space->groups[kind];
	struct space_item *item;

	group->items = mem_realloc(group->items, group->n + 1, sizeof(*group->items));
	item = &group->items[group->n++];
	*item = (struct space_item){ .name = mem_strdup(name), .users = users };
	group->n_used += users != NULL;
	return item;
}

static int64_t space_limit(const struct instance *record)
{
	return record->kind == INSTANCE_VM || record->bounded ? record->disk_size : 0;
}

static int space_each_instance(struct instance_view *view, void *ctx)
{
	struct instance *record = &view->record;
	struct space_look *look = ctx;
	struct space_need *need;
	struct space_item *item;
	char **users = NULL;

	if (view->alive || view->damaged || view->state == INSTANCE_CHECKPOINTED)
		strv_add(&users, record->name);
	item = space_add(look, SPACE_INSTANCES, record->name, users);
	item->path = paths_state(look->home, record->name);
	item->limit = space_limit(record);
	look->needs = mem_realloc(look->needs, look->n_needs + 1, sizeof(*look->needs));
	need = &look->needs[look->n_needs++];
	need->name = mem_strdup(record->name);
	need->image_digest = take_ptr(record->image_digest);
	need->layers = take_ptr(record->layers);
	return 0;
}

static int space_each_image(const struct image *image, void *ctx)
{
	const struct space_look *look = ctx;
	char **users = NULL;

	for (size_t i = 0; i < look->n_needs; i++) {
		const struct space_need *need = &look->needs[i];

		if (need->image_digest && !strcmp(need->image_digest, image->digest))
			strv_add(&users, need->name);
	}
	(void)space_add(look, SPACE_IMAGES, image->reference, users);
	return 0;
}

static int space_each_volume(const struct volume_view *view, void *ctx)
{
	const struct space_look *look = ctx;

	space_add(look, SPACE_VOLUMES, view->record.name, strv_dup(view->users))->path =
		volume_data(look->home, view->record.name);
	return 0;
}

static int space_each_kernel(const struct kernel *kernel, void *ctx)
{
	const struct space_look *look = ctx;

	space_add(look, SPACE_KERNELS, kernel->name, NULL)->path =
		mem_printf("%s/kernels/%s", look->home->root, kernel->name);
	return 0;
}

static int space_look(struct space_look *look, struct err *err)
{
	int r = instance_each(look->home, space_each_instance, look, err);

	if (r == 0)
		r = store_each(look->home->root, space_each_image, look, err);
	if (r == 0)
		r = volume_each(look->home, space_each_volume, look, err);
	if (r == 0)
		r = kernel_each(look->home->root, space_each_kernel, look, err);
	if (r < 0)
		space_release(look->space);
	return r;
}

int space_list(const struct instance_home *home, struct space *ret, struct err *err)
{
	_cleanup_(space_look_release) struct space_look look = { .home = home, .space = ret };

	*ret = (struct space){ 0 };
	return space_look(&look, err);
}

/* --- how large it is --- */

static int64_t space_of(const char *path)
{
	_cleanup_diskuse_ struct diskuse diskuse = { 0 };

	diskuse_add(&diskuse, path);
	return diskuse.bytes;
}

static int64_t space_below(const struct instance_home *home, const char *folder)
{
	_cleanup_free_ char *path = mem_printf("%s/%s", home->root, folder);

	return space_of(path);
}

/* The drivers of one kind name the same. */
static const char *const *space_data(const struct instance_home *home, int kind)
{
	for (const struct driver_ops *const *driver = home->drivers; *driver; driver++) {
		if ((*driver)->kind == kind && (*driver)->data)
			return (*driver)->data;
	}
	return NULL;
}

void space_written(const struct instance_home *home, const struct instance *record,
		   struct space_written *ret)
{
	_cleanup_free_ char *folder = paths_state(home, record->name);
	const char *const *data = space_data(home, (int)record->kind);

	*ret = (struct space_written){ .limit = space_limit(record) };
	for (; data && *data; data++) {
		_cleanup_free_ char *path = mem_printf("%s/%s", folder, *data);

		ret->written += space_of(path);
	}
	ret->all = ret->written;
	strv_for_each(layer, record->layers) {
		_cleanup_free_ char *path = store_layer_path(home->root, *layer);

		ret->all += space_of(path);
	}
}

/* Those that share nothing. */
static void space_measure_items(struct space_group *group)
{
	for (size_t i = 0; i < group->n; i++) {
		struct space_item *item = &group->items[i];

		item->size = item->own = space_of(item->path);
		group->size += item->size;
		group->free += item->users ? 0 : item->size;
	}
}

/* A blob or a layer. */
struct space_file {
	char *path;
	int64_t size;
	unsigned int images; /* how many have it, counted by their names */
	int is_used;	     /* by an instance, or by an image that one uses */
};

struct space_files {
	const struct instance_home *home;
	struct space_file **files;
	size_t n;
};

static void space_files_release(struct space_files *files)
{
	for (size_t i = 0; i < files->n; i++) {
		free(files->files[i]->path);
		free(files->files[i]);
	}
	free(files->files);
}

/* Takes over the path. */
static struct space_file *space_file(struct space_files *files, char *path)
{
	struct space_file *file;

	for (size_t i = 0; i < files->n; i++) {
		if (strcmp(files->files[i]->path, path) != 0)
			continue;
		free(path);
		return files->files[i];
	}
	file = mem_zalloc(sizeof(*file));
	*file = (struct space_file){ .path = path, .size = space_of(path) };
	files->files = mem_realloc(files->files, files->n + 1, sizeof(struct space_file *));
	files->files[files->n++] = file;
	return file;
}

/* The files of an image, each once, as a NULL-terminated list; of a damaged one, those that are known. Caller frees. */
static struct space_file **space_files_of(struct space_files *files, const char *reference)
{
	_cleanup_store_documents_ struct store_documents image = { 0 };
	_cleanup_strv_ char **paths = NULL, **layers = NULL;
	const char *root = files->home->root;
	struct err ignored = ERR_INIT;
	struct space_file **list;
	size_t n = 0;

	if (store_get_documents(root, reference, &image, &ignored) == 0) {
		const char *blobs = "images/blobs/sha256";

		strv_add_printf(&paths, "%s/%s/%s", root, blobs, image.hex);
		strv_add_printf(&paths, "%s/%s/%s", root, blobs, image.manifest->config.hex);
		for (size_t i = 0; i < image.manifest->n_layers; i++)
			strv_add_printf(&paths, "%s/%s/%s", root, blobs,
					image.manifest->layers[i].hex);
		(void)manifest_check_config(image.config, &layers, &ignored);
	}
	strv_for_each(layer, layers) {
		_cleanup_free_ char *path = store_layer_path(root, *layer);

		strv_add(&paths, path);
	}
	list = mem_zalloc((strv_len(paths) + 1) * sizeof(struct space_file *));
	strv_for_each(path, paths) {
		struct space_file *file = space_file(files, mem_strdup(*path));
		size_t i = 0;

		while (i < n && list[i] != file)
			i++;
		if (i == n)
			list[n++] = file;
	}
	return list;
}

/* Two passes: what is an image's own is known when all are. */
static void space_sum_images(struct space_group *group, struct space_file *const *const *lists)
{
	for (size_t i = 0; i < group->n; i++) {
		for (struct space_file *const *file = lists[i]; *file; file++) {
			(*file)->images++;
			(*file)->is_used |= group->items[i].users != NULL;
			group->items[i].size += (*file)->size;
		}
	}
	for (size_t i = 0; i < group->n; i++) {
		for (struct space_file *const *file = lists[i]; *file; file++)
			group->items[i].own += (*file)->images == 1 ? (*file)->size : 0;
	}
}

static void space_measure_images(const struct space_look *look)
{
	_cleanup_(space_files_release) struct space_files files = { .home = look->home };
	struct space_group *group = &look->space->groups[SPACE_IMAGES];
	struct space_file ***lists = mem_zalloc((group->n + 1) * sizeof(struct space_file **));

	for (size_t i = 0; i < group->n; i++)
		lists[i] = space_files_of(&files, group->items[i].name);
	/* layers stay for an instance even when its image is gone */
	for (size_t i = 0; i < look->n_needs; i++) {
		strv_for_each(layer, look->needs[i].layers)
			space_file(&files, store_layer_path(look->home->root, *layer))->is_used = 1;
	}
	space_sum_images(group, (struct space_file *const *const *)lists);
	for (size_t i = 0; i < files.n; i++)
		group->free += files.files[i]->is_used ? 0 : files.files[i]->size;
	group->size = space_below(look->home, "images") + space_below(look->home, "layers");
	for (size_t i = 0; i < group->n; i++)
		free(lists[i]);
	free(lists);
}

int space_measure(const struct instance_home *home, struct space *ret, struct err *err)
{
	_cleanup_(space_look_release) struct space_look look = { .home = home, .space = ret };
	struct space_group *groups = ret->groups;
	int r;

	*ret = (struct space){ 0 };
	r = space_look(&look, err);
	if (r < 0)
		return r;
	space_measure_images(&look);
	space_measure_items(&groups[SPACE_INSTANCES]);
	space_measure_items(&groups[SPACE_VOLUMES]);
	space_measure_items(&groups[SPACE_KERNELS]);
	/* the default one, and those that an instance may name later, are not told apart */
	groups[SPACE_KERNELS].free = 0;
	groups[SPACE_KERNELS].size = space_below(home, "kernels");
	for (size_t i = 0; space_caches[i]; i++)
		groups[SPACE_CACHE].size += space_below(home, space_caches[i]);
	groups[SPACE_CACHE].free = groups[SPACE_CACHE].size;
	return 0;
}

/* --- removing --- */

static int space_remove(const struct instance_home *home, enum space_kind kind, const char *name,
			struct err *err)
{
	_cleanup_free_ char *removed = NULL;

	switch (kind) {
	case SPACE_IMAGES:
		return store_remove(home->root, name, 0, &removed, err);
	case SPACE_INSTANCES:
		return instance_remove(home, name, 0, err);
	case SPACE_VOLUMES:
		return volume_remove(home, name, err);
	default:
		return err_set(err, -EINVAL, "%s are removed by name", space_kind_names[kind]);
	}
}

static void space_empty_cache(const struct instance_home *home)
{
	for (size_t i = 0; space_caches[i]; i++) {
		_cleanup_free_ char *folder = mem_printf("%s/%s", home->root, space_caches[i]);

		(void)userns_remove_tree(AT_FDCWD, folder);
	}
}

int space_prune(const struct instance_home *home, enum space_kind kind,
		void (*each)(const char *name), struct err *err)
{
	_cleanup_space_ struct space space = { 0 };
	const struct space_group *group = &space.groups[kind];

	if (kind == SPACE_CACHE)
		space_empty_cache(home);
	if (space_list(home, &space, err) < 0)
		return err->code;
	for (size_t i = 0; i < group->n; i++) {
		struct err problem = ERR_INIT;
		int r = group->items[i].users
				? -EBUSY
				: space_remove(home, kind, group->items[i].name, &problem);

		if (r == 0)
			each(group->items[i].name);
		/* taken into use, or removed by somebody else, meanwhile */
		if (r == 0 || r == -EBUSY || r == -ENOENT)
			continue;
		*err = problem;
		return r;
	}
	return 0;
}
