// SPDX-License-Identifier: GPL-2.0-or-later
#include "instance/boot.h"
#include "base/mem.h"
#include "sys/mnt.h"

#include <string.h>

/*
 * A kernel's package lies in one layer whole, so the layers are looked at one by one, the topmost first;
 * none needs to be attached anywhere for that.
 */
static int boot_try_layer(const char *root, const char *layer_path, struct kernel_files *ret,
			  struct err *err)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int mount = -EBADF;
	int r;

	/* a user's layer lies beside its disk, where he can look at it */
	if (geteuid()) {
		path = mem_printf("%s/../fs", layer_path);
		return kernel_from_rootfs(root, path, ret, err);
	}
	r = mnt_erofs(layer_path, &mount, err);
	if (r < 0)
		return r;
	path = mem_printf("/proc/self/fd/%d", mount);
	return kernel_from_rootfs(root, path, ret, err);
}

static int boot_find_image_kernel(const char *root, const struct instance *record,
				  char *const *layer_paths, struct kernel_files *ret,
				  struct err *err)
{
	struct err last = ERR_INIT;

	err_set(&last, -ENOENT, "the image has no layers");
	for (size_t i = strv_len(layer_paths); i > 0; i--) {
		last = ERR_INIT;
		if (boot_try_layer(root, layer_paths[i - 1], ret, &last) == 0)
			return 0;
		if (last.code != -ENOENT)
			break;
	}
	*err = last;
	return err_wrap(err, "image %s, --kernel image", record->image);
}

int boot_find_kernel(const char *root, const struct instance *record, char *const *layer_paths,
		     struct kernel_files *ret, struct err *err)
{
	if (record->kernel && !strcmp(record->kernel, "image"))
		return boot_find_image_kernel(root, record, layer_paths, ret, err);
	return kernel_get(root, record->kernel, ret, err);
}
