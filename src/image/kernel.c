// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/kernel.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/name.h"
#include "image/kernel-internal.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static const struct record_field kernel_record_fields[] = {
	RECORD_FIELD(RECORD_STRING, struct kernel_record, release),
	RECORD_FIELD(RECORD_STRING, struct kernel_record, source),
	RECORD_FIELD(RECORD_INT, struct kernel_record, added),
	RECORD_FIELD(RECORD_INT, struct kernel_record, size),
	RECORD_FIELD(RECORD_STRING, struct kernel_record, digest),
	RECORD_FIELD(RECORD_STRING, struct kernel_record, guest),
	RECORD_FIELD(RECORD_STRING, struct kernel_record, guest_stamp),
	RECORD_END,
};

const struct record_table kernel_record_table = {
	.what = "kernel record",
	.version = 1,
	.fields = kernel_record_fields,
};

void kernel_record_release(struct kernel_record *record)
{
	record_release(&kernel_record_table, record);
}

void kernel_release(struct kernel *kernel)
{
	free(take_ptr(kernel->name));
	free(take_ptr(kernel->release));
	free(take_ptr(kernel->source));
}

void kernel_files_release(struct kernel_files *files)
{
	free(take_ptr(files->vmlinux));
	free(take_ptr(files->initramfs));
	free(take_ptr(files->release));
}

char *kernel_name(const char *prefix, const char *release)
{
	char *name = mem_printf("%s%s", prefix, release);

	for (char *p = name; *p; p++) {
		if (!isalnum((unsigned char)*p) && *p != '_' && *p != '.')
			*p = '-';
	}
	if (strlen(name) > NAME_MAX_LEN)
		name[NAME_MAX_LEN] = '\0';
	return name;
}

static int kernel_check_name(const char *name, struct err *err)
{
	if (name_check("kernel", name, err) < 0)
		return err->code;
	if (!strcmp(name, KERNEL_NAME_DEFAULT) || !strcmp(name, KERNEL_NAME_CACHE))
		return err_set(err, -EINVAL, "a kernel cannot be named '%s': brig uses that name",
			       name);
	return 0;
}

static int kernel_open_folder(const char *root, const char *name, struct err *err)
{
	_cleanup_free_ char *path = NULL;
	int fd;

	if (kernel_check_name(name, err) < 0)
		return err->code;
	path = mem_printf("%s/kernels/%s", root, name);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno == ENOENT)
		return err_set(
			err, -ENOENT,
			"there is no kernel '%s'; 'brig kernel ls' shows those that are there",
			name);
	return err_errno(err, -errno, "cannot open the kernel '%s'", name);
}

/* The default kernel's name, or NULL; caller frees. */
static char *kernel_default_name(int kernels_fd)
{
	char name[NAME_MAX_LEN + 1];
	ssize_t n = readlinkat(kernels_fd, KERNEL_NAME_DEFAULT, name, sizeof(name));
	struct err ignored = ERR_INIT;
	struct stat st;

	if (n <= 0 || n == sizeof(name))
		return NULL;
	name[n] = '\0';
	if (kernel_check_name(name, &ignored) < 0 ||
	    fstatat(kernels_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return NULL;
	return mem_strdup(name);
}

static int kernel_open_all(const char *root)
{
	_cleanup_free_ char *path = mem_printf("%s/kernels", root);

	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Names of all kernels, sorted. */
static int kernel_names(int kernels_fd, char ***ret)
{
	int fd = openat(kernels_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	_cleanup_strv_ char **names = NULL;
	struct err ignored = ERR_INIT;
	struct dirent *entry;
	struct stat st;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (kernel_check_name(entry->d_name, &ignored) == 0 &&
		    fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISDIR(st.st_mode))
			strv_add(&names, entry->d_name);
	}
	strv_sort(names);
	*ret = take_ptr(names);
	return 0;
}

static void kernel_load(int kernels_fd, const char *name, struct kernel *ret)
{
	_cleanup_kernel_record_ struct kernel_record record = { NULL };
	_cleanup_free_ char *path = mem_printf("%s/" KERNEL_RECORD, name);
	struct err err = ERR_INIT;

	*ret = (struct kernel){ .name = mem_strdup(name) };
	if (record_load(&kernel_record_table, kernels_fd, path, &record, &err) < 0) {
		ret->source = mem_printf("damaged: %s", err.msg);
		return;
	}
	ret->release = take_ptr(record.release);
	ret->source = take_ptr(record.source);
	ret->added = record.added;
	ret->size = record.size;
}

int kernel_each(const char *root, int (*each)(const struct kernel *kernel, void *ctx), void *ctx,
		struct err *err)
{
	_cleanup_close_ int fd = kernel_open_all(root);
	_cleanup_strv_ char **names = NULL;
	_cleanup_free_ char *chosen = NULL;
	int r;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(err, -errno, "cannot open %s/kernels", root);
	r = kernel_names(fd, &names);
	if (r < 0)
		return err_errno(err, r, "cannot list %s/kernels", root);
	chosen = kernel_default_name(fd);
	strv_for_each(name, names) {
		_cleanup_kernel_ struct kernel kernel = { NULL };

		kernel_load(fd, *name, &kernel);
		kernel.is_default = chosen && !strcmp(chosen, *name);
		r = each(&kernel, ctx);
		if (r)
			return r;
	}
	return 0;
}

static int kernel_find_default(const char *root, char **ret, struct err *err)
{
	_cleanup_close_ int fd = kernel_open_all(root);
	_cleanup_strv_ char **names = NULL;

	if (fd < 0 && errno != ENOENT)
		return err_errno(err, -errno, "cannot open %s/kernels", root);
	*ret = fd < 0 ? NULL : kernel_default_name(fd);
	if (*ret)
		return 0;
	if (fd >= 0 && kernel_names(fd, &names) == 0 && names)
		return err_set(err, -ENOENT,
			       "no kernel is the default one: choose one with 'brig kernel default "
			       "NAME', or say --kernel NAME");
	return err_set(err, -ENOENT,
		       "there is no kernel for VMs yet: get one with 'brig kernel add debian'");
}

/* Is initramfs.img made with the brig-guest of now? */
static int kernel_is_fresh(const struct kernel_record *record, struct err *err)
{
	_cleanup_kernel_guest_ struct kernel_guest guest = { NULL };
	int r = kernel_guest_find(&guest, err);

	if (r < 0)
		return r;
	return record->guest_stamp && !strcmp(record->guest_stamp, guest.stamp);
}

/* Another brig-guest, or the same in another file: pack it anew, or only note its new stamp. */
static int kernel_refresh_record(int fd, struct kernel_record *record, struct err *err)
{
	_cleanup_kernel_guest_ struct kernel_guest guest = { NULL };
	_cleanup_free_ char *program = NULL;
	char digest[DIGEST_HEX_SIZE];
	size_t len;
	int r = kernel_guest_find(&guest, err);

	if (r == 0)
		r = kernel_guest_read(&guest, &program, &len, digest, err);
	if (r < 0)
		return r;
	if (record->guest && !strcmp(record->guest, digest))
		mem_replace(&record->guest_stamp, guest.stamp);
	else if (kernel_pack_initramfs(fd, record, err) < 0)
		return err->code;
	return record_save(&kernel_record_table, record, fd, KERNEL_RECORD, 1, err);
}

static int kernel_refresh(const char *root, const char *name, struct err *err)
{
	_cleanup_kernel_work_ struct kernel_work work = KERNEL_WORK_INIT;
	_cleanup_kernel_record_ struct kernel_record record = { NULL };
	_cleanup_close_ int fd = -EBADF;
	int r = kernel_work_open(root, &work, err);

	if (r < 0)
		return r;
	fd = kernel_open_folder(root, name, err);
	if (fd < 0)
		return fd;
	/* Another process may have done it while this one waited for the lock. */
	r = record_load(&kernel_record_table, fd, KERNEL_RECORD, &record, err);
	if (r == 0)
		r = kernel_is_fresh(&record, err);
	return r == 0 ? kernel_refresh_record(fd, &record, err) : r < 0 ? r : 0;
}

int kernel_get(const char *root, const char *name, struct kernel_files *ret, struct err *err)
{
	_cleanup_kernel_record_ struct kernel_record record = { NULL };
	_cleanup_free_ char *chosen = NULL;
	_cleanup_close_ int fd = -EBADF;
	int r;

	if (!name && kernel_find_default(root, &chosen, err) < 0)
		return err->code;
	name = name ? name : chosen;
	fd = kernel_open_folder(root, name, err);
	if (fd < 0)
		return fd;
	r = record_load(&kernel_record_table, fd, KERNEL_RECORD, &record, err);
	if (r == 0)
		r = kernel_is_fresh(&record, err);
	if (r == 0)
		r = kernel_refresh(root, name, err);
	if (r < 0)
		return err_wrap(err, "kernel '%s'", name);
	ret->vmlinux = mem_printf("%s/kernels/%s/vmlinux", root, name);
	ret->initramfs = mem_printf("%s/kernels/%s/initramfs.img", root, name);
	ret->release = take_ptr(record.release);
	return 0;
}

/* The default kernel's symlink, replaced in one step. */
static int kernel_link_default(const struct kernel_work *work, const char *name, struct err *err)
{
	if (symlinkat(name, work->fd, KERNEL_NAME_DEFAULT) < 0 ||
	    renameat(work->fd, KERNEL_NAME_DEFAULT, work->kernels_fd, KERNEL_NAME_DEFAULT) < 0)
		return err_errno(err, -errno, "cannot make '%s' the default kernel", name);
	return 0;
}

int kernel_offer_default(const struct kernel_work *work, const char *name, struct err *err)
{
	_cleanup_free_ char *chosen = kernel_default_name(work->kernels_fd);

	return chosen ? 0 : kernel_link_default(work, name, err);
}

int kernel_set_default(const char *root, const char *name, struct err *err)
{
	_cleanup_kernel_work_ struct kernel_work work = KERNEL_WORK_INIT;
	_cleanup_close_ int fd = kernel_open_folder(root, name, err);

	if (fd < 0 || kernel_work_open(root, &work, err) < 0)
		return err->code;
	fd_close(fd);
	fd = kernel_open_folder(root, name, err); /* it may be gone by now */
	return fd < 0 ? fd : kernel_link_default(&work, name, err);
}

static int kernel_is_later(const struct kernel *kernel, void *ctx)
{
	struct kernel *latest = ctx;

	/* What images brought was nobody's choice. */
	if (!strncmp(kernel->name, KERNEL_IMAGE_PREFIX, strlen(KERNEL_IMAGE_PREFIX)) ||
	    kernel->added <= latest->added)
		return 0;
	mem_replace(&latest->name, kernel->name);
	latest->added = kernel->added;
	return 0;
}

/* Without a default, or with one that is gone: the one added last becomes it. */
static int kernel_choose_default(const char *root, const struct kernel_work *work, struct err *err)
{
	_cleanup_free_ char *chosen = kernel_default_name(work->kernels_fd);
	_cleanup_kernel_ struct kernel latest = { NULL };

	if (chosen)
		return 0;
	unlinkat(work->kernels_fd, KERNEL_NAME_DEFAULT, 0);
	if (kernel_each(root, kernel_is_later, &latest, err) < 0)
		return err->code;
	return latest.name ? kernel_link_default(work, latest.name, err) : 0;
}

int kernel_remove(const char *root, const char *name, struct err *err)
{
	_cleanup_kernel_work_ struct kernel_work work = KERNEL_WORK_INIT;
	_cleanup_close_ int fd = kernel_open_folder(root, name, err);

	if (fd < 0 || kernel_work_open(root, &work, err) < 0)
		return err->code;
	/* Out of sight in one step; it goes for good with the work folder. */
	if (renameat(work.kernels_fd, name, work.fd, "old") < 0)
		return err_errno(err, -errno, "cannot remove the kernel '%s'", name);
	return kernel_choose_default(root, &work, err);
}

/* The modules of the release: in the folder itself, in RELEASE or lib/modules/RELEASE below it. */
static int kernel_open_modules(const char *modules, const char *release, struct err *err)
{
	_cleanup_free_ char *real = realpath(modules, NULL);
	const char *const forms[] = { "%s/lib/modules/%s", "%s/usr/lib/modules/%s", "%s/%s" };
	const char *base;

	if (!real)
		return err_errno(err, -errno, "cannot open the folder of modules %s", modules);
	base = strrchr(real, '/') + 1;
	if (!strcmp(base, release)) {
		int fd = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		return fd < 0 ? err_errno(err, -errno, "cannot open %s", real) : fd;
	}
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		_cleanup_free_ char *path = mem_printf(forms[i], real, release);
		int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd >= 0)
			return fd;
	}
	return err_set(err, -ENOENT,
		       "%s has no modules for this kernel: give a folder lib/modules/%s", modules,
		       release);
}

static int kernel_import_modules(const struct kernel_work *work, const char *modules,
				 const char *release, struct err *err)
{
	_cleanup_close_ int from = kernel_open_modules(modules, release, err), to = -EBADF;

	if (from < 0)
		return from;
	to = kernel_modules_create(work, err);
	return to < 0 ? to : kernel_modules_copy(from, to, err);
}

int kernel_import(const char *root, const char *name, const char *vmlinuz, const char *modules,
		  char **ret_name, struct err *err)
{
	_cleanup_kernel_work_ struct kernel_work work = KERNEL_WORK_INIT;
	_cleanup_kernel_image_ struct kernel_image image = { NULL };
	_cleanup_close_ int fd = open(vmlinuz, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_free_ char *chosen = NULL, *source = realpath(vmlinuz, NULL);
	struct kernel_install install = { .source = source ? source : vmlinuz,
					  .image = &image,
					  .make_default = 1 };

	if (fd < 0)
		return err_errno(err, -errno, "cannot open %s", vmlinuz);
	if ((name && kernel_check_name(name, err) < 0) || kernel_guest_check(err) < 0)
		return err->code;
	if (kernel_image_read(fd, vmlinuz, &image, err) < 0)
		return err->code;
	chosen = name ? mem_strdup(name) : kernel_name("", image.release);
	install.name = chosen;
	if (kernel_check_name(chosen, err) < 0 || kernel_work_open(root, &work, err) < 0)
		return err->code;
	if (modules && kernel_import_modules(&work, modules, image.release, err) < 0)
		return err->code;
	if (kernel_install(&work, &install, err) < 0)
		return err->code;
	*ret_name = take_ptr(chosen);
	return 0;
}
