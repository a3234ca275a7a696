// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/import.h"
#include "base/json.h"
#include "base/mem.h"
#include "image/reference.h"
#include "image/source.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define IMPORT_DISK_FULL (1U << 20) /* bytes left: less is too little for a tool to go on */

/*
 * An import in steps: the source's blobs are brought into a work folder and checked, layers that
 * the store has not are made there, and only then, under the store's lock, everything is moved.
 * Until that moment the store knows nothing of it. Between the making and the lock, `brig image rm`
 * may have taken a layer that was stored before; it is made under the lock then.
 */

static int import_is_oci_layout(const char *path)
{
	_cleanup_free_ char *marker = mem_printf("%s/oci-layout", path);
	_cleanup_free_ char *index = mem_printf("%s/index.json", path);

	return access(marker, F_OK) == 0 && access(index, F_OK) == 0;
}

static int import_read_directory(struct source *source, const char *path, struct err *err)
{
	_cleanup_close_ int fd = -EBADF;

	if (!import_is_oci_layout(path)) {
		if (source->pick)
			return err_set(err, -EINVAL,
				       "it is no OCI layout, so it has no image %.80s",
				       source->pick);
		return source_read_folder(source, path, err);
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_errno(err, -errno, "cannot open it")
		      : source_read_oci(source, fd, 0, err);
}

/* What was unpacked to the work folder is an OCI layout, or what docker writes, or both. */
static int import_read_archive(struct source *source, struct err *err)
{
	_cleanup_close_ int fd =
		openat(source->work.fd, "archive", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(err, -errno, "cannot open %s", source->work.path);
	if (faccessat(fd, "index.json", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return source_read_oci(source, fd, 1, err);
	if (faccessat(fd, "manifest.json", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return source_read_docker(source, fd, err);
	return err_set(err, -EINVAL,
		       "it has neither an index.json nor a manifest.json, so no images");
}

static int import_no_pick(const struct source *source, const char *what, struct err *err)
{
	return err_set(err, -EINVAL, "it is %s, so it has no image %.80s", what, source->pick);
}

static int import_read_file(struct source *source, int fd, int is_ours, struct err *err)
{
	const struct import_options *options = source->options;
	int is_root = 0;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_errno(err, -errno, "cannot look at it");
	if (source_is_disk(fd))
		return source->pick ? import_no_pick(source, "a disk", err)
				    : source_read_disk(source, fd, err);
	if (layer_extract_archive(&source->work, fd, st.st_size, options->progress,
				  options->progress_ctx, &is_root, err) < 0)
		return err->code;
	if (!is_root)
		return import_read_archive(source, err);
	if (source->pick)
		return import_no_pick(source, "a root file system", err);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_errno(err, -errno, "cannot read it again");
	return source_read_root(source, fd, is_ours, err);
}

/* What cannot be read twice is kept in the work folder first. */
static int import_read_stream(struct source *source, int fd, struct err *err)
{
	const struct work_input input = {
		.fd = fd,
		.expected_size = -1,
		.what = "the archive",
		.progress = source->options->progress,
		.progress_ctx = source->options->progress_ctx,
	};
	_cleanup_close_ int kept = -EBADF;
	struct blob blob;

	if (work_add_blob(&source->work, &input, &blob, err) < 0)
		return err->code;
	kept = work_take_blob(&source->work, blob.hex, err);
	return kept < 0 ? kept : import_read_file(source, kept, 1, err);
}

static int import_read(struct source *source, const char *path, struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	struct stat st;

	if (!strcmp(path, "-"))
		return import_read_stream(source, STDIN_FILENO, err);
	if (stat(path, &st) < 0)
		return err_errno(err, -errno, "cannot find it");
	if (S_ISDIR(st.st_mode))
		return import_read_directory(source, path, err);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_errno(err, -errno, "cannot open it");
	return S_ISREG(st.st_mode) ? import_read_file(source, fd, 0, err)
				   : import_read_stream(source, fd, err);
}

/* Layers that are in the store need not be made. */
static void import_find_layers(struct source *source)
{
	for (size_t i = 0; i < source->n_layers; i++) {
		struct layer *layer = &source->layers[i];
		_cleanup_free_ char *name = layer_name(layer->diff_id);
		_cleanup_free_ char *made = mem_printf("layers/%s", name);

		layer->is_stored =
			*layer->diff_id &&
			(faccessat(source->work.fd, made, F_OK, 0) == 0 ||
			 (!source->is_bootstrap && store_has_layer(source->root, layer->diff_id)));
	}
}

static int import_make_layers(struct source *source, struct err *err)
{
	import_find_layers(source);
	return layer_make_all(&source->work, source->layers, source->n_layers,
			      source->options->progress, source->options->progress_ctx, err);
}

static int import_store(struct source *source, struct err *err)
{
	_cleanup_close_ int lock = -EBADF;

	if (import_make_layers(source, err) < 0)
		return err->code;
	if (source->config && source_finish_root(source, err) < 0)
		return err->code;
	if (source->options->progress)
		source->options->progress(source->options->progress_ctx, "storing", 0, 0);
	lock = store_lock(source->root, 1, err);
	if (lock < 0 || import_make_layers(source, err) < 0)
		return err->code;
	return store_add(source->root, &source->work, source->images, source->n_images, err);
}

static int import_finish(struct source *source, char ***ret_references, struct err *err)
{
	if (source->options->changes && !source->config)
		return err_set(err, -EINVAL,
			       "it has a configuration of its own: --change is for bare root file "
			       "systems");
	if (!source->config && !source->n_images)
		return err_set(err, -ENOENT, "it has no image%s%.120s", source->pick ? " " : "",
			       source->pick ? source->pick : "");
	if (import_store(source, err) < 0)
		return err->code;
	for (size_t i = 0; i < source->n_images; i++)
		strv_add(ret_references, source->images[i].reference);
	return 0;
}

/* A tool that found the disk full says so in its own words, or not at all. */
static int import_disk_is_full(const struct source *source, const struct err *err)
{
	struct statvfs st;

	if (err->code == -ENOSPC || err->code == -EDQUOT)
		return 1;
	return err->code == -EREMOTEIO && fstatvfs(source->work.fd, &st) == 0 &&
	       (st.f_bavail * st.f_frsize < IMPORT_DISK_FULL || (st.f_files && !st.f_favail));
}

static int import_failed(const struct source *source, struct err *err)
{
	if (import_disk_is_full(source, err))
		err_wrap(err, "the disk with %.120s is full", source->root);
	return err_wrap(err, "cannot import %.120s", source->name);
}

/* "FILE:IMAGE" as its two parts, if FILE is there; else all of it is a file. */
static char *import_split(const char *text, const char **ret_pick)
{
	*ret_pick = NULL;
	if (access(text, F_OK) == 0)
		return mem_strdup(text);
	for (const char *colon = strchr(text, ':'); colon; colon = strchr(colon + 1, ':')) {
		_cleanup_free_ char *path = mem_strndup(text, (size_t)(colon - text));

		if (*path && colon[1] && (!strcmp(path, "-") || access(path, F_OK) == 0)) {
			*ret_pick = colon + 1;
			return take_ptr(path);
		}
	}
	return mem_strdup(text);
}

/* A wrong name is told before the work, not after it. */
static int import_check_name(const struct import_options *options, struct err *err)
{
	_cleanup_free_ char *full = NULL;

	return options->reference ? reference_normalize(options->reference, &full, err) : 0;
}

int import_source(const char *root, const char *from, const struct import_options *options,
		  char ***ret_references, struct err *err)
{
	_cleanup_source_ struct source source = { .root = root,
						  .options = options,
						  .work = WORK_INIT };
	_cleanup_free_ char *path = import_split(from, &source.pick);
	int r;

	source.name = path;
	r = import_check_name(source.options, err);
	if (r == 0)
		r = work_open(root, &source.work, err);
	if (r < 0)
		return r;
	r = import_read(&source, path, err);
	if (r == 0)
		r = import_finish(&source, ret_references, err);
	return r < 0 ? import_failed(&source, err) : 0;
}

int import_bootstrap(const char *root, const char *what, char *const *include,
		     const struct import_options *options, char ***ret_references, struct err *err)
{
	_cleanup_source_ struct source source = {
		.root = root, .options = options, .name = what, .work = WORK_INIT, .is_bootstrap = 1
	};
	struct import_options named = *options;
	const char *suite = strchr(what, ':');
	_cleanup_free_ char *full = NULL;
	int r;

	if (!suite || strncmp(what, "debian:", strlen("debian:")) ||
	    reference_normalize(what, &full, err) < 0)
		return err_set(err, -EINVAL,
			       "cannot bootstrap '%.80s': give debian:SUITE, as in debian:bookworm",
			       what);
	if (!named.reference)
		named.reference = full;
	source.options = &named;
	r = import_check_name(source.options, err);
	if (r == 0)
		r = work_open(root, &source.work, err);
	if (r < 0)
		return r;
	r = source_read_bootstrap(&source, suite + 1, include, err);
	if (r == 0)
		r = import_finish(&source, ret_references, err);
	return r < 0 ? import_failed(&source, err) : 0;
}

int import_complete(struct source *source, struct err *err)
{
	_cleanup_strv_ char **references = NULL;
	int r = import_finish(source, &references, err);

	if (r < 0 && import_disk_is_full(source, err))
		return err_wrap(err, "the disk with %.120s is full", source->root);
	return r;
}

int import_fetched(struct source *source, const char *folder, struct err *err)
{
	_cleanup_close_ int fd =
		openat(source->work.fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int r;

	if (fd < 0)
		return err_errno(err, -errno, "cannot open %s/%s", source->work.path, folder);
	r = source_read_oci(source, fd, 1, err);
	if (r == 0)
		return import_complete(source, err);
	if (import_disk_is_full(source, err))
		return err_wrap(err, "the disk with %.120s is full", source->root);
	return r;
}
