// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/store.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/units.h"
#include "base/word.h"
#include "image/layer.h"
#include "image/manifest.h"
#include "image/reference.h"
#include "image/short_name.h"
#include "image/store-internal.h"
#include "image/work.h"
#include "sys/userns.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/*
 * Invariants:
 *   1. index.json is replaced as a whole, after everything that it names is on the disk: a reader,
 * and a machine that lost power, see the store before or after a change.
 *   2. Whatever no entry of index.json and no instance leads to may be removed by any writer
 *      (store_sweep); what a writer that was killed has left goes the same way.
 *   3. If a document that would say what is needed cannot be read, nothing is removed.
 */

#define STORE_INDEX	 "index.json"
#define STORE_NAME	 "org.opencontainers.image.ref.name"
#define STORE_PREFIX_MIN 6 /* digits of a digest that are taken for one */
#define STORE_RECORD_MAX ((size_t)4 << 20)

void image_release(struct image *image)
{
	free(image->reference);
	free(image->digest);
	free(image->user);
	free(image->working_dir);
	free(image->stop_signal);
	free(image->architecture);
	free(image->os);
	strv_free(image->layers);
	strv_free(image->entrypoint);
	strv_free(image->cmd);
	strv_free(image->env);
	strv_free(image->volumes);
	strv_free(image->exposed_ports);
	strv_free(image->labels);
	*image = (struct image){ .size = 0 };
}

int store_reference(const char *text, char **ret, struct err *err)
{
	return reference_normalize(text, ret, err);
}

char *store_layer_path(const char *root, const char *diff_id)
{
	_cleanup_free_ char *name = layer_name(diff_id);
	int is_folder = !strcmp(name, diff_id);

	return mem_printf("%s/layers/%s%s", root, name, is_folder ? "/" LAYER_FOLDER : "");
}

int store_layer_disk(const char *root, const char *diff_id, char **ret, struct err *err)
{
	_cleanup_free_ char *name = layer_name(diff_id);
	_cleanup_free_ char *path = mem_printf("%s/layers/%s", root, name);

	if (!strcmp(name, diff_id) && layer_make_disk(path, diff_id, err) < 0)
		return err->code;
	*ret = !strcmp(name, diff_id) ? mem_printf("%s/" LAYER_DISK, path) : take_ptr(path);
	return 0;
}

int store_has_layer(const char *root, const char *diff_id)
{
	_cleanup_free_ char *path = store_layer_path(root, diff_id);

	return access(path, F_OK) == 0;
}

/* --- making and locking --- */

static int store_make(const char *root, struct err *err)
{
	static const char *const folders[] = { "images/blobs/sha256", "layers" };
	static const struct {
		const char *path, *text;
	} files[] = {
		{ "images/oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}\n" },
		{ "images/" STORE_INDEX, "{\"schemaVersion\":2,\"manifests\":[]}\n" },
	};
	int r = file_mkdir_p(root, 0755);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(folders); i++) {
		_cleanup_free_ char *path = mem_printf("%s/%s", root, folders[i]);

		r = file_mkdir_p(path, 0700);
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *path = mem_printf("%s/%s", root, files[i].path);

		if (access(path, F_OK) < 0)
			r = file_replace(AT_FDCWD, path, files[i].text, strlen(files[i].text), 0644,
					 1);
	}
	return r < 0 ? err_errno(err, r, "cannot make the image store in %s", root) : 0;
}

int store_lock(const char *root, int exclusive, struct err *err)
{
	_cleanup_free_ char *images = mem_printf("%s/images", root);
	_cleanup_free_ char *path = mem_printf("%s/.lock", images);
	_cleanup_close_ int fd = -EBADF;
	int r = file_mkdir_p(images, 0700);

	if (r < 0)
		return err_errno(err, r, "cannot make the image store in %s", root);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(err, -errno, "cannot open %s", path);
	r = file_lock(fd, exclusive ? LOCK_EX : LOCK_SH);
	if (r < 0)
		return err_errno(err, r, "cannot lock %s", path);
	if (exclusive && store_make(root, err) < 0)
		return err->code;
	return take_fd(&fd);
}

/* --- the index --- */

/* index.json; an absent one is that of an empty store. */
int store_read_index(const char *root, struct json **ret, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/images/" STORE_INDEX, root);
	_cleanup_json_ struct json *index = NULL;

	if (access(path, F_OK) < 0 && errno == ENOENT) {
		index = json_new_object();
		json_object_add(index, "schemaVersion", json_new_int(2));
		json_object_add(index, "manifests", json_new_array());
	} else if (json_read_file(AT_FDCWD, path, MANIFEST_TEXT_MAX, &index, err) < 0) {
		return err->code;
	}
	if (json_kind(json_get(index, "manifests")) != JSON_ARRAY)
		return err_set(err, -EINVAL, "%s has no list of manifests", path);
	*ret = take_ptr(index);
	return 0;
}

static int store_write_index(const char *root, const struct json *index, struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/images/" STORE_INDEX, root);
	_cleanup_free_ char *text = json_text(index, 0);
	int r;

	(void)file_replace_leftovers(AT_FDCWD, path,
				     1); /* of who was killed with the lock that we have now */
	r = file_replace(AT_FDCWD, path, text, strlen(text), 0644, 1);

	return r < 0 ? err_errno(err, r, "cannot write %s", path) : 0;
}

/* NAME:TAG of an entry, or NULL if another tool made it and gave it none that is whole. */
const char *store_entry_reference(const struct json *entry)
{
	const char *name = json_get_string(json_get(entry, "annotations"), STORE_NAME, NULL);

	return name && reference_tag(name) ? name : NULL;
}

/* The digits of an entry's digest, or NULL. */
const char *store_entry_hex(const struct json *entry)
{
	const char *digest = json_get_string(entry, "digest", NULL);
	struct err ignored = ERR_INIT;
	char hex[DIGEST_HEX_SIZE];

	return digest_parse(digest, hex, &ignored) < 0 ? NULL : digest + strlen("sha256:");
}

static struct json *store_new_entry(const struct store_image *image)
{
	struct json *entry = json_new_object(), *annotations = json_new_object();
	_cleanup_free_ char *digest = mem_printf("sha256:%s", image->hex);

	json_object_add(entry, "mediaType", json_new_string(image->media_type));
	json_object_add(entry, "digest", json_new_string(digest));
	json_object_add(entry, "size", json_new_int(image->size));
	json_object_add(annotations, STORE_NAME, json_new_string(image->reference));
	json_object_add(entry, "annotations", annotations);
	return entry;
}

/* Where a reference in full is in the list; -ENOENT if nowhere. */
static int store_index_find(const struct json *list, const char *reference)
{
	for (size_t i = 0; i < json_array_len(list); i++) {
		const char *name = store_entry_reference(json_array_at(list, i));

		if (name && !strcmp(name, reference))
			return (int)i;
	}
	return -ENOENT;
}

static void store_index_put(struct json *list, const struct store_image *image)
{
	int at = store_index_find(list, image->reference);

	if (at >= 0)
		json_array_remove(list, (size_t)at);
	json_array_add(list, store_new_entry(image));
}

/* The digits of a reference that could be those of a digest, or NULL. */
static const char *store_digits(const char *reference)
{
	const char *digits = reference;
	size_t len;

	if (!strncmp(digits, "sha256:", strlen("sha256:")))
		digits += strlen("sha256:");
	len = strlen(digits);
	return len >= STORE_PREFIX_MIN && len <= DIGEST_HEX_LEN &&
			       strspn(digits, "0123456789abcdef") == len
		       ? digits
		       : NULL;
}

/* The entry whose digest begins with the digits. Several names of one image are no conflict. */
static int store_index_find_digits(const struct json *list, const char *digits, int *ret_names,
				   struct err *err)
{
	const char *found = NULL;
	int at = -ENOENT;

	*ret_names = 0;
	for (size_t i = 0; i < json_array_len(list); i++) {
		const char *hex = store_entry_hex(json_array_at(list, i));

		if (!hex || strncmp(hex, digits, strlen(digits)) ||
		    !store_entry_reference(json_array_at(list, i)))
			continue;
		if (found && strcmp(hex, found))
			return err_set(
				err, -EINVAL,
				"the digests of several images begin with %s: give more digits",
				digits);
		found = hex;
		at = at < 0 ? (int)i : at;
		(*ret_names)++;
	}
	return at;
}

static int store_not_found(const struct json *list, const char *reference, struct err *err)
{
	_cleanup_free_ const char **names = mem_zalloc((json_array_len(list) + 1) * sizeof(*names));
	const char *near;
	size_t n = 0;

	for (size_t i = 0; i < json_array_len(list); i++) {
		names[n] = store_entry_reference(json_array_at(list, i));
		n += names[n] != NULL;
	}
	near = word_nearest(reference, names);
	if (near)
		return err_set(err, -ENOENT, "there is no image '%.120s'; did you mean '%.120s'?",
			       reference, near);
	return err_set(err, -ENOENT,
		       "there is no image '%.120s'; get one with 'brig pull', 'brig image import' "
		       "or 'brig image bootstrap debian:bookworm'",
		       reference);
}

/* A name without a host may be that of an image that a pull found elsewhere than at docker.io. */
static int store_find_short(const struct json *list, const char *reference)
{
	_cleanup_strv_ char **names = NULL;
	struct err ignored = ERR_INIT;

	if (short_name_resolve(reference, &names, &ignored) < 0)
		return -ENOENT;
	strv_for_each(name, names) {
		_cleanup_free_ char *full = NULL;
		int at = reference_resolve(*name, &full, NULL, &ignored);

		if (at == 0)
			at = store_index_find(list, full);
		if (at >= 0)
			return at;
	}
	return -ENOENT;
}

/* Where the image is in the list; *ret_names: how many names it was found under. */
static int store_find(const struct json *list, const char *reference, int *ret_names,
		      struct err *err)
{
	const char *digits = store_digits(reference);
	_cleanup_free_ char *full = NULL;
	struct err invalid = ERR_INIT;
	int at;

	*ret_names = 1;
	if (reference_resolve(reference, &full, NULL, &invalid) == 0) {
		at = store_index_find(list, full);
		if (at >= 0)
			return at;
	} else if (!digits) {
		return err_set(err, invalid.code, "%s", invalid.msg);
	}
	if (digits) {
		at = store_index_find_digits(list, digits, ret_names, err);
		if (at != -ENOENT)
			return at;
	}
	at = store_find_short(list, reference);
	if (at >= 0)
		return at;
	return store_not_found(list, full ? full : reference, err);
}

/* --- images --- */

/* Reads a small blob and checks its digest. */
static int store_read_blob(const char *root, const char *hex, char **ret, size_t *ret_len,
			   struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/images/blobs/sha256/%s", root, hex);
	_cleanup_free_ char *text = NULL;
	char found[DIGEST_HEX_SIZE];
	int r = file_read(AT_FDCWD, path, MANIFEST_TEXT_MAX, &text, ret_len);

	if (r < 0)
		return err_errno(err, r, "cannot read %s", path);
	digest_of(text, *ret_len, found);
	if (strcmp(found, hex))
		return err_set(err, -EBADMSG, "%s is damaged", path);
	*ret = take_ptr(text);
	return 0;
}

static int store_add_key(const char *key, struct json *value _unused_, void *ctx)
{
	strv_add(ctx, key);
	return 0;
}

static int store_add_assignment(const char *key, struct json *value, void *ctx)
{
	const char *text = json_string(value);

	strv_add_printf(ctx, "%s=%s", key, text ? text : "");
	return 0;
}

static char *store_string(const struct json *object, const char *key)
{
	const char *s = json_get_string(object, key, NULL);

	return s && *s ? mem_strdup(s) : NULL;
}

static int store_fill(const struct json *config, struct image *image, struct err *err)
{
	const struct json *run = json_get(config, "config");
	const char *created = json_get_string(config, "created", NULL);
	struct err ignored = ERR_INIT;

	if (manifest_check_config(config, &image->layers, err) < 0)
		return err->code;
	if (created && units_parse_time(created, units_now(), &image->created, &ignored) < 0)
		image->created = 0;
	image->architecture = store_string(config, "architecture");
	image->os = store_string(config, "os");
	image->entrypoint = json_get_strv(run, "Entrypoint");
	image->cmd = json_get_strv(run, "Cmd");
	image->env = json_get_strv(run, "Env");
	image->user = store_string(run, "User");
	image->working_dir = store_string(run, "WorkingDir");
	image->stop_signal = store_string(run, "StopSignal");
	json_object_each(json_get(run, "Volumes"), store_add_key, &image->volumes);
	json_object_each(json_get(run, "ExposedPorts"), store_add_key, &image->exposed_ports);
	json_object_each(json_get(run, "Labels"), store_add_assignment, &image->labels);
	return 0;
}

/* That of a folder was noted when it was made. */
static int store_folder_size(const char *path, int64_t *ret)
{
	_cleanup_free_ char *file = mem_printf("%s/../" LAYER_SIZE, path), *text = NULL;
	struct err unused = ERR_INIT;
	int r = file_read(AT_FDCWD, file, 64, &text, NULL);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	return units_parse_int(text, 0, INT64_MAX, ret, &unused);
}

static int store_layers_size(const char *root, struct image *image, struct err *err)
{
	strv_for_each(diff_id, image->layers) {
		_cleanup_free_ char *path = store_layer_path(root, *diff_id);
		int64_t size = 0;
		struct stat st;
		int r = stat(path, &st) < 0 ? -errno : 0;

		if (r == 0 && S_ISDIR(st.st_mode))
			r = store_folder_size(path, &size);
		if (r < 0)
			return err_errno(err, r, "cannot find the layer %s", path);
		image->size += S_ISDIR(st.st_mode) ? size : st.st_size;
	}
	return 0;
}

/* The documents of an entry; the second one is the configuration. */
int store_load_documents(const char *root, const struct json *entry, char **ret_manifest,
			 struct json **ret_config, struct manifest *ret, struct err *err)
{
	_cleanup_free_ char *text = NULL, *config = NULL;
	const char *hex = store_entry_hex(entry);
	size_t len = 0;

	if (!hex)
		return err_set(err, -EINVAL, "its entry in the index has no digest");
	if (store_read_blob(root, hex, &text, &len, err) != 0 ||
	    manifest_parse(text, len, ret, err) < 0 ||
	    store_read_blob(root, ret->config.hex, &config, &len, err) != 0 ||
	    json_parse(config, len, "the configuration", ret_config, err) < 0)
		return err->code;
	*ret_manifest = take_ptr(text);
	return 0;
}

static void store_fill_name(const struct json *entry, struct image *image)
{
	const char *hex = store_entry_hex(entry);

	image->reference = mem_strdup(store_entry_reference(entry));
	image->digest = mem_printf("sha256:%s", hex ? hex : "");
}

/* All that is known of an image; text and config are its two documents. */
static int store_load_all(const char *root, const struct json *entry, char **text,
			  struct json **config, struct image *image, struct err *err)
{
	_cleanup_manifest_ struct manifest manifest = { .n_layers = 0 };
	int r;

	store_fill_name(entry, image);
	r = store_load_documents(root, entry, text, config, &manifest, err);
	if (r == 0)
		r = store_fill(*config, image, err);
	if (r == 0)
		r = store_layers_size(root, image, err);
	if (r < 0)
		err_wrap(err, "the image %s cannot be used (import it again)", image->reference);
	return r;
}

static int store_load(const char *root, const struct json *entry, struct image *ret,
		      struct err *err)
{
	_cleanup_image_ struct image image = { .size = 0 };
	_cleanup_json_ struct json *config = NULL;
	_cleanup_free_ char *text = NULL;

	if (store_load_all(root, entry, &text, &config, &image, err) < 0)
		return err->code;
	*ret = image;
	image = (struct image){ .size = 0 };
	return 0;
}

int store_get(const char *root, const char *reference, struct image *ret, struct err *err)
{
	_cleanup_json_ struct json *index = NULL;
	struct json *list;
	int at, names;

	if (store_read_index(root, &index, err) < 0)
		return err->code;
	list = json_get(index, "manifests");
	at = store_find(list, reference, &names, err);
	return at < 0 ? at : store_load(root, json_array_at(list, (size_t)at), ret, err);
}

void store_documents_release(struct store_documents *documents)
{
	free(documents->reference);
	free(documents->media_type);
	free(documents->text);
	if (documents->manifest)
		manifest_release(documents->manifest);
	free(documents->manifest);
	json_free(documents->config);
}

int store_get_documents(const char *root, const char *reference, struct store_documents *ret,
			struct err *err)
{
	_cleanup_store_documents_ struct store_documents found = { 0 };
	_cleanup_json_ struct json *index = NULL;
	const struct json *entry;
	struct json *list;
	int at, names;

	if (store_read_index(root, &index, err) < 0)
		return err->code;
	list = json_get(index, "manifests");
	at = store_find(list, reference, &names, err);
	if (at < 0)
		return at;
	entry = json_array_at(list, (size_t)at);
	found.reference = mem_strdup(store_entry_reference(entry));
	found.media_type = mem_strdup(json_get_string(entry, "mediaType", MANIFEST_TYPE_MANIFEST));
	found.manifest = mem_zalloc(sizeof(*found.manifest));
	if (store_load_documents(root, entry, &found.text, &found.config, found.manifest, err) < 0)
		return err_wrap(err, "the image %s cannot be used", found.reference);
	memcpy(found.hex, store_entry_hex(entry), sizeof(found.hex));
	*ret = found;
	found = (struct store_documents){ 0 };
	return 0;
}

static int store_compare_entries(const void *a, const void *b)
{
	return strcmp(store_entry_reference(*(struct json *const *)a),
		      store_entry_reference(*(struct json *const *)b));
}

int store_each(const char *root, int (*each)(const struct image *image, void *ctx), void *ctx,
	       struct err *err)
{
	_cleanup_json_ struct json *index = NULL;
	_cleanup_free_ struct json **entries = NULL;
	struct json *list;
	size_t n = 0;
	int r = 0;

	if (store_read_index(root, &index, err) < 0)
		return err->code;
	list = json_get(index, "manifests");
	entries = mem_zalloc((json_array_len(list) + 1) * sizeof(struct json *));
	for (size_t i = 0; i < json_array_len(list); i++) {
		entries[n] = json_array_at(list, i);
		n += store_entry_reference(entries[n]) != NULL;
	}
	qsort(entries, n, sizeof(struct json *), store_compare_entries);
	for (size_t i = 0; r == 0 && i < n; i++) {
		_cleanup_image_ struct image image = { .size = 0 };
		struct err damaged = ERR_INIT;

		if (store_load(root, entries[i], &image, &damaged) < 0) {
			log_debug("%s", damaged.msg);
			store_fill_name(entries[i], &image);
		}
		r = each(&image, ctx);
	}
	return r;
}

static struct json *store_references_of(const struct json *list, const char *hex)
{
	struct json *names = json_new_array();

	for (size_t i = 0; i < json_array_len(list); i++) {
		const struct json *entry = json_array_at(list, i);
		const char *other = store_entry_hex(entry);

		if (other && !strcmp(other, hex) && store_entry_reference(entry))
			json_array_add(names, json_new_string(store_entry_reference(entry)));
	}
	return names;
}

int store_inspect(const char *root, const char *reference, char **ret_json, struct err *err)
{
	_cleanup_json_ struct json *index = NULL, *result = json_new_object(), *config = NULL;
	_cleanup_image_ struct image image = { .size = 0 };
	_cleanup_free_ char *text = NULL;
	struct json *list, *manifest = NULL;
	const struct json *entry;
	int at, names;

	if (store_read_index(root, &index, err) < 0)
		return err->code;
	list = json_get(index, "manifests");
	at = store_find(list, reference, &names, err);
	if (at < 0)
		return at;
	entry = json_array_at(list, (size_t)at);
	if (store_load_all(root, entry, &text, &config, &image, err) != 0 ||
	    json_parse(text, strlen(text), "the manifest", &manifest, err) < 0)
		return err->code;
	json_object_add(result, "reference", json_new_string(image.reference));
	json_object_add(result, "references", store_references_of(list, store_entry_hex(entry)));
	json_object_add(result, "digest", json_new_string(image.digest));
	json_object_add(result, "size", json_new_int(image.size));
	json_object_add(result, "layers", json_new_strv(image.layers));
	json_object_add(result, "config", take_ptr(config));
	json_object_add(result, "manifest", manifest);
	*ret_json = json_text(result, 1);
	return 0;
}

/* --- what is needed and what is not --- */

void store_needs_release(struct store_needs *needs)
{
	strv_free(needs->blobs);
	strv_free(needs->layers);
}

/* Calls each() with the records of all instances until it returns non-zero; returns that. */
int store_each_instance(const char *root,
			int (*each)(const char *name, const struct json *record, void *ctx),
			void *ctx, struct err *err)
{
	_cleanup_free_ char *folder = mem_printf("%s/instances", root);
	_cleanup_closedir_ DIR *dir = opendir(folder);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return errno == ENOENT ? 0 : err_errno(err, -errno, "cannot read %s", folder);
	while (r == 0 && (entry = readdir(dir))) {
		_cleanup_free_ char *path =
			mem_printf("%s/%s/instance.json", folder, entry->d_name);
		_cleanup_json_ struct json *record = NULL;

		if (entry->d_name[0] == '.' || (access(path, F_OK) < 0 && errno != EACCES))
			continue;
		if (json_read_file(AT_FDCWD, path, STORE_RECORD_MAX, &record, err) < 0)
			return err->code;
		r = each(entry->d_name, record, ctx);
	}
	return r;
}

int store_need_instance(const char *name _unused_, const struct json *record, void *ctx)
{
	_cleanup_strv_ char **layers = json_get_strv(record, "layers");
	struct store_needs *needs = ctx;

	strv_for_each(layer, layers)
		strv_add(&needs->layers, *layer);
	return 0;
}

static int store_need_image(const char *root, const struct json *entry, struct store_needs *needs,
			    struct err *err)
{
	_cleanup_manifest_ struct manifest manifest = { .n_layers = 0 };
	_cleanup_json_ struct json *config = NULL;
	_cleanup_strv_ char **layers = NULL;
	_cleanup_free_ char *text = NULL;

	if (store_load_documents(root, entry, &text, &config, &manifest, err) < 0 ||
	    manifest_check_config(config, &layers, err) < 0)
		return err->code;
	strv_add(&needs->blobs, store_entry_hex(entry));
	strv_add(&needs->blobs, manifest.config.hex);
	for (size_t i = 0; i < manifest.n_layers; i++)
		strv_add(&needs->blobs, manifest.layers[i].hex);
	strv_for_each(layer, layers)
		strv_add(&needs->layers, *layer);
	return 0;
}

/* A folder is not whole any more when some of it is gone, so it loses its name first. */
void store_remove_file(int dirfd, const char *name)
{
	_cleanup_free_ char *aside = NULL;

	if (unlinkat(dirfd, name, 0) == 0 || errno != EISDIR)
		return;
	if (strncmp(name, STORE_REMOVED, strlen(STORE_REMOVED)) != 0)
		aside = mem_printf(STORE_REMOVED "%s", name);
	if (!aside || renameat(dirfd, name, dirfd, aside) == 0)
		(void)userns_remove_tree(dirfd, aside ? aside : name);
}

/* Removes the files of a folder whose names, without their end, are not needed. */
static void store_sweep_folder(const char *folder, const char *end, char *const *needed)
{
	_cleanup_closedir_ DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name), n = strlen(end);
		_cleanup_free_ char *hex = NULL;

		if (entry->d_name[0] == '.' &&
		    strncmp(entry->d_name, STORE_REMOVED, strlen(STORE_REMOVED)) != 0)
			continue;
		hex = mem_strndup(entry->d_name,
				  len > n && !strcmp(entry->d_name + len - n, end) ? len - n : len);
		if (!strv_has(needed, hex))
			store_remove_file(dirfd(dir), entry->d_name);
	}
}

/* Removes what nothing leads to. Needs the lock. */
int store_sweep(const char *root, const struct json *list, struct err *err)
{
	_cleanup_(store_needs_release) struct store_needs needs = { NULL };
	_cleanup_free_ char *blobs = mem_printf("%s/images/blobs/sha256", root);
	_cleanup_free_ char *layers = mem_printf("%s/layers", root);

	for (size_t i = 0; i < json_array_len(list); i++) {
		if (store_need_image(root, json_array_at(list, i), &needs, err) < 0)
			return err->code;
	}
	if (store_each_instance(root, store_need_instance, &needs, err) < 0)
		return err->code;
	store_sweep_folder(blobs, "", needs.blobs);
	store_sweep_folder(layers, STORE_LAYER_END, needs.layers);
	return 0;
}

/* A sweep that could not be done is made good by the next one. */
static void store_try_sweep(const char *root, const struct json *list)
{
	struct err why = ERR_INIT;

	if (store_sweep(root, list, &why) < 0)
		log_debug("nothing is cleaned in the image store: %s", why.msg);
}

/* --- changes --- */

int store_tag(const char *root, const char *reference, const char *new_reference, struct err *err)
{
	_cleanup_close_ int lock = store_lock(root, 1, err);
	_cleanup_free_ char *full = NULL, *type = NULL;
	_cleanup_json_ struct json *index = NULL;
	struct store_image image = { .size = 0 };
	const struct json *entry;
	struct json *list;
	const char *hex;
	int at, names, r;

	if (lock < 0 || reference_normalize(new_reference, &full, err) < 0 ||
	    store_read_index(root, &index, err) < 0)
		return err->code;
	list = json_get(index, "manifests");
	at = store_find(list, reference, &names, err);
	if (at < 0)
		return at;
	entry = json_array_at(list, (size_t)at);
	hex = store_entry_hex(entry);
	if (!hex)
		return err_set(err, -EINVAL, "the entry of %.120s in the index has no digest",
			       reference);
	memcpy(image.hex, hex, DIGEST_HEX_SIZE);
	image.size = json_get_int(entry, "size", 0);
	image.media_type = type = mem_strdup(json_get_string(entry, "mediaType", ""));
	image.reference = full;
	store_index_put(list, &image);
	r = store_write_index(root, index, err);
	if (r == 0)
		store_try_sweep(root, list);
	return r;
}

struct store_user {
	const char *digest; /* of the image */
	char *name;	    /* of the instance that uses it */
};

static int store_is_user(const char *name, const struct json *record, void *ctx)
{
	struct store_user *user = ctx;

	if (strcmp(json_get_string(record, "image_digest", ""), user->digest))
		return 0;
	user->name = mem_strdup(name);
	return 1;
}

/* An image whose last name goes must not be in use. */
static int store_check_use(const char *root, const struct json *list, const struct json *entry,
			   struct err *err)
{
	const char *hex = store_entry_hex(entry);
	_cleanup_json_ struct json *names = hex ? store_references_of(list, hex) : NULL;
	_cleanup_free_ char *digest = mem_printf("sha256:%s", hex ? hex : ""), *name = NULL;
	struct store_user user = { .digest = digest };
	int r;

	if (json_array_len(names) > 1)
		return 0;
	r = store_each_instance(root, store_is_user, &user, err);
	name = user.name;
	if (r > 0)
		return err_set(
			err, -EBUSY,
			"the image %.120s is used by the instance %.64s: remove that first, or "
			"take just the name away with -f",
			store_entry_reference(entry), name);
	return r;
}

int store_remove(const char *root, const char *reference, int force, char **ret_reference,
		 struct err *err)
{
	_cleanup_close_ int lock = store_lock(root, 1, err);
	_cleanup_json_ struct json *index = NULL;
	const struct json *entry;
	struct json *list;
	int at, names, r;

	if (lock < 0 || store_read_index(root, &index, err) < 0)
		return err->code;
	list = json_get(index, "manifests");
	at = store_find(list, reference, &names, err);
	if (at < 0)
		return at;
	entry = json_array_at(list, (size_t)at);
	if (names > 1)
		return err_set(err, -EBUSY, "%.80s has %d names: remove them by name", reference,
			       names);
	r = force ? 0 : store_check_use(root, list, entry, err);
	if (r < 0)
		return r;
	*ret_reference = mem_strdup(store_entry_reference(entry));
	json_array_remove(list, (size_t)at);
	r = store_write_index(root, index, err);
	if (r < 0)
		free(take_ptr(*ret_reference));
	else
		store_try_sweep(root, list);
	return r;
}

/* Has the disk write the files of a folder of the work (SYNC_FILE_RANGE_*). What goes wrong fsync(2) will say. */
static void store_write_back(const struct work *work, const char *from, unsigned int how)
{
	_cleanup_closedir_ DIR *dir =
		fdopendir(openat(work->fd, from, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		_cleanup_close_ int fd = -EBADF;

		if (entry->d_name[0] == '.' || entry->d_type == DT_DIR)
			continue;
		fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd >= 0)
			(void)sync_file_range(fd, 0, 0, how);
	}
}

/*
 * Brings all data of the work to the disk at once. Each fsync(2) that follows finds none left of its file to wait
 * for, and but the first no metadata that the journal has not: one transaction has them all.
 */
static void store_write_all_back(const struct work *work)
{
	static const char *const folders[] = { "blobs", "layers" };
	static const unsigned int steps[] = {
		SYNC_FILE_RANGE_WRITE,
		SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER,
	};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(folders); j++)
			store_write_back(work, folders[j], steps[i]);
	}
}

static int store_sync_file(int folder, const char *name)
{
	_cleanup_close_ int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	/* all that is in a folder is not to be had file by file in less time */
	return (S_ISDIR(st.st_mode) ? syncfs(fd) : fsync(fd)) < 0 ? -errno : 0;
}

/* Moves the files of one folder of the work to the store. One that is there already is the same: it is
 * kept if it may be mounted, and else replaced, in case it is damaged. */
static int store_move(const struct work *work, const char *from, const char *to, int replace)
{
	_cleanup_close_ int there = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir =
		fdopendir(openat(work->fd, from, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *entry;

	if (there < 0 || !dir)
		return -errno;
	while ((entry = readdir(dir))) {
		int r;

		if (entry->d_name[0] == '.' ||
		    (!replace && faccessat(there, entry->d_name, F_OK, 0) == 0))
			continue;
		r = store_sync_file(dirfd(dir), entry->d_name);
		if (r < 0)
			return r;
		if (renameat(dirfd(dir), entry->d_name, there, entry->d_name) < 0)
			return -errno;
	}
	return fsync(there) < 0 ? -errno : 0;
}

int store_add(const char *root, const struct work *work, const struct store_image *images, size_t n,
	      struct err *err)
{
	_cleanup_free_ char *blobs = mem_printf("%s/images/blobs/sha256", root);
	_cleanup_free_ char *layers = mem_printf("%s/layers", root);
	_cleanup_json_ struct json *index = NULL, *before = NULL;
	struct json *list;
	int r;

	if (store_read_index(root, &index, err) < 0 || store_read_index(root, &before, err) < 0)
		return err->code;
	list = json_get(index, "manifests");
	for (size_t i = 0; i < n; i++)
		store_index_put(list, &images[i]);
	store_write_all_back(work);
	r = store_move(work, "blobs", blobs, 1);
	if (r == 0)
		r = store_move(work, "layers", layers, 0);
	if (r < 0)
		err_errno(err, r, "cannot move the image into the store");
	else
		r = store_write_index(root, index, err);
	/* Also takes away what an image that had one of the names leaves behind. */
	store_try_sweep(root, json_get(r < 0 ? before : index, "manifests"));
	return r;
}
