// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/build.h"
#include "base/file.h"
#include "base/mem.h"
#include "image/containerfile.h"
#include "image/reference.h"
#include "image/skopeo.h"
#include "image/source.h"
#include "image/store.h"
#include "sys/child.h"

#include <fcntl.h>
#include <string.h>

#define BUILD_FOLDER   "build" /* in the work folder: an OCI layout */
#define BUILD_ID       "id"    /* there, too: what buildah calls the image */
#define BUILD_ID_MAX   256
#define BUILD_FILE_MAX (1 << 20)
#define BUILD_HINT     "apt install buildah"

static void build_add(char ***argv, const char *option, const char *value)
{
	if (value)
		strv_add_printf(argv, "--%s=%s", option, value);
}

static void build_add_all(char ***argv, const char *option, char *const *values)
{
	strv_for_each(value, values)
		build_add(argv, option, *value);
}

/* NULL: it comes from elsewhere, or cannot be read, of which buildah will tell. */
static char *build_read_file(const struct build *build)
{
	static const char *const usual[] = { "Containerfile", "Dockerfile" };
	char *text = NULL;

	if (build->file) {
		(void)file_read(AT_FDCWD, build->file, BUILD_FILE_MAX, &text, NULL);
		return text;
	}
	for (size_t i = 0; i < ARRAY_SIZE(usual) && !text; i++) {
		_cleanup_free_ char *path = mem_printf("%s/%s", build->context, usual[i]);

		(void)file_read(AT_FDCWD, path, BUILD_FILE_MAX, &text, NULL);
	}
	return text;
}

/*
 * buildah makes a name of its own of the path that an image is at, so that has to be one, and another for each image: a
 * link in the work folder.
 */
static int build_add_image(const char *root, const struct work *work, const char *name,
			   const struct image *image, char ***argv)
{
	_cleanup_free_ char *link =
		mem_printf("image-%.16s", image->digest + strcspn(image->digest, ":") + 1);
	_cleanup_free_ char *store = mem_printf("%s/images", root);

	if (symlinkat(store, work->fd, link) < 0 && errno != EEXIST)
		return -errno;
	strv_add_printf(argv, "--build-context=%s=docker-image://oci:%s:%s", name, link,
			image->reference);
	return 0;
}

/* Images that the file names are buildah's to find; of those that are in the store it is told where. */
static int build_add_images(const char *root, const struct build *build, const struct work *work,
			    char ***argv, struct err *err)
{
	_cleanup_free_ char *text = build->pull ? NULL : build_read_file(build);
	_cleanup_strv_ char **names = text ? containerfile_images(text) : NULL;

	strv_for_each(name, names) {
		_cleanup_image_ struct image image = { NULL };
		_cleanup_free_ char *full = NULL;
		struct err ignored = ERR_INIT;
		int r;

		/* not by a prefix of its digest */
		if (reference_resolve(*name, &full, NULL, &ignored) < 0 ||
		    store_get(root, full, &image, &ignored) < 0 ||
		    strcmp(image.reference, full) != 0)
			continue;
		r = build_add_image(root, work, *name, &image, argv);
		if (r < 0)
			return err_errno(err, r, "cannot link to the store in %s", work->path);
	}
	return 0;
}

/* As seen from another folder; what is no path, as "-", stays as it is. */
static char *build_absolute(const char *path)
{
	char *absolute = path && strcmp(path, "-") != 0 ? realpath(path, NULL) : NULL;

	return absolute || !path ? absolute : mem_strdup(path);
}

static int build_run(const char *root, const struct build *build, const struct work *work,
		     struct err *err)
{
	struct child_spec spec = CHILD_SPEC_INIT;
	_cleanup_free_ char *file = build_absolute(build->file);
	_cleanup_free_ char *context = build_absolute(build->context);
	_cleanup_strv_ char **argv = NULL;

	strv_add(&argv, "buildah");
	strv_add(&argv, "build");
	strv_add(&argv, build->no_cache ? "--no-cache" : "--layers");
	if (build->pull)
		strv_add(&argv, "--pull-always");
	if (build->quiet)
		strv_add(&argv, "--quiet");
	build_add(&argv, "file", file);
	build_add(&argv, "target", build->target);
	build_add(&argv, "network", build->network);
	build_add(&argv, "platform", build->platform);
	build_add_all(&argv, "build-arg", build->args);
	build_add_all(&argv, "label", build->labels);
	if (build_add_images(root, build, work, &argv, err) < 0)
		return err->code;
	strv_add_printf(&argv, "--iidfile=%s/" BUILD_ID, work->path);
	strv_add(&argv, "--");
	strv_add(&argv, context);
	spec.argv = argv;
	spec.cwd = work->path;
	spec.in_fd = !strcmp(build->context, "-") ? STDIN_FILENO : -EBADF;
	spec.out_fd = build->quiet ? -EBADF : STDERR_FILENO;
	spec.show_stderr = 1;
	spec.hint = BUILD_HINT;
	return child_run(&spec, err);
}

/*
 * Has buildah write what it has built. It would do so at once if that were the image's name, but not if it has nothing
 * to do.
 */
static int build_take(const struct work *work, struct err *err)
{
	struct child_spec spec = CHILD_SPEC_INIT;
	_cleanup_strv_ char **argv = NULL;
	_cleanup_free_ char *id = NULL;
	int r = file_read(work->fd, BUILD_ID, BUILD_ID_MAX, &id, NULL);

	if (r < 0)
		return err_errno(err, r, "buildah does not say what it has built");
	id[strcspn(id, "\n")] = '\0';
	strv_add(&argv, "buildah");
	strv_add(&argv, "push");
	strv_add(&argv, "--quiet");
	strv_add(&argv, "--");
	strv_add(&argv, id);
	strv_add_printf(&argv, "oci:%s/" BUILD_FOLDER, work->path);
	spec.argv = argv;
	return child_run(&spec, err);
}

/* Wrong names are told before the work. */
static int build_names(const struct build *build, char ***ret, struct err *err)
{
	_cleanup_free_ char *folder = NULL, *base = NULL;

	strv_for_each(tag, build->tags) {
		_cleanup_free_ char *full = NULL;

		if (reference_normalize(*tag, &full, err) < 0)
			return err->code;
		strv_add(ret, full);
	}
	if (*ret)
		return 0;
	folder = realpath(build->context, NULL);
	base = folder ? reference_from_path(folder) : NULL;
	if (!folder && strcmp(build->context, "-") != 0 && !strstr(build->context, "://"))
		return err_errno(err, -errno, "cannot find it");
	if (!base)
		return err_set(err, -EINVAL, "it gives the image no name: name it with --tag");
	strv_add_printf(ret, "%s:latest", base);
	return 0;
}

static int build_store(const char *root, const struct build *build, char *const *names,
		       struct err *err)
{
	struct import_options options = { .reference = names[0],
					  .progress = build->progress,
					  .progress_ctx = build->progress_ctx };
	_cleanup_source_ struct source source = {
		.root = root, .name = names[0], .options = &options, .work = WORK_INIT
	};
	int r = work_open(root, &source.work, err);

	if (r == 0)
		r = skopeo_check_path(source.work.path, err);
	if (r == 0)
		r = build_run(root, build, &source.work, err);
	if (r == 0)
		r = build_take(&source.work, err);
	if (r == 0)
		r = import_fetched(&source, BUILD_FOLDER, err);
	for (size_t i = 1; r == 0 && names[i]; i++)
		r = store_tag(root, names[0], names[i], err);
	return r;
}

int build_image(const char *root, const struct build *build, char ***ret_references,
		struct err *err)
{
	_cleanup_strv_ char **names = NULL;
	int r = build_names(build, &names, err);

	if (r == 0)
		r = build_store(root, build, names, err);
	if (r < 0)
		return err_wrap(err, "cannot build %.120s", build->context);
	*ret_references = take_ptr(names);
	return 0;
}
