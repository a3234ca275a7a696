// SPDX-License-Identifier: GPL-2.0-or-later
#include "image/initramfs.h"
#include "base/mem.h"
#include "base/strv.h"
#include "image/decompress.h"
#include "image/kernel-internal.h"

#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define INITRAMFS_MODULE_MAX (32U << 20) /* of one module, unpacked; the largest has 5 MiB */
#define INITRAMFS_MAX	     (128U << 20)

struct initramfs {
	struct buf *out;
	unsigned int inodes;
	char **folders; /* made so far */
};

static void initramfs_release(struct initramfs *cpio)
{
	cpio->folders = strv_free(cpio->folders);
}

static void initramfs_pad(struct initramfs *cpio)
{
	buf_add(cpio->out, "\0\0\0", -cpio->out->len & 3);
}

static void initramfs_add(struct initramfs *cpio, const char *name, mode_t mode, dev_t device,
			  const void *data, size_t len)
{
	/* magic, ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor,
	 * rdevminor, namesize with the NUL, check */
	buf_printf(cpio->out, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		   ++cpio->inodes, mode, 0U, 0U, 1U, 0U, (unsigned int)len, 0U, 0U, major(device),
		   minor(device), (unsigned int)strlen(name) + 1, 0U);
	buf_add(cpio->out, name, strlen(name) + 1);
	initramfs_pad(cpio);
	if (len)
		buf_add(cpio->out, data, len);
	initramfs_pad(cpio);
}

/* The folders on the way to path, each once. */
static void initramfs_add_parents(struct initramfs *cpio, const char *path)
{
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		_cleanup_free_ char *folder = mem_strndup(path, (size_t)(slash - path));

		if (strv_has(cpio->folders, folder))
			continue;
		initramfs_add(cpio, folder, S_IFDIR | 0755, 0, NULL, 0);
		strv_add_take(&cpio->folders, take_ptr(folder));
	}
}

static void initramfs_add_file(struct initramfs *cpio, const char *path, mode_t mode,
			       const void *data, size_t len)
{
	initramfs_add_parents(cpio, path);
	initramfs_add(cpio, path, S_IFREG | mode, 0, data, len);
}

/* The module as the kernel loads it. */
static int initramfs_read_module(int fd, const char *path, char **ret, size_t *ret_len,
				 struct err *err)
{
	_cleanup_close_ int file = modules_open(fd, path);
	const struct decompress_format *format;
	_cleanup_free_ char *packed = NULL;
	size_t len = 0;
	int r = file < 0 ? file : kernel_read_fd(file, INITRAMFS_MODULE_MAX, &packed, &len);

	if (r < 0)
		return err_errno(err, r, "cannot read the module %s", path);
	format = decompress_detect(packed, len);
	if (!format) {
		*ret = take_ptr(packed);
		*ret_len = len;
		return 0;
	}
	r = decompress_new(format, packed, len, INITRAMFS_MODULE_MAX, ret, ret_len);
	return r < 0 ? err_errno(err, r, "cannot unpack the module %s", path) : 0;
}

static int initramfs_add_module(struct initramfs *cpio, const struct initramfs_input *input,
				const char *path, struct buf *list, struct err *err)
{
	const char *suffix = strstr(path, ".ko");
	_cleanup_free_ char *data = NULL, *name = NULL;
	size_t len = 0;

	if (initramfs_read_module(input->modules_fd, path, &data, &len, err) < 0)
		return err->code;
	if (cpio->out->len + len > INITRAMFS_MAX)
		return err_set(err, -EFBIG, "the modules that root needs are too large");
	name = mem_printf("lib/modules/%s/%.*s.ko", input->release, (int)(suffix - path), path);
	initramfs_add_file(cpio, name, 0644, data, len);
	buf_printf(list, "/%s\n", name);
	return 0;
}

static int initramfs_add_modules(struct initramfs *cpio, const struct initramfs_input *input,
				 char *const *paths, const char *list_name, struct err *err)
{
	_cleanup_buf_ struct buf list = BUF_INIT;

	strv_for_each(path, paths) {
		if (initramfs_add_module(cpio, input, *path, &list, err) < 0)
			return err->code;
	}
	initramfs_add_file(cpio, list_name, 0644, list.data, list.len);
	return 0;
}

int initramfs_build(const struct initramfs_input *input, struct buf *ret, struct err *err)
{
	static const char *const folders[] = { "dev", "proc", "sys" };
	const struct {
		const char *name;
		char *const *paths;
	} lists[] = {
		{ "etc/modules", input->modules.first },
		{ "etc/modules.later", input->modules.later },
		{ "etc/modules.shares", input->modules.shares },
		{ "etc/modules.nets", input->modules.nets },
	};
	_cleanup_buf_ struct buf out = BUF_INIT;
	_cleanup_(initramfs_release) struct initramfs cpio = { .out = &out };

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		initramfs_add(&cpio, folders[i], S_IFDIR | 0755, 0, NULL, 0);
	initramfs_add(&cpio, "dev/console", S_IFCHR | 0600, makedev(5, 1), NULL, 0);
	if (input->init)
		initramfs_add_file(&cpio, "init", 0755, input->init, input->init_len);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		if (initramfs_add_modules(&cpio, input, lists[i].paths, lists[i].name, err) < 0)
			return err->code;
	}
	initramfs_add(&cpio, "TRAILER!!!", 0, 0, NULL, 0);
	*ret = out;
	out = BUF_INIT;
	return 0;
}
