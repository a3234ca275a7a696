// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/file.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "image/initramfs.h"
#include "image/kernel-internal.h"
#include "image/kernel_elf.h"
#include "image/modules.h"
#include "sys/child.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/*
 * A kernel is made in the folder work/new, step by step, and gets its name by the last one. What a
 * failed step leaves goes with the work folder, so no step has an undo of its own.
 */
struct kernel_install_state {
	const struct kernel_work *work;
	const struct kernel_install *install;
	int fd; /* of work/new */
	struct kernel_record record;
};

static void kernel_install_release(struct kernel_install_state *state)
{
	state->fd = fd_close(state->fd);
	kernel_record_release(&state->record);
}

static int kernel_install_file(int dirfd, const char *name, const void *data, size_t len,
			       struct err *err)
{
	_cleanup_close_ int fd =
		openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	int r = fd < 0 ? -errno : file_write_all(fd, data, len);

	if (r == 0 && fchmod(fd, 0644) < 0)
		r = -errno;
	return r < 0 ? err_errno(err, r, "cannot write the kernel's %s", name) : 0;
}

static int kernel_install_vmlinuz(struct kernel_install_state *state, struct err *err)
{
	const struct kernel_image *image = state->install->image;

	return kernel_install_file(state->fd, "vmlinuz", image->data, image->len, err);
}

/* Unpacks the kernel to the path below the folder of kernels. */
static int kernel_install_unpack(struct kernel_install_state *state, const char *path,
				 struct err *err)
{
	const struct kernel_image *image = state->install->image;
	_cleanup_free_ char *elf = NULL;
	size_t len = image->len;

	if (kernel_elf_is(image->data, len))
		elf = memcpy(mem_zalloc(len), image->data, len);
	else if (bzimage_unpack(image->data, len, &elf, &len, err) < 0)
		return err_wrap(err, "cannot unpack the kernel");
	if (kernel_elf_check(elf, len, err) < 0)
		return err_wrap(err, "cannot use the kernel");
	kernel_elf_trim(elf);
	if (mkdirat(state->work->kernels_fd, KERNEL_NAME_CACHE, 0755) < 0 && errno != EEXIST)
		return err_errno(err, -errno, "cannot make the kernels' cache");
	if (kernel_install_file(state->work->fd, "vmlinux", elf, len, err) < 0)
		return err->code;
	if (renameat(state->work->fd, "vmlinux", state->work->kernels_fd, path) < 0)
		return err_errno(err, -errno, "cannot put the kernel into the cache");
	return 0;
}

static int kernel_install_vmlinux(struct kernel_install_state *state, struct err *err)
{
	_cleanup_free_ char *path =
		mem_printf(KERNEL_NAME_CACHE "/%s.vmlinux", state->install->image->digest);
	int kernels = state->work->kernels_fd;

	if (faccessat(kernels, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
	    kernel_install_unpack(state, path, err) < 0)
		return err->code;
	if (linkat(kernels, path, state->fd, "vmlinux", 0) < 0)
		return err_errno(err, -errno, "cannot link the kernel from the cache");
	return 0;
}

/*
 * Distributions make modules.dep when a kernel is installed, so a package has none. depmod looks for
 * lib/modules/RELEASE below a folder, which a symlink gives it.
 */
static int kernel_install_index(struct kernel_install_state *state, struct err *err)
{
	const char *release = state->install->image->release;
	_cleanup_free_ char *base = mem_printf("%s/depmod", state->work->path);
	_cleanup_free_ char *folder = mem_printf("%s/lib/modules", base);
	_cleanup_free_ char *link = mem_printf("%s/%s", folder, release);
	const char *const argv[] = { "depmod", "-b", base, release, NULL };
	struct child_spec spec = CHILD_SPEC_INIT;
	int r;

	if (faccessat(state->fd, "modules", F_OK, 0) < 0 ||
	    faccessat(state->fd, "modules/modules.dep", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	r = file_mkdir_p(folder, 0755);
	if (r == 0 && symlink("../../../new/modules", link) < 0)
		r = -errno;
	if (r < 0)
		return err_errno(err, r, "cannot make %s", link);
	spec.argv = (char *const *)argv;
	spec.hint = "install kmod";
	return child_run(&spec, err) < 0 ? err_wrap(err, "cannot index the kernel's modules") : 0;
}

static int kernel_install_initramfs(struct kernel_install_state *state, struct err *err)
{
	return kernel_pack_initramfs(state->fd, &state->record, err);
}

static int64_t kernel_install_size(int dirfd, const char *name)
{
	struct stat st;
	int64_t size = 0;
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int fd;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (!S_ISDIR(st.st_mode))
		return st.st_size;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	while (dir && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			size += kernel_install_size(fd, entry->d_name);
	}
	return size;
}

static int kernel_install_record(struct kernel_install_state *state, struct err *err)
{
	state->record.added = units_now();
	state->record.size = kernel_install_size(state->fd, ".");
	mem_replace(&state->record.source, state->install->source);
	mem_replace(&state->record.digest, state->install->image->digest);
	if (record_save(&kernel_record_table, &state->record, state->fd, KERNEL_RECORD, 0, err) < 0)
		return err->code;
	/* One sync for all of its files. */
	return syncfs(state->fd) < 0 ? err_errno(err, -errno, "cannot write the kernel") : 0;
}

static int kernel_install_publish(struct kernel_install_state *state, struct err *err)
{
	const char *name = state->install->name;
	int kernels = state->work->kernels_fd;

	if (renameat2(state->work->fd, "new", kernels, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EEXIST)
		return err_errno(err, -errno, "cannot move the kernel to %s/%s",
				 state->work->kernels, name);
	if (!state->install->replace)
		return err_set(err, -EEXIST,
			       "there is a kernel '%s' already: remove it first with 'brig kernel "
			       "rm %s', or give another name with --name",
			       name, name);
	if (renameat2(state->work->fd, "new", kernels, name, RENAME_EXCHANGE) < 0)
		return err_errno(err, -errno, "cannot replace the kernel '%s'", name);
	return 0;
}

static int kernel_install_default(struct kernel_install_state *state, struct err *err)
{
	if (!state->install->make_default)
		return 0;
	return kernel_offer_default(state->work, state->install->name, err);
}

int kernel_install(const struct kernel_work *work, const struct kernel_install *install,
		   struct err *err)
{
	static int (*const steps[])(struct kernel_install_state * state, struct err * err) = {
		kernel_install_vmlinuz,	  kernel_install_vmlinux, kernel_install_index,
		kernel_install_initramfs, kernel_install_record,  kernel_install_publish,
		kernel_install_default,
	};
	_cleanup_(kernel_install_release) struct kernel_install_state state = {
		.work = work,
		.install = install,
		.fd = openat(work->fd, "new", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	};

	if (state.fd < 0 || fchmod(state.fd, 0755) < 0)
		return err_errno(err, -errno, "cannot work in %s", work->path);
	state.record.release = mem_strdup(install->image->release);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		if (steps[i](&state, err) < 0)
			return err->code;
	}
	return 0;
}

static int kernel_pack_modules(int fd, struct initramfs_input *input,
			       struct modules_list *ret_modules, struct err *err)
{
	_cleanup_modules_index_ struct modules_index index = { { NULL } };

	input->modules_fd = openat(fd, "modules", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (input->modules_fd < 0 && errno == ENOENT)
		return 0;
	if (input->modules_fd < 0)
		return err_errno(err, -errno, "cannot open the kernel's modules");
	if (modules_read(input->modules_fd, &index, err) < 0)
		return err->code;
	return modules_select(&index, ret_modules, err);
}

int kernel_pack_initramfs(int fd, struct kernel_record *record, struct err *err)
{
	_cleanup_kernel_guest_ struct kernel_guest guest = { NULL };
	_cleanup_free_ char *init = NULL;
	_cleanup_modules_list_ struct modules_list modules = MODULES_LIST_INIT;
	_cleanup_buf_ struct buf cpio = BUF_INIT;
	struct initramfs_input input = { .release = record->release, .modules_fd = -EBADF };
	char digest[DIGEST_HEX_SIZE];
	int r = kernel_guest_find(&guest, err);

	if (r == 0)
		r = kernel_guest_read(&guest, &init, &input.init_len, digest, err);
	if (r == 0)
		r = kernel_pack_modules(fd, &input, &modules, err);
	input.init = init;
	input.modules = modules;
	if (r == 0)
		r = initramfs_build(&input, &cpio, err);
	fd_close(input.modules_fd);
	if (r < 0)
		return err_wrap(err, "cannot make the initramfs");
	r = file_replace(fd, "initramfs.img", cpio.data, cpio.len, 0644, 1);
	if (r < 0)
		return err_errno(err, r, "cannot write the initramfs");
	mem_replace(&record->guest, digest);
	mem_replace(&record->guest_stamp, guest.stamp);
	return 0;
}
