// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "base/mem.h"
#include "base/record.h"
#include "base/strv.h"
#include "image/kernel-internal.h"
#include "image/kernel.h"
#include "sys/child.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/*
 * linux-image-cloud-amd64 is an empty package that depends on the newest linux-image-RELEASE of the
 * suite. apt tells which, fetches it into the work folder, dpkg-deb unpacks it there.
 */
#define KERNEL_DEBIAN_META     "linux-image-cloud-amd64"
#define KERNEL_DEBIAN_PREFIX   "linux-image-"
#define KERNEL_DEBIAN_TEXT_MAX (256U << 10)

/* The kernel's package, by what the empty one says of it. */
struct kernel_debian {
	char *package, *release;
	char *what; /* for apt-get: the package, "=VERSION" if a version is known */
	progress_fn progress;
	void *ctx;
};

static void kernel_debian_release(struct kernel_debian *debian)
{
	free(debian->package);
	free(debian->release);
	free(debian->what);
}

static void kernel_debian_tell(const struct kernel_debian *debian, const char *verb)
{
	_cleanup_free_ char *text = mem_printf("%s %s", verb, debian->package);

	if (debian->progress)
		debian->progress(debian->ctx, text, 0, 0);
}

/* What apt knows of a package's newest version: lines "Field: value". */
static int kernel_debian_show(const char *package, struct buf *ret, struct err *err)
{
	const char *const argv[] = { "apt-cache", "show", "--no-all-versions", package, NULL };
	struct child_spec spec = CHILD_SPEC_INIT;
	struct err cause = ERR_INIT;

	spec.argv = (char *const *)argv;
	spec.out = ret;
	spec.out_max = KERNEL_DEBIAN_TEXT_MAX;
	spec.hint = "brig fetches Debian's kernel with apt; elsewhere use 'brig kernel import'";
	if (child_run(&spec, &cause) == 0 && ret->len)
		return 0;
	if (cause.code == -ENOENT) {
		*err = cause;
		return err->code;
	}
	return err_set(err, -ENOENT,
		       "apt knows no package %s: run 'apt-get update', and see that apt's sources "
		       "are Debian's for amd64",
		       package);
}

/* The value of a field; caller frees. NULL if there is none. */
static char *kernel_debian_field(const struct buf *text, const char *field)
{
	size_t n = strlen(field);

	for (const char *line = text->data; line && *line;) {
		const char *end = strchrnul(line, '\n');

		if (!strncmp(line, field, n) && !strncmp(line + n, ": ", 2))
			return mem_strndup(line + n + 2, (size_t)(end - line) - n - 2);
		line = *end ? end + 1 : end;
	}
	return NULL;
}

/* words: "linux-image-RELEASE", and perhaps "=" and "VERSION". */
static int kernel_debian_take(struct kernel_debian *debian, char *const *words)
{
	const char *rest = words[0] + strlen(KERNEL_DEBIAN_PREFIX);
	char release[BZIMAGE_RELEASE_MAX + 1];

	if (strncmp(words[0], KERNEL_DEBIAN_PREFIX, strlen(KERNEL_DEBIAN_PREFIX)) ||
	    bzimage_parse_release(rest, strlen(rest), release) < 0)
		return 0;
	debian->package = mem_strdup(words[0]);
	debian->release = mem_strdup(release);
	if (words[1] && !strcmp(words[1], "=") && words[2])
		debian->what = mem_printf("%s=%s", words[0], words[2]);
	else
		debian->what = mem_strdup(words[0]);
	return 1;
}

/* The kernel's package among what the empty one depends on: "NAME (= VERSION), NAME...". */
static int kernel_debian_resolve(struct kernel_debian *debian, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_free_ char *depends = NULL;
	_cleanup_strv_ char **words = NULL;

	if (kernel_debian_show(KERNEL_DEBIAN_META, &text, err) < 0)
		return err->code;
	depends = kernel_debian_field(&text, "Depends");
	words = strv_split(depends ? depends : "", " ,|()");
	for (size_t i = 0; words && words[i]; i++) {
		if (kernel_debian_take(debian, words + i))
			return 0;
	}
	return err_set(err, -ENOENT, "the package %s depends on no kernel", KERNEL_DEBIAN_META);
}

/* Is this very build there already? */
static int kernel_debian_is_there(const struct kernel_work *work,
				  const struct kernel_debian *debian, const char *name)
{
	_cleanup_kernel_record_ struct kernel_record record = { NULL };
	_cleanup_free_ char *path = mem_printf("%s/" KERNEL_RECORD, name);
	struct err ignored = ERR_INIT;

	return record_load(&kernel_record_table, work->kernels_fd, path, &record, &ignored) == 0 &&
	       record.source && !strcmp(record.source, debian->what);
}

static int kernel_debian_fetch(const struct kernel_work *work, const struct kernel_debian *debian,
			       struct err *err)
{
	_cleanup_free_ char *folder = mem_printf("%s/fetched", work->path);
	/* apt's own user could not write into this folder. */
	const char *const argv[] = { "apt-get",	 "-q",	       "-o", "APT::Sandbox::User=root",
				     "download", debian->what, NULL };
	struct child_spec spec = CHILD_SPEC_INIT;

	if (mkdirat(work->fd, "fetched", 0755) < 0)
		return err_errno(err, -errno, "cannot make %s", folder);
	kernel_debian_tell(debian, "fetching");
	spec.argv = (char *const *)argv;
	spec.cwd = folder;
	spec.hint = "brig fetches Debian's kernel with apt";
	if (child_run(&spec, err) < 0)
		return err_wrap(err, "cannot fetch %s (is 'apt-get update' due?)", debian->package);
	return 0;
}

/* The one file that apt fetched; caller frees. NULL if there is none. */
static char *kernel_debian_fetched(const struct kernel_work *work)
{
	int fd = openat(work->fd, "fetched", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		const char *dot = strrchr(entry->d_name, '.');

		if (dot && !strcmp(dot, ".deb"))
			return mem_printf("%s/fetched/%s", work->path, entry->d_name);
	}
	return NULL;
}

static int kernel_debian_unpack(const struct kernel_work *work, const struct kernel_debian *debian,
				struct err *err)
{
	_cleanup_free_ char *file = kernel_debian_fetched(work);
	_cleanup_free_ char *folder = mem_printf("%s/package", work->path);
	const char *const argv[] = { "dpkg-deb", "-x", file, folder, NULL };
	struct child_spec spec = CHILD_SPEC_INIT;

	if (!file)
		return err_set(err, -ENOENT, "apt fetched no package file of %s", debian->package);
	kernel_debian_tell(debian, "unpacking");
	spec.argv = (char *const *)argv;
	spec.hint = "install dpkg";
	if (child_run(&spec, err) < 0)
		return err_wrap(err, "cannot unpack %s", debian->package);
	return 0;
}

/* Since Debian 13 they are below /usr. */
static int kernel_debian_take_modules(const struct kernel_work *work,
				      const struct kernel_debian *debian, struct err *err)
{
	static const char *const forms[] = { "package/lib/modules/%s",
					     "package/usr/lib/modules/%s" };

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		_cleanup_free_ char *path = mem_printf(forms[i], debian->release);

		if (renameat(work->fd, path, work->fd, "new/modules") == 0)
			return 0;
	}
	return err_errno(err, -errno, "the package %s has no /lib/modules/%s", debian->package,
			 debian->release);
}

static int kernel_debian_install(const struct kernel_work *work, const struct kernel_debian *debian,
				 const char *name, struct err *err)
{
	_cleanup_kernel_image_ struct kernel_image image = { NULL };
	_cleanup_free_ char *file = mem_printf("package/boot/vmlinuz-%s", debian->release);
	_cleanup_close_ int fd = openat(work->fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	const struct kernel_install install = {
		.name = name,
		.source = debian->what,
		.image = &image,
		.replace = 1,
		.make_default = 1,
	};

	if (fd < 0)
		return err_errno(err, -errno, "the package %s has no /boot/vmlinuz-%s",
				 debian->package, debian->release);
	if (kernel_image_read(fd, debian->package, &image, err) < 0)
		return err->code;
	if (strcmp(image.release, debian->release))
		return err_set(err, -EINVAL, "the package %s holds the kernel %s", debian->package,
			       image.release);
	if (kernel_debian_take_modules(work, debian, err) < 0)
		return err->code;
	return kernel_install(work, &install, err);
}

int kernel_add_debian(const char *root, progress_fn progress, void *ctx, char **ret_name,
		      struct err *err)
{
	_cleanup_(kernel_debian_release) struct kernel_debian debian = { .progress = progress,
									 .ctx = ctx };
	_cleanup_kernel_work_ struct kernel_work work = KERNEL_WORK_INIT;
	_cleanup_free_ char *name = NULL;

	if (kernel_guest_check(err) < 0 || kernel_debian_resolve(&debian, err) < 0)
		return err->code;
	name = kernel_name("debian-", debian.release);
	if (kernel_work_open(root, &work, err) < 0)
		return err->code;
	if (!kernel_debian_is_there(&work, &debian, name) &&
	    (kernel_debian_fetch(&work, &debian, err) < 0 ||
	     kernel_debian_unpack(&work, &debian, err) < 0 ||
	     kernel_debian_install(&work, &debian, name, err) < 0))
		return err->code;
	*ret_name = take_ptr(name);
	return 0;
}
