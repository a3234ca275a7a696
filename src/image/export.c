// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/export.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/output.h"
#include "image/manifest.h"
#include "image/reference.h"
#include "image/tar_output.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define EXPORT_BLOBS  EXPORT_FOLDER "/blobs/sha256"
#define EXPORT_CHUNK  ((size_t)256 << 10)
#define EXPORT_LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"
#define EXPORT_NAME   "org.opencontainers.image.ref.name"

const char *const export_formats[] = { "docker-archive", "oci-archive", NULL };

void export_release(struct export *export)
{
	for (size_t i = 0; i < export->n_images; i++)
		store_documents_release(&export->images[i]);
	free(export->images);
	work_close(&export->work);
}

/* --- the layout --- */

static int export_link(int stored, int blobs, const char *hex, struct err *err)
{
	if (linkat(stored, hex, blobs, hex, 0) == 0 || errno == EEXIST)
		return 0;
	return err_errno(err, -errno, "cannot take the blob %s", hex);
}

static int export_link_image(const struct export *export, int stored,
			     const struct store_documents *image, struct err *err)
{
	_cleanup_close_ int blobs =
		openat(export->work.fd, EXPORT_BLOBS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = export_link(stored, blobs, image->hex, err);

	if (r == 0)
		r = export_link(stored, blobs, image->manifest->config.hex, err);
	for (size_t i = 0; r == 0 && i < image->manifest->n_layers; i++)
		r = export_link(stored, blobs, image->manifest->layers[i].hex, err);
	return r < 0 ? err_wrap(err, "the image %s is damaged", image->reference) : 0;
}

static char *export_index(const struct export *export, int named)
{
	_cleanup_json_ struct json *index = json_new_object();
	struct json *list = json_new_array();

	for (size_t i = 0; i < export->n_images; i++) {
		const struct store_documents *image = &export->images[i];
		_cleanup_free_ char *digest = mem_printf("sha256:%s", image->hex);
		struct json *entry = json_new_object(), *notes = json_new_object();

		json_object_add(entry, "mediaType", json_new_string(image->media_type));
		json_object_add(entry, "digest", json_new_string(digest));
		json_object_add(entry, "size", json_new_int((int64_t)strlen(image->text)));
		json_object_add(notes, EXPORT_NAME, json_new_string(image->reference));
		if (named)
			json_object_add(entry, "annotations", notes);
		else
			json_free(notes);
		json_array_add(list, entry);
	}
	json_object_add(index, "schemaVersion", json_new_int(2));
	json_object_add(index, "mediaType", json_new_string(MANIFEST_TYPE_INDEX));
	json_object_add(index, "manifests", list);
	return json_text(index, 0);
}

static int export_make(const struct export *export, struct err *err)
{
	static const char *const folders[] = { EXPORT_FOLDER, EXPORT_FOLDER "/blobs",
					       EXPORT_BLOBS };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(folders); i++)
		r = mkdirat(export->work.fd, folders[i], 0700) < 0 ? -errno : 0;
	if (r == 0)
		r = file_replace(export->work.fd, EXPORT_FOLDER "/oci-layout", EXPORT_LAYOUT,
				 strlen(EXPORT_LAYOUT), 0644, 0);
	return r < 0 ? err_errno(err, r, "cannot write to %s", export->work.path) : 0;
}

static int export_add(struct export *export, const char *root, const char *reference,
		      struct err *err)
{
	_cleanup_free_ char *path = mem_printf("%s/images/blobs/sha256", root);
	_cleanup_close_ int stored = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct store_documents *image;

	export->images = mem_realloc(export->images, export->n_images + 1, sizeof(*export->images));
	image = &export->images[export->n_images];
	*image = (struct store_documents){ 0 };
	if (store_get_documents(root, reference, image, err) < 0)
		return err->code;
	export->n_images++;
	return export_link_image(export, stored, image, err);
}

int export_open(const char *root, char *const *references, struct export *ret, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int lock = -EBADF;
	int r = work_open(root, &ret->work, err);

	if (r == 0)
		r = export_make(ret, err);
	if (r == 0)
		r = lock = store_lock(root, 0, err);
	strv_for_each(reference, references) {
		if (r >= 0)
			r = export_add(ret, root, *reference, err);
	}
	if (r < 0)
		return r;
	text = export_index(ret, 0);
	r = file_replace(ret->work.fd, EXPORT_FOLDER "/index.json", text, strlen(text), 0644, 0);
	return r < 0 ? err_errno(err, r, "cannot write to %s", ret->work.path) : 0;
}

/* --- as a tar --- */

/* What docker reads: which blobs make up each image. */
static char *export_docker_manifest(const struct export *export)
{
	_cleanup_json_ struct json *list = json_new_array();

	for (size_t i = 0; i < export->n_images; i++) {
		const struct store_documents *image = &export->images[i];
		_cleanup_strv_ char **tags = NULL, **layers = NULL;
		_cleanup_free_ char *config =
			mem_printf("blobs/sha256/%s", image->manifest->config.hex);
		struct json *entry = json_new_object();

		strv_add(&tags, image->reference);
		for (size_t j = 0; j < image->manifest->n_layers; j++)
			strv_add_printf(&layers, "blobs/sha256/%s", image->manifest->layers[j].hex);
		json_object_add(entry, "Config", json_new_string(config));
		json_object_add(entry, "RepoTags", json_new_strv(tags));
		json_object_add(entry, "Layers", layers ? json_new_strv(layers) : json_new_array());
		json_array_add(list, entry);
	}
	return json_text(list, 0);
}

static int export_put_text(struct tar_output *tar, const char *path, const char *text,
			   struct err *err)
{
	const struct tar_item item = { .path = path,
				       .mode = S_IFREG | 0644,
				       .size = (int64_t)strlen(text) };
	int r = tar_output_add(tar, &item, err);

	return r < 0 ? r : tar_output_data(tar, text, strlen(text), err);
}

static int export_put_blob(struct tar_output *tar, int blobs, const char *hex, struct err *err)
{
	_cleanup_close_ int fd = openat(blobs, hex, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_free_ char *path = mem_printf("blobs/sha256/%s", hex);
	_cleanup_free_ char *chunk = mem_zalloc(EXPORT_CHUNK);
	struct tar_item item = { .path = path, .mode = S_IFREG | 0644 };
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, -errno, "cannot read the blob %s", hex);
	item.size = st.st_size;
	if (tar_output_add(tar, &item, err) < 0)
		return err->code;
	while ((n = read(fd, chunk, EXPORT_CHUNK)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, -errno, "cannot read the blob %s", hex);
		if (tar_output_data(tar, chunk, (size_t)n, err) < 0)
			return err->code;
	}
	return 0;
}

static int export_put_blobs(const struct export *export, struct tar_output *tar, struct err *err)
{
	_cleanup_closedir_ DIR *dir = fdopendir(
		openat(export->work.fd, EXPORT_BLOBS, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const struct tar_item blobs = { .path = "blobs", .mode = S_IFDIR | 0755 };
	const struct tar_item sha256 = { .path = "blobs/sha256", .mode = S_IFDIR | 0755 };
	_cleanup_strv_ char **names = NULL;
	struct dirent *entry;
	int r;

	while (dir && (entry = readdir(dir))) {
		if (digest_is_hex(entry->d_name))
			strv_add(&names, entry->d_name);
	}
	strv_sort(names);
	r = tar_output_add(tar, &blobs, err);
	if (r == 0)
		r = tar_output_add(tar, &sha256, err);
	strv_for_each(name, names) {
		if (r == 0)
			r = export_put_blob(tar, dirfd(dir), *name, err);
	}
	return r;
}

static int export_write(const struct export *export, enum export_format format, int fd,
			struct err *err)
{
	_cleanup_tar_output_ struct tar_output *tar = tar_output_new(fd);
	_cleanup_free_ char *index = export_index(export, 1);
	_cleanup_free_ char *manifest = export_docker_manifest(export);
	int r = export_put_text(tar, "oci-layout", EXPORT_LAYOUT, err);

	if (r == 0)
		r = export_put_text(tar, "index.json", index, err);
	if (r == 0 && format == EXPORT_DOCKER)
		r = export_put_text(tar, "manifest.json", manifest, err);
	if (r == 0)
		r = export_put_blobs(export, tar, err);
	return r < 0 ? r : tar_output_finish(tar, err);
}

static int export_to_path(const struct export *export, enum export_format format, const char *path,
			  struct err *err)
{
	_cleanup_output_ struct output output = OUTPUT_INIT;
	int r = output_open(path, &output, err);

	if (r == 0)
		r = export_write(export, format, output.fd, err);
	return r < 0 ? r : output_publish(&output, err);
}

int export_save(const char *root, char *const *references, enum export_format format,
		const char *path, int fd, struct err *err)
{
	_cleanup_export_ struct export export = EXPORT_INIT;
	int r = export_open(root, references, &export, err);

	if (r < 0)
		return r;
	r = path ? export_to_path(&export, format, path, err)
		 : export_write(&export, format, fd, err);
	return r < 0 ? err_wrap(err, "cannot save %.120s", references[0]) : 0;
}
