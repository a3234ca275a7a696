// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/source.h"
#include "base/json.h"
#include "base/mem.h"
#include "image/manifest.h"
#include "image/reference.h"
#include "image/reroot.h"
#include "sys/child.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/*
 * Bare root file systems. Their tar becomes the one layer of an image with a configuration of ours.
 * A tar that is compressed in a way that OCI knows is kept as it is; all else is stored with zstd.
 */

/* The one layer of the image, whose diff id may not be known before it is made. */
static int source_root_layer(struct source *source, int fd, int is_ours, int keep, struct err *err)
{
	struct layer layer = { .blob_size = 0 };
	struct work_input input = {
		.fd = fd,
		.is_ours = is_ours,
		.expected_size = -1,
		.what = "the archive",
		.progress = source->options->progress,
		.progress_ctx = source->options->progress_ctx,
	};
	struct blob blob;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_errno(err, -errno, "cannot look at it");
	if (keep) {
		if (work_add_blob(&source->work, &input, &blob, err) < 0)
			return err->code;
	} else {
		if (layer_compress(&source->work, fd, st.st_size, source->options->progress,
				   source->options->progress_ctx, &layer, err) < 0)
			return err->code;
		memcpy(blob.hex, layer.blob, sizeof(blob.hex));
		blob.size = layer.blob_size;
	}
	return source_add_layer(source, &blob, layer.diff_id, err);
}

int source_begin(struct source *source, const char *created_by, struct err *err)
{
	_cleanup_free_ char *base = reference_from_path(source->name);

	if (!source->options->reference && !base)
		return err_set(err, -EINVAL, "it gives the image no name: name it with --name");
	return manifest_new_config(NULL, created_by, &source->config, err);
}

/* What is wrong with the changes or with the name is told before the work. */
static int source_root_begin(struct source *source, const char *created_by, struct err *err)
{
	int r = source_begin(source, created_by, err);

	return r < 0 ? r : manifest_change_config(source->config, source->options->changes, err);
}

int source_read_root(struct source *source, int fd, int is_ours, struct err *err)
{
	const char *type = source_layer_type(source_compression(fd));

	if (source_root_begin(source, "brig image import", err) < 0)
		return err->code;
	return source_root_layer(source, fd, is_ours, type != NULL, err);
}

int source_read_made(struct source *source, int fd, const char *created_by, struct err *err)
{
	if (!source->config && source_root_begin(source, created_by, err) < 0)
		return err->code;
	return source_root_layer(source, fd, 1, 0, err);
}

/* For tar: our own root would grow while it is read, if it lies in the folder. */
static void source_exclude_root(const struct source *source, const char *path, char ***argv)
{
	_cleanup_free_ char *folder = realpath(path, NULL), *root = realpath(source->root, NULL);
	size_t len = folder ? strlen(folder) : 0;

	if (!folder || !root)
		return;
	if (len == 1)
		len = 0; /* "/" */
	if (!strncmp(root, folder, len) && root[len] == '/') {
		strv_add(argv, "--anchored");
		strv_add(argv, "--no-wildcards");
		strv_add_printf(argv, "--exclude=.%s", root + len);
	}
}

/* Extended attributes that unpacking keeps, and no times that change with reading. */
static const char *const source_tar_options[] = {
	"--create",
	"--format=pax",
	"--pax-option=delete=atime,delete=ctime",
	"--numeric-owner",
	"--xattrs",
	"--xattrs-include=user.*",
	"--xattrs-include=security.capability",
	"--sparse",
	"--sort=name",
	"--one-file-system",
};

/* A tar of what the folder has of the names. */
static int source_tar_folder(const struct source *source, const char *path,
			     const char *const *names, int *ret_fd, struct err *err)
{
	_cleanup_close_ int fd =
		openat(source->work.fd, "folder.tar", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct child_spec spec = CHILD_SPEC_INIT;
	_cleanup_strv_ char **argv = NULL;

	if (fd < 0)
		return err_errno(err, -errno, "cannot make a file in %s", source->work.path);
	if (source->options->progress)
		source->options->progress(source->options->progress_ctx, "reading the folder", 0,
					  0);
	strv_add(&argv, "tar");
	for (size_t i = 0; i < ARRAY_SIZE(source_tar_options); i++)
		strv_add(&argv, source_tar_options[i]);
	source_exclude_root(source, path, &argv);
	strv_add(&argv, "--directory");
	strv_add(&argv, path);
	for (; *names; names++) {
		_cleanup_free_ char *member = mem_printf("%s/%s", path, *names);

		/* each may be a file system of its own */
		if (access(member, F_OK) == 0)
			strv_add(&argv, *names);
	}
	spec.argv = argv;
	spec.out_fd = fd;
	spec.hint = "install the package tar";
	spec.reason = "tar: ";
	if (child_run(&spec, err) < 0)
		return err->code;
	if (lseek(fd, 0, SEEK_SET) < 0 || unlinkat(source->work.fd, "folder.tar", 0) < 0)
		return err_errno(err, -errno, "cannot read what tar wrote");
	*ret_fd = take_fd(&fd);
	return 0;
}

int source_read_folder(struct source *source, const char *path, struct err *err)
{
	static const char *const all[] = { ".", NULL };
	_cleanup_close_ int fd = -EBADF;

	if (source_root_begin(source, "brig image import", err) < 0 ||
	    source_tar_folder(source, path, all, &fd, err) < 0)
		return err->code;
	return source_read_made(source, fd, "brig image import", err);
}

int source_is_export_folder(const char *path)
{
	_cleanup_free_ char *root = mem_printf("%s/rootfs", path);
	_cleanup_free_ char *config = mem_printf("%s/" REROOT_CONFIG, path);
	_cleanup_free_ char *metadata = mem_printf("%s/" REROOT_METADATA, path);

	return access(root, F_OK) == 0 &&
	       (access(config, F_OK) == 0 || access(metadata, F_OK) == 0);
}

int source_read_export_folder(struct source *source, const char *path, struct err *err)
{
	static const char *const names[] = { REROOT_CONFIG, REROOT_METADATA, "rootfs", NULL };
	_cleanup_close_ int fd = -EBADF;
	struct stat st;
	int r;

	if (source_tar_folder(source, path, names, &fd, err) < 0)
		return err->code;
	if (fstat(fd, &st) < 0)
		return err_errno(err, -errno, "cannot look at it");
	r = source_read_export(source, fd, st.st_size, err);
	return r == 0 ? err_set(err, -EINVAL, "its rootfs is no folder") : r;
}

/* The media type of a blob in the work folder that this file has put there. */
static const char *source_root_type(const struct source *source, const char *hex, struct err *err)
{
	_cleanup_close_ int fd = work_open_blob(&source->work, hex, err);

	return fd < 0 ? NULL : source_layer_type(source_compression(fd));
}

int source_finish_root(struct source *source, struct err *err)
{
	const struct layer *layer = &source->layers[0];
	const char *type = source_root_type(source, layer->blob, err);
	struct descriptor described = { .size = layer->blob_size };
	_cleanup_free_ char *text = NULL, *manifest_json = NULL;
	char config_type[] = MANIFEST_TYPE_CONFIG;
	struct manifest manifest = { .layers = &described, .n_layers = 1 };
	struct blob config, blob;

	if (!type)
		return err_is_set(err) ? err->code : err_set(err, -EINVAL, "its layer is no tar");
	manifest_config_add_layer(source->config, layer->diff_id);
	if (source->is_bootstrap && !layer->has_init)
		manifest_config_default_cmd(source->config, "bash");
	text = json_text(source->config, 0);
	if (work_add_text(&source->work, text, &config, err) < 0)
		return err->code;
	manifest.config.size = config.size;
	manifest.config.media_type = config_type;
	memcpy(manifest.config.hex, config.hex, sizeof(config.hex));
	memcpy(described.hex, layer->blob, sizeof(described.hex));
	described.media_type = (char *)(uintptr_t)type;
	manifest_json = manifest_text(&manifest);
	if (work_add_text(&source->work, manifest_json, &blob, err) < 0)
		return err->code;
	return source_add_image(source, &blob, MANIFEST_TYPE_MANIFEST, NULL, NULL, err);
}
